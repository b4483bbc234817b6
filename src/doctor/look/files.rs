//! Walks the project once: deployment files, folders to watch, files of the future, plugins.

use std::{
    ffi::OsStr,
    fs,
    path::Path,
    time::{Duration, UNIX_EPOCH},
};

use ignore::WalkBuilder;

use crate::{
    doctor::scene::{Scene, Text},
    sys,
};

/// Where nobody's own files lie.
const FOREIGN: &[&str] =
    &[".git", ".devloop", "node_modules", "target", "dist", ".next", "coverage", "__pycache__", ".venv", "vendor"];

/// Of a project this large the rest is not looked at.
const MOST_ENTRIES: usize = 200_000;

/// Deployment files are small; what is larger is data.
const LARGEST: u64 = 256 * 1024;

/// Clocks differ by this much without harm.
const SLACK: Duration = Duration::from_secs(5);

pub(super) fn look(scene: &mut Scene) {
    let now = sys::unix_time();
    let walk = WalkBuilder::new(&scene.root)
        .hidden(false)
        .require_git(false)
        .filter_entry(|entry| !FOREIGN.iter().any(|name| entry.file_name() == OsStr::new(name)))
        .build();
    for entry in walk.filter_map(Result::ok).take(MOST_ENTRIES) {
        let Some(kind) = entry.file_type() else { continue };
        if kind.is_dir() {
            scene.folders += 1;
            continue;
        }
        let Some(metadata) = entry.metadata().ok().filter(|metadata| kind.is_file() && metadata.is_file()) else {
            continue;
        };
        let shown = entry.path().strip_prefix(&scene.root).unwrap_or(entry.path()).to_path_buf();
        let written = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        if let Some(ahead) = written.and_then(|written| written.checked_sub(now)).filter(|ahead| *ahead > SLACK) {
            scene.future.push((shown.clone(), ahead));
        }
        if metadata.len() <= LARGEST
            && is_deployment(entry.path())
            && let Ok(text) = fs::read_to_string(entry.path())
        {
            scene.deployments.push(Text { file: shown, text });
        }
    }
    scene.future.sort_by(|(_, a), (_, b)| b.cmp(a));
    scene.deployments.sort_by(|a, b| a.file.cmp(&b.file));
    scene.network = network(&scene.root);
}

fn is_deployment(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let is_workflow = path.components().any(|part| part.as_os_str() == ".github");
    let is_yaml = (name.ends_with(".yaml") || name.ends_with(".yml")) && !is_workflow;
    is_yaml || name == "dockerfile" || name.starts_with("dockerfile.") || name.ends_with(".dockerfile")
}

/// The kind of network folder that this is, if it is one.
#[cfg(target_os = "linux")]
fn network(root: &Path) -> Option<&'static str> {
    use nix::sys::statfs::statfs;
    // linux/magic.h
    match statfs(root).ok()?.filesystem_type().0 as u64 & 0xffff_ffff {
        0x6969 => Some("NFS"),
        0xff53_4d42 | 0xfe53_4d42 => Some("SMB"),
        0x0102_1997 => Some("9p"),
        0x786f_4256 => Some("VirtualBox"),
        _ => None,
    }
}

/// The kind of network folder that this is, if it is one; not known here.
#[cfg(not(target_os = "linux"))]
fn network(_root: &Path) -> Option<&'static str> {
    None
}
