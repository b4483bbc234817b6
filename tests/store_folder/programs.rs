//! The last programs of services, to go back to.

use super::*;

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
