//! `.devloop` on real disks: what it keeps, what it removes, and what it says when it cannot.
#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests are outside the house")]

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    fs,
    os::unix::{
        ffi::OsStringExt,
        fs::{PermissionsExt, symlink},
    },
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use devloop::{
    model::{Artifact, Digest, Line, PastProgram, Revision, RunId, Stream},
    plan::Resolved,
    store::{Ingredients, Keep, Store, artifact_digest, inputs_digest, key},
};

/// A temporary project.
struct Project {
    _folder: tempfile::TempDir,
    root: PathBuf,
}

impl Project {
    fn new() -> Project {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        Project { _folder: folder, root }
    }

    fn open(&self) -> Store {
        Store::open(&self.root).unwrap()
    }

    fn state(&self) -> PathBuf {
        self.root.join(".devloop/state.json")
    }
}

/// Builds `content` as `run` of `step` would.
fn build(store: &Store, step: &str, run: u64, content: &str) -> Artifact {
    let path = store.prepare_out(step, RunId(run)).unwrap();
    fs::write(path, content).unwrap();
    store.made(&step.into(), RunId(run)).unwrap().unwrap()
}

fn wait_for(look: impl Fn() -> bool) {
    for _ in 0..3000 {
        if look() {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("waited 30 s in vain")
}

#[test]
fn the_folder_ignores_itself_in_git() {
    let project = Project::new();
    let _store = project.open();
    assert_eq!(fs::read_to_string(project.root.join(".devloop/.gitignore")).unwrap(), "*\n");
}

#[test]
fn a_second_devloop_is_told_the_pid_of_the_first_and_how_to_reach_it() {
    let project = Project::new();
    let store = project.open();
    let problem = Store::open(&project.root).unwrap_err().problem().clone();
    let pid = std::process::id();
    assert_eq!(problem.message, format!("devloop is already running in this project (pid {pid})"));
    assert!(problem.hint.unwrap().contains(&format!("kill {pid}")));
    drop(store);
    project.open();
}

/// Not a test: the first devloop, which is going to be killed.
#[test]
fn holder() {
    let Ok(root) = std::env::var("HOLDER_ROOT") else { return };
    let _store = Store::open(Path::new(&root)).unwrap();
    println!("held");
    let _ = std::io::Read::read_to_end(&mut std::io::stdin(), &mut Vec::new());
}

#[test]
fn a_killed_devloop_does_not_keep_the_lock() {
    use std::io::{BufRead, BufReader};
    let project = Project::new();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "holder", "--nocapture"]).env("HOLDER_ROOT", &project.root);
    let mut holder = command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(holder.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("held")));
    let problem = Store::open(&project.root).unwrap_err().problem().clone();
    assert!(problem.message.contains(&format!("(pid {})", holder.id())), "{problem:?}");
    holder.kill().unwrap();
    holder.wait().unwrap();
    project.open();
}

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

#[test]
fn what_was_learned_is_remembered() {
    let project = Project::new();
    let store = project.open();
    store.remember_exclusive("api").unwrap();
    store.remember_exclusive("api").unwrap();
    store.remember_exclusive("web").unwrap();
    store.forget_exclusive("web").unwrap();
    for seconds in [1, 2, 3, 4, 100] {
        store.took("build", Duration::from_secs(seconds));
    }
    drop(store);
    let store = project.open();
    assert_eq!(store.exclusive(), ["api".into()]);
    assert_eq!(store.estimate("build"), Some(Duration::from_secs(3)));
    assert_eq!(store.estimate("other"), None);
}

#[test]
fn unknown_fields_of_the_state_stay() {
    let project = Project::new();
    drop(project.open());
    fs::write(project.state(), "{\"future\": {\"a\": [1]}, \"exclusive\": [\"api\", 3]}").unwrap();
    let store = project.open();
    assert_eq!(store.exclusive(), ["api".into()]);
    drop(store);
    let state: serde_json::Value = serde_json::from_slice(&fs::read(project.state()).unwrap()).unwrap();
    assert_eq!(state["future"]["a"][0], 1);
}

