//! `debug` of a service.

use toml::de::DeValue;

use super::{
    super::{
        table::{Report, Table, kind, listed, number},
        written::{At, Debug, Run, With},
    },
    run,
};
use crate::{
    error::{Problem, did_you_mean},
    plan::Debugger,
};

const DEBUG: &[&str] = &["run", "port", "wait"];

pub(super) fn debug(report: &mut Report, table: &Table<'_, '_>) -> Option<Debug> {
    let value = table.get("debug")?;
    match value.get_ref() {
        DeValue::String(text) => {
            let text = At::new(text.to_string(), value.span());
            Some(Debug { with: with(report, Run::Text(text)), ..Debug::default() })
        }
        DeValue::Table(entries) => {
            let table = Table::new(report, "`debug`", entries, value.span(), DEBUG);
            Some(Debug {
                with: run(report, &table).and_then(|run| with(report, run)),
                port: port(report, &table),
                wait: table.boolean(report, "wait").map(|wait| At::new(wait, table.key_span("wait"))),
            })
        }
        other => {
            let problem = Problem::new(format!("`debug` must be a string or a table, not {}", kind(other)));
            let hint = format!(
                "write the name of a debugger, a command with `{{debug_port}}`, or a table with the keys {}",
                listed(DEBUG)
            );
            report.problem(problem.hint(hint.replace(" or `wait", " and `wait")), value.span());
            None
        }
    }
}

/// One word is the name of a debugger.
fn with(report: &mut Report, run: Run) -> Option<With> {
    let Run::Text(text) = &run else { return Some(With::Own(run)) };
    let word = text.value.trim();
    if let Some((_, debugger)) = Debugger::ALL.iter().find(|(name, _)| *name == word) {
        return Some(With::Known(*debugger));
    }
    if word.contains(char::is_whitespace) || word.is_empty() {
        return Some(With::Own(run));
    }
    let names = Debugger::ALL.map(|(name, _)| name);
    let problem = Problem::new(format!("devloop knows no debugger `{word}`"));
    let hint = match did_you_mean(word, names.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("it is {}, or a command with `{{debug_port}}` in it", listed(&names)),
    };
    report.problem(problem.hint(hint), text.span.clone());
    None
}

fn port(report: &mut Report, table: &Table<'_, '_>) -> Option<At<u16>> {
    let value = table.get("port")?;
    match value.get_ref() {
        DeValue::Integer(_) => {
            number(report, "port", value, 1..65_536).map(|port| At::new(port, table.key_span("port")))
        }
        other => {
            let problem = Problem::new(format!("`port` of a debugger must be a number, not {}", kind(other)));
            let hint = "such as `2345`; without it: the usual one of the debugger, or the next free one";
            report.problem(problem.hint(hint), value.span());
            None
        }
    }
}
