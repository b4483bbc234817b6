//! Which hook starts when: facts in, calls out. Each hook runs once at a time; what happens while it runs waits, and of
//! that only the newest. It starts nothing itself.

use std::sync::Arc;

use crate::{
    core::fact::Fact,
    model::{Report, Revision},
    plan::{Hook, Moment, Notify},
};

/// The hooks of a plan, and which of them run.
#[derive(Debug, Default)]
pub struct Hooks {
    hooks: Vec<State>,
    notify: Notify,
    mood: Mood,
}

/// Idle => Running => (Idle | Running, with what waited).
#[derive(Debug)]
struct State {
    hook: Arc<Hook>,
    work: Work,
}

#[derive(Debug)]
enum Work {
    Idle,
    Running { waiting: Option<Box<Occasion>> },
}

/// Whether something has failed that has not been made good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Mood {
    #[default]
    Good,
    Bad,
}

/// What happened, as a hook is told.
#[derive(Clone, Debug, PartialEq)]
pub struct Occasion {
    /// Which of the moments.
    pub moment: Moment,
    /// The fact.
    pub fact: Fact,
    /// The revision it belongs to, where it belongs to one.
    pub revision: Option<Revision>,
    /// The step or service it is about.
    pub name: Option<Arc<str>>,
    /// `file:line:column` of the first place in a failure.
    pub place: Option<String>,
}

/// What is to be done now.
#[derive(Clone, Debug, PartialEq)]
pub enum Call {
    /// Start this hook; `Hooks::ended` must follow.
    Start {
        /// Which: to be given back.
        index: usize,
        /// The hook.
        hook: Arc<Hook>,
        /// Why.
        occasion: Occasion,
    },
    /// Show a notification on the desktop.
    Desktop(Occasion),
    /// Ring the terminal's bell.
    Bell,
}

impl Hooks {
    /// Those of a plan. What runs goes on where the hook is still the same.
    pub fn adopt(&mut self, hooks: &[Arc<Hook>], notify: Notify) {
        self.notify = notify;
        let running: Vec<_> = self.hooks.iter().map(|state| matches!(state.work, Work::Running { .. })).collect();
        self.hooks = hooks
            .iter()
            .enumerate()
            .map(|(index, hook)| {
                // An index means the same run for whoever started it, so one that runs keeps its place.
                let goes_on = running.get(index).copied().unwrap_or(false);
                let work = if goes_on { Work::Running { waiting: None } } else { Work::Idle };
                State { hook: hook.clone(), work }
            })
            .collect();
    }

    /// A fact was told: what is to be done about it.
    pub fn hear(&mut self, fact: &Fact) -> Vec<Call> {
        let Some(occasion) = self.occasion(fact) else { return Vec::new() };
        let mut calls = Vec::new();
        if matches!(occasion.moment, Moment::Failed | Moment::Recovered) {
            calls.extend(self.notify.bell.then_some(Call::Bell));
            calls.extend(self.notify.desktop.then(|| Call::Desktop(occasion.clone())));
        }
        for (index, state) in self.hooks.iter_mut().enumerate() {
            if !state.hook.on.contains(&occasion.moment) {
                continue;
            }
            match &mut state.work {
                Work::Running { waiting } => *waiting = Some(Box::new(occasion.clone())),
                Work::Idle => {
                    state.work = Work::Running { waiting: None };
                    calls.push(Call::Start { index, hook: state.hook.clone(), occasion: occasion.clone() });
                }
            }
        }
        calls
    }

    /// The run of this hook is over: what waited for that.
    pub fn ended(&mut self, index: usize) -> Option<Call> {
        let state = self.hooks.get_mut(index)?;
        let Work::Running { waiting } = std::mem::replace(&mut state.work, Work::Idle) else { return None };
        let occasion = *waiting?;
        state.work = Work::Running { waiting: None };
        Some(Call::Start { index, hook: state.hook.clone(), occasion })
    }

    fn occasion(&mut self, fact: &Fact) -> Option<Occasion> {
        let (moment, revision, name, report) = match fact {
            Fact::StepFailed { revision, step, report, .. } => {
                (Moment::Failed, Some(*revision), Some(step), Some(report))
            }
            Fact::StartFailed { revision, service, report, .. } => {
                (Moment::Failed, Some(*revision), Some(service), Some(report))
            }
            Fact::Crashed { service, report, .. } => (Moment::Failed, None, Some(service), Some(report)),
            Fact::PlanInvalid { report } => (Moment::Failed, None, None, Some(report)),
            Fact::Live { revision, service, .. } => (Moment::Live, Some(*revision), Some(service), None),
            Fact::Stale { service, .. } => (Moment::Stale, None, Some(service), None),
            Fact::Saved { revision, .. } => (Moment::Saved, Some(*revision), None, None),
            Fact::AtRest { ok: true, revision } if self.mood == Mood::Bad => {
                (Moment::Recovered, Some(*revision), None, None)
            }
            _ => return None,
        };
        match moment {
            Moment::Failed => self.mood = Mood::Bad,
            Moment::Recovered => self.mood = Mood::Good,
            Moment::Live | Moment::Stale | Moment::Saved => {}
        }
        let place = report.and_then(first_place);
        Some(Occasion { moment, fact: fact.clone(), revision, name: name.cloned(), place })
    }
}

