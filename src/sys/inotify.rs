//! How many files may be watched (man 7 inotify), and how many are.

/// Limits of this user, and what its processes have now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inotify {
    /// fs.inotify.max_user_watches
    pub max_watches: u64,
    /// fs.inotify.max_user_instances
    pub max_instances: u64,
    /// Watches of all processes that we may look into.
    pub watches: u64,
    /// Instances of all processes that we may look into.
    pub instances: u64,
}

/// None where there is no inotify.
#[cfg(target_os = "linux")]
pub fn inotify() -> Option<Inotify> {
    use std::{fs, os::unix::fs::MetadataExt};
    let limit =
        |name: &str| fs::read_to_string(format!("/proc/sys/fs/inotify/{name}")).ok()?.trim().parse::<u64>().ok();
    let mut found = Inotify {
        max_watches: limit("max_user_watches")?,
        max_instances: limit("max_user_instances")?,
        watches: 0,
        instances: 0,
    };
    let own = fs::metadata("/proc/self").ok()?.uid();
    for pid in super::all_processes() {
        if fs::metadata(format!("/proc/{pid}")).map(|metadata| metadata.uid()).ok() != Some(own) {
            continue;
        }
        let Ok(open) = fs::read_dir(format!("/proc/{pid}/fd")) else { continue };
        for file in open.filter_map(Result::ok) {
            let is_inotify = fs::read_link(file.path()).is_ok_and(|target| target.ends_with("anon_inode:inotify"));
            if !is_inotify {
                continue;
            }
            found.instances += 1;
            let number = file.file_name().to_string_lossy().into_owned();
            let info = fs::read_to_string(format!("/proc/{pid}/fdinfo/{number}")).unwrap_or_default();
            found.watches += info.lines().filter(|line| line.starts_with("inotify ")).count() as u64;
        }
    }
    Some(found)
}

/// None where there is no inotify.
#[cfg(not(target_os = "linux"))]
pub fn inotify() -> Option<Inotify> {
    None
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_watch_of_our_own_is_counted() {
        use notify::Watcher;
        let mut watcher = notify::recommended_watcher(|_| {}).unwrap();
        watcher.watch(std::path::Path::new("/"), notify::RecursiveMode::NonRecursive).unwrap();
        let found = inotify().unwrap();
        assert!(found.instances >= 1 && found.watches >= 1 && found.max_watches > 0, "{found:?}");
    }
}
