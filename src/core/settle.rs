//! When is a save over? Pure arithmetic over touches and times; it reads no file and starts nothing.
//!
//! A batch has settled when nothing in it is still open for writing and it has been quiet for a moment. Where the OS
//! does not tell when a writer is done, the moment grows with the pauses seen in this burst. A cap ends endless
//! bursts. The numbers are argued in `ARCHITECTURE.md` ("Settling").

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::event::Writer;
use crate::{
    model::{FilePath, Time},
    plan::Settle,
};

/// Quiet time after which a small batch has settled.
const QUIET: Duration = Duration::from_millis(10);
/// Quiet time for a batch of more than [`MANY`] paths.
const QUIET_MANY: Duration = Duration::from_millis(50);
/// Above this number of paths a batch is taken for a burst (a checkout, a formatter).
const MANY: usize = 20;
/// A file that is open for writing stops holding its batch this long after its last write.
const OPEN_LIMIT: Duration = Duration::from_millis(250);
/// No batch waits longer than this after its first event.
pub(super) const CAP: Duration = Duration::from_secs(5);
/// ... unless git says that it is still at work; then this long.
const CAP_GIT: Duration = Duration::from_secs(30);
/// A lock that is older than its batch by more than this was left behind.
const GIT_STALE: Duration = Duration::from_secs(10);

/// Whom a path concerns, as the plan says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Concern {
    /// Steps that read it.
    pub(super) steps: Vec<usize>,
    /// Services that read it themselves.
    pub(super) services: Vec<usize>,
    /// Steps that declare it as an output.
    pub(super) outputs_of: Vec<usize>,
    /// Services that serve it as it is: their pages are told.
    pub(super) assets_of: Vec<usize>,
    /// Folders of routes that it lies in, as they were written: pages are told.
    pub(super) folders: Vec<Arc<str>>,
    /// It is dev.toml.
    pub(super) config: bool,
}

impl Concern {
    pub(super) fn is_none(&self) -> bool {
        self.only_pages() && self.assets_of.is_empty() && self.folders.is_empty()
    }

    /// Whether no step and no service reads or writes it.
    pub(super) fn only_pages(&self) -> bool {
        self.steps.is_empty() && self.services.is_empty() && self.outputs_of.is_empty() && !self.config
    }
}

/// A path that was touched and not read since.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub(super) path: FilePath,
    pub(super) first: Time,
    pub(super) last: Time,
    pub(super) writer: Writer,
    pub(super) concern: Arc<Concern>,
}

/// The touched paths that have not settled.
#[derive(Debug)]
pub(super) struct Settling {
    rule: Settle,
    pending: BTreeMap<FilePath, Pending>,
    git_since: Option<Time>,
    /// The end of the last pause: the cap counts from then on.
    counts_since: Time,
    last_event: Time,
    longest_gap: Duration,
}

impl Settling {
    pub(super) fn new(rule: Settle) -> Settling {
        Settling {
            rule,
            pending: BTreeMap::new(),
            git_since: None,
            counts_since: Time::ZERO,
            last_event: Time::ZERO,
            longest_gap: Duration::ZERO,
        }
    }

    pub(super) fn set_rule(&mut self, rule: Settle) {
        self.rule = rule;
    }

    /// Notes that `path` was touched.
    pub(super) fn touch(&mut self, now: Time, path: FilePath, writer: Writer, concern: Arc<Concern>) {
        if self.pending.is_empty() {
            self.longest_gap = Duration::ZERO;
        } else {
            self.longest_gap = self.longest_gap.max(now.since(self.last_event));
        }
        self.last_event = now;
        self.pending
            .entry(path.clone())
            .and_modify(|known| {
                known.last = now;
                known.writer = writer;
            })
            .or_insert(Pending { path, first: now, last: now, writer, concern });
    }

    /// git has begun or ended a change of the work tree. Its end counts as an event: what it wrote last is quiet from
    /// then on.
    pub(super) fn git_lock(&mut self, now: Time, held: bool) {
        match (held, self.git_since) {
            (true, None) => self.git_since = Some(now),
            (false, Some(_)) => self.git_since = None,
            (true, Some(_)) | (false, None) => {}
        }
    }

    /// A pause is over: what was collected settles as if it had just been touched for the first time.
    pub(super) fn resume(&mut self, now: Time) {
        self.counts_since = now;
    }

    /// The end of the last pause.
    pub(super) fn counts_since(&self) -> Time {
        self.counts_since
    }

    /// Every path that has not settled.
    pub(super) fn pending(&self) -> impl Iterator<Item = &Pending> {
        self.pending.values()
    }

    /// When what is pending will have settled; paths that `claimed` says a running step is writing do not count.
    pub(super) fn due(&self, claimed: impl Fn(&Pending) -> bool) -> Option<Time> {
        let mut count = 0;
        let mut first: Option<Time> = None;
        let mut last = Time::ZERO;
        let mut open_until = Time::ZERO;
        let mut unknown = false;
        for path in self.pending.values().filter(|path| !claimed(path)) {
            count += 1;
            first = Some(first.map_or(path.first, |known| known.min(path.first)));
            last = last.max(path.last);
            match path.writer {
                Writer::Writing => open_until = open_until.max(path.last + OPEN_LIMIT),
                Writer::Unknown => unknown = true,
                Writer::Done => {}
            }
        }
        let first = first?.max(self.counts_since);
        let quiet = match self.rule {
            Settle::Fixed(quiet) => return Some((last + quiet).min(first + CAP.max(quiet))),
            Settle::Auto if count > MANY => QUIET_MANY,
            Settle::Auto => QUIET,
        };
        let quiet = if unknown { quiet.max(self.longest_gap * 2).min(OPEN_LIMIT) } else { quiet };
        let settled = (last + quiet).max(open_until);
        match self.git_since {
            Some(since) if first.since(since) < GIT_STALE => Some(first + CAP_GIT),
            _ => Some(settled.min(first + CAP)),
        }
    }

