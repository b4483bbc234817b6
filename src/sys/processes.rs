//! Processes by id: their children, their command lines, the files they write.

use std::{ffi::OsString, path::PathBuf};
#[cfg(target_os = "linux")]
use std::{
    os::unix::{ffi::OsStringExt, fs::MetadataExt},
    path::Path,
};

/// `pid` and everything below it, parents first. Empty if it is gone; just `pid` where the OS does not tell.
#[cfg(target_os = "linux")]
pub fn descendants(pid: u32) -> Vec<u32> {
    // Kernels can be built without these lists.
    if !Path::new("/proc/thread-self/children").exists() {
        return descendants_by_parents(pid);
    }
    let mut found = Vec::new();
    let mut open = vec![pid];
    while let Some(next) = open.pop() {
        let Ok(tasks) = std::fs::read_dir(format!("/proc/{next}/task")) else { continue };
        found.push(next);
        for task in tasks.flatten() {
            let children = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
            open.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
        }
    }
    found
}

#[cfg(target_os = "linux")]
fn descendants_by_parents(pid: u32) -> Vec<u32> {
    let parents: Vec<(u32, u32)> = all_processes().into_iter().filter_map(|pid| Some((pid, parent(pid)?))).collect();
    let mut found: Vec<u32> = started_at(pid).map(|_| pid).into_iter().collect();
    let mut next = 0;
    while let Some(above) = found.get(next).copied() {
        let below =
            parents.iter().filter(|(pid, parent)| *parent == above && !found.contains(pid)).map(|(pid, _)| *pid);
        found.extend(below.collect::<Vec<_>>());
        next += 1;
    }
    found
}

/// Whether a debugger traces it.
#[cfg(target_os = "linux")]
pub fn is_traced(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let tracer = status.lines().find_map(|line| line.strip_prefix("TracerPid:"));
    tracer.is_some_and(|tracer| tracer.trim() != "0")
}

/// The command line, words joined by spaces, on one line of at most 200 characters; none if it is gone or not ours to
/// see.
#[cfg(target_os = "linux")]
pub fn command_line(pid: u32) -> Option<String> {
    let raw = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let words: Vec<_> = raw.split(|byte| *byte == 0).filter(|word| !word.is_empty()).collect();
    let line: Vec<_> = words.iter().map(|word| String::from_utf8_lossy(word)).collect();
    let visible = |character: char| if character.is_control() { ' ' } else { character };
    (!line.is_empty()).then(|| line.join(" ").chars().take(200).map(visible).collect())
}

/// The regular files that `pid` itself has open for writing.
#[cfg(target_os = "linux")]
pub fn open_for_writing(pid: u32) -> Vec<PathBuf> {
    const ACCESS_MODE: u32 = 0o3;
    let Ok(entries) = std::fs::read_dir(format!("/proc/{pid}/fd")) else { return Vec::new() };
    let mut files = Vec::new();
    for entry in entries.flatten() {
        let Ok(target) = std::fs::read_link(entry.path()) else { continue };
        if !target.is_absolute() || target.starts_with("/dev") || target.starts_with("/proc") {
            continue;
        }
        let info = format!("/proc/{pid}/fdinfo/{}", entry.file_name().to_string_lossy());
        let info = std::fs::read_to_string(info).unwrap_or_default();
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
        let flags = flags.and_then(|octal| u32::from_str_radix(octal.trim(), 8).ok()).unwrap_or(0);
        if flags & ACCESS_MODE != 0 {
            files.push(target);
        }
    }
    files
}

/// How much memory this process has in RAM, in bytes; none where the system does not tell.
#[cfg(target_os = "linux")]
pub fn resident_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes * 1024)
}

/// How much memory this process has in RAM, in bytes; none where the system does not tell.
#[cfg(not(target_os = "linux"))]
pub fn resident_memory() -> Option<u64> {
    None
}

/// When `pid` was started, in clock ticks since the machine's start: with the id, it names a process for good.
#[cfg(target_os = "linux")]
pub fn started_at(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let after_name = stat.rsplit_once(')')?.1;
    after_name.split_whitespace().nth(19)?.parse().ok()
}

