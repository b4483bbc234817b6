//! How devloop finds out that two instances of a service cannot live side by side.

use crate::support::{Project, free_port};

#[test]
fn auto_learns_from_a_taken_address_that_swaps_are_exclusive_and_remembers_it() {
    let other = free_port();
    let project = Project::with_app("");
    project.write("app", format!("also={other}"));
    learns_exclusive(&project, "address");
}

#[test]
fn a_port_that_a_stranger_has_is_no_reason_to_stop_the_old_one_first() {
    let stranger = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = stranger.local_addr().expect("it has an address").port();
    let project = Project::with_app("");
    let mut devloop = project.up();
    devloop.rest();
    project.write("app", format!("port={port}"));
    let failed = devloop.event("start_failed");
    let hint = failed["report"]["hint"].as_str().unwrap_or_default();
    assert!(hint.starts_with(&format!("port {port} is taken by ")), "{failed}");
    devloop.rest();
    assert_eq!(devloop.count("exclusive"), 0, "{:#?}", devloop.events());
    assert_eq!(devloop.get("/").body, "1\n");
}

#[test]
fn auto_learns_from_a_lock_that_swaps_are_exclusive_and_remembers_it() {
    let project = Project::with_app("");
    project.write("app", "lock=db.lck");
    learns_exclusive(&project, "lock");
}

fn learns_exclusive(project: &Project, why: &str) {
    let mut devloop = project.up();
    assert_eq!(devloop.event("starting")["swap"], "overlap");
    devloop.rest();
    project.write("version", "2");
    assert_eq!(devloop.get("/").body, "2\n", "the failed try is not seen");
    let told = devloop.event("exclusive");
    assert!(told["why"].as_str().is_some_and(|text| text.contains(why)), "{told}");
    assert_eq!(devloop.event("starting")["swap"], "exclusive");
    devloop.rest();
    assert_eq!(devloop.count("start_failed"), 0);
    project.write("version", "3");
    assert_eq!(devloop.get("/").body, "3\n");
    devloop.stop();
    let mut again = project.up();
    again.rest();
    project.write("version", "4");
    assert_eq!(again.get("/").body, "4\n");
    let modes: Vec<_> = again.events().into_iter().filter(|event| event["event"] == "starting").collect();
    assert!(modes.iter().all(|event| event["swap"] == "exclusive"), "{modes:?}");
    again.stop();
}
