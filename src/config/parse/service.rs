//! The keys that only services have: `protocol`, `port`, `listen_fds`, `health`, `stop`.

use toml::{Spanned, de::DeValue};

use super::{
    super::{
        table::{Report, Table, Zero, choose, kind, listed, number},
        units,
        written::{At, Health, Stop},
    },
    keep, run,
};
use crate::{
    error::Problem,
    plan::{Port, Protocol},
};

const HEALTH: &[&str] = &["path", "status", "log", "tcp", "timeout", "interval"];
const STOP: &[&str] = &["signal", "grace", "run"];

pub(super) fn protocol(report: &mut Report, table: &Table<'_, '_>) -> Option<At<Protocol>> {
    table.choice(report, "protocol", &[("http", Protocol::Http), ("h2", Protocol::H2), ("h2c", Protocol::H2c)])
}

pub(super) fn port(report: &mut Report, table: &Table<'_, '_>) -> Option<At<Port>> {
    let value = table.get("port")?;
    let hint = "`port` is `\"auto\"`, a number or `\"none\"`";
    match value.get_ref() {
        DeValue::Integer(_) => {
            number(report, "port", value, 1..65_536).map(|port| At::new(Port::Fixed(port), value.span()))
        }
        DeValue::String(text) => match &**text {
            "auto" => Some(At::new(Port::Auto, value.span())),
            "none" => Some(At::new(Port::None, value.span())),
            other => {
                let hint = match other.parse::<u16>() {
                    Ok(port) => format!("write `port = {port}` without quotes"),
                    Err(_) => choose(other, &["auto", "none"]),
                };
                report.problem(Problem::new(format!("`port` cannot be `{other}`")).hint(hint), value.span());
                None
            }
        },
        other => {
            let problem = Problem::new(format!("`port` cannot be {}", kind(other)));
            report.problem(problem.hint(hint), value.span());
            None
        }
    }
}

pub(super) fn listen_fds(report: &mut Report, table: &Table<'_, '_>) -> Option<At<bool>> {
    table.boolean(report, "listen_fds").map(|handed| At::new(handed, table.key_span("listen_fds")))
}

pub(super) fn health(report: &mut Report, table: &Table<'_, '_>) -> Option<At<Health>> {
    let value = table.get("health")?;
    let health = match value.get_ref() {
        DeValue::String(text) => {
            Health { path: health_path(report, At::new(text.to_string(), value.span())), ..Health::default() }
        }
        DeValue::Table(entries) => {
            let table = Table::new(report, "`health`", entries, value.span(), HEALTH);
            let path = table.string(report, "path");
            Health {
                path: path.and_then(|path| health_path(report, path)),
                status: status(report, &table),
                log: log(report, &table),
                tcp: table.boolean(report, "tcp").map(|tcp| At::new(tcp, table.key_span("tcp"))),
                timeout: table.time(report, "timeout", Zero::Meaningless).map(|time| time.value),
                interval: table
                    .time(report, "interval", Zero::Meaningless)
                    .map(|time| At::new(time.value, table.key_span("interval"))),
            }
        }
        other => {
            let problem = Problem::new(format!("`health` must be a path or a table, not {}", kind(other)));
            let hint = format!("write `health = \"/health\"`, or a table with the keys {}", listed(HEALTH));
            report.problem(problem.hint(hint.replace(" or `", " and `")), value.span());
            return None;
        }
    };
    Some(At::new(health, value.span()))
}

fn health_path(report: &mut Report, path: At<String>) -> Option<At<String>> {
    let problem = if path.value.contains("://") {
        Problem::new("the health path is a whole URL").hint("write its path alone, such as `\"/health\"`")
    } else if !path.value.starts_with('/') {
        let hint = if path.value.is_empty() { "health" } else { &*path.value };
        Problem::new(format!("the health path `{}` does not start with `/`", path.value))
            .hint(format!("write `\"/{hint}\"`"))
    } else if !path.value.bytes().all(|byte| byte.is_ascii_graphic()) || path.value.contains('#') {
        Problem::new(format!("the health path `{}` cannot be sent as it is", path.value))
            .hint("write spaces and other letters percent-encoded, and no `#…`")
    } else {
        return Some(path);
    };
    report.problem(problem, path.span);
    None
}

fn status(report: &mut Report, table: &Table<'_, '_>) -> Option<At<Vec<u16>>> {
    let value = table.get("status")?;
    let elements: Vec<_> = match value.get_ref() {
        DeValue::Array(elements) => elements.iter().collect(),
        _ => vec![value],
    };
    let mut statuses = Vec::new();
    for element in elements {
        match element.get_ref() {
            DeValue::Integer(_) => statuses.extend(number(report, "status", element, 200..600)),
            other => {
                let problem =
                    Problem::new(format!("`status` must be a number or an array of them, not {}", kind(other)));
                report.problem(problem.hint("such as `200` or `[200, 204]`"), element.span());
            }
        }
    }
    Some(At::new(statuses, table.key_span("status")))
}

fn log(report: &mut Report, table: &Table<'_, '_>) -> Option<At<String>> {
    let log = table.string(report, "log")?;
    if log.value.is_empty() {
        let problem = Problem::new("`log` is empty: every line would match");
        report.problem(problem.hint("a piece of the line that says it is ready, such as `\"listening on\"`"), log.span);
        return None;
    }
    Some(At::new(log.value, table.key_span("log")))
}

pub(super) fn stop(report: &mut Report, table: &Table<'_, '_>) -> Option<Stop> {
    if let Some(DeValue::String(text)) = table.get("stop").map(Spanned::get_ref)
        && units::signal(text).is_ok()
    {
        let problem = Problem::new("`stop` must be a table, not a string");
        report.problem(problem.hint(format!("write `stop = {{ signal = \"{text}\" }}`")), table.key_span("stop"));
        return None;
    }
    let table = table.table(report, "stop", "`stop`", STOP)?;
    let signal = table.string(report, "signal").and_then(|text| {
        let checked = units::signal(&text.value);
        keep(report, checked, text.span)
    });
    Some(Stop {
        signal: signal.map(|signal| signal.value),
        grace: table.time(report, "grace", Zero::Allowed).map(|time| time.value),
        run: run(report, &table),
    })
}
