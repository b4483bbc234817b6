//! The kernel's own events (man 7 inotify), without those of opening and reading: whoever serves or compiles the files
//! of a project makes them by the thousand, and each would wake this program.

use std::{
    collections::HashMap,
    io::{PipeReader, PipeWriter, pipe},
    os::fd::AsFd,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::inotify::{AddWatchFlags, InitFlags, Inotify as Instance, InotifyEvent, WatchDescriptor},
};
use notify::{
    Config, Error, ErrorKind, Event, EventHandler, EventKind, RecursiveMode, Watcher, WatcherKind,
    event::{AccessKind, AccessMode, CreateKind, DataChange, Flag, MetadataKind, ModifyKind, RemoveKind, RenameMode},
};

use super::{backend::UNMOUNTED, locked};

/// Watches single folders; ends when it is dropped.
#[derive(Debug)]
pub(super) struct Inotify {
    instance: Arc<Instance>,
    folders: Arc<Mutex<Folders>>,
    _stop: PipeWriter,
}

/// The kernel keeps one watch for each folder, whatever its name; a watch has the name it was asked for last.
#[derive(Debug, Default)]
struct Folders {
    names: HashMap<WatchDescriptor, PathBuf>,
    watches: HashMap<PathBuf, WatchDescriptor>,
}

impl Watcher for Inotify {
    fn new<F: EventHandler>(handler: F, _config: Config) -> notify::Result<Inotify> {
        let instance = Arc::new(Instance::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK).map_err(io)?);
        let folders = Arc::default();
        let (stopped, stop) = pipe().map_err(Error::io)?;
        let reader = Reader { instance: Arc::clone(&instance), folders: Arc::clone(&folders), handler, stopped };
        let thread = std::thread::Builder::new().name("watch-inotify".to_owned());
        thread.spawn(move || reader.run()).map_err(Error::io)?;
        Ok(Inotify { instance, folders, _stop: stop })
    }

    /// The mode is not looked at: it is always this folder alone.
    fn watch(&mut self, folder: &Path, _mode: RecursiveMode) -> notify::Result<()> {
        // The reader waits: no event of this folder can be looked up before its name is known.
        let mut folders = locked(&self.folders);
        let watch = self.instance.add_watch(folder, mask()).map_err(|errno| refused(errno, folder))?;
        if let Some(other) = folders.name(watch, folder) {
            self.end(other);
        }
        Ok(())
    }

    fn unwatch(&mut self, folder: &Path) -> notify::Result<()> {
        let mut folders = locked(&self.folders);
        let watch = folders.watches.remove(folder).ok_or_else(Error::watch_not_found)?;
        folders.names.remove(&watch);
        self.end(watch);
        Ok(())
    }

    fn kind() -> WatcherKind {
        WatcherKind::Inotify
    }
}

impl Inotify {
    /// The kernel ends the watch of a folder that is gone by itself, and says then that there is none.
    fn end(&self, watch: WatchDescriptor) {
        let _ = self.instance.rm_watch(watch);
    }
}

impl Folders {
    /// Remembers that `watch` is that of `folder`; gives back the watch of another folder that had this name before.
    fn name(&mut self, watch: WatchDescriptor, folder: &Path) -> Option<WatchDescriptor> {
        if let Some(former) = self.names.insert(watch, folder.to_owned()).filter(|former| former != folder) {
            self.watches.remove(&former);
        }
        let other = self.watches.insert(folder.to_owned(), watch).filter(|other| *other != watch)?;
        self.names.remove(&other);
        Some(other)
    }

    /// The kernel has ended `watch`.
    fn ended(&mut self, watch: WatchDescriptor) {
        if let Some(folder) = self.names.remove(&watch) {
            self.watches.remove(&folder);
        }
    }
}

struct Reader<F> {
    instance: Arc<Instance>,
    folders: Arc<Mutex<Folders>>,
    handler: F,
    stopped: PipeReader,
}

impl<F: EventHandler> Reader<F> {
    fn run(mut self) {
        loop {
            let news = PollFd::new(self.instance.as_fd(), PollFlags::POLLIN);
            let stop = PollFd::new(self.stopped.as_fd(), PollFlags::POLLIN);
            let both = &mut [news, stop];
            match poll(both, PollTimeout::NONE) {
                Ok(_) if both[1].any() != Some(false) => return,
                Ok(_) | Err(Errno::EINTR) => {}
                Err(errno) => return self.handler.handle_event(Err(io(errno))),
            }
            match self.instance.read_events() {
                Ok(events) => events.into_iter().for_each(|event| self.tell(event)),
                Err(Errno::EAGAIN | Errno::EINTR) => {}
                Err(errno) => return self.handler.handle_event(Err(io(errno))),
            }
        }
    }

