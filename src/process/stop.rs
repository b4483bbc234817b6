//! How a tree of processes is ended: the signal to the group, then to what left the group, then SIGKILL to all, then
//! the names of those that survived. It has no clock and does not wait.

use std::time::Duration;

use nix::libc;

use super::tree::Tree;
use crate::model::Time;

/// Killing is repeated this often at first, for what was forked meanwhile.
const KILL_AGAIN: Duration = Duration::from_millis(5);
/// After this time of killing the survivors are named.
const NAME_SURVIVORS: Duration = Duration::from_secs(2);
/// And then it is tried this often.
const KILL_RARELY: Duration = Duration::from_secs(1);
/// Where the OS does not tell when a group is empty, it is looked at this often while stopping.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// An end under way.
// Group => Rest => Kill => Survived, or any of them => gone
#[derive(Debug)]
pub(super) enum Stopping {
    /// The leader's group was asked.
    Group { signal: i32, until: Time },
    /// The group is empty; what had left it was asked.
    Rest { until: Time },
    /// Nobody is asked any more.
    Kill { since: Time },
    /// They were named; what can still be done is done.
    Survived,
}

/// What is to be done after a look at an end under way.
#[derive(Debug, Default)]
pub(super) struct Next {
    /// Look again after this time at the latest.
    pub(super) wait: Duration,
    /// Tell these once.
    pub(super) survivors: Option<Vec<u32>>,
}

impl Stopping {
    /// Asks the group to end.
    pub(super) fn ask(tree: &Tree, signal: i32, grace: Duration, now: Time) -> Stopping {
        tree.signal_group(signal);
        tree.signal_group(libc::SIGCONT); // what stands still cannot end
        Stopping::Group { signal, until: now + grace }
    }

    /// Ends everything at once. Where killing has begun, it goes on as it is.
    pub(super) fn kill(before: Option<Stopping>, now: Time) -> Stopping {
        match before {
            Some(Stopping::Kill { since }) => Stopping::Kill { since },
            Some(Stopping::Survived) => Stopping::Survived,
            Some(Stopping::Group { .. } | Stopping::Rest { .. }) | None => Stopping::Kill { since: now },
        }
    }

    /// Does what is due. To be called whenever a child has ended, and when the wait is over.
    pub(super) fn proceed(&mut self, tree: &Tree, now: Time) -> Next {
        match *self {
            Stopping::Group { until, .. } | Stopping::Rest { until } if now >= until => {
                *self = Stopping::Kill { since: now };
            }
            Stopping::Group { signal, until } if tree.group_is_empty() => {
                tree.signal_everyone(signal);
                tree.signal_everyone(libc::SIGCONT);
                *self = Stopping::Rest { until };
            }
            _ => {}
        }
        match *self {
            Stopping::Group { until, .. } | Stopping::Rest { until } => {
                Next { wait: patience(until, now), survivors: None }
            }
            Stopping::Kill { since } => {
                tree.kill_everyone();
                if now.since(since) < NAME_SURVIVORS {
                    return Next { wait: KILL_AGAIN.max(now.since(since) / 10), survivors: None };
                }
                *self = Stopping::Survived;
                let survivors = tree.everyone().into_iter().filter_map(|pid| u32::try_from(pid.as_raw()).ok());
                Next { wait: KILL_RARELY, survivors: Some(survivors.collect()) }
            }
            Stopping::Survived => {
                tree.kill_everyone();
                Next { wait: KILL_RARELY, survivors: None }
            }
        }
    }
}

fn patience(until: Time, now: Time) -> Duration {
    let left = until.since(now);
    if cfg!(target_os = "linux") { left } else { left.min(LOOK_AGAIN) }
}
