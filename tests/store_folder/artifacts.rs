//! What steps built: where it is written, found again, and removed.

use super::*;

#[test]
fn out_does_not_exist_its_folder_does_and_its_name_is_the_steps() {
    let project = Project::new();
    let store = project.open();
    for step in ["build", "my step", "../../etc", ".", "..", "", "ü/ö", &"x".repeat(500)] {
        let path = store.prepare_out(step, RunId(1)).unwrap();
        assert!(!path.exists() && path.parent().unwrap().is_dir(), "{path:?}");
        assert!(path.canonicalize().is_err() && path.starts_with(project.root.join(".devloop/artifacts")), "{path:?}");
        fs::write(&path, step).unwrap();
    }
    assert!(store.artifact_path("build", RunId(1)).ends_with("build"));
    assert_ne!(store.artifact_path("build", RunId(1)), store.artifact_path("build", RunId(2)));
}

#[test]
fn the_same_run_of_two_devloops_writes_to_two_paths() {
    let project = Project::new();
    // As quickly as they come: several live within a millisecond.
    let paths: BTreeSet<_> = (0..100).map(|_| project.open().prepare_out("build", RunId(1)).unwrap()).collect();
    assert_eq!(paths.len(), 100);
}

#[test]
fn what_was_built_is_found_again_by_its_key_while_nobody_touches_it() {
    let project = Project::new();
    let store = project.open();
    let artifact = build(&store, "build", 1, "one");
    assert_eq!(store.lookup(Digest(7)), None);
    store.keep(Digest(7), &artifact, Keep::Session).unwrap();
    assert_eq!(store.lookup(Digest(7)), Some(artifact.clone()));
    assert_eq!(fs::read_to_string(store.path_of(&artifact)).unwrap(), "one");

    fs::write(store.path_of(&artifact), "other").unwrap();
    assert_eq!(store.lookup(Digest(7)), None, "it was touched");

    let artifact = build(&store, "build", 2, "two");
    store.keep(Digest(8), &artifact, Keep::Session).unwrap();
    fs::remove_file(store.path_of(&artifact)).unwrap();
    assert_eq!(store.lookup(Digest(8)), None, "it is gone");
}

#[test]
fn a_folder_is_an_artifact_too_and_a_touch_deep_inside_is_noticed() {
    let project = Project::new();
    let store = project.open();
    let path = store.prepare_out("site", RunId(1)).unwrap();
    fs::create_dir_all(path.join("a/b")).unwrap();
    fs::write(path.join("a/b/c.txt"), "x").unwrap();
    let artifact = store.made(&"site".into(), RunId(1)).unwrap().unwrap();
    store.keep(Digest(1), &artifact, Keep::Session).unwrap();
    assert_eq!(store.lookup(Digest(1)), Some(artifact));
    fs::write(path.join("a/b/new.txt"), "").unwrap();
    assert_eq!(store.lookup(Digest(1)), None);
}

#[test]
fn a_step_that_wrote_nothing_made_nothing() {
    let project = Project::new();
    let store = project.open();
    store.prepare_out("build", RunId(1)).unwrap();
    assert_eq!(store.made(&"build".into(), RunId(1)).unwrap(), None);
}

#[test]
fn the_digest_of_a_file_does_not_depend_on_its_path_but_on_its_content_and_mode() {
    let project = Project::new();
    let digest = |path: &Path| artifact_digest(path).unwrap().unwrap();
    let (a, b) = (project.root.join("a"), project.root.join("b"));
    fs::write(&a, "same").unwrap();
    fs::write(&b, "same").unwrap();
    assert_eq!(digest(&a), digest(&b));
    fs::set_permissions(&b, fs::Permissions::from_mode(0o755)).unwrap();
    assert_ne!(digest(&a), digest(&b));
    fs::write(&a, "Same").unwrap();
    let large = vec![b'x'; 1_000_000];
    fs::write(&a, &large).unwrap();
    let before = digest(&a);
    let mut changed = large;
    changed[999_999] = b'y';
    fs::write(&a, changed).unwrap();
    assert_ne!(before, digest(&a));
}