#[test]
fn a_damaged_state_is_set_aside_with_a_note() {
    for damage in ["", "{\"exclusive\": [", "[1]", "\u{0}\u{0}"] {
        let project = Project::new();
        drop(project.open());
        fs::write(project.state(), damage).unwrap();
        let store = project.open();
        assert!(store.notes().iter().any(|note| note.contains("damaged")), "{:?}", store.notes());
        assert_eq!(fs::read_to_string(project.root.join(".devloop/state.damaged.json")).unwrap(), damage);
        store.remember_exclusive("api").unwrap();
    }
}

#[test]
fn a_state_that_leads_out_of_the_folder_is_not_followed() {
    let project = Project::new();
    drop(project.open());
    let precious = project.root.join("precious");
    fs::create_dir(&precious).unwrap();
    let zeros = "0".repeat(32);
    for folder in ["../../precious", project.root.join("precious").to_str().unwrap(), ".."] {
        let state = serde_json::json!({ "artifacts": [{
            "key": zeros, "step": "build", "folder": folder, "digest": zeros, "mark": zeros, "bytes": 1 }]});
        fs::write(project.state(), state.to_string()).unwrap();
        let store = project.open();
        assert_eq!(store.lookup(Digest(0)), None);
        store.collect(&[]);
    }
    assert!(precious.is_dir());
}

#[test]
fn a_file_in_the_way_is_said() {
    let project = Project::new();
    fs::write(project.root.join(".devloop"), "").unwrap();
    let problem = Store::open(&project.root).unwrap_err().problem().clone();
    assert!(problem.message.contains(".devloop") && problem.hint.is_some(), "{problem:?}");
}

#[test]
fn a_project_folder_that_is_gone_is_said() {
    let project = Project::new();
    let store = project.open();
    fs::remove_dir_all(&project.root).unwrap();
    fs::write(&project.root, "a file now").unwrap();
    let problem = store.prepare_out("build", RunId(1)).unwrap_err();
    assert!(problem.message.contains("cannot make a folder for"), "{problem:?}");
    fs::remove_file(&project.root).unwrap();
}

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

#[test]
fn the_log_has_every_line_with_time_and_source() {
    let project = Project::new();
    let store = project.open();
    let log = store.log(|notice| panic!("{notice}"));
    let line = |text: &str| Line { source: "api".into(), run: RunId(1), stream: Stream::Out, text: text.to_owned() };
    (0..1000).for_each(|n| log.line(&line(&format!("line {n}"))));
    log.fact("revision 2 is live");
    log.close();
    log.close();
    let text = fs::read_to_string(store.folder().join("log/devloop.log")).unwrap();
    assert_eq!(text.lines().count(), 1001);
    assert!(text.lines().all(|line| line.as_bytes()[10] == b'T' && line.as_bytes()[23] == b'Z'));
    assert!(text.contains("Z api | line 999\n") && text.contains("Z devloop: revision 2 is live\n"));
}

