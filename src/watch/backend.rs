//! Where events come from: one inotify watch for each folder (Linux), one FSEvents stream for each root (macOS),
//! polling where neither works, and polling for the rest where the kernel's watches run out. It interprets nothing.

use std::{
    path::{Path, PathBuf},
    sync::mpsc::Sender,
    time::Duration,
};

#[cfg(not(target_os = "linux"))]
use notify::RecommendedWatcher as Kernel;
use notify::{Config, Error, ErrorKind, Event, RecommendedWatcher, RecursiveMode, Watcher};
use notify_debouncer_full::{DebounceEventResult, DebouncedEvent, Debouncer, NoCache, new_debouncer_opt};

#[cfg(target_os = "linux")]
use super::inotify::Inotify as Kernel;
use super::{
    engine::Ask,
    poller::{INTERVAL, Poller},
};
use crate::error::Problem;

/// How long the debouncer keeps an event back to stitch renames; also how often it looks.
const STITCH: Duration = Duration::from_millis(40);

/// Said of an event: what was mounted here is gone, and what was hidden below it is there again.
pub(super) const UNMOUNTED: &str = "unmounted";

/// What comes to the watcher's thread. Whoever sends only pushes.
#[derive(Debug)]
pub(super) enum In {
    /// One event as the kernel told it, in order.
    Event(Event),
    /// Events that a debouncer let go together.
    Batch(Source, Vec<DebouncedEvent>),
    /// The source reports errors.
    Trouble(Vec<Error>),
    /// Someone in this program asks for something.
    Ask(Ask),
}

/// What an event's kind is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// Opening, writing and closing are told one by one.
    Exact,
    /// Something happened to this path.
    Vague,
    /// This path was seen to be different.
    Polled,
}

/// How a folder is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Means {
    /// By the OS's events.
    Native,
    /// By listing it again and again.
    Polled,
}

/// Which kind of source is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// The OS's events, folder by folder.
    Folders,
    /// The OS's events, whole trees at once.
    Trees,
    /// Polling.
    Polling,
}

impl Wanted {
    /// What this OS's events are good for.
    pub(super) fn native() -> Wanted {
        if cfg!(target_os = "macos") { Wanted::Trees } else { Wanted::Folders }
    }
}

/// All sources of one watcher. Dropping it ends their threads.
pub(super) struct Backend {
    native: Native,
    poll: Option<Debouncer<Poller, NoCache>>,
    out: Sender<In>,
}

enum Native {
    Folders(Kernel),
    Trees { stream: Debouncer<RecommendedWatcher, NoCache>, roots: Vec<PathBuf> },
    Off,
}

impl Backend {
    /// Starts what is `wanted`; events go to `out`.
    ///
    /// # Errors
    /// The OS grants no event source (its instances are used up), with what to raise.
    pub(super) fn new(wanted: Wanted, out: Sender<In>) -> Result<Backend, Problem> {
        let native = match wanted {
            Wanted::Folders => Native::Folders(folders(out.clone()).map_err(no_source)?),
            Wanted::Trees => {
                let config = Config::default().with_follow_symlinks(false);
                let stream = debounced(Source::Vague, config, out.clone()).map_err(no_source)?;
                Native::Trees { stream, roots: Vec::new() }
            }
            Wanted::Polling => Native::Off,
        };
        Ok(Backend { native, poll: None, out })
    }

    /// Watches all of `root` where the OS watches trees at once; else nothing.
    ///
    /// # Errors
    /// The OS's own.
    pub(super) fn watch_root(&mut self, root: &Path) -> Result<(), Error> {
        let Native::Trees { stream, roots } = &mut self.native else { return Ok(()) };
        if !roots.iter().any(|known| root.starts_with(known)) {
            stream.watch(root, RecursiveMode::Recursive)?;
            roots.push(root.to_owned());
        }
        Ok(())
    }