fn first_place(report: &Report) -> Option<String> {
    let place = report.places.first()?;
    let column = place.column.map(|column| format!(":{column}")).unwrap_or_default();
    Some(format!("{}:{}{column}", place.file, place.line))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        model::{Exit, Place, RunId},
        plan::Command,
    };

    fn hook(on: &[Moment]) -> Arc<Hook> {
        let run = Command::parse("true", &[], None).expect("a command");
        Arc::new(Hook { on: on.to_vec(), run, timeout: Duration::from_secs(1) })
    }

    fn hooks(of: &[&[Moment]], notify: Notify) -> Hooks {
        let mut hooks = Hooks::default();
        hooks.adopt(&of.iter().map(|on| hook(on)).collect::<Vec<_>>(), notify);
        hooks
    }

    fn failed(revision: u64) -> Fact {
        let place = Place { file: "a.go".to_owned(), line: 3, column: Some(7), message: String::new() };
        Fact::StepFailed {
            revision: Revision(revision),
            run: RunId(1),
            step: "build".into(),
            exit: Exit::Code(1),
            took_ms: 1.0,
            report: Report { places: vec![place], ..Report::new("x") },
        }
    }

    fn rest(ok: bool) -> Fact {
        Fact::AtRest { ok, revision: Revision(9) }
    }

    /// `index moment revision` of every start, `bell` and `desktop`.
    fn said(calls: impl IntoIterator<Item = Call>) -> Vec<String> {
        let say = |call| match call {
            Call::Start { index, occasion, .. } => {
                let revision = occasion.revision.map(|revision| revision.to_string()).unwrap_or_default();
                format!("{index} {} {revision}", occasion.moment.name())
            }
            Call::Desktop(occasion) => format!("desktop {}", occasion.moment.name()),
            Call::Bell => "bell".to_owned(),
        };
        calls.into_iter().map(say).collect()
    }

    #[test]
    fn a_hook_starts_at_its_moments_only() {
        let mut hooks = hooks(&[&[Moment::Failed], &[Moment::Recovered, Moment::Failed]], Notify::default());
        assert_eq!(said(hooks.hear(&rest(true))), Vec::<String>::new());
        assert_eq!(said(hooks.hear(&failed(2))), ["0 failed 2", "1 failed 2"]);
        assert_eq!(said(hooks.hear(&rest(false))), Vec::<String>::new());
    }

    #[test]
    fn all_is_well_again_only_after_a_failure_and_only_once() {
        let mut hooks = hooks(&[&[Moment::Recovered]], Notify { desktop: true, bell: true, ..Notify::default() });
        assert_eq!(said(hooks.hear(&failed(2))), ["bell", "desktop failed"]);
        assert_eq!(said(hooks.hear(&rest(true))), ["bell", "desktop recovered", "0 recovered 9"]);
        assert_eq!(said(hooks.hear(&rest(true))), Vec::<String>::new());
    }

    #[test]
    fn while_a_hook_runs_only_the_newest_occasion_waits() {
        let mut hooks = hooks(&[&[Moment::Failed]], Notify::default());
        assert_eq!(said(hooks.hear(&failed(2))), ["0 failed 2"]);
        assert_eq!(said(hooks.hear(&failed(3))), Vec::<String>::new());
        assert_eq!(said(hooks.hear(&failed(4))), Vec::<String>::new());
        assert_eq!(said(hooks.ended(0)), ["0 failed 4"]);
        assert_eq!(said(hooks.ended(0)), Vec::<String>::new());
        assert_eq!(said(hooks.hear(&failed(5))), ["0 failed 5"]);
    }

    #[test]
    fn a_hook_is_told_where_it_failed() {
        let mut hooks = hooks(&[&[Moment::Failed]], Notify::default());
        let Some(Call::Start { occasion, .. }) = hooks.hear(&failed(2)).pop() else { panic!("no call") };
        assert_eq!((occasion.name.as_deref(), occasion.place.as_deref()), (Some("build"), Some("a.go:3:7")));
    }

    #[test]
    fn a_new_plan_does_not_start_a_hook_twice() {
        let mut hooks = hooks(&[&[Moment::Failed]], Notify::default());
        hooks.hear(&failed(2));
        hooks.adopt(&[hook(&[Moment::Failed]), hook(&[Moment::Failed])], Notify::default());
        assert_eq!(said(hooks.hear(&failed(3))), ["1 failed 3"]);
        hooks.adopt(&[], Notify::default());
        assert_eq!(hooks.ended(0), None);
    }
}
