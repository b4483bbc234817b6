//! Strange names, files that cannot be read, folders that go away, full disks: said, and the loop goes on.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::Write,
    os::unix::{ffi::OsStrExt, fs::PermissionsExt},
    process::Command,
    thread,
    time::Duration,
};

use crate::{
    files::reading_everything,
    support::{Devloop, Project, build_script, until},
};

#[test]
fn names_with_spaces_newlines_and_invalid_utf8_are_inputs_like_others() {
    let project = reading_everything();
    project.write("build.sh", format!("cat in/* | tr '\\n' ' ' > version\n{}", build_script()));
    let names = [&b"a b"[..], b"c\nd", b"e\xff\xfe", b"-f", "g\u{e4}".as_bytes(), b"h\"'$x`", b"*"];
    let file = |name: &[u8]| std::path::Path::new("in").join(OsStr::from_bytes(name));
    for name in names {
        project.write(file(name), "0");
    }
    let toml = project.read("dev.toml").replace("{out}\"\n", "{out}\"\ninputs = [\"in/**\", \"build.sh\"]\n");
    project.write("dev.toml", toml);
    let mut devloop = project.up();
    devloop.answers(&"0".repeat(names.len()));
    for name in names {
        devloop.skip();
        project.write(file(name), "1");
        devloop.event("saved");
        devloop.event("live");
    }
    devloop.answers(&"1".repeat(names.len()));
}

#[test]
fn an_input_that_cannot_be_read_is_said_by_the_step_and_the_loop_goes_on() {
    let project = reading_everything();
    project.write("dangling/x", "");
    std::os::unix::fs::symlink("nowhere", project.path("dangling/link")).expect("a link");
    std::os::unix::fs::symlink(".", project.path("dangling/self")).expect("a link");
    nix::unistd::mkfifo(&project.path("dangling/fifo"), nix::sys::stat::Mode::S_IRWXU).expect("a fifo");
    fs::set_permissions(project.path("dangling/x"), fs::Permissions::from_mode(0o000)).expect("chmod");
    let mut devloop = project.up();
    devloop.answers("1");
    fs::set_permissions(project.path("version"), fs::Permissions::from_mode(0o000)).expect("chmod");
    project.write("dangling/y", "more");
    devloop.event("saved");
    fs::set_permissions(project.path("version"), fs::Permissions::from_mode(0o644)).expect("chmod");
    project.write("version", "2");
    devloop.answers("2");
}

#[test]
fn a_project_folder_that_is_deleted_is_said_and_devloop_can_still_be_ended() {
    let project = Project::new();
    project.write("inner/version", "1");
    project.write("inner/app", "");
    project.write("inner/build.sh", build_script());
    project.write("inner/dev.toml", crate::support::app_toml(""));
    let mut command = project.command(&["up", "--json", "--listen", "0"]);
    command.current_dir(project.path("inner"));
    let mut devloop = Devloop::start(command);
    devloop.answers("1");
    devloop.rest_now();
    // What devloop notes down for the next session may come in between.
    let inner = project.path("inner");
    until("the folder is deleted", || fs::remove_dir_all(&inner).is_ok() || !inner.exists());
    devloop.wait("a word about the folder", |event| {
        let text = event.to_string();
        ["note", "step_failed", "plan_invalid", "quitting"].iter().any(|kind| event["event"] == *kind)
            && (text.contains("inner") || text.contains("dev.toml"))
    });
    if devloop.is_running() {
        let busy = |pid| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let fields: Vec<&str> = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
            fields.get(11..13).map_or(0, |times| times.iter().filter_map(|time| time.parse::<u64>().ok()).sum::<u64>())
        };
        let before = busy(devloop.pid());
        // Not for luck: how much it works in that time is what is measured.
        thread::sleep(Duration::from_millis(500));
        let ticks = busy(devloop.pid()) - before;
        assert!(ticks < 25, "{ticks} ticks of 10 ms in half a second: it spins");
        devloop.stop();
    }
    assert!(!inner.exists(), "devloop has made it again");
}

#[test]
fn a_full_disk_is_said_and_the_loop_goes_on_when_there_is_room() {
    let project = Project::new();
    let disk = project.path("disk");
    fs::create_dir_all(&disk).expect("a folder");
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=600k", "tmpfs"]).arg(&disk).output();
    if !mounted.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: no file system can be mounted here");
        return;
    }
    let _mount = Mount(disk.clone());
    project.write("disk/version", "1");
    project.write("disk/app", "");
    project.write("disk/build.sh", build_script() + "echo '#' | head -c 10000 >> \"$1\" || exit 9\n");
    project.write("disk/dev.toml", crate::support::app_toml(""));
    let mut command = project.command(&["up", "--json", "--listen", "0"]);
    command.current_dir(&disk);
    let mut devloop = Devloop::start(command);
    devloop.answers("1");
    devloop.rest_now();
    let mut filler = File::create(project.path("disk/filler.log")).expect("it can be created");
    while filler.write_all(&[7; 4096]).is_ok() {}
    drop(filler);
    _ = fs::write(project.path("disk/version"), "2");
    // What was written of it is what the file system had room for.
    devloop.wait("something is said", |event| {
        ["step_failed", "note", "start_failed", "saved"].iter().any(|kind| event["event"] == *kind)
    });
    fs::remove_file(project.path("disk/filler.log")).expect("it is there");
    project.write("disk/version", "3");
    devloop.answers("3");
    devloop.stop();
}

/// Unmounts, also when a test fails.
struct Mount(std::path::PathBuf);

impl Drop for Mount {
    fn drop(&mut self) {
        _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_replaced_project_folder_is_still_watched_or_that_is_said() {
    let project = reading_everything();
    let mut devloop = project.up();
    devloop.answers("1");
    // A tool that writes a tree anew: away with the folder's files, and all of them again.
    let keep: Vec<(String, String)> = ["version", "app", "build.sh", "dev.toml"]
        .iter()
        .map(|name| ((*name).to_owned(), project.read(name)))
        .collect();
    keep.iter().for_each(|(name, _)| fs::remove_file(project.path(name)).expect("it is there"));
    keep.iter().for_each(|(name, text)| project.write(name, text));
    project.write("version", "2");
    devloop.answers("2");
}