    fn tell(&mut self, event: InotifyEvent) {
        let rescan = || Event::new(EventKind::Other).set_flag(Flag::Rescan);
        if event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW) {
            return self.handler.handle_event(Ok(rescan()));
        }
        if event.mask.contains(AddWatchFlags::IN_UNMOUNT) {
            return self.handler.handle_event(Ok(rescan().set_info(UNMOUNTED)));
        }
        let path = {
            let mut folders = locked(&self.folders);
            if event.mask.contains(AddWatchFlags::IN_IGNORED) {
                return folders.ended(event.wd);
            }
            let Some(folder) = folders.names.get(&event.wd) else { return };
            event.name.as_ref().map_or_else(|| folder.clone(), |name| folder.join(name))
        };
        let Some(kind) = kind(event.mask) else { return };
        let told = Event::new(kind).add_path(path);
        // Two halves of a renaming have the same number; a folder that was itself moved has none.
        let told = if event.cookie > 0 { told.set_tracker(event.cookie as usize) } else { told };
        self.handler.handle_event(Ok(told));
    }
}

/// What is asked for.
fn mask() -> AddWatchFlags {
    AddWatchFlags::IN_ONLYDIR
        | AddWatchFlags::IN_CREATE
        | AddWatchFlags::IN_MODIFY
        | AddWatchFlags::IN_CLOSE_WRITE
        | AddWatchFlags::IN_ATTRIB
        | AddWatchFlags::IN_MOVE
        | AddWatchFlags::IN_MOVE_SELF
        | AddWatchFlags::IN_DELETE
        | AddWatchFlags::IN_DELETE_SELF
}

fn kind(mask: AddWatchFlags) -> Option<EventKind> {
    let is_folder = mask.contains(AddWatchFlags::IN_ISDIR);
    let kinds = [
        (AddWatchFlags::IN_CREATE, EventKind::Create(if is_folder { CreateKind::Folder } else { CreateKind::File })),
        (AddWatchFlags::IN_MODIFY, EventKind::Modify(ModifyKind::Data(DataChange::Any))),
        (AddWatchFlags::IN_CLOSE_WRITE, EventKind::Access(AccessKind::Close(AccessMode::Write))),
        (AddWatchFlags::IN_ATTRIB, EventKind::Modify(ModifyKind::Metadata(MetadataKind::Any))),
        (AddWatchFlags::IN_MOVED_FROM, EventKind::Modify(ModifyKind::Name(RenameMode::From))),
        (AddWatchFlags::IN_MOVED_TO, EventKind::Modify(ModifyKind::Name(RenameMode::To))),
        (AddWatchFlags::IN_MOVE_SELF, EventKind::Modify(ModifyKind::Name(RenameMode::From))),
        (AddWatchFlags::IN_DELETE, EventKind::Remove(if is_folder { RemoveKind::Folder } else { RemoveKind::File })),
        (AddWatchFlags::IN_DELETE_SELF, EventKind::Remove(RemoveKind::Folder)),
    ];
    kinds.into_iter().find(|(bit, _)| mask.contains(*bit)).map(|(_, kind)| kind)
}

fn refused(errno: Errno, folder: &Path) -> Error {
    let error = match errno {
        Errno::ENOSPC => Error::new(ErrorKind::MaxFilesWatch),
        errno => io(errno),
    };
    error.add_path(folder.to_owned())
}

