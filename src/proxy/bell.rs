//! What wakes the user of a connection that has no task of its own, and remembers that it did.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Wake, Waker},
};

/// The waker of everything inside one connection. It stays the same whoever uses the connection, so nobody inside has
/// to be told when that changes.
pub(super) struct Bell {
    line: Arc<Line>,
    waker: Waker,
}

struct Line {
    user: Mutex<Waker>,
    rung: AtomicBool,
    muted: AtomicBool,
}

impl Default for Bell {
    fn default() -> Bell {
        let user = Mutex::new(Waker::noop().clone());
        // Nothing has looked at the connection yet.
        let line = Arc::new(Line { user, rung: AtomicBool::new(true), muted: AtomicBool::new(false) });
        let waker = Waker::from(Arc::clone(&line));
        Bell { line, waker }
    }
}

impl Bell {
    /// From now on it wakes this user.
    pub(super) fn rings_for(&self, user: &Waker) {
        let mut known = self.line.user.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.will_wake(user) {
            known.clone_from(user);
        }
    }

    /// For a look at what may have rung: from now on it counts as not rung. Returns what the look is to be taken with.
    pub(super) fn answer(&self) -> Context<'_> {
        self.line.rung.store(false, Ordering::SeqCst);
        Context::from_waker(&self.waker)
    }

    /// Whether it has rung since it was answered.
    pub(super) fn has_rung(&self) -> bool {
        self.line.rung.load(Ordering::SeqCst)
    }

    /// Wakes nobody while this is done, by its user: he is awake, and asks afterwards whether it has rung.
    pub(super) fn muted<T>(&self, act: impl FnOnce() -> T) -> T {
        self.line.muted.store(true, Ordering::SeqCst);
        let done = act();
        self.line.muted.store(false, Ordering::SeqCst);
        done
    }
}

impl Wake for Line {
    fn wake(self: Arc<Line>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Line>) {
        // Rung first, and then a look whether it is muted; the user ends the muting first, and then looks whether it
        // has rung. In one order for all threads one of the two sees the other, so that no ring is lost.
        self.rung.store(true, Ordering::SeqCst);
        if !self.muted.load(Ordering::SeqCst) {
            self.user.lock().unwrap_or_else(PoisonError::into_inner).wake_by_ref();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[derive(Default)]
    struct User(AtomicUsize);

    impl Wake for User {
        fn wake(self: Arc<User>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    impl User {
        fn woken(self: &Arc<User>) -> usize {
            self.0.load(Ordering::SeqCst)
        }
    }

    #[test]
    fn it_rings_for_the_last_user_and_remembers_that_it_did() {
        let (bell, first, second) = (Bell::default(), Arc::<User>::default(), Arc::<User>::default());
        assert!(bell.has_rung(), "nobody has looked yet");
        bell.rings_for(&first.clone().into());
        let inside = bell.answer().waker().clone();
        assert!(!bell.has_rung());
        inside.wake_by_ref();
        assert!(bell.has_rung());
        assert_eq!((first.woken(), second.woken()), (1, 0));
        bell.rings_for(&second.clone().into());
        assert!(bell.answer().waker().will_wake(&inside));
        assert!(!bell.has_rung());
        inside.wake();
        assert_eq!((first.woken(), second.woken()), (1, 1));
    }

    #[test]
    fn muted_it_wakes_nobody_but_remembers() {
        let (bell, user) = (Bell::default(), Arc::<User>::default());
        bell.rings_for(&user.clone().into());
        let inside = bell.answer().waker().clone();
        bell.muted(|| inside.wake_by_ref());
        assert!(bell.has_rung());
        assert_eq!(user.woken(), 0);
        inside.wake_by_ref();
        assert_eq!(user.woken(), 1);
    }
}