#[test]
fn a_flood_of_lines_neither_waits_nor_grows_and_what_is_missing_is_counted() {
    let project = Project::new();
    let store = project.open();
    let log = store.log(|notice| panic!("{notice}"));
    let written = Arc::new(AtomicUsize::new(0));
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let (log, written) = (log.clone(), written.clone());
            thread::spawn(move || {
                let text = "y".repeat(1000);
                for _ in 0..50_000 {
                    log.fact(&text);
                    written.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    log.close();
    let files: Vec<PathBuf> =
        fs::read_dir(store.folder().join("log")).unwrap().map(|file| file.unwrap().path()).collect();
    let size: u64 = files.iter().map(|file| fs::metadata(file).unwrap().len()).sum();
    assert!(size <= 65 * 1024 * 1024, "{size}");
    assert_eq!(written.load(Ordering::Relaxed), 200_000);
    if log.dropped() > 0 {
        // the note may have been rotated away with the oldest file, but not the newest one
        let any = files.iter().any(|file| fs::read_to_string(file).unwrap().contains("came too fast"));
        assert!(any || size > 60 * 1024 * 1024);
    }
}

/// What makes an artifact, to be changed piece by piece.
struct Recipe {
    root: PathBuf,
    command: Resolved,
    cwd: PathBuf,
    env: BTreeMap<String, String>,
    env_files: Vec<Arc<Path>>,
    environment: Vec<(OsString, OsString)>,
    inputs: Digest,
    artifacts: Vec<Artifact>,
}

impl Recipe {
    fn new(root: &Path) -> Recipe {
        fs::create_dir_all(root.join("bin")).unwrap();
        fs::write(root.join("bin/tool"), "#!/bin/sh\n").unwrap();
        fs::set_permissions(root.join("bin/tool"), fs::Permissions::from_mode(0o755)).unwrap();
        let command = Resolved { program: "tool".into(), args: vec!["-o".into(), "{out}".into(), "$VERSION".into()] };
        let environment = vec![("PATH".into(), root.join("bin").into()), ("TERM".into(), "xterm".into())];
        Recipe {
            root: root.to_owned(),
            command,
            cwd: root.to_owned(),
            env: BTreeMap::new(),
            env_files: vec![Path::new(".env").into()],
            environment,
            inputs: Digest(1),
            artifacts: vec![Artifact { step: "gen".into(), run: RunId(1), digest: Digest(5) }],
        }
    }

    fn key(&self) -> Digest {
        key(&Ingredients {
            root: &self.root,
            command: &self.command,
            cwd: &self.cwd,
            env: &self.env,
            env_files: &self.env_files,
            environment: &self.environment,
            inputs: self.inputs,
            artifacts: &self.artifacts,
        })
    }
}

#[test]
fn everything_that_makes_an_artifact_is_in_its_key() {
    let project = Project::new();
    let mut recipe = Recipe::new(&project.root);
    let mut keys = vec![recipe.key()];
    let mut step = |recipe: &mut Recipe, what: &str, change: &dyn Fn(&mut Recipe)| {
        change(recipe);
        let key = recipe.key();
        assert!(!keys.contains(&key), "{what} must change the key");
        keys.push(key);
    };
    step(&mut recipe, "an argument", &|recipe| recipe.command.args.push("-v".into()));
    step(&mut recipe, "where words end", &|recipe| {
        recipe.command.args = vec!["-o{out}".into(), "$VERSION".into(), "-v".into()];
    });
    step(&mut recipe, "the folder", &|recipe| recipe.cwd = recipe.root.join("bin"));
    step(&mut recipe, "env", &|recipe| drop(recipe.env.insert("A".to_owned(), "1".to_owned())));
    step(&mut recipe, "a new env file", &|recipe| fs::write(recipe.root.join(".env"), "").unwrap());
    step(&mut recipe, "an env file", &|recipe| fs::write(recipe.root.join(".env"), "X=1").unwrap());
    step(&mut recipe, "GOFLAGS", &|recipe| recipe.environment.push(("GOFLAGS".into(), "-race".into())));
    step(&mut recipe, "a named variable", &|recipe| recipe.environment.push(("VERSION".into(), "2".into())));
    step(&mut recipe, "the program", &|recipe| fs::write(recipe.root.join("bin/tool"), "#!/bin/sh\necho\n").unwrap());
    step(&mut recipe, "the inputs", &|recipe| recipe.inputs = Digest(2));
    step(&mut recipe, "an earlier artifact", &|recipe| recipe.artifacts[0].digest = Digest(6));
}

#[test]
fn an_update_of_the_toolchain_behind_a_stand_in_changes_the_key() {
    let project = Project::new();
    let mut recipe = Recipe::new(&project.root);
    fs::rename(project.root.join("bin/tool"), project.root.join("bin/rustup")).unwrap();
    symlink("rustup", project.root.join("bin/tool")).unwrap();
    recipe.environment.push(("RUSTUP_HOME".into(), project.root.join("home").into()));
    fs::create_dir_all(project.root.join("home/update-hashes")).unwrap();
    let before = recipe.key();
    fs::write(project.root.join("home/update-hashes/stable"), "1").unwrap();
    let updated = recipe.key();
    assert_ne!(before, updated);
    fs::write(project.root.join("home/settings.toml"), "default_toolchain = \"nightly\"").unwrap();
    assert_ne!(updated, recipe.key());
}

#[test]
fn what_does_not_make_an_artifact_is_not_in_its_key() {
    let project = Project::new();
    let mut recipe = Recipe::new(&project.root);
    let before = recipe.key();
    recipe.environment.push(("TERM_SESSION".into(), "1".into()));
    recipe.environment.push(("VERSIONS".into(), "not named by `$VERSION`".into()));
    recipe.environment.reverse();
    recipe.artifacts[0].run = RunId(99);
    assert_eq!(recipe.key(), before);
}

#[test]
fn a_missing_input_is_not_an_empty_one_and_order_does_not_matter() {
    let (a, b) = (Path::new("a"), Path::new("b"));
    let one = inputs_digest([(a, Some(Digest(1))), (b, None)]);
    assert_eq!(one, inputs_digest([(b, None), (a, Some(Digest(1)))]));
    assert_ne!(one, inputs_digest([(a, Some(Digest(1)))]));
    assert_ne!(one, inputs_digest([(a, None), (b, Some(Digest(1)))]));
}

fn past(revision: u64, artifacts: &[&Artifact]) -> PastProgram {
    PastProgram { revision: Revision(revision), artifacts: artifacts.iter().map(|made| (*made).clone()).collect() }
}

/// The revisions that one can go back to, and what is in their artifacts.
fn programs(store: &Store, service: &str) -> Vec<(u64, Vec<String>)> {
    let all = store.programs().into_iter().find(|(name, _)| &**name == service).map(|(_, programs)| programs);
    let content = |made: &Artifact| fs::read_to_string(store.path_of(made)).unwrap();
    let of = |program: PastProgram| (program.revision.0, program.artifacts.iter().map(content).collect());
    all.unwrap_or_default().into_iter().map(of).collect()
}

#[test]
fn programs_outlive_sessions_and_collecting_even_of_services_that_are_not_run() {
    let project = Project::new();
    let store = project.open();
    let (one, two) = (build(&store, "build", 1, "one"), build(&store, "build", 2, "two"));
    build(&store, "build", 3, "three");
    store.set_programs("api", vec![past(1, &[&one]), past(4, &[&two])]);
    store.set_programs("web", vec![past(2, &[&one])]);
    store.collect(&[]);
    drop(store);
    for _ in 0..3 {
        let store = project.open();
        store.collect(&[]);
        assert_eq!(programs(&store, "api"), [(1, vec!["one".to_owned()]), (4, vec!["two".to_owned()])]);
        assert_eq!(programs(&store, "web"), [(2, vec!["one".to_owned()])]);
        assert_eq!(store.notes(), &[] as &[String]);
    }
}

#[test]
fn a_program_that_somebody_has_touched_is_forgotten() {
    let project = Project::new();
    let store = project.open();
    let (one, two) = (build(&store, "build", 1, "one"), build(&store, "build", 2, "two"));
    store.set_programs("api", vec![past(1, &[&one]), past(2, &[&two])]);
    store.save().unwrap();
    fs::write(store.path_of(&one), "another").unwrap();
    drop(store);
    let store = project.open();
    assert_eq!(programs(&store, "api"), [(2, vec!["two".to_owned()])]);
}

#[test]
fn a_program_that_leads_out_of_the_folder_is_forgotten_with_a_note() {
    let project = Project::new();
    let store = project.open();
    let one = build(&store, "build", 1, "one");
    store.set_programs("api", vec![past(1, &[&one])]);
    drop(store);
    let mut state: serde_json::Value = serde_json::from_str(&fs::read_to_string(project.state()).unwrap()).unwrap();
    state["programs"]["services"]["api"][0]["artifacts"][0]["folder"] = "../../../etc".into();
    fs::write(project.state(), state.to_string()).unwrap();
    let store = project.open();
    assert_eq!(programs(&store, "api"), []);
    assert_eq!(store.notes().len(), 1, "{:?}", store.notes());
    state["programs"]["version"] = 2.into();
    drop(store);
    fs::write(project.state(), state.to_string()).unwrap();
    let store = project.open();
    assert!(store.notes()[0].contains("another devloop version"), "{:?}", store.notes());
}

#[test]
fn no_revision_is_given_twice_even_after_a_kill() {
    let project = Project::new();
    let store = project.open();
    assert_eq!(store.revision(), Revision(0));
    for revision in 1..=40 {
        store.reach(Revision(revision)).unwrap();
    }
    // As it is on the disk if it is killed now.
    let killed = fs::read_to_string(project.state()).unwrap();
    store.end_at(Revision(40));
    drop(store);
    let store = project.open();
    assert_eq!(store.revision(), Revision(40), "whoever ends in order leaves no gap");
    drop(store);
    fs::write(project.state(), killed).unwrap();
    let revision = project.open().revision();
    assert!((40..56).contains(&revision.0), "{revision}");
}