fn io(errno: Errno) -> Error {
    Error::io(errno.into())
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests are outside the house")]
mod tests {
    use std::{
        ffi::OsStr,
        fs,
        os::unix::ffi::OsStrExt,
        sync::mpsc::{Receiver, channel},
    };

    use super::*;

    struct World {
        temporary: tempfile::TempDir,
        watcher: Inotify,
        told: Receiver<notify::Result<Event>>,
    }

    impl World {
        fn new() -> World {
            let (out, told) = channel();
            let watcher = Inotify::new(out, Config::default()).unwrap();
            World { temporary: tempfile::tempdir().unwrap(), watcher, told }
        }

        fn at(&self, path: &str) -> PathBuf {
            self.temporary.path().join(path)
        }

        fn folder(&self, path: &str) -> PathBuf {
            fs::create_dir(self.at(path)).unwrap();
            self.at(path)
        }

        fn watch(&mut self, path: &str) {
            self.watcher.watch(&self.at(path), RecursiveMode::NonRecursive).unwrap();
        }

        /// What was told until a file in the folder `last`, which is watched, was closed.
        fn until_closed(&self, last: &str) -> Vec<(EventKind, PathBuf)> {
            fs::write(self.at(last).join("last"), "").unwrap();
            let closed = EventKind::Access(AccessKind::Close(AccessMode::Write));
            let told = self.told.iter().map(|event| event.unwrap());
            let told = told.map(|event| (event.kind, event.paths.first().cloned().unwrap_or_default()));
            told.take_while(|(kind, path)| *kind != closed || !path.ends_with("last")).collect()
        }

        fn told_of(&self, name: &str, last: &str) -> usize {
            self.until_closed(last).iter().filter(|(_, path)| *path == self.at(name)).count()
        }
    }

    #[test]
    fn reading_makes_no_event_at_all() {
        let mut world = World::new();
        world.folder("a");
        fs::write(world.at("a/read"), "text").unwrap();
        world.watch("a");
        for _ in 0..10 {
            fs::read(world.at("a/read")).unwrap();
            fs::read_dir(world.at("a")).unwrap().for_each(drop);
        }
        assert_eq!(world.told_of("a/read", "a"), 0);
    }

    #[test]
    fn a_name_of_any_bytes_is_told_as_it_is() {
        let mut world = World::new();
        let folder = world.folder("a");
        world.watch("a");
        let name = folder.join(OsStr::from_bytes(b"line\nbreak \xff\xfe"));
        fs::write(&name, "x").unwrap();
        assert!(world.until_closed("a").contains(&(EventKind::Create(CreateKind::File), name)));
    }

    #[test]
    fn both_halves_of_a_renaming_are_told_with_one_number() {
        let mut world = World::new();
        world.folder("a");
        world.folder("b");
        fs::write(world.at("a/x"), "").unwrap();
        world.watch("a");
        world.watch("b");
        fs::rename(world.at("a/x"), world.at("b/y")).unwrap();
        let halves: Vec<Event> = world.told.iter().take(2).map(Result::unwrap).collect();
        assert_eq!(halves[0].kind, EventKind::Modify(ModifyKind::Name(RenameMode::From)));
        assert_eq!(halves[1].kind, EventKind::Modify(ModifyKind::Name(RenameMode::To)));
        assert_eq!((&halves[0].paths[0], &halves[1].paths[0]), (&world.at("a/x"), &world.at("b/y")));
        assert!(halves[0].tracker().is_some() && halves[0].tracker() == halves[1].tracker());
    }

    #[test]
    fn a_folder_that_moved_is_told_by_its_new_name_and_forgetting_the_old_one_leaves_it_watched() {
        let mut world = World::new();
        world.folder("old");
        world.watch("old");
        fs::rename(world.at("old"), world.at("new")).unwrap();
        world.watch("new");
        assert!(world.watcher.unwatch(&world.at("old")).is_err(), "it is known no more");
        fs::write(world.at("new/x"), "").unwrap();
        assert!(world.told_of("new/x", "new") > 0);
    }

    #[test]
    fn another_folder_of_the_same_name_is_watched_instead_and_the_first_one_no_more() {
        let mut world = World::new();
        world.folder("a");
        world.watch("a");
        fs::rename(world.at("a"), world.at("elsewhere")).unwrap();
        world.folder("a");
        world.watch("a");
        fs::write(world.at("elsewhere/x"), "").unwrap();
        fs::write(world.at("a/y"), "").unwrap();
        let told = world.until_closed("a");
        assert!(!told.iter().any(|(_, path)| path.ends_with("x")), "{told:?}");
        assert!(told.iter().any(|(_, path)| *path == world.at("a/y")), "{told:?}");
    }

    #[test]
    fn a_folder_that_is_gone_is_told_and_forgotten() {
        let mut world = World::new();
        world.folder("a");
        world.folder("b");
        world.watch("a");
        world.watch("b");
        fs::remove_dir(world.at("a")).unwrap();
        let told = world.until_closed("b");
        assert!(told.contains(&(EventKind::Remove(RemoveKind::Folder), world.at("a"))), "{told:?}");
        assert!(world.watcher.unwatch(&world.at("a")).is_err());
        assert_eq!(locked(&world.watcher.folders).names.len(), 1);
    }

    #[test]
    fn a_file_and_nothing_are_refused_by_name() {
        let mut world = World::new();
        fs::write(world.at("file"), "").unwrap();
        for name in ["file", "nothing"] {
            let error = world.watcher.watch(&world.at(name), RecursiveMode::NonRecursive).unwrap_err();
            assert_eq!(error.paths, [world.at(name)]);
        }
    }
}
