//! `[[hook]]` and `[notify]`: each of their values by itself.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::{
    super::{
        table::{Report, Table, Zero, choose, kind, string_array},
        written::{At, Hook, Notify},
    },
    run,
};
use crate::{
    error::Problem,
    plan::{Moment, WindowSigns},
};

const HOOK: &[&str] = &["on", "run", "shell", "timeout"];
const NOTIFY: &[&str] = &["desktop", "bell", "window"];

pub(super) fn hook(report: &mut Report, entries: &DeTable<'_>, span: Range<usize>) -> Hook {
    let table = Table::new(report, "`[[hook]]`", entries, span, HOOK);
    for (key, such_as) in [("on", "on = \"failed\""), ("run", "run = \"make-noise\"")] {
        if !table.has(key) {
            let problem = Problem::new(format!("`[[hook]]` has no `{key}`"));
            report.problem(problem.hint(format!("such as `{such_as}`")), table.span.clone());
        }
    }
    Hook {
        on: on(report, &table),
        run: run(report, &table),
        shell: table.string(report, "shell"),
        timeout: table.time(report, "timeout", Zero::Meaningless).map(|time| time.value),
    }
}

pub(super) fn notify(report: &mut Report, root: &Table<'_, '_>) -> Notify {
    let Some(table) = root.table(report, "notify", "`[notify]`", NOTIFY) else { return Notify::default() };
    let windows = [("auto", WindowSigns::Auto), ("always", WindowSigns::Always), ("never", WindowSigns::Never)];
    Notify {
        desktop: table.boolean(report, "desktop"),
        bell: table.boolean(report, "bell"),
        window: table.choice(report, "window", &windows).map(|window| window.value),
    }
}

/// One name or several.
fn on(report: &mut Report, table: &Table<'_, '_>) -> Vec<Moment> {
    let Some(value) = table.get("on") else { return Vec::new() };
    let words = match value.get_ref() {
        DeValue::String(text) => vec![At::new(text.to_string(), value.span())],
        DeValue::Array(_) => match string_array(report, "on", value) {
            Some(words) => words.value,
            None => return Vec::new(),
        },
        other => {
            let message = format!("`on` must be a string or an array of strings, not {}", kind(other));
            report.problem(Problem::new(message).hint("such as `\"failed\"`"), value.span());
            return Vec::new();
        }
    };
    if words.is_empty() {
        let problem = Problem::new("this hook waits for nothing");
        report.problem(problem.hint("such as `on = \"failed\"`"), value.span());
    }
    let mut moments = Vec::new();
    for word in words {
        match Moment::ALL.iter().find(|(name, _)| *name == word.value) {
            Some((_, moment)) if !moments.contains(moment) => moments.push(*moment),
            Some(_) => {}
            None => {
                let names: Vec<&str> = Moment::ALL.iter().map(|(name, _)| *name).collect();
                let problem = Problem::new(format!("`on` cannot be `{}`", word.value));
                report.problem(problem.hint(choose(&word.value, &names)), word.span);
            }
        }
    }
    moments
}
