//! Good dev.tomls, and the plans they make: order, defaults, inputs, warnings, subsets, and how they are described.
#![expect(clippy::disallowed_methods, reason = "tests are outside the house")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod described;

use std::{collections::BTreeSet, path::Path, time::Duration};

use devloop::{
    config::{self, Loaded},
    error::{Colour, render, render_warnings},
    plan::{
        Cache, Fail, Field, HostHeader, Inputs, Listen, Origins, Plan, Port, RateLimit, Reload, Restart, Settle, Swap,
        Target, Tool, describe,
    },
};

fn load(toml: &str) -> Loaded {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    std::fs::create_dir_all(root.join("web/app")).unwrap();
    match config::load(toml, Path::new("dev.toml"), &root) {
        Ok(loaded) => loaded,
        Err(problems) => panic!("{}", render(&problems, Colour::Never)),
    }
}

fn plan(toml: &str) -> Plan {
    load(toml).plan
}

fn step(name: &str, more: &str) -> String {
    format!("[[step]]\nname = \"{name}\"\nrun = \"x\"\n{more}\n")
}

fn service(name: &str, more: &str) -> String {
    format!("[[service]]\nname = \"{name}\"\nrun = \"my-server\"\n{more}\n")
}

fn names(plan: &Plan, indices: impl IntoIterator<Item = usize>) -> Vec<String> {
    indices.into_iter().map(|index| plan.steps[index].name.to_string()).collect()
}

#[test]
fn the_defaults_are_those_of_the_design() {
    let plan = plan(&(step("build", "") + &service("api", "")));
    let proxy = &plan.proxy;
    assert_eq!(proxy.listen, Listen { host: None, port: 3000, written: false });
    assert_eq!((proxy.fresh, proxy.hold), (Duration::from_secs(5), Duration::from_secs(30)));
    assert!(proxy.enabled && proxy.reload == Reload::Own && proxy.hosts.is_empty());
    assert_eq!((proxy.record, proxy.record_bodies, proxy.server_timing), (500, false, false));
    assert!(!proxy.trust_forwarded);
    assert_eq!(plan.watch.settle, Settle::Auto);
    let build = &plan.steps[0];
    assert_eq!((build.cancel, build.cache, build.timeout, build.generates), (true, Cache::Session, None, false));
    assert_eq!(build.inputs, Inputs::Everything);
    let api = &plan.services[0];
    assert_eq!((api.port, api.swap, api.restart), (Port::Auto, Swap::Auto, Restart::OnExit));
    assert_eq!((api.drain, api.health.timeout), (Duration::from_secs(60), Duration::from_secs(60)));
    assert_eq!((api.stop.signal, api.stop.grace), (15, Duration::from_secs(5)));
    assert_eq!(plan.file.as_deref(), Some(Path::new("dev.toml")));
}

#[test]
fn steps_run_in_the_order_written_across_both_arrays() {
    let toml = step("a", "") + &step("b", "") + &service("api", "") + &step("test", "") + &service("late", "");
    let plan = plan(&toml);
    assert_eq!(names(&plan, plan.steps[1].after.clone()), ["a"]);
    assert_eq!(names(&plan, plan.steps[2].after.clone()), ["b"]);
    assert_eq!(names(&plan, plan.services[0].after.clone()), ["a", "b"]);
    assert_eq!(names(&plan, plan.services[1].after.clone()), ["a", "b", "test"]);
}

#[test]
fn a_step_waits_also_for_those_that_the_step_before_it_does_not_wait_for() {
    let plan = plan(&(step("a", "") + &step("lint", "after = []") + &step("build", "")));
    assert_eq!(plan.before_step(1), BTreeSet::new());
    assert_eq!(plan.before_step(2), BTreeSet::from([0, 1]));
}

#[test]
fn after_says_otherwise() {
    let plan = plan(
        &(step("a", "") + &step("b", "after = []") + &service("api", "after = [\"b\"]") + &service("db", "after = []")),
    );
    assert!(plan.steps[1].after.is_empty());
    assert_eq!(names(&plan, plan.services[0].after.clone()), ["b"]);
    assert!(plan.services[1].after.is_empty());
}

#[test]
fn naming_an_artifact_makes_its_step_come_before() {
    let toml =
        "[[step]]\nname = \"build\"\nrun = \"x {out}\"\n[[service]]\nname = \"api\"\nrun = \"{build}\"\nafter = []\n";
    let plan = plan(toml);
    let api = &plan.services[0];
    assert_eq!((&api.uses[..], &api.after[..], &api.inputs), (&[0][..], &[0][..], &Inputs::None));
    assert!(plan.steps[0].makes_artifact);
}