    /// Watches `folder` alone; again, if it is watched (it may be another folder of the same name).
    ///
    /// # Errors
    /// The OS's own; running out of watches is none: then it is polled.
    pub(super) fn watch(&mut self, folder: &Path) -> Result<Means, Error> {
        let native = match &mut self.native {
            Native::Folders(watcher) => watcher.watch(folder, RecursiveMode::NonRecursive),
            Native::Trees { .. } => Ok(()),
            Native::Off => return self.poll(folder),
        };
        match native {
            Ok(()) => Ok(Means::Native),
            Err(Error { kind: ErrorKind::MaxFilesWatch, .. }) => self.poll(folder),
            Err(error) => Err(error),
        }
    }

    /// Polls `folder`.
    ///
    /// # Errors
    /// It cannot be read.
    pub(super) fn poll(&mut self, folder: &Path) -> Result<Means, Error> {
        let poll = match &mut self.poll {
            Some(poll) => poll,
            None => {
                let config = Config::default().with_poll_interval(INTERVAL);
                self.poll.insert(debounced(Source::Polled, config, self.out.clone())?)
            }
        };
        poll.watch(folder, RecursiveMode::NonRecursive)?;
        Ok(Means::Polled)
    }

    /// Watches `folder` no longer. It may be gone already.
    pub(super) fn forget(&mut self, folder: &Path, means: Means) {
        let result = match (means, &mut self.native, &mut self.poll) {
            (Means::Native, Native::Folders(watcher), _) => watcher.unwatch(folder),
            (Means::Polled, _, Some(poll)) => poll.unwatch(folder),
            _ => Ok(()),
        };
        if let Err(error) = result {
            tracing::debug!(folder = %folder.display(), %error, "was not watched");
        }
    }

    /// The OS's events do not come: everything watched from now on is polled.
    pub(super) fn give_up_on_events(&mut self) {
        self.native = Native::Off;
    }

    /// Whether events come from the kernel one by one and in order.
    pub(super) fn is_ordered(&self) -> bool {
        !matches!(self.native, Native::Off)
    }

    /// "inotify", "FSEvents" or "polling"; with "and polling" where both are used.
    pub(super) fn name(&self) -> &'static str {
        match (&self.native, &self.poll) {
            (Native::Folders(_), None) => "inotify",
            (Native::Folders(_), Some(_)) => "inotify and polling",
            (Native::Trees { .. }, None) => "FSEvents",
            (Native::Trees { .. }, Some(_)) => "FSEvents and polling",
            (Native::Off, _) => "polling",
        }
    }
}

fn folders(out: Sender<In>) -> Result<Kernel, Error> {
    let handler = move |result: Result<Event, Error>| {
        let message = match result {
            Ok(event) => In::Event(event),
            Err(error) => In::Trouble(vec![error]),
        };
        // Nobody listens any more: the watcher is being dropped.
        let _ = out.send(message);
    };
    Kernel::new(handler, Config::default().with_follow_symlinks(false))
}

fn debounced<T: Watcher>(source: Source, config: Config, out: Sender<In>) -> Result<Debouncer<T, NoCache>, Error> {
    let handler = move |result: DebounceEventResult| {
        let message = match result {
            Ok(events) => In::Batch(source, events),
            Err(errors) => In::Trouble(errors),
        };
        // Nobody listens any more: the watcher is being dropped.
        let _ = out.send(message);
    };
    new_debouncer_opt(STITCH, Some(STITCH), handler, NoCache::new(), config)
}

fn no_source(error: Error) -> Problem {
    let out_of_instances = nix::errno::Errno::EMFILE as i32;
    match &error.kind {
        ErrorKind::Io(io) if io.raw_os_error() == Some(out_of_instances) => {
            Problem::new("the kernel grants no further source of file events (inotify instance)").caused_by(error).hint(
                "raise the limit: `sudo sysctl fs.inotify.max_user_instances=512`, end programs that watch files, or \
                 set `backend = \"poll\"` under `[watch]`",
            )
        }
        _ => Problem::new("cannot watch files").caused_by(error).hint("set `backend = \"poll\"` under `[watch]`"),
    }
}
