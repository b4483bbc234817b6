//! How each fact is said: what happened, why, and how long it took.

use std::sync::Arc;

use crate::{
    core::fact::{Fact, Times},
    model::{Place, Report},
    plan::{Attach, Begin},
};

/// What a fact means to the reader; becomes a colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// It goes on.
    Neutral,
    /// A new program is live.
    Good,
    /// Something has failed.
    Bad,
    /// Something to know.
    Attention,
}

impl Tone {
    /// One word.
    pub fn name(self) -> &'static str {
        match self {
            Tone::Neutral => "neutral",
            Tone::Good => "good",
            Tone::Bad => "bad",
            Tone::Attention => "attention",
        }
    }
}

/// A fact in words.
#[derive(Debug, PartialEq, Eq)]
pub struct Said {
    /// What it means to the reader.
    pub tone: Tone,
    /// The fact itself.
    pub title: String,
    /// Lines that belong to it.
    pub details: Vec<String>,
}

/// The lines of output that a failure repeats.
const LAST_LINES: usize = 10;

/// The words for a fact.
pub fn say(fact: &Fact) -> Said {
    match fact {
        Fact::Saved { .. } | Fact::Unchanged { .. } => say_save(fact),
        Fact::StepStarted { .. }
        | Fact::StepDone { .. }
        | Fact::StepReused { .. }
        | Fact::StepFailed { .. }
        | Fact::Cancelled { .. }
        | Fact::Void { .. }
        | Fact::Breaker { .. } => say_step(fact),
        Fact::Starting { .. }
        | Fact::Probing { .. }
        | Fact::Debugging { .. }
        | Fact::DebuggingOver { .. }
        | Fact::Live { .. }
        | Fact::Kept { .. }
        | Fact::Assets { .. }
        | Fact::Files { .. }
        | Fact::StartFailed { .. }
        | Fact::Crashed { .. }
        | Fact::Stopped { .. }
        | Fact::Stale { .. }
        | Fact::Exclusive { .. } => say_service(fact),
        Fact::Pinned { .. } | Fact::Unpinned { .. } | Fact::Paused | Fact::Resumed { .. } => say_asked(fact),
        Fact::PlanChanged { .. }
        | Fact::PlanInvalid { .. }
        | Fact::Listening { .. }
        | Fact::Note { .. }
        | Fact::AtRest { .. }
        | Fact::Quitting { .. } => say_other(fact),
    }
}

fn say_save(fact: &Fact) -> Said {
    match fact {
        Fact::Saved { revision, files, count, settle_ms, reads } => {
            let files = files_shown(files, *count);
            neutral(format!(
                "saved {files}: revision {revision}, settled in {}, read by {}",
                time(*settle_ms),
                names(reads)
            ))
        }
        Fact::Unchanged { files, why } => {
            neutral(format!("nothing to do for {}: {why}", files_shown(files, files.len())))
        }
        other => say_other(other),
    }
}

fn say_step(fact: &Fact) -> Said {
    match fact {
        Fact::StepStarted { revision, step, why, .. } => neutral(format!("{step} runs for revision {revision}: {why}")),
        Fact::StepDone { step, took_ms, result, .. } if result.is_empty() => {
            neutral(format!("{step} done in {}", time(*took_ms)))
        }
        Fact::StepDone { step, took_ms, result, .. } => neutral(format!("{step} done in {}: {result}", time(*took_ms))),
        Fact::StepReused { revision, step, made_by } => {
            neutral(format!("{step} not needed for revision {revision}: run {made_by} made it from the same content"))
        }
        Fact::StepFailed { step, exit, took_ms, report, .. } => {
            // What is told already is not told again.
            let usual = format!("step `{step}` failed: {exit}");
            let how = if report.title == usual { exit.to_string() } else { report.title.clone() };
            Said {
                tone: Tone::Bad,
                title: format!("{step} failed after {}: {how}", time(*took_ms)),
                details: report_details(report),
            }
        }
        Fact::Cancelled { run, name, why } => neutral(format!("{name} cancelled (run {run}): {why}")),
        Fact::Void { step, file, .. } => attention(format!("{step} runs again: {file} was written while it ran")),
        Fact::Breaker { step, file, wait_ms, hint } => Said {
            tone: Tone::Attention,
            title: format!("{step} waits {}: {file} starts it again and again", time(*wait_ms)),
            details: vec![format!("hint: {hint}")],
        },
        other => say_other(other),
    }
}

