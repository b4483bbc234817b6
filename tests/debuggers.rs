//! Which debugger fits a command, and what becomes of the command.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use devloop::{
    config,
    error::Problem,
    plan::{Debugger, Debugging, Plan, Told, Vars},
};

fn plan(toml: &str) -> Plan {
    let loaded = config::load(toml, Path::new("dev.toml"), Path::new("/p"));
    loaded.unwrap_or_else(|problems| panic!("{problems:?}")).plan
}

fn service(run: &str) -> Plan {
    plan(&format!("[[service]]\nname = \"api\"\nrun = '''{run}'''\n"))
}

fn built(build: &str, run: &str) -> Plan {
    plan(&format!("[[step]]\nname = \"build\"\nrun = '''{build}'''\n[[service]]\nname = \"api\"\nrun = '''{run}'''\n"))
}

fn debugged(plan: &Plan) -> Plan {
    let (debugged, problems) = plan.debugged(&[("api".into(), 4000)].into(), "-mod=mod");
    assert!(problems.is_empty(), "{problems:?}");
    debugged
}

fn debugging(plan: &Plan) -> Arc<Debugging> {
    debugged(plan).services.iter().find_map(|service| service.debugging.clone()).expect("it is debugged")
}

/// The words it is started with.
fn words(plan: &Plan) -> Vec<String> {
    let vars: Vars = [
        ("build".to_owned(), "/p/api".into()),
        ("port".to_owned(), "80".into()),
        ("debug_port".to_owned(), "4000".into()),
        ("debugger".to_owned(), "dlv".into()),
        ("debug_output".to_owned(), "/tmp/out".into()),
    ]
    .into();
    let resolved = debugging(plan).run.resolve(&vars);
    std::iter::once(resolved.program).chain(resolved.args).map(|word| word.to_string_lossy().into_owned()).collect()
}

fn line(plan: &Plan) -> String {
    words(plan).join(" ")
}

fn refusal(plan: &Plan) -> Problem {
    plan.service_to_debug("api").expect_err("it cannot be debugged")
}

const DLV: &str = "--headless --listen=127.0.0.1:4000 --api-version=2 --accept-multiclient --continue";

#[test]
fn an_artifact_of_go_runs_under_dlv_and_keeps_its_arguments() {
    let plan = built("go build -o {out} ./cmd/api", "{build} -addr :{port}");
    assert_eq!(line(&plan), format!("dlv exec {DLV} /p/api -- -addr :80"));
    assert_eq!(debugging(&plan).debugger, Some(Debugger::Delve));
}

#[test]
fn a_script_of_one_program_runs_under_dlv_too() {
    let plan = built("CGO_ENABLED=0 go build -o {out} .", "{build} -addr \":$PORT\"");
    let flags = "--headless '--listen=127.0.0.1:4000' '--api-version=2' --accept-multiclient --continue";
    let script = format!("exec dlv exec {flags} /p/api -- -addr \":$PORT\"");
    assert_eq!(words(&plan).last(), Some(&script));
}

#[test]
fn what_go_builds_for_a_debugger_is_not_optimised() {
    let plan = built("go build -o {out} .", "{build}");
    let step = &debugged(&plan).steps[0];
    assert_eq!(step.env.get("GOFLAGS").map(String::as_str), Some("-mod=mod '-gcflags=all=-N -l'"));
    assert!(plan.steps[0].env.is_empty(), "without a debugger nothing is added");
}

#[test]
fn a_program_in_the_tree_that_go_has_built_runs_under_dlv() {
    let plan = built("go build -o bin/api ./cmd/api", "./bin/api");
    assert_eq!(line(&plan), format!("dlv exec {DLV} ./bin/api --"));
    assert!(debugged(&plan).steps[0].env.contains_key("GOFLAGS"));
}

#[test]
fn go_run_becomes_dlv_debug_with_its_flags() {
    let plan = service("go run -race -tags 'a b' ./cmd/api -v");
    let flags = "--output=/tmp/out --build-flags=-race -tags 'a b'";
    assert_eq!(line(&plan), format!("dlv debug {DLV} {flags} ./cmd/api -- -v"));
    let plan = service("go run main.go util.go x");
    assert_eq!(line(&plan), format!("dlv debug {DLV} --output=/tmp/out main.go util.go -- x"));
}

