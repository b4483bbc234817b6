//! Routes of dev.toml, from the file to the answer.

use crate::support::{Project, app_toml};

const ROUTES: &str = "
[[route]]
path = \"/app\"
service = \"app\"
strip_prefix = true

[[route]]
path = \"/old\"
redirect = \"/app/{path}\"

[[route]]
files = \"public\"
";

#[test]
fn routes_lead_to_services_and_files_and_change_with_dev_toml() {
    let project = Project::with_app("");
    project.write("public/hello.txt", "hello\n");
    project.write("dev.toml", app_toml("") + ROUTES);
    let mut devloop = project.up();
    devloop.rest();
    assert_eq!(devloop.get("/app").body, "1\n");
    assert_eq!(devloop.get("/hello.txt").body, "hello\n");
    assert_eq!((devloop.get("/old/x").status, devloop.get("/none").status), (307, 404));
    let builds = devloop.started("build");
    project.write("dev.toml", app_toml("") + &ROUTES.replace("/app\"\n", "/new\"\n"));
    devloop.event("plan_changed");
    devloop.rest_now();
    assert_eq!((devloop.get("/app").status, devloop.get("/new").body.as_str()), (404, "1\n"));
    assert_eq!(devloop.started("build"), builds, "no step has to run for a route");
}

#[test]
fn a_folder_needs_no_service() {
    let project = Project::new();
    project.write("public/index.html", "<p>hello");
    project.write("dev.toml", "[[step]]\nname = \"a\"\nrun = \"true\"\n\n[[route]]\nfiles = \"public\"\n");
    let mut devloop = project.up();
    devloop.rest();
    assert_eq!(devloop.get("/").body, "<p>hello");
}

#[test]
fn what_dev_toml_says_is_done_on_the_way_and_logged() {
    let project = Project::with_app("");
    let proxy = |more: &str| format!("[proxy]\naccess_log = true\n{more}\n{}", app_toml(""));
    project.write("dev.toml", proxy("response_headers = { X-One = \"1\" }"));
    let mut devloop = project.up();
    devloop.rest();
    assert!(devloop.get("/a?b").head.contains("x-one: 1"));
    let line = devloop.wait("its line", |event| event["event"] == "output" && event["source"] == "requests");
    let text = line["text"].as_str().unwrap_or_default();
    assert!(text.starts_with("GET localhost/a?b 200, 2 bytes in ") && text.ends_with("(service app)"), "{text}");
    project.write("dev.toml", proxy("basic_auth = { ann = \"secret\" }"));
    devloop.event("plan_changed");
    assert_eq!(devloop.get("/").status, 401);
}
