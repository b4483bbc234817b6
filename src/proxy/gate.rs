//! What one look at the gate means for one request: go, wait or be refused. Pure: time comes in as durations.

use std::{sync::Arc, time::Duration};

use super::settings::Caller;
use crate::{
    core::gate::Gate,
    model::{Report, Revision, RunId},
};

/// What a look came to.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Look {
    /// To this instance.
    Go {
        /// The instance.
        run: RunId,
        /// What it was made from.
        revision: Revision,
        /// Why its answer is out of date.
        stale: Option<Arc<str>>,
        /// Whether others go first.
        order: Order,
    },
    /// Look again when the gate changes, or after `left`.
    Wait {
        /// Time until the answer is another one even if nothing changes.
        left: Duration,
        /// Whether this wait uses up the hold limit.
        pace: Pace,
        /// What is waited for.
        why: Arc<str>,
    },
    /// Nothing will come.
    Failed(Arc<Report>),
    /// The caller is what the gate waits for.
    Itself,
    /// Held for too long.
    Limit(Arc<str>),
}

/// Whether a request has to queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Behind those that came before.
    InTurn,
    /// At once: those before it wait for something that it does not wait for.
    AtOnce,
}

/// Whether time uses up the hold limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// It does.
    Counts,
    /// A build or start is visibly running.
    StandsStill,
    /// A save's outcome is awaited.
    Fresh,
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asker {
    /// Whose process it is, as far as it is known yet.
    pub(super) caller: Caller,
    /// What it is for.
    pub(super) kind: Kind,
}

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Somebody waits for it.
    Foreground,
    /// A loaded page asks for it by itself.
    Background,
}

/// How long a request has waited so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Patience {
    held: Duration,
    counted: Duration,
    fresh: Duration,
}

/// How long it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    /// Not counting visible work.
    pub(super) hold: Duration,
    /// Counting everything.
    pub(super) cap: Duration,
    /// For a save's outcome, in the background.
    pub(super) background: Duration,
}

impl Patience {
    /// Takes note of a wait.
    pub(super) fn spend(&mut self, time: Duration, pace: Pace) {
        self.held += time;
        match pace {
            Pace::Counts => self.counted += time,
            Pace::StandsStill => {}
            Pace::Fresh => {
                self.counted += time;
                self.fresh += time;
            }
        }
    }

    /// How long it has waited in all.
    pub(super) fn held(&self) -> Duration {
        self.held
    }

    fn left(&self, bounds: Bounds, pace: Pace) -> Duration {
        let capped = bounds.cap.saturating_sub(self.held);
        match pace {
            Pace::StandsStill => capped,
            Pace::Counts | Pace::Fresh => capped.min(bounds.hold.saturating_sub(self.counted)),
        }
    }
}

/// One look. `gate`: none if nothing is known about the service yet.
pub(super) fn look(gate: Option<&Gate>, asker: Asker, patience: Patience, bounds: Bounds) -> Look {
    match gate {
        None => hold(Arc::from("the service to start"), Pace::Counts, asker, patience, bounds),
        Some(Gate::Failed { report }) => Look::Failed(Arc::clone(report)),
        Some(Gate::Holding { why, working }) => {
            let pace = if *working { Pace::StandsStill } else { Pace::Counts };
            hold(Arc::clone(why), pace, asker, patience, bounds)
        }
        Some(Gate::Open { run, revision, awaiting: None, stale }) => {
            Look::Go { run: *run, revision: *revision, stale: stale.clone(), order: Order::InTurn }
        }
        Some(Gate::Open { run, revision, awaiting: Some(awaiting), .. }) => {
            let left = match asker {
                Asker { caller: Caller::Ours | Caller::AwaitedByThisGate, .. } => Duration::ZERO,
                Asker { kind: Kind::Background, .. } => bounds.background.saturating_sub(patience.fresh),
                Asker { kind: Kind::Foreground, .. } => Duration::MAX,
            };
            let left = left.min(patience.left(bounds, Pace::Fresh));
            if left.is_zero() {
                let stale = Some(Arc::clone(&awaiting.why));
                return Look::Go { run: *run, revision: *revision, stale, order: Order::AtOnce };
            }
            Look::Wait { left, pace: Pace::Fresh, why: Arc::clone(&awaiting.why) }
        }
    }
}

