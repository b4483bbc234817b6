//! Small plans of different shapes for random worlds.

use std::{path::Path, path::PathBuf, sync::Arc, time::Duration};

use devloop::plan::{
    Backend, Cache, Command, Globs, Health, Inputs, Listen, Plan, Port, Proxy, Restart, Service, Settle, Step, Stop,
    Swap, Watch,
};

fn globs(patterns: &[&str]) -> Globs {
    Globs::new(&patterns.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>()).expect("patterns compile")
}

fn command(text: &str, names: &[&str]) -> Command {
    Command::parse(text, names, None).expect("a command")
}

fn step(name: &str, run: &str, inputs: &[&str], outputs: &[&str], after: &[usize]) -> Step {
    Step {
        name: Arc::from(name),
        run: command(run, &["out", "gen", "build", "tool"]),
        cwd: PathBuf::from("/project"),
        env: Default::default(),
        env_files: Vec::new(),
        inputs: Inputs::Globs(globs(inputs)),
        outputs: globs(outputs),
        after: after.to_vec(),
        needs: Vec::new(),
        cancel: true,
        cache: Cache::Session,
        timeout: None,
        generates: false,
        pty: None,
        makes_artifact: run.contains("{out}"),
    }
}

fn service(name: &str, run: &str, swap: Swap, after: &[usize], uses: &[usize]) -> Service {
    Service {
        name: Arc::from(name),
        run: command(run, &["port", "build", "tool"]),
        cwd: PathBuf::from("/project"),
        env: Default::default(),
        env_files: Vec::new(),
        inputs: Inputs::None,
        program: None,
        after: after.to_vec(),
        needs: Vec::new(),
        uses: uses.to_vec(),
        port: Port::Auto,
        swap,
        health: Health {
            path: None,
            status: Vec::new(),
            log: None,
            tcp: false,
            timeout: Duration::from_secs(60),
            interval: None,
        },
        stop: Stop { signal: 15, grace: Duration::from_secs(5), run: None },
        drain: Duration::from_secs(60),
        restart: Restart::OnExit,
        pty: None,
        assets: Globs::default(),
    }
}

fn plan(steps: Vec<Step>, services: Vec<Service>) -> Plan {
    Plan {
        root: PathBuf::from("/project"),
        name: "project".to_owned(),
        file: Some(Arc::from(Path::new("dev.toml"))),
        watch: Watch { ignore: Globs::default(), settle: Settle::Auto, backend: Backend::Auto },
        proxy: Proxy {
            enabled: true,
            listen: Listen { host: None, port: 3000, written: false },
            hosts: Vec::new(),
            fresh: Duration::from_secs(5),
            hold: Duration::from_secs(30),
            reload: true,
        },
        steps: steps.into_iter().map(Arc::new).collect(),
        services: services.into_iter().map(Arc::new).collect(),
    }
}

/// How many shapes there are.
pub const SHAPES: usize = 6;

/// The files that people save in these plans.
pub const SOURCES: [&str; 4] = ["a.src", "main.go", "web.css", "server.js"];

/// A plan of one shape; `variant` changes a command of it.
pub fn shape(number: usize, variant: u64) -> Plan {
    let build = format!("build{variant} {{out}}");
    let pipeline = |swap| {
        let steps = vec![
            step("gen", "gen", &["a.src"], &["gen.go"], &[]),
            step("build", &build, &["main.go", "gen.go"], &[], &[0]),
        ];
        plan(steps, vec![service("api", "{build}", swap, &[1], &[1])])
    };
    match number % SHAPES {
        0 => pipeline(Swap::Overlap),
        1 => pipeline(Swap::Exclusive),
        2 => {
            // Two services, a parallel step, a step that gates nothing.
            let steps = vec![
                step("gen", "gen", &["a.src"], &["gen.go"], &[]),
                step("build", &build, &["main.go", "gen.go"], &[], &[0]),
                step("css", "css", &["web.css"], &["out.css"], &[]),
                step("check", "check", &["main.go"], &[], &[1]),
            ];
            let mut web = service("web", "serve out.css", Swap::Auto, &[2], &[]);
            web.inputs = Inputs::Globs(globs(&["server.js"]));
            plan(steps, vec![service("api", "{build}", Swap::Auto, &[1], &[1]), web])
        }
        3 => {
            // A service made of sources only, and one that needs it.
            let mut db = service("db", "serve", Swap::Exclusive, &[], &[]);
            db.inputs = Inputs::Globs(globs(&["server.js"]));
            let mut api = service("api", "{build}", Swap::Overlap, &[0], &[0]);
            api.needs = vec![0];
            plan(vec![step("build", &build, &["main.go"], &[], &[])], vec![db, api])
        }
        4 => {
            // A step whose tool is built by an earlier one, and a generator that is not cancelled.
            let mut steps = vec![
                step("tool", "tool {out}", &["a.src"], &[], &[]),
                step("gen", "{tool} gen", &["web.css"], &["gen.go"], &[0]),
                step("build", &build, &["main.go", "gen.go"], &[], &[1]),
            ];
            steps[1].cancel = false;
            plan(steps, vec![service("api", "{build}", Swap::Exclusive, &[2], &[2])])
        }
        _ => {
            // No service at all, no cache.
            let mut steps = vec![
                step("gen", "gen", &["a.src"], &["gen.go"], &[]),
                step("build", &build, &["main.go", "gen.go"], &[], &[0]),
            ];
            steps[1].cache = Cache::Off;
            plan(steps, vec![service("api", "{build}", Swap::Overlap, &[1], &[1])])
        }
    }
}