fn say_service(fact: &Fact) -> Said {
    match fact {
        Fact::Starting { revision, service, swap, why, .. } => {
            neutral(format!("{service} starts for revision {revision} ({swap}): {why}"))
        }
        Fact::Probing { service, pid, port, .. } => {
            let port = port.map(|port| format!(" on port {port}")).unwrap_or_default();
            neutral(format!("{service} runs as process {pid}{port}: waiting until it is ready"))
        }
        Fact::Debugging { service, debugger, address, begin, attach, .. } => {
            let waits = match begin {
                Begin::Run => "",
                Begin::Wait => ", and waits for that before its first line",
            };
            let title = format!("{service} runs under {debugger}: attach to {address}{waits}");
            let details = attach.iter().map(|Attach { editor, how }| format!("{editor}: {how}")).collect();
            Said { tone: Tone::Attention, title, details }
        }
        Fact::DebuggingOver { service } => neutral(format!("{service} is not debugged any more")),
        Fact::Live { revision, service, times, warning, stale, .. } => {
            let mut details = Vec::new();
            details.extend(warning.iter().map(|warning| format!("warning: {warning}")));
            details.extend(stale.iter().map(|why| format!("already stale: {why}")));
            let tone = if details.is_empty() { Tone::Good } else { Tone::Attention };
            Said { tone, title: format!("{service} live: revision {revision}, {}", times_shown(times)), details }
        }
        Fact::Assets { service, files, count } => {
            neutral(format!("pages of {service} are told of {}", files_shown(files, *count)))
        }
        Fact::Files { files, count, .. } => neutral(format!("pages are told of {}", files_shown(files, *count))),
        Fact::Kept { revision, service, why } => neutral(format!("{service} stays for revision {revision}: {why}")),
        Fact::StartFailed { revision, service, took_ms, report, serving, .. } => Said {
            tone: Tone::Bad,
            title: format!(
                "{service} did not come up for revision {revision} after {}: {}; {serving}",
                time(*took_ms),
                report.title
            ),
            details: report_details(report),
        },
        Fact::Crashed { service, exit, report, restart_in_ms, .. } => {
            let what = if exit.is_success() { "ended by itself" } else { "crashed" };
            let next = match restart_in_ms {
                Some(wait) if *wait < 0.5 => "starts again at once".to_owned(),
                Some(wait) => format!("starts again in {}", time(*wait)),
                None => "left alone until the next change".to_owned(),
            };
            Said {
                tone: Tone::Bad,
                title: format!("{service} {what}: {exit}; {next}"),
                details: report_details(report),
            }
        }
        Fact::Stopped { run, name, exit } => neutral(format!("{name} stopped (run {run}): {exit}")),
        Fact::Stale { service, why } => attention(format!("{service} is stale: {why}")),
        Fact::Exclusive { service, why } => {
            attention(format!("{service} is replaced exclusively from now on, the old one stops first: {why}"))
        }
        other => say_other(other),
    }
}

fn say_asked(fact: &Fact) -> Said {
    match fact {
        Fact::Pinned { service, revision } => {
            attention(format!("{service} goes back to revision {revision}; the next save goes forward again"))
        }
        Fact::Unpinned { service, why } => neutral(format!("{service} goes forward again: {why}")),
        Fact::Paused => attention("watching is paused: saves start nothing until `devloop resume`".to_owned()),
        Fact::Resumed { files: 0 } => neutral("watching goes on: nothing was written meanwhile".to_owned()),
        Fact::Resumed { files: 1 } => neutral("watching goes on: 1 file was written meanwhile".to_owned()),
        Fact::Resumed { files } => neutral(format!("watching goes on: {files} files were written meanwhile")),
        other => say_other(other),
    }
}

