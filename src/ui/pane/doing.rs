//! What is going on, in one line: what is waited for, why, and how far it is.

use super::view::{Seat, View};
use crate::{
    core::status::{ServiceStatus, StepState, StepStatus, WatchingState},
    model::Time,
    ui::wording::Tone,
};

/// One line about now.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Doing {
    pub(super) tone: Tone,
    pub(super) text: String,
    /// From 0 to 1, where earlier runs say how long it takes.
    pub(super) share: Option<f64>,
    /// Whether its words change while time passes.
    pub(super) pace: Pace,
}

/// Whether a picture is out of date by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// It stays true until something happens.
    Still,
    /// It counts time.
    Ticking,
}

/// How the project is, in one word or two.
pub(super) fn state(view: &View) -> (Tone, &'static str) {
    let status = &view.status;
    let has_failed = status.invalid_plan.is_some()
        || status.steps.iter().any(|step| step.state == StepState::Failed)
        || status.services.iter().any(|service| service.report.is_some());
    match () {
        () if view.ending.is_some() => (Tone::Attention, "ending"),
        () if status.watching == WatchingState::Paused => (Tone::Attention, "paused"),
        () if has_failed && status.at_rest => (Tone::Bad, "failed"),
        () if !status.at_rest => (Tone::Attention, "at work"),
        () if status.services.iter().any(|service| service.pinned.is_some()) => (Tone::Attention, "rolled back"),
        () if status.services.iter().any(|service| service.stale.is_some()) => (Tone::Attention, "stale"),
        () if status.services.iter().any(|service| service.live.is_none()) => (Tone::Attention, "not all live"),
        () => (Tone::Good, "live"),
    }
}

/// What is going on, most pressing first.
pub(super) fn doing(view: &View) -> Doing {
    let status = &view.status;
    let still = |tone, text| Doing { tone, text, share: None, pace: Pace::Still };
    if let Some(why) = &view.ending {
        let key = if view.seat == Seat::Own { "; q ends them at once" } else { "" };
        return still(Tone::Attention, format!("ending ({why}): waits for programs to end{key}"));
    }
    let mut running = status.steps.iter().filter(|step| step.state == StepState::Running);
    if let Some(step) = running.next() {
        return of_step(view, step, running.count());
    }
    if let Some(service) = status.services.iter().find(|service| service.starting.is_some()) {
        return of_start(view, service);
    }
    if let Some(step) = status.steps.iter().find(|step| step.state == StepState::Stopping) {
        return still(Tone::Attention, format!("stops {}: a newer save makes it useless", step.name));
    }
    if status.watching == WatchingState::Paused {
        let saved = match status.settling.as_slice() {
            [] => "nothing was saved yet".to_owned(),
            files => format!("saved meanwhile: {}", files.join(", ")),
        };
        return still(Tone::Attention, format!("paused, p resumes; {saved}"));
    }
    if !status.settling.is_empty() {
        return still(Tone::Attention, format!("waits until a save is over: {}", status.settling.join(", ")));
    }
    // Behind a step that has failed nothing is going to run.
    let is_over = state(view).0 == Tone::Bad;
    if let Some(step) = status.steps.iter().find(|step| step.state == StepState::Waiting && !is_over) {
        let why = step.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        return still(Tone::Attention, format!("{} is to run{why}", step.name));
    }
    if let Some(pinned) = status.services.iter().find_map(|service| service.pinned) {
        return still(Tone::Attention, format!("rolled back to revision {pinned} until the next save; p lets go"));
    }
    match (&view.last_live, state(view)) {
        (_, (Tone::Bad, _)) => still(Tone::Neutral, "waits for a save that mends it".to_owned()),
        (Some(live), _) => still(Tone::Neutral, live.clone()),
        (None, _) => still(Tone::Neutral, "waits for saves".to_owned()),
    }
}

fn of_step(view: &View, step: &StepStatus, more: usize) -> Doing {
    let why = step.why.as_ref().map(|why| format!("{why}; ")).unwrap_or_default();
    let (time, share) = progress(view.now, step.began_ms, step.expected_ms);
    let more = if more > 0 { format!("; {more} more at work") } else { String::new() };
    let text = format!("{why}{} runs{time}{more}", step.name);
    Doing { tone: Tone::Attention, text, share, pace: Pace::Ticking }
}

fn of_start(view: &View, service: &ServiceStatus) -> Doing {
    let began = service.starting.as_ref().map(|instance| instance.since_ms);
    let (time, share) = progress(view.now, began, service.expected_ms);
    let text = format!("{} starts, waits until it is ready{time}", service.name);
    Doing { tone: Tone::Attention, text, share, pace: Pace::Ticking }
}

/// `, 1.2 s of about 1.4 s`, and the share of it.
fn progress(now: Time, began_ms: Option<f64>, expected_ms: Option<f64>) -> (String, Option<f64>) {
    let Some(began) = began_ms else { return (String::new(), None) };
    let spent = spent(now, began);
    match expected_ms {
        Some(expected) if expected > 0.0 => {
            (format!(", {} of about {}", time(spent), time(expected)), Some(spent / expected))
        }
        _ => (format!(", {} so far", time(spent)), None),
    }
}

/// Milliseconds since then.
pub(super) fn spent(now: Time, began_ms: f64) -> f64 {
    (now.since_start().as_secs_f64() * 1_000.0 - began_ms).max(0.0)
}

/// A duration that is being looked at: `0.4 s`, `12 s`, `3 min 5 s`.
pub(super) fn time(millis: f64) -> String {
    let tenths = (millis / 100.0).floor();
    let seconds = (millis / 1_000.0).floor();
    match () {
        () if tenths < 100.0 => format!("{:.1} s", tenths / 10.0),
        () if seconds < 60.0 => format!("{seconds:.0} s"),
        () => format!("{:.0} min {:.0} s", (seconds / 60.0).floor(), seconds % 60.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_as_exact_as_one_can_read() {
        assert_eq!([time(0.0), time(1_234.0), time(9_999.0)], ["0.0 s", "1.2 s", "9.9 s"]);
        assert_eq!([time(12_345.0), time(185_000.0)], ["12 s", "3 min 5 s"]);
    }
}