#[test]
fn inputs_that_are_not_written_follow_the_command() {
    let of = |run: &str| plan(&format!("[[service]]\nname = \"a\"\nrun = \"{run}\"\n")).services[0].inputs.clone();
    assert_eq!(of("go run ./cmd/api"), Inputs::Tool(Tool::Go));
    assert_eq!(of("cargo run"), Inputs::Tool(Tool::Cargo));
    assert_eq!(of("./bin/server"), Inputs::None);
    assert_eq!(of("docker compose up"), Inputs::None);
    assert_eq!(of("my-server"), Inputs::Everything);
    assert!(matches!(of("node server.js"), Inputs::Globs(globs) if globs.matches(Path::new("lib/a.ts"))));
}

#[test]
fn a_program_file_in_the_tree_is_known() {
    let of = |run: &str, more: &str| {
        plan(&format!("[[service]]\nname = \"a\"\nrun = \"{run}\"\n{more}\n")).services[0].program.clone()
    };
    assert_eq!(of("./bin/server -v", "").as_deref(), Some(Path::new("bin/server")));
    assert_eq!(of("bin/server", "cwd = \"web\"").as_deref(), Some(Path::new("web/bin/server")));
    assert_eq!(of("../serve", "cwd = \"web\"").as_deref(), Some(Path::new("serve")));
    assert_eq!(of("../serve", "").as_deref(), None);
    assert_eq!(of("server", "").as_deref(), None);
    assert_eq!(of("/usr/bin/env", "").as_deref(), None);
}

#[test]
fn a_change_of_assets_restarts_nothing() {
    let plan = plan(&service("api", "inputs = [\"**\"]\nassets = [\"static/\"]"));
    assert!(plan.service_reads(0, Path::new("main.py"), None));
    assert!(!plan.service_reads(0, Path::new("static/a.css"), None));
}

#[test]
fn every_key_arrives() {
    let toml = r#"
[watch]
ignore = ["tmp/**"]
settle = "250ms"
backend = "poll"

[proxy]
listen = "[::1]:8080"
hosts = ["App.Test"]
fresh = "1s"
hold = "1m30s"
reload = false
trust_forwarded = true

[[service]]
name = "db"
run = "x"
port = "none"

[[step]]
name = "gen"
run = ["x", "{out}"]
inputs = ["a/**"]
outputs = ["b/**"]
needs = ["db"]
cwd = "./web/../web"
env = { B = "2", A = "1" }
env_files = ["./.env", "../other.env"]
pty = true
cancel = false
cache = true
timeout = "2m"
generates = true

[[service]]
name = "api"
run = "x | y"
port = 9000
swap = "exclusive"
health = { path = "/h", status = [204], timeout = "10s", interval = "1s" }
stop = { signal = "INT", grace = "1s", run = ["docker", "compose", "down"] }
drain = "0s"
restart = "no"
pty = false
protocol = "h2c"
"#;
    let Loaded { plan, warnings } = load(toml);
    let listen = Listen { host: Some("::1".to_owned()), port: 8080, written: true };
    assert_eq!((plan.proxy.listen.clone(), &plan.proxy.hosts[..]), (listen, &["app.test".to_owned()][..]));
    assert_eq!((plan.proxy.hold, plan.proxy.reload), (Duration::from_secs(90), Reload::Never));
    assert!(plan.proxy.trust_forwarded);
    assert_eq!(plan.watch.settle, Settle::Fixed(Duration::from_millis(250)));
    let gen_step = &plan.steps[0];
    assert_eq!(gen_step.cwd, plan.root.join("web"));
    assert_eq!(
        gen_step.env_files.iter().map(|file| &**file).collect::<Vec<_>>(),
        [".env", "../other.env"].map(Path::new)
    );
    assert_eq!(gen_step.env.values().collect::<Vec<_>>(), ["1", "2"]);
    assert_eq!((gen_step.cancel, gen_step.cache, gen_step.pty), (false, Cache::Kept, Some(true)));
    assert_eq!((&gen_step.needs[..], gen_step.timeout), (&[0][..], Some(Duration::from_secs(120))));
    let api = &plan.services[1];
    assert_eq!(
        (api.port, api.swap, api.restart, api.drain),
        (Port::Fixed(9000), Swap::Exclusive, Restart::No, Duration::ZERO)
    );
    assert_eq!((api.health.path.as_deref(), &api.health.status[..]), (Some("/h"), &[204][..]));
    assert_eq!((api.stop.signal, api.stop.grace), (2, Duration::from_secs(1)));
    assert_eq!(api.stop.run.as_ref().unwrap().text, "docker compose down");
    assert_eq!(warnings.len(), 2, "{warnings:?}");
}