fn say_other(fact: &Fact) -> Said {
    match fact {
        Fact::PlanChanged { touched } if touched.is_empty() => {
            neutral("dev.toml changed: nothing has to start again".to_owned())
        }
        Fact::PlanChanged { touched } => neutral(format!("dev.toml changed: {}", names(touched))),
        Fact::PlanInvalid { report } => Said {
            tone: Tone::Bad,
            title: format!("the old plan stays: {}", report.title),
            details: report_details(report),
        },
        Fact::Listening { url, .. } => neutral(format!("listening on {url}")),
        Fact::Note { text, hint } => Said {
            tone: Tone::Attention,
            title: text.clone(),
            details: hint.iter().map(|hint| format!("hint: {hint}")).collect(),
        },
        Fact::AtRest { ok: true, revision } => neutral(format!("at rest: everything is at revision {revision}")),
        Fact::AtRest { ok: false, revision } => {
            attention(format!("at rest: revision {revision} is not live, see above"))
        }
        Fact::Quitting { why } => neutral(format!("ending: {why}")),
        // Each group above names its own facts.
        other => neutral(format!("{other:?}")),
    }
}

fn neutral(title: String) -> Said {
    Said { tone: Tone::Neutral, title, details: Vec::new() }
}

fn attention(title: String) -> Said {
    Said { tone: Tone::Attention, title, details: Vec::new() }
}

/// Places first, then the last lines of output, then the hint.
fn report_details(report: &Report) -> Vec<String> {
    let mut details: Vec<String> = report.places.iter().map(place).collect();
    let skipped = report.output.len().saturating_sub(LAST_LINES);
    if !report.output.is_empty() {
        details.push(if skipped == 0 {
            "output:".to_owned()
        } else {
            format!("output, {skipped} lines above left out:")
        });
    }
    details.extend(report.output.iter().skip(skipped).map(|line| format!("  {line}")));
    details.extend(report.hint.iter().map(|hint| format!("hint: {hint}")));
    details
}

pub(super) fn place(place: &Place) -> String {
    let column = place.column.map(|column| format!(":{column}")).unwrap_or_default();
    format!("{}:{}{column}: {}", place.file, place.line, place.message)
}

/// `a.go, b.go, c.go and 7 more`
fn files_shown(files: &[String], count: usize) -> String {
    const SHOWN: usize = 3;
    let shown: Vec<&str> = files.iter().take(SHOWN).map(String::as_str).collect();
    let more = count.saturating_sub(shown.len());
    match (shown.is_empty(), more) {
        (true, more) => format!("{more} files"),
        (false, 0) => shown.join(", "),
        (false, more) => format!("{} and {more} more", shown.join(", ")),
    }
}

fn names(names: &[Arc<str>]) -> String {
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}

/// `total 412 ms (settle 11, build 310, start 3, ready 85, swap 1)`
pub(super) fn times_shown(times: &Times) -> String {
    let mut parts: Vec<(&str, f64)> = Vec::new();
    parts.extend(times.settle_ms.map(|settle| ("settle", settle)));
    parts.extend(times.steps.iter().map(|(step, took)| (&**step, *took)));
    parts.extend([("start", times.start_ms), ("ready", times.ready_ms), ("swap", times.swap_ms)]);
    let unit_for_each = times.total_ms >= LONG_MS;
    let part = |(name, took): &(&str, f64)| match unit_for_each {
        true => format!("{name} {}", time(*took)),
        false => format!("{name} {took:.0}"),
    };
    let parts: Vec<String> = parts.iter().map(part).collect();
    format!("total {} ({})", time(times.total_ms), parts.join(", "))
}

/// From here on, seconds are easier to read.
const LONG_MS: f64 = 10_000.0;

/// `412 ms`, `12.3 s`
fn time(millis: f64) -> String {
    if millis >= LONG_MS { format!("{:.1} s", millis / 1_000.0) } else { format!("{millis:.0} ms") }
}
