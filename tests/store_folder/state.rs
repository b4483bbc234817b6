//! What is remembered from one devloop to the next, and what is wrong with it.

use super::*;

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