    /// Takes out what is pending and not `claimed`.
    pub(super) fn take(&mut self, claimed: impl Fn(&Pending) -> bool) -> Vec<Pending> {
        let (kept, taken) = std::mem::take(&mut self.pending).into_values().partition(|path| claimed(path));
        let kept: Vec<Pending> = kept;
        self.pending = kept.into_iter().map(|path| (path.path.clone(), path)).collect();
        taken
    }

    /// Computes again whom each path concerns, after the plan or what it knows has changed.
    pub(super) fn reconsider(&mut self, concern: impl Fn(&FilePath) -> Arc<Concern>) {
        for path in self.pending.values_mut() {
            path.concern = concern(&path.path);
        }
        self.pending.retain(|_, path| !path.concern.is_none());
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const fn ms(count: u64) -> Time {
        Time::from_start(Duration::from_millis(count))
    }

    fn touch(settling: &mut Settling, at: u64, path: &str, writer: Writer) {
        let concern = Arc::new(Concern { steps: vec![0], ..Concern::default() });
        settling.touch(ms(at), Arc::from(Path::new(path)), writer, concern);
    }

    fn due(settling: &Settling) -> Option<Time> {
        settling.due(|_| false)
    }

    #[test]
    fn one_atomic_save_settles_ten_milliseconds_after_it() {
        let mut settling = Settling::new(Settle::Auto);
        assert_eq!(due(&settling), None);
        touch(&mut settling, 100, "main.go", Writer::Writing);
        touch(&mut settling, 100, "main.go", Writer::Done);
        assert_eq!(due(&settling), Some(ms(110)));
    }

    #[test]
    fn a_file_written_in_pieces_with_one_handle_is_one_batch() {
        let mut settling = Settling::new(Settle::Auto);
        for piece in 0..10 {
            touch(&mut settling, piece * 40, "big.go", Writer::Writing);
            assert!(due(&settling) > Some(ms(piece * 40 + 40)), "piece {piece}");
        }
        touch(&mut settling, 400, "big.go", Writer::Done);
        assert_eq!(due(&settling), Some(ms(410)));
    }

    #[test]
    fn a_file_that_stays_open_holds_its_batch_for_a_quarter_of_a_second() {
        let mut settling = Settling::new(Settle::Auto);
        touch(&mut settling, 0, "app.out", Writer::Writing);
        assert_eq!(due(&settling), Some(ms(250)));
    }

    #[test]
    fn many_paths_need_more_quiet() {
        let mut settling = Settling::new(Settle::Auto);
        for number in 0..21 {
            touch(&mut settling, number, &format!("{number}.go"), Writer::Done);
        }
        assert_eq!(due(&settling), Some(ms(20 + 50)));
    }

    #[test]
    fn an_endless_burst_ends_at_the_cap() {
        let mut settling = Settling::new(Settle::Auto);
        for at in (0..6000).step_by(5) {
            touch(&mut settling, at, "main.go", Writer::Done);
        }
        assert_eq!(due(&settling), Some(ms(5000)));
    }

    #[test]
    fn where_the_os_does_not_tell_quiet_grows_with_the_gaps() {
        let mut settling = Settling::new(Settle::Auto);
        touch(&mut settling, 0, "main.go", Writer::Unknown);
        assert_eq!(due(&settling), Some(ms(10)));
        touch(&mut settling, 8, "main.go", Writer::Unknown);
        assert_eq!(due(&settling), Some(ms(8 + 16)));
        touch(&mut settling, 208, "main.go", Writer::Unknown);
        assert_eq!(due(&settling), Some(ms(208 + 250)));
    }

    #[test]
    fn a_checkout_is_over_when_git_lets_its_lock_go() {
        let mut settling = Settling::new(Settle::Auto);
        settling.git_lock(ms(0), true);
        touch(&mut settling, 5, "a.go", Writer::Done);
        assert_eq!(due(&settling), Some(ms(5) + CAP_GIT));
        settling.git_lock(ms(900), false);
        assert_eq!(due(&settling), Some(ms(15)));
    }

    #[test]
    fn a_lock_left_behind_does_not_count() {
        let mut settling = Settling::new(Settle::Auto);
        settling.git_lock(ms(0), true);
        touch(&mut settling, 20_000, "a.go", Writer::Done);
        assert_eq!(due(&settling), Some(ms(20_010)));
    }

    #[test]
    fn a_fixed_time_is_kept_to() {
        let mut settling = Settling::new(Settle::Fixed(Duration::from_millis(300)));
        touch(&mut settling, 0, "main.go", Writer::Writing);
        assert_eq!(due(&settling), Some(ms(300)));
    }

    #[test]
    fn what_a_running_step_writes_stays_out_of_the_batch() {
        let mut settling = Settling::new(Settle::Auto);
        touch(&mut settling, 0, "wire_gen.go", Writer::Writing);
        touch(&mut settling, 1, "main.go", Writer::Done);
        let claimed = |path: &Pending| &*path.path == Path::new("wire_gen.go");
        assert_eq!(settling.due(claimed), Some(ms(11)));
        assert_eq!(settling.take(claimed).len(), 1);
        assert_eq!(settling.due(claimed), None);
        assert_eq!(settling.pending().count(), 1);
    }
}
