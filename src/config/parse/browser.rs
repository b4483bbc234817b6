//! What a person wrote about pages in `[proxy]`: `reload`, `editor`, `waiting`.

use std::time::Duration;

use toml::de::DeValue;

use super::super::{
    table::{Report, Table, Zero, choose, kind},
    written::Proxy,
};
use crate::{error::Problem, plan::Reload};

/// Editors by name, and the addresses that open a file in them. VS Code and its kin: "Opening VS Code with URLs" in its
/// documentation; Zed: `zed://file`; JetBrains: `idea://open`.
const EDITORS: [(&str, &str); 8] = [
    ("vscode", "vscode://file{file}:{line}:{column}"),
    ("vscode-insiders", "vscode-insiders://file{file}:{line}:{column}"),
    ("vscodium", "vscodium://file{file}:{line}:{column}"),
    ("cursor", "cursor://file{file}:{line}:{column}"),
    ("windsurf", "windsurf://file{file}:{line}:{column}"),
    ("zed", "zed://file{file}:{line}:{column}"),
    ("idea", "idea://open?file={file}&line={line}&column={column}"),
    ("goland", "goland://open?file={file}&line={line}&column={column}"),
];
/// Addresses that run something in the page instead of opening something outside of it.
const IN_THE_PAGE: [&str; 4] = ["javascript", "data", "vbscript", "blob"];

/// Fills in what is written about pages.
pub(super) fn pages(report: &mut Report, table: &Table<'_, '_>, proxy: &mut Proxy) {
    proxy.reload = reload(report, table);
    proxy.editor = editor(report, table);
    proxy.waiting = waiting(report, table);
    proxy.console = table.boolean(report, "console");
}

fn reload(report: &mut Report, table: &Table<'_, '_>) -> Option<Reload> {
    let value = table.get("reload")?;
    match value.get_ref() {
        DeValue::Boolean(true) => Some(Reload::Own),
        DeValue::Boolean(false) => Some(Reload::Never),
        DeValue::String(text) if *text == "all" => Some(Reload::All),
        other => {
            let what = match other {
                DeValue::String(text) => format!("`\"{text}\"`"),
                other => kind(other).to_owned(),
            };
            let problem = Problem::new(format!("`reload` must be `true`, `false` or `\"all\"`, not {what}"));
            let hint = "`true`: pages reload for swaps of the service that wrote them; `\"all\"`: for every swap";
            report.problem(problem.hint(hint), value.span());
            None
        }
    }
}

fn waiting(report: &mut Report, table: &Table<'_, '_>) -> Option<Option<Duration>> {
    let value = table.get("waiting")?;
    match value.get_ref() {
        DeValue::Boolean(false) => Some(None),
        DeValue::Boolean(true) => {
            let problem = Problem::new("`waiting` must be a time or `false`, not `true`");
            report.problem(problem.hint("such as `waiting = \"1s\"`, which it is anyway"), value.span());
            None
        }
        _ => table.time(report, "waiting", Zero::Allowed).map(|time| Some(time.value)),
    }
}

fn editor(report: &mut Report, table: &Table<'_, '_>) -> Option<String> {
    let written = table.string(report, "editor")?;
    let known = EDITORS.iter().find(|(name, _)| *name == written.value);
    if let Some((_, template)) = known {
        return Some((*template).to_owned());
    }
    let names: Vec<&str> = EDITORS.iter().map(|(name, _)| *name).collect();
    let Some((scheme, _)) = written.value.split_once(':') else {
        let problem = Problem::new(format!("`editor` cannot be `{}`", written.value));
        let hint = format!(
            "{}; or an address such as `\"vscode://file{{file}}:{{line}}:{{column}}\"`",
            choose(&written.value, &names)
        );
        report.problem(problem.hint(hint), written.span);
        return None;
    };
    let in_scheme = |letter: char| letter.is_ascii_alphanumeric() || "+-.".contains(letter);
    let is_scheme = scheme.starts_with(|letter: char| letter.is_ascii_alphabetic()) && scheme.chars().all(in_scheme);
    if !is_scheme || IN_THE_PAGE.iter().any(|bad| scheme.eq_ignore_ascii_case(bad)) {
        let problem = Problem::new(format!("`editor` cannot open `{scheme}:` addresses"));
        report.problem(problem.hint("the scheme is that of the editor, such as `vscode://`"), written.span);
        return None;
    }
    if !written.value.contains("{file}") {
        let problem = Problem::new("`editor` does not say where the file goes");
        report.problem(
            problem.hint("put `{file}` into it, and `{line}` and `{column}` where it knows them"),
            written.span,
        );
        return None;
    }
    Some(written.value)
}