#[test]
fn warnings_tell_what_is_valid_but_hardly_meant() {
    let toml = "[proxy]\nlisten = \"0.0.0.0:3000\"\n\n[[step]]\nname = \"build\"\nrun = \"x {out}\"\n\n[[service]]\nname = \"api\"\nrun = \"{biuld}\"\nenv = { PORT = \"1\" }\n";
    let wanted = "\
warning: everybody on your network can reach the proxy at this address
 --> dev.toml:2:10
  |
2 | listen = \"0.0.0.0:3000\"
  |          ^^^^^^^^^^^^^^
  |
  = hint: `listen = \"127.0.0.1:…\"` or the port alone is for this machine only

warning: `{biuld}` is not replaced: it names nothing
  --> dev.toml:10:7
   |
10 | run = \"{biuld}\"
   |       ^^^^^^^^^
   |
   = hint: did you mean `{build}`?

warning: `PORT` is overwritten: devloop sets it itself
  --> dev.toml:11:9
   |
11 | env = { PORT = \"1\" }
   |         ^^^^
   |
   = hint: `port = 8080` fixes the port
";
    assert_eq!(render_warnings(&load(toml).warnings, Colour::Never), wanted);
}

#[test]
fn no_inputs_as_written_is_more_than_no_inputs_of_its_own() {
    let plan = plan(&(step("gen", "") + &service("api", "") + &service("vite", "inputs = []")));
    assert_eq!(plan.services[0].inputs, Inputs::None);
    assert!(plan.services[0].follows_steps());
    assert!(!plan.services[1].follows_steps());
    assert!(!plan.service_reads(1, Path::new("a.js"), None));
    assert!(describe(&plan).contains("  restarts on  nothing: it runs until devloop ends\n"));
}

#[test]
fn a_pattern_that_is_a_bare_folder_is_pointed_out() {
    let warnings = load(&step("a", "inputs = [\"web\", \"web/\", \"web/**\"]")).warnings;
    assert_eq!(warnings.len(), 1);
    assert_eq!(warnings[0].one_line(), "dev.toml:4:11: `web` is a folder: the pattern matches no file in it");
}

#[test]
fn a_subset_keeps_what_its_services_cannot_do_without() {
    let toml = step("a", "")
        + &step("b", "after = []")
        + &service("db", "after = []")
        + &step("seed", "after = [\"b\"]\nneeds = [\"db\"]")
        + &service("api", "after = [\"seed\"]")
        + &service("web", "after = [\"a\"]");
    let plan = plan(&toml);
    let only = plan.only(&["api".to_owned()]).unwrap();
    assert_eq!(names(&only, 0..only.steps.len()), ["b", "seed"]);
    assert_eq!(only.services.iter().map(|service| &*service.name).collect::<Vec<_>>(), ["db", "api"]);
    assert_eq!((&only.steps[1].after[..], &only.steps[1].needs[..]), (&[0][..], &[0][..]));
    assert_eq!(only.services[1].after, [1]);
    assert_eq!(plan.only(&[]).unwrap(), plan);
    let problem = |name: &str| plan.only(&[name.to_owned()]).unwrap_err();
    assert_eq!(problem("apo").hint.as_deref(), Some("did you mean `api`?"));
    assert_eq!(
        problem("seed").hint.as_deref(),
        Some("`seed` is a step: steps run with the services that come after them")
    );
}

#[test]
fn words_on_the_command_line_are_a_plan_of_one_service() {
    let folder = tempfile::tempdir().unwrap();
    let words = ["go", "run", "./cmd/api", "--port={port}", "a b | c"].map(str::to_owned).to_vec();
    let plan = config::from_words(words, folder.path()).unwrap();
    let app = &plan.services[0];
    assert_eq!((&*app.name, &app.inputs, plan.file.as_deref()), ("app", &Inputs::Tool(Tool::Go), None));
    let vars = [("port".to_owned(), "2000".into())].into();
    assert_eq!(app.run.resolve(&vars).args, ["run", "./cmd/api", "--port=2000", "a b | c"]);
    assert!(config::from_words(Vec::new(), folder.path()).is_err());
}

#[test]
fn the_address_of_the_command_line_is_checked_like_that_of_the_file() {
    let plan = plan(&service("api", "port = 8080"));
    assert_eq!(
        config::listen_at(&plan, "4000").unwrap().proxy.listen,
        Listen { host: None, port: 4000, written: true }
    );
    assert!(config::listen_at(&plan, "8080").unwrap_err().message.contains("service `api` has port 8080"));
    assert!(config::listen_at(&plan, "x").is_err());
}

#[test]
fn a_file_is_found_upward_and_read_with_its_folder_as_root() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    std::fs::create_dir_all(root.join("a/b")).unwrap();
    std::fs::write(root.join("dev.toml"), service("api", "")).unwrap();
    let found = config::find(&root.join("a/b")).unwrap();
    assert_eq!(found, root.join("dev.toml"));
    let plan = config::read(&found).unwrap().plan;
    assert_eq!((&plan.root, plan.file.as_deref()), (&root, Some(Path::new("dev.toml"))));
    let problem = |file: &str| render(&config::read(&root.join(file)).unwrap_err(), Colour::Never);
    assert!(problem("none.toml").contains("caused by: No such file"), "{}", problem("none.toml"));
    assert!(problem("a").contains("it is not a file"), "{}", problem("a"));
    std::fs::write(root.join("bad.toml"), b"a = 1\n\xff").unwrap();
    assert!(problem("bad.toml").contains("byte 7 in line 2 belongs to no character"), "{}", problem("bad.toml"));
}

