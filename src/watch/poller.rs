//! A watcher that lists folders again and again, for where the OS tells nothing. It watches single folders (so that
//! ignored ones cost nothing), notices modes and nanoseconds, and reads only files that are younger than 2 s.

use std::{
    collections::{BTreeMap, HashMap},
    ffi::OsString,
    fs::Metadata,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    time::Duration,
};

use notify::{
    Config, Event, EventHandler, EventKind, RecursiveMode, Watcher, WatcherKind,
    event::{CreateKind, DataChange, ModifyKind, RemoveKind},
};

use super::{
    digest::{Age, Print, look},
    locked,
};
use crate::{model::Digest, sys::Clock};

/// The pause between two rounds, at least.
pub(super) const INTERVAL: Duration = Duration::from_millis(200);

/// A round may take this part of the time: on trees where listing is slow, the pauses grow.
const SHARE: u32 = 10;

/// Stops when it is dropped.
#[derive(Debug)]
pub(super) struct Poller {
    folders: Arc<Mutex<Folders>>,
    _stop: Sender<()>,
}

type Folders = BTreeMap<PathBuf, Arc<Mutex<Listing>>>;
type Listing = HashMap<OsString, Seen>;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Seen {
    print: Print,
    entry: Entry,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Entry {
    Folder,
    /// Its print tells its content.
    Old,
    /// It was just written: two writes may leave the same print.
    Young(Digest),
}

impl Watcher for Poller {
    fn new<F: EventHandler>(handler: F, config: Config) -> notify::Result<Poller> {
        let folders = Arc::new(Mutex::new(Folders::new()));
        let (stop, stopped) = channel();
        let rounds = Rounds { folders: folders.clone(), handler, stopped };
        let pause = config.poll_interval().unwrap_or(INTERVAL);
        let thread = std::thread::Builder::new().name("watch-poll".to_owned());
        thread.spawn(move || rounds.run(pause)).map_err(notify::Error::io)?;
        Ok(Poller { folders, _stop: stop })
    }

    /// Remembers what is in the folder now; the mode is not looked at: it is always this folder alone.
    fn watch(&mut self, path: &Path, _mode: RecursiveMode) -> notify::Result<()> {
        let listing =
            list(path, &Listing::new()).map_err(|error| notify::Error::io(error).add_path(path.to_owned()))?;
        locked(&self.folders).insert(path.to_owned(), Arc::new(Mutex::new(listing)));
        Ok(())
    }

    fn unwatch(&mut self, path: &Path) -> notify::Result<()> {
        locked(&self.folders).remove(path).map(|_| ()).ok_or_else(notify::Error::watch_not_found)
    }

    fn kind() -> WatcherKind {
        WatcherKind::PollWatcher
    }
}

struct Rounds<F> {
    folders: Arc<Mutex<Folders>>,
    handler: F,
    stopped: Receiver<()>,
}

impl<F: EventHandler> Rounds<F> {
    fn run(mut self, pause: Duration) {
        let clock = Clock::start();
        let mut rest = pause;
        while self.stopped.recv_timeout(rest) == Err(RecvTimeoutError::Timeout) {
            let begin = clock.now();
            self.round();
            rest = pause.max(clock.now().since(begin).saturating_mul(SHARE - 1));
        }
    }

    fn round(&mut self) {
        let folders: Vec<_> = locked(&self.folders).iter().map(|(path, known)| (path.clone(), known.clone())).collect();
        for (folder, known) in folders {
            let mut known = locked(&known);
            match list(&folder, &known) {
                Ok(now) => {
                    self.tell(&folder, &known, &now);
                    *known = now;
                }
                Err(_) => {
                    drop(known);
                    locked(&self.folders).remove(&folder);
                    self.event(EventKind::Remove(RemoveKind::Folder), folder);
                }
            }
        }
    }

    fn tell(&mut self, folder: &Path, before: &Listing, now: &Listing) {
        for (name, was) in before {
            if now.get(name).is_none_or(|is| was.is_folder() != is.is_folder() || (is.is_folder() && is != was)) {
                let kind = if was.is_folder() { RemoveKind::Folder } else { RemoveKind::File };
                self.event(EventKind::Remove(kind), folder.join(name));
            }
        }
        for (name, is) in now {
            match before.get(name) {
                Some(was) if was == is => {}
                Some(was) if !was.is_folder() && !is.is_folder() => {
                    // `Young => Old` with the same print and the same content is no change.
                    if was.print != is.print
                        || matches!((was.entry, is.entry), (Entry::Young(a), Entry::Young(b)) if a != b)
                    {
                        self.event(EventKind::Modify(ModifyKind::Data(DataChange::Any)), folder.join(name));
                    }
                }
                _ => {
                    let kind = if is.is_folder() { CreateKind::Folder } else { CreateKind::File };
                    self.event(EventKind::Create(kind), folder.join(name));
                }
            }
        }
    }

    fn event(&mut self, kind: EventKind, path: PathBuf) {
        self.handler.handle_event(Ok(Event::new(kind).add_path(path)));
    }
}

impl Seen {
    fn is_folder(&self) -> bool {
        self.entry == Entry::Folder
    }

    fn of(path: &Path, metadata: &Metadata, before: Option<&Seen>) -> Seen {
        let print = Print::of(metadata);
        if metadata.is_dir() {
            return Seen { print, entry: Entry::Folder };
        }
        if let Some(old) = before.filter(|seen| seen.print == print && seen.entry == Entry::Old) {
            return *old;
        }
        let seen = look(path, |_| None);
        let entry = match (seen.age, before) {
            // Written within the last moments of its youth: told once more, as young, so that it is compared.
            (Age::Old, Some(Seen { entry: Entry::Young(content), .. })) if *content != seen.content => {
                Entry::Young(seen.content)
            }
            (Age::Old, _) => Entry::Old,
            (Age::Young, _) => Entry::Young(seen.content),
        };
        Seen { print: seen.print, entry }
    }
}

fn list(folder: &Path, before: &Listing) -> io::Result<Listing> {
    let mut now = Listing::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let Ok(metadata) = entry.metadata() else { continue };
        let name = entry.file_name();
        let seen = Seen::of(&entry.path(), &metadata, before.get(&name));
        now.insert(name, seen);
    }
    Ok(now)
}