#[test]
fn the_digest_of_a_folder_depends_on_names_links_and_structure() {
    let project = Project::new();
    let make = |name: &str, fill: &dyn Fn(&Path)| {
        let folder = project.root.join(name);
        fs::create_dir_all(&folder).unwrap();
        fill(&folder);
        artifact_digest(&folder).unwrap().unwrap()
    };
    let write = |path: PathBuf, text: &str| fs::write(path, text).unwrap();
    let plain = make("plain", &|folder| write(folder.join("x"), "1"));
    let same = make("same", &|folder| write(folder.join("x"), "1"));
    let renamed = make("renamed", &|folder| write(folder.join("y"), "1"));
    let odd = make("odd", &|folder| write(folder.join(OsString::from_vec(vec![0xff, b'\n'])), "1"));
    let link = make("link", &|folder| symlink("1", folder.join("x")).unwrap());
    let other_link = make("other link", &|folder| symlink("2", folder.join("x")).unwrap());
    let deep = make("deep", &|folder| {
        fs::create_dir(folder.join("d")).unwrap();
        write(folder.join("d/x"), "1");
    });
    assert_eq!(plain, same);
    let all = [plain, renamed, odd, link, other_link, deep];
    let distinct: std::collections::HashSet<_> = all.iter().collect();
    assert_eq!(distinct.len(), all.len());
}

#[test]
fn a_pipe_in_an_artifact_does_not_stop_the_reading() {
    let project = Project::new();
    let folder = project.root.join("out");
    fs::create_dir(&folder).unwrap();
    nix::unistd::mkfifo(&folder.join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert!(artifact_digest(&folder).unwrap().is_some());
}

#[test]
fn only_the_last_ten_of_a_step_are_left_on_disk_and_none_that_is_used() {
    let project = Project::new();
    let store = project.open();
    for run in 1..=15 {
        let artifact = build(&store, "build", run, &format!("{run}"));
        store.keep(Digest(run.into()), &artifact, Keep::Session).unwrap();
    }
    store.collect(&[RunId(1)]);
    let left = |run: u64| store.artifact_path("build", RunId(run)).exists();
    let left: Vec<u64> = (1..=15).filter(|run| left(*run)).collect();
    assert_eq!(left, [1, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
    assert!(store.lookup(Digest(6)).is_none() && store.lookup(Digest(7)).is_some());
}

#[test]
fn read_only_folders_are_removed_too() {
    let project = Project::new();
    let store = project.open();
    let path = store.prepare_out("build", RunId(1)).unwrap();
    fs::create_dir_all(path.join("mod")).unwrap();
    fs::write(path.join("mod/x"), "").unwrap();
    fs::set_permissions(path.join("mod"), fs::Permissions::from_mode(0o500)).unwrap();
    store.prepare_out("build", RunId(2)).unwrap();
    store.collect(&[]);
    assert!(!path.exists());
}

#[test]
fn only_what_is_kept_across_outlives_a_devloop() {
    let project = Project::new();
    let store = project.open();
    let session = build(&store, "build", 1, "session");
    let across = build(&store, "build", 2, "across");
    store.keep(Digest(1), &session, Keep::Session).unwrap();
    store.keep(Digest(2), &across, Keep::Across).unwrap();
    let (gone, stays) = (store.path_of(&session), store.path_of(&across));
    drop(store);

    let store = project.open();
    assert_eq!(store.lookup(Digest(1)), None);
    let found = store.lookup(Digest(2)).unwrap();
    assert_eq!((found.digest, store.path_of(&found)), (across.digest, stays.clone()));
    wait_for(|| !gone.exists());
    // a run of this session with the id of that old run is another one
    assert_ne!(store.prepare_out("build", RunId(2)).unwrap(), stays);
    assert_ne!(found.run, RunId(2));
    drop(store);

    let store = project.open();
    assert!(store.lookup(Digest(2)).is_some(), "also through a devloop that did not use it");
    store.forget("build");
    store.collect(&[]);
    assert!(!stays.exists());
}
