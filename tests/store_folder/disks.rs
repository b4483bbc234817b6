//! Disks that are full or cannot be written to.

use super::*;

/// A file system of this size in memory; none where this process may not mount one.
#[cfg(target_os = "linux")]
struct Small(PathBuf);

#[cfg(target_os = "linux")]
impl Small {
    fn mount(at: &Path) -> Option<Small> {
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=256k", "tmpfs"]).arg(at).output();
        let mounted = mount.is_ok_and(|output| output.status.success());
        if !mounted {
            eprintln!("skipped: a small file system cannot be mounted here");
        }
        mounted.then(|| Small(at.to_owned()))
    }

    fn fill(&self) {
        use std::io::Write;
        let mut file = fs::File::create(self.0.join("ballast")).unwrap();
        while file.write_all(&[0; 1024]).is_ok() {}
    }
}

#[cfg(target_os = "linux")]
impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_said_and_the_log_goes_on_when_it_can() {
    let project = Project::new();
    let Some(disk) = Small::mount(&project.root) else { return };
    let store = project.open();
    store.remember_exclusive("kept").unwrap();
    let (told, notices) = std::sync::mpsc::channel();
    let log = store.log(move |notice| told.send(notice).unwrap());
    disk.fill();

    let failed = (1..).map(|run| store.prepare_out(&format!("step {run}"), RunId(run))).take(1000);
    let problem = failed.filter_map(Result::err).next();
    if let Some(problem) = problem {
        assert!(problem.hint.as_deref().unwrap().contains("full"), "{problem:?}");
    }
    assert!(store.remember_exclusive(&"long".repeat(5000)).is_err());
    let state: serde_json::Value = serde_json::from_slice(&fs::read(project.state()).unwrap()).unwrap();
    assert_eq!(state["exclusive"][0], "kept", "the old file is whole");

    log.fact(&"x".repeat(20_000));
    let notice = notices.recv_timeout(Duration::from_secs(30)).unwrap();
    assert!(notice.contains("cannot be written"), "{notice}");
    fs::remove_file(project.root.join("ballast")).unwrap();
    log.fact("after");
    let notice = notices.recv_timeout(Duration::from_secs(30)).unwrap();
    assert!(notice.contains("written again"), "{notice}");
    log.close();
    assert!(fs::read_to_string(project.root.join(".devloop/log/devloop.log")).unwrap().contains("devloop: after"));
    drop(store);
}

#[cfg(target_os = "linux")]
#[test]
fn a_read_only_disk_is_said() {
    let project = Project::new();
    let Some(_disk) = Small::mount(&project.root) else { return };
    let remount = Command::new("mount").args(["-o", "remount,ro"]).arg(&project.root).status().unwrap();
    assert!(remount.success());
    let problem = Store::open(&project.root).unwrap_err().problem().clone();
    assert!(problem.hint.as_deref().unwrap().contains("writable"), "{problem:?}");
}