/// The process that started `pid`, or has adopted it.
#[cfg(target_os = "linux")]
pub fn parent(pid: u32) -> Option<u32> {
    stat(pid)?.split_whitespace().nth(1)?.parse().ok().filter(|parent| *parent != 0)
}

/// Whether `pid` has ended and is only waiting to be collected by its parent.
#[cfg(target_os = "linux")]
pub fn is_zombie(pid: u32) -> bool {
    stat(pid).is_some_and(|stat| stat.trim_start().starts_with('Z'))
}

/// Behind the name in `/proc/<pid>/stat`, which may hold anything: the state, the parent, …
#[cfg(target_os = "linux")]
fn stat(pid: u32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')').map(|(_, rest)| rest.to_owned())
}

/// Every process we may see.
#[cfg(target_os = "linux")]
pub fn all_processes() -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// The value this variable had when `pid` began to execute its program; none for processes of other users.
#[cfg(target_os = "linux")]
pub fn variable_of(pid: u32, name: &str) -> Option<OsString> {
    let folder = std::fs::metadata(format!("/proc/{pid}")).ok()?;
    if folder.uid() != nix::unistd::getuid().as_raw() {
        return None;
    }
    let environment = std::fs::read(format!("/proc/{pid}/environ")).ok()?;
    let value = |entry: &[u8]| Some(entry.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?.to_vec());
    environment.split(|byte| *byte == 0).find_map(value).map(OsString::from_vec)
}

/// Not known on this system.
#[cfg(not(target_os = "linux"))]
pub fn parent(_pid: u32) -> Option<u32> {
    None
}

/// Not known on this system.
#[cfg(not(target_os = "linux"))]
pub fn is_zombie(_pid: u32) -> bool {
    false
}

/// Not known on this system.
#[cfg(not(target_os = "linux"))]
pub fn all_processes() -> Vec<u32> {
    Vec::new()
}

/// Not known on this system.
#[cfg(not(target_os = "linux"))]
pub fn variable_of(_pid: u32, _name: &str) -> Option<OsString> {
    None
}

/// Not known on this system.
#[cfg(not(target_os = "linux"))]
pub fn is_traced(_pid: u32) -> bool {
    false
}

/// Not known on this system.
#[cfg(not(target_os = "linux"))]
pub fn descendants(pid: u32) -> Vec<u32> {
    vec![pid]
}

/// Not known on this system.
#[cfg(not(target_os = "linux"))]
pub fn command_line(_pid: u32) -> Option<String> {
    None
}

/// Not known on this system.
#[cfg(not(target_os = "linux"))]
pub fn open_for_writing(_pid: u32) -> Vec<PathBuf> {
    Vec::new()
}

/// Not known on this system.
#[cfg(not(target_os = "linux"))]
pub fn started_at(_pid: u32) -> Option<u64> {
    None
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_its_own_first_descendant_and_has_a_command_line() {
        let me = std::process::id();
        assert_eq!(descendants(me).first(), Some(&me));
        assert!(command_line(me).is_some());
        assert!(started_at(me).is_some());
    }

    #[test]
    fn descendants_are_the_same_without_the_kernels_lists() {
        let me = std::process::id();
        let mut child = spawn_sleep();
        assert!(descendants(me).contains(&child.id()) && descendants_by_parents(me).contains(&child.id()));
        assert_eq!((parent(child.id()), descendants_by_parents(me).first()), (Some(me), Some(&me)));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(descendants_by_parents(child.id()), Vec::<u32>::new());
    }

    #[expect(clippy::disallowed_methods, reason = "a test's own child")]
    fn spawn_sleep() -> std::process::Child {
        std::process::Command::new("sleep").arg("1000").spawn().expect("`sleep` is everywhere")
    }

    #[test]
    fn a_file_open_for_writing_is_seen_and_one_open_for_reading_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().canonicalize().unwrap();
        let (written, read) = (folder.join("written"), folder.join("read"));
        std::fs::File::options().create_new(true).write(true).open(&read).unwrap();
        let _writer = std::fs::File::options().create_new(true).write(true).open(&written).unwrap();
        let _reader = std::fs::File::open(&read).unwrap();
        let open = open_for_writing(std::process::id());
        assert!(open.contains(&written));
        assert!(!open.contains(&read));
    }
}
