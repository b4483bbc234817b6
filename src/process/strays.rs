//! What a devloop that was killed together with its guards has left behind: found by the mark in its environment, and
//! ended at the next start. It touches nothing that does not carry the mark of a dead session of this project.
#![expect(clippy::disallowed_methods, reason = "the door to the records of sessions")]

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use nix::libc;

use super::{RUN_MARK, SESSION_MARK, Survivor, guard::send_signal};
use crate::{model::RunId, sys};

/// Strays have this long to end by SIGTERM, and then by SIGKILL.
const GRACE: Duration = Duration::from_secs(2);
/// They are not our children: nobody tells when they end.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// One run of devloop in a project, written down so that the next one can tell whether it is over.
#[derive(Debug)]
pub struct Session {
    id: String,
    record: PathBuf,
}

/// A process that was left behind and has been ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stray {
    /// Its id.
    pub pid: u32,
    /// Its command line.
    pub command: String,
}

impl Session {
    /// Writes this session down in `folder` (one file for each session, the project's own), before anything is
    /// started.
    ///
    /// # Errors
    /// If the folder or the file cannot be written.
    pub fn begin(folder: &Path) -> io::Result<Session> {
        let mut random = [0; 16];
        File::open("/dev/urandom")?.read_exact(&mut random)?;
        let id: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        fs::create_dir_all(folder)?;
        let record = folder.join(&id);
        let pid = std::process::id();
        fs::write(&record, format!("{pid} {}\n", sys::started_at(pid).unwrap_or(0)))?;
        Ok(Session { id, record })
    }

    /// Names it in the environment of everything it starts.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// It is over and has left nothing behind: after `Programs::end_all`.
    pub fn end(self) {
        let _ = fs::remove_file(&self.record);
    }

    /// Ends what dead sessions written down in `folder` have left behind, and strikes them out. Blocks until the strays
    /// are gone: at most about 4 s, hardly any time if there are none. Where the OS does not show environments:
    /// nothing.
    pub fn sweep(folder: &Path) -> Vec<Stray> {
        let Ok(records) = fs::read_dir(folder) else { return Vec::new() };
        let dead: Vec<(PathBuf, String)> = records
            .flatten()
            .filter(|record| !is_alive(&record.path()))
            .filter_map(|record| Some((record.path(), record.file_name().into_string().ok()?)))
            .filter(|(_, id)| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .collect();
        if dead.is_empty() {
            return Vec::new();
        }
        let of_the_dead = |pid: u32| {
            let session = sys::variable_of(pid, SESSION_MARK)?;
            dead.iter().any(|(_, id)| session == id.as_str()).then_some(())
        };
        let strays: Vec<Known> = find(of_the_dead);
        let ended = strays.iter().map(|stray| Stray { pid: stray.pid, command: stray.command.clone() }).collect();
        signal(&strays, libc::SIGTERM);
        wait(&strays);
        let left = kill_until_gone(of_the_dead);
        if left.is_empty() {
            for (record, _) in dead {
                let _ = fs::remove_file(record);
            }
        }
        ended
    }
}

/// Kills the processes of one run whose guard was killed; says what could not be.
pub(super) fn end_run(session: &str, run: RunId) -> Vec<Survivor> {
    let run = run.to_string();
    kill_until_gone(|pid| {
        let is_this =
            sys::variable_of(pid, SESSION_MARK)? == session && sys::variable_of(pid, RUN_MARK)? == run.as_str();
        is_this.then_some(())
    })
}

/// Whether the devloop that has written this record still runs. A record that cannot be read is that of a dead one.
fn is_alive(record: &Path) -> bool {
    let Ok(text) = fs::read_to_string(record) else { return false };
    let mut words = text.split_whitespace();
    let (Some(pid), Some(started)) = (words.next(), words.next()) else { return false };
    let Ok(pid) = pid.parse() else { return false };
    match sys::started_at(pid) {
        Some(at) => at.to_string() == started,
        None => !cfg!(target_os = "linux"),
    }
}

/// A process, named for good: ids are used again, an id with its start time is not.
struct Known {
    pid: u32,
    started: Option<u64>,
    command: String,
}

impl Known {
    fn is_there(&self) -> bool {
        self.started.is_some() && sys::started_at(self.pid) == self.started && !sys::is_zombie(self.pid)
    }
}

fn find(wanted: impl Fn(u32) -> Option<()>) -> Vec<Known> {
    let me = std::process::id();
    let known = |pid: u32| {
        let started = sys::started_at(pid);
        wanted(pid)?;
        let command = sys::command_line(pid).unwrap_or_default();
        Some(Known { pid, started, command }).filter(Known::is_there)
    };
    sys::all_processes().into_iter().filter(|pid| *pid != me).filter_map(known).collect()
}

fn signal(processes: &[Known], signal: i32) {
    for known in processes.iter().filter(|known| known.is_there()) {
        if let Ok(pid) = i32::try_from(known.pid) {
            send_signal(pid, signal);
        }
    }
}

/// Until they are gone, or their grace is over.
fn wait(processes: &[Known]) {
    let mut left = GRACE;
    while !left.is_zero() && processes.iter().any(Known::is_there) {
        thread::sleep(LOOK_AGAIN);
        left = left.saturating_sub(LOOK_AGAIN);
    }
}

/// Killing is repeated, for what was forked meanwhile.
fn kill_until_gone(wanted: impl Fn(u32) -> Option<()>) -> Vec<Survivor> {
    let mut left = GRACE;
    loop {
        let found = find(&wanted);
        if found.is_empty() || left.is_zero() {
            return found.into_iter().map(|known| Survivor { pid: known.pid, command: known.command }).collect();
        }
        signal(&found, libc::SIGKILL);
        thread::sleep(LOOK_AGAIN);
        left = left.saturating_sub(LOOK_AGAIN);
    }
}
