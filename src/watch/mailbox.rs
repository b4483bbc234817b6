//! The mailbox: touched paths that count, as a set that cannot overflow, and the fences between them. It does not
//! decide when a save is over; the core does.

use std::{collections::HashMap, sync::Mutex};

use tokio::sync::Notify;

use super::{locked, note::Note};
use crate::{
    core::event::{Touch, Writer},
    model::{FilePath, RunId},
};

/// Everything that came since the last look. Touches that were made before a fence are in the same mail as the
/// fence or in an earlier one.
#[derive(Debug, Default, PartialEq)]
pub struct Mail {
    /// In the order of their first event; each path once, with the newest state of its writer.
    pub touches: Vec<Touch>,
    /// The runs whose fences have passed.
    pub fences: Vec<RunId>,
    /// The looks (`Watcher::look`) that have passed, in the same way.
    pub looks: Vec<u64>,
    /// git began (`true`) or ended a change of the work tree; the newest state.
    pub git_lock: Option<bool>,
    /// What a person should know.
    pub notes: Vec<Note>,
}

impl Mail {
    /// Whether nothing came.
    pub fn is_empty(&self) -> bool {
        self.touches.is_empty()
            && self.fences.is_empty()
            && self.looks.is_empty()
            && self.git_lock.is_none()
            && self.notes.is_empty()
    }
}

/// Filled by the watcher, emptied by one reader. Its size is bounded by the number of paths in the tree.
#[derive(Debug, Default)]
pub struct Mailbox {
    inside: Mutex<Inside>,
    bell: Notify,
}

#[derive(Debug, Default)]
struct Inside {
    mail: Mail,
    place: HashMap<FilePath, usize>,
}

impl Mailbox {
    /// Waits until there is mail; returns at once if there is. Cancel-safe; for one reader.
    pub async fn changed(&self) {
        loop {
            let rung = self.bell.notified();
            if !locked(&self.inside).mail.is_empty() {
                return;
            }
            rung.await;
        }
    }

    /// Takes everything out; never waits.
    pub fn drain(&self) -> Mail {
        let mut inside = locked(&self.inside);
        inside.place.clear();
        std::mem::take(&mut inside.mail)
    }

    pub(super) fn touch(&self, path: FilePath, writer: Writer) {
        let mut inside = locked(&self.inside);
        match inside.place.get(&path).copied() {
            Some(place) => {
                let known = &mut inside.mail.touches[place].writer;
                if writer != Writer::Unknown {
                    *known = writer;
                }
            }
            None => {
                let place = inside.mail.touches.len();
                inside.place.insert(path.clone(), place);
                inside.mail.touches.push(Touch { path, writer });
            }
        }
        drop(inside);
        self.bell.notify_one();
    }

    pub(super) fn fence(&self, run: RunId) {
        locked(&self.inside).mail.fences.push(run);
        self.bell.notify_one();
    }

    pub(super) fn look(&self, number: u64) {
        locked(&self.inside).mail.looks.push(number);
        self.bell.notify_one();
    }

    pub(super) fn git_lock(&self, held: bool) {
        locked(&self.inside).mail.git_lock = Some(held);
        self.bell.notify_one();
    }

    pub(super) fn note(&self, note: Note) {
        locked(&self.inside).mail.notes.push(note);
        self.bell.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn path(text: &str) -> FilePath {
        FilePath::from(Path::new(text))
    }

    #[test]
    fn a_path_is_in_the_mail_once_with_the_newest_state_of_its_writer() {
        let mailbox = Mailbox::default();
        mailbox.touch(path("b"), Writer::Writing);
        mailbox.touch(path("a"), Writer::Writing);
        mailbox.touch(path("b"), Writer::Done);
        mailbox.touch(path("b"), Writer::Unknown);
        let touches = mailbox.drain().touches;
        assert_eq!(
            touches,
            [Touch { path: path("b"), writer: Writer::Done }, Touch { path: path("a"), writer: Writer::Writing }]
        );
        mailbox.touch(path("a"), Writer::Done);
        assert_eq!(mailbox.drain().touches, [Touch { path: path("a"), writer: Writer::Done }]);
        assert!(mailbox.drain().is_empty());
    }

    #[tokio::test]
    async fn changed_returns_for_mail_that_came_before_and_for_mail_that_comes_later() {
        let mailbox = std::sync::Arc::new(Mailbox::default());
        mailbox.fence(RunId(7));
        mailbox.changed().await;
        mailbox.changed().await;
        assert_eq!(mailbox.drain().fences, [RunId(7)]);
        let other = mailbox.clone();
        let later = tokio::spawn(async move {
            other.changed().await;
            other.drain()
        });
        tokio::task::yield_now().await;
        mailbox.git_lock(true);
        mailbox.git_lock(false);
        assert!(later.await.unwrap().git_lock.is_some());
    }
}