#[test]
fn node_gets_a_flag_and_what_starts_node_gets_it_from_the_environment() {
    assert_eq!(
        line(&service("node --enable-source-maps server.js -v")),
        "node --inspect=127.0.0.1:4000 --enable-source-maps server.js -v"
    );
    for run in ["npm run dev", "npx tsx server.ts", "pnpm dev", "node_modules/.bin/nodemon server.js"] {
        let debugging = debugging(&service(run));
        assert_eq!((debugging.told, debugging.run.text.as_str()), (Told::ByNodeOptions, run));
    }
}

#[test]
fn python_runs_under_debugpy_however_it_is_started() {
    let listen = "-Xfrozen_modules=off -m debugpy --listen 127.0.0.1:4000";
    for (run, expected) in [
        ("python app.py --port {port}", format!("python {listen} app.py --port 80")),
        ("python3.12 -u -X dev -m uvicorn app:app", format!("python3.12 -u -X dev {listen} -m uvicorn app:app")),
        (".venv/bin/uvicorn app:app", format!(".venv/bin/python {listen} -m uvicorn app:app")),
        ("flask run -p {port}", format!("python3 {listen} -m flask run -p 80")),
        ("uv run --with x uvicorn app:app", format!("uv run --with x python3 {listen} -m uvicorn app:app")),
        ("poetry run python manage.py runserver", format!("poetry run python {listen} manage.py runserver")),
        ("uv run app.py", format!("uv run python3 {listen} app.py")),
    ] {
        assert_eq!(line(&service(run)), expected);
    }
}

#[test]
fn a_program_that_waits_is_started_so() {
    let wait = |run: &str| plan(&format!("[[service]]\nname = \"api\"\nrun = \"{run}\"\ndebug = {{ wait = true }}\n"));
    assert_eq!(line(&wait("node a.js")), "node --inspect-brk=127.0.0.1:4000 a.js");
    assert_eq!(
        line(&wait("python a.py")),
        "python -Xfrozen_modules=off -m debugpy --listen 127.0.0.1:4000 --wait-for-client a.py"
    );
    assert!(!line(&wait("go run .")).contains("--continue"));
}

#[test]
fn a_person_says_how_where_devloop_does_not_know() {
    let own = |debug: &str| {
        plan(&format!(
            "[[step]]\nname = \"build\"\nrun = \"make {{out}}\"\n[[service]]\nname = \"api\"\nrun = \"{{build}} -v\"\ndebug = {debug}\n"
        ))
    };
    assert_eq!(line(&own("\"gdbserver :{debug_port} {build} -v\"")), "gdbserver :4000 /p/api -v");
    assert_eq!(line(&own("\"dlv\"")), format!("dlv exec {DLV} /p/api -- -v"));
    let mut with_port = own("{ run = \"dlv\", port = 4711 }");
    let service = with_port.services.remove(0);
    assert_eq!(with_port.debug_port(&service).map(|(port, _)| port), Ok(4711));
}

#[test]
fn what_cannot_be_debugged_says_why_and_what_to_write() {
    let problem = refusal(&service("ruby app.rb"));
    assert_eq!(problem.message, "devloop knows no debugger for `ruby app.rb`, the command of `api`");
    assert!(problem.hint.is_some_and(|hint| hint.contains("debug = \"gdbserver 127.0.0.1:{debug_port} ./server\"")));
    let problem = refusal(&built("go build -o {out} .", "{build} | tee log"));
    assert!(problem.message.starts_with("service `api` cannot be debugged: `dlv` starts one program"), "{problem:?}");
    let problem = service("node a.js").service_to_debug("apo").expect_err("there is none");
    assert_eq!(problem.hint.as_deref(), Some("did you mean `api`?"));
}

#[test]
fn every_editor_is_told_the_port() {
    for (_, debugger) in Debugger::ALL {
        let with = Debugging { debugger: Some(debugger), port: 4711, ..(*debugging(&service("node a.js"))).clone() };
        let lines = with.attach();
        assert!(lines.len() >= 2 && lines.iter().all(|line| line.how.contains("4711")), "{lines:?}");
        let settings: serde_json::Value = serde_json::from_str(&lines[0].how).expect("what VS Code reads");
        assert_eq!(settings["request"], "attach");
    }
}

#[test]
fn who_is_not_wanted_is_left_alone() {
    let plan = service("ruby app.rb");
    let (same, problems) = plan.debugged(&BTreeMap::new(), "");
    assert!(same == plan && problems.is_empty());
}