fn hold(why: Arc<str>, pace: Pace, asker: Asker, patience: Patience, bounds: Bounds) -> Look {
    if asker.caller == Caller::AwaitedByThisGate {
        return Look::Itself;
    }
    match patience.left(bounds, pace) {
        Duration::ZERO => Look::Limit(why),
        left => Look::Wait { left, pace, why },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{core::gate::Awaiting, model::Time};

    const BOUNDS: Bounds =
        Bounds { hold: Duration::from_secs(30), cap: Duration::from_secs(300), background: Duration::from_secs(1) };

    fn stranger(kind: Kind) -> Asker {
        Asker { caller: Caller::Stranger, kind }
    }

    fn ours(caller: Caller) -> Asker {
        Asker { caller, kind: Kind::Foreground }
    }

    fn waited(seconds: u64, pace: Pace) -> Patience {
        let mut patience = Patience::default();
        patience.spend(Duration::from_secs(seconds), pace);
        patience
    }

    fn holding(working: bool) -> Gate {
        Gate::Holding { why: "build".into(), working }
    }

    fn awaiting() -> Gate {
        let awaiting = Awaiting { since: Time::ZERO, until: Time::ZERO, why: "main.go saved".into() };
        Gate::Open { run: RunId(7), revision: Revision(1), awaiting: Some(awaiting), stale: None }
    }

    #[test]
    fn the_hold_limit_stands_still_while_a_build_is_running_and_the_cap_does_not() {
        let seen = |working, patience| look(Some(&holding(working)), stranger(Kind::Foreground), patience, BOUNDS);
        assert!(matches!(seen(false, waited(29, Pace::Counts)), Look::Wait { left, .. } if left.as_secs() == 1));
        assert!(matches!(seen(false, waited(30, Pace::Counts)), Look::Limit(_)));
        assert!(matches!(seen(true, waited(299, Pace::StandsStill)), Look::Wait { .. }));
        assert!(matches!(seen(false, waited(299, Pace::StandsStill)), Look::Wait { .. }));
        assert!(matches!(seen(true, waited(300, Pace::StandsStill)), Look::Limit(_)));
        assert!(matches!(look(None, stranger(Kind::Foreground), waited(30, Pace::Counts), BOUNDS), Look::Limit(_)));
    }

    #[test]
    fn only_strangers_wait_for_a_save_and_background_requests_a_second_at_most() {
        let seen = |asker, patience| look(Some(&awaiting()), asker, patience, BOUNDS);
        assert!(matches!(seen(stranger(Kind::Foreground), waited(4, Pace::Fresh)), Look::Wait { .. }));
        assert!(
            matches!(seen(stranger(Kind::Background), waited(0, Pace::Fresh)), Look::Wait { left, .. } if left.as_secs() == 1)
        );
        for passes in [
            seen(stranger(Kind::Background), waited(1, Pace::Fresh)),
            seen(ours(Caller::Ours), Patience::default()),
            seen(ours(Caller::AwaitedByThisGate), Patience::default()),
            seen(stranger(Kind::Foreground), waited(30, Pace::Fresh)),
        ] {
            let stale = Some("main.go saved".into());
            let expected = Look::Go { run: RunId(7), revision: Revision(1), stale, order: Order::AtOnce };
            assert_eq!(passes, expected);
        }
    }

    #[test]
    fn nobody_waits_for_himself() {
        let seen = |caller| look(Some(&holding(true)), ours(caller), Patience::default(), BOUNDS);
        assert_eq!(seen(Caller::AwaitedByThisGate), Look::Itself);
        assert!(matches!(seen(Caller::Ours), Look::Wait { .. }));
    }
}