#[test]
fn a_service_that_no_route_leads_to_is_warned_about() {
    let toml = service("web", "") + &service("db", "port = 5432") + &service("worker", "port = \"none\"");
    let loaded = load(&(toml + "[[route]]\npath = \"/x\"\nfiles = \"web\"\n"));
    let warnings = render_warnings(&loaded.warnings, Colour::Never);
    assert!(warnings.starts_with("warning: no route leads to service `web`\n"), "{warnings}");
    assert_eq!(loaded.warnings.len(), 1);
    let only = loaded.plan.only(&["db".to_owned()]).unwrap();
    assert_eq!(only.routes.len(), 1, "a route to files needs no service");
}

#[test]
fn a_route_has_the_keys_of_the_proxy_and_its_own_over_them() {
    let toml = r#"
[proxy]
request_headers = { X-Env = "dev", Cookie = false }
cors = true
fail = 0.5
rate_limit = { requests = 5 }
latency = "1s"
compress = true
max_body = "1MiB"

[[route]]
service = "api"

[[route]]
path = "/own"
service = "api"
request_headers = { x-env = "own", X-More = "1" }
cors = { origins = ["https://App.test"], credentials = false, max_age = "10m" }
fail = false
rate_limit = false
latency = "0s"
compress = false
host_header = "upstream"
basic_auth = { ann = "secret" }
"#;
    let plan = plan(&(toml.to_owned() + &service("api", "")));
    let (all, own) = (&plan.routes[0].middleware, &plan.routes[1].middleware);
    assert_eq!(*all, plan.proxy.middleware);
    assert_eq!(all.rate_limit, Some(RateLimit { requests: 5, per: Duration::from_secs(1), burst: 5 }));
    assert_eq!((all.fail, all.max_body), (Some(Fail { rate: 0.5, status: 503 }), Some(1 << 20)));
    let fields: Vec<_> = own.request_headers.iter().map(|(name, field)| (name.as_str(), field.clone())).collect();
    let set = |value: &str| Field::Set(value.to_owned());
    assert_eq!(fields, [("cookie", Field::Removed), ("x-env", set("own")), ("x-more", set("1"))]);
    assert_eq!(own.cors.as_ref().unwrap().origins, Origins::These(vec!["https://app.test".to_owned()]));
    assert_eq!((own.fail, own.rate_limit, own.latency, own.compress), (None, None, None, false));
    assert_eq!((&own.host_header, own.max_body), (&HostHeader::Upstream, Some(1 << 20)));
    let wanted = "
routes, the first that fits
  /own         service api
               devloop answers whose pages may read: https://app.test
               a password is asked for: ann
               bodies of at most 1048576 bytes
               request headers: no cookie, x-env is `own`, x-more is `1`
               host: upstream
  /            service api
               devloop answers whose pages may read: those of this machine
               at most 5 requests in 1s, 5 at once
               bodies of at most 1048576 bytes
               requests wait 1s
               50 % of the requests fail with 503
               request headers: no cookie, x-env is `dev`
               answers are compressed
";
    let described = describe(&plan);
    assert!(described.contains(wanted), "{described}");
}

#[test]
fn an_answer_that_every_page_may_read_is_warned_about() {
    let loaded = load(&("[proxy]\ncors = { origins = [\"*\"] }\n".to_owned() + &service("api", "")));
    let warnings = render_warnings(&loaded.warnings, Colour::Never);
    assert!(warnings.starts_with("warning: every page that you open in a browser can read"), "{warnings}");
    assert!(describe(&loaded.plan).contains("  on the way   devloop answers whose pages may read: all\n"));
}
