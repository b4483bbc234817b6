//! Files that were written and hold what they held: whoever was reading meanwhile may have read the middle of them, so
//! that what came of it is void (promise 4).

use super::{Core, fact::Fact, settle::Pending, step::Activity, why::Why};
use crate::model::FilePath;

/// After so many runs that were void only because the same file was rewritten with its own content, that file is
/// taken to be written by the step itself.
const REWRITES: u8 = 2;

impl Core {
    /// A file was written and holds what it held: whoever was reading it meanwhile may have read the middle of it.
    pub(super) fn rewritten(&mut self, path: &Pending) {
        for index in path.concern.steps.iter().copied() {
            let step = &mut self.steps[index];
            if !step.was_reading(path.first, path.last) {
                continue;
            }
            if let Activity::LookingUp { why, .. } = &step.activity {
                // The key may have been computed from the middle of the write.
                let why = why.clone();
                step.activity = Activity::Idle;
                step.mark(why);
                continue;
            }
            let times = count_rewrite(&mut step.rewritten, &path.path);
            if times <= REWRITES {
                step.mark(Why::Void(path.path.clone()));
            } else if times == REWRITES + 1 {
                let name = step.plan.name.clone();
                let file = path.path.display().to_string();
                self.tell(Fact::Note {
                    text: format!("step `{name}` reads {file}, and that is rewritten in each of its runs"),
                    hint: Some(format!("if `{name}` writes it, add it to the step's `outputs`")),
                });
            }
        }
        self.void_starts(path, None);
    }

    /// A file was written, by the step `maker` or anybody, and holds what it held: an instance that was starting
    /// meanwhile may have read the middle of it.
    pub(super) fn void_starts(&mut self, path: &Pending, maker: Option<usize>) {
        for index in 0..self.services.len() {
            let reads = path.concern.services.contains(&index)
                || (maker.is_some() && self.is_unread_output(index, &path.concern, maker));
            let service = &mut self.services[index];
            if reads
                && service.was_starting(path.first, path.last)
                && count_rewrite(&mut service.rewritten, &path.path) <= REWRITES
            {
                service.bump(Why::Void(path.path.clone()));
            }
        }
    }
}

/// Counts how often in a row the same file was rewritten with what it held.
fn count_rewrite(known: &mut Option<(FilePath, u8)>, file: &FilePath) -> u8 {
    let times = match known {
        Some((last, times)) if last == file => times.saturating_add(1),
        _ => 1,
    };
    *known = Some((file.clone(), times));
    times
}
