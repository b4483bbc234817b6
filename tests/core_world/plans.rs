//! Small plans of different shapes for random worlds, and changes of them.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use devloop::plan::{
    Backend, Begin, Cache, Command, Debugging, Globs, Health, Inputs, Listen, Notify, Plan, Port, Protocol, Proxy,
    Reload, Restart, Service, Settle, Step, Stop, Swap, Told, Tool, Watch,
};

/// The files that people save in these plans.
pub const SOURCES: [&str; 6] = ["a.src", "main.go", "web.css", "server.js", "lib.rs", "note.txt"];
/// The files that steps write.
pub const GENERATED: [&str; 6] = ["gen.go", "out.css", "extra.css", "z_gen.go", "side.txt", "gen2.go"];
/// The plan's own file.
pub const CONFIG: &str = "dev.toml";
/// Written by a service of ours.
pub const OWNED: &str = "state.db";

pub fn globs(patterns: &[&str]) -> Globs {
    Globs::new(&patterns.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>()).expect("patterns compile")
}

fn command(text: &str, names: &[&str]) -> Command {
    Command::parse(text, names, None).expect("a command")
}

pub fn step(name: &str, run: &str, inputs: &[&str], outputs: &[&str], after: &[usize]) -> Step {
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
        problems: None,
        makes_artifact: run.contains("{out}"),
    }
}

pub fn service(name: &str, run: &str, swap: Swap, after: &[usize], uses: &[usize]) -> Service {
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
        protocol: Protocol::Http,
        tls: None,
        swap,
        health: Health {
            path: None,
            status: Vec::new(),
            log: None,
            tcp: false,
            timeout: Duration::from_secs(3),
            interval: None,
        },
        stop: Stop { signal: 15, grace: Duration::from_secs(5), run: None },
        drain: Duration::from_secs(60),
        restart: Restart::OnExit,
        pty: None,
        problems: None,
        assets: Globs::default(),
        debug: Default::default(),
        debugging: None,
        listen_fds: false,
    }
}

pub fn plan(steps: Vec<Step>, services: Vec<Service>) -> Plan {
    Plan {
        root: PathBuf::from("/project"),
        name: "project".to_owned(),
        file: Some(Arc::from(Path::new(CONFIG))),
        watch: Watch { ignore: Globs::default(), settle: Settle::Auto, backend: Backend::Auto },
        proxy: Proxy {
            enabled: true,
            middleware: Default::default(),
            listen: Listen { host: None, port: 3000, written: false },
            hosts: Vec::new(),
            fresh: Duration::from_secs(5),
            hold: Duration::from_secs(30),
            reload: Reload::Own,
            editor: None,
            waiting: None,
            console: false,
            tls: false,
            client_certs: None,
            record: 0,
            record_bodies: false,
            server_timing: false,
            trust_forwarded: false,
        },
        routes: Vec::new(),
        hooks: Vec::new(),
        notify: Notify::default(),
        steps: steps.into_iter().map(Arc::new).collect(),
        services: services.into_iter().map(Arc::new).collect(),
    }
}

/// A service made of `inputs` only.
pub fn reads(mut service: Service, inputs: &[&str]) -> Service {
    service.inputs = Inputs::Globs(globs(inputs));
    service
}

/// How many shapes there are.
pub const SHAPES: usize = 16;

fn gen_and_build() -> Vec<Step> {
    vec![
        step("gen", "gen", &["a.src"], &["gen.go"], &[]),
        step("build", "build {out}", &["main.go", "gen.go"], &[], &[0]),
    ]
}

fn api(swap: Swap, build: usize) -> Service {
    service("api", "{build}", swap, &[build], &[build])
}

/// The plan of one shape.
pub fn shape(number: usize) -> Plan {
    match number % SHAPES {
        0 => plan(gen_and_build(), vec![api(Swap::Overlap, 1)]),
        1 => plan(gen_and_build(), vec![api(Swap::Exclusive, 1)]),
        2 => {
            // Two services, a parallel step, a step that gates nothing.
            let mut steps = gen_and_build();
            steps.push(step("css", "css", &["web.css"], &["out.css"], &[]));
            steps.push(step("check", "check", &["main.go"], &[], &[1]));
            let web = reads(service("web", "serve out.css", Swap::Auto, &[2], &[]), &["server.js"]);
            plan(steps, vec![api(Swap::Auto, 1), web])
        }
        3 => {
            // A service made of sources only, and one that needs it.
            let db = reads(service("db", "serve", Swap::Exclusive, &[], &[]), &["server.js"]);
            let mut api = api(Swap::Overlap, 0);
            api.needs = vec![0];
            plan(vec![step("build", "build {out}", &["main.go"], &[], &[])], vec![db, api])
        }
        4 => {
            // A step whose tool is built by an earlier one, and a generator that is not cancelled.
            let mut steps = vec![
                step("tool", "tool {out}", &["a.src"], &[], &[]),
                step("gen", "{tool} gen", &["web.css"], &["gen.go"], &[0]),
                step("build", "build {out}", &["main.go", "gen.go"], &[], &[1]),
            ];
            steps[1].cancel = false;
            plan(steps, vec![api(Swap::Exclusive, 2)])
        }
        5 => {
            let mut steps = gen_and_build();
            steps[1].cache = Cache::Off;
            plan(steps, vec![api(Swap::Overlap, 1)])
        }
        6 => {
            // A formatter: what it writes is what it reads.
            let mut steps = vec![step("fmt", "fmt", &["main.go"], &["main.go"], &[])];
            steps.push(step("build", "build {out}", &["main.go", "lib.rs"], &[], &[0]));
            plan(steps, vec![api(Swap::Overlap, 1)])
        }
        7 => {
            // Steps that say nothing of what they write, before a step and before a service.
            let steps = vec![
                step("install", "install", &["web.css"], &[], &[]),
                step("build", "build {out}", &["main.go"], &[], &[0]),
                step("migrate", "migrate", &["a.src"], &[], &[]),
            ];
            let db = reads(service("db", "serve", Swap::Exclusive, &[2], &[]), &["server.js"]);
            plan(steps, vec![api(Swap::Overlap, 1), db])
        }
        8 => {
            // Everything is an input; an artifact and outputs from one step.
            let mut steps = gen_and_build();
            steps[1].inputs = Inputs::Everything;
            steps[1].outputs = globs(&["side.txt"]);
            plan(steps, vec![api(Swap::Overlap, 1)])
        }
        9 => {
            // `generates`; a fixed settle time.
            let mut steps = gen_and_build();
            steps[0].outputs = Globs::default();
            steps[0].generates = true;
            steps[1].inputs = Inputs::Globs(globs(&["main.go", "z_gen.go"]));
            let mut plan = plan(steps, vec![api(Swap::Exclusive, 1)]);
            plan.watch.settle = Settle::Fixed(Duration::from_millis(40));
            plan
        }
        10 => {
            // A tool chain says what it reads.
            let mut steps = vec![step("build", "build {out}", &[], &[], &[])];
            steps[0].inputs = Inputs::Tool(Tool::Cargo);
            let web = reads(service("web", "serve", Swap::Overlap, &[], &[]), &["note.txt"]);
            plan(steps, vec![api(Swap::Overlap, 0), web])
        }
        11 => {
            // Two that cannot stand side by side, which is learned; one that is left alone when it ends.
            let mut worker = reads(service("worker", "work", Swap::Overlap, &[], &[]), &["server.js"]);
            worker.restart = Restart::No;
            worker.port = Port::None;
            plan(gen_and_build(), vec![service("locker", "{build}", Swap::Auto, &[1], &[1]), worker])
        }
        12 => {
            // Limits on time.
            let mut steps = gen_and_build();
            steps[0].timeout = Some(Duration::from_secs(1));
            steps[1].timeout = Some(Duration::from_secs(2));
            plan(steps, vec![api(Swap::Overlap, 1)])
        }
        13 => {
            // A step that needs a service.
            let mut steps = gen_and_build();
            steps[1].needs = vec![0];
            let db = reads(service("db", "serve", Swap::Overlap, &[], &[]), &["server.js"]);
            plan(steps, vec![db, api(Swap::Exclusive, 1)])
        }
        14 => {
            // A diamond, and a service that no step restarts.
            let steps = vec![
                step("gen", "gen", &["a.src"], &["gen.go"], &[]),
                step("gen2", "gen2", &["web.css", "gen.go"], &["gen2.go"], &[0]),
                step("css", "css", &["gen.go"], &["out.css"], &[0]),
                step("build", "build {out}", &["main.go", "gen.go", "gen2.go"], &[], &[1, 2]),
            ];
            let vite = reads(service("vite", "vite", Swap::Overlap, &[2], &[]), &[]);
            let web = service("web", "serve out.css", Swap::Overlap, &[2], &[]);
            plan(steps, vec![vite, api(Swap::Overlap, 3), web])
        }
        _ => {
            // The generator reads a file that the build and the service read too.
            let mut steps = gen_and_build();
            steps[0].inputs = Inputs::Globs(globs(&["a.src", "main.go"]));
            plan(steps, vec![reads(api(Swap::Overlap, 1), &["main.go", "server.js"])])
        }
    }
}

/// `plan` with these services under their debuggers, and no others.
pub fn debugged(plan: &Plan, names: &BTreeSet<Arc<str>>) -> Plan {
    let mut plan = plan.clone();
    for service in &mut plan.services {
        let mut other = (**service).clone();
        // Each keeps its own, wherever it stands.
        let port = 4_000 + other.name.bytes().map(u16::from).sum::<u16>();
        let run = other.run.clone();
        other.debugging = names.contains(&other.name).then(|| {
            let (told, begin) = (Told::ByCommand, Begin::Run);
            Arc::new(Debugging { debugger: None, port, run, told, begin })
        });
        *service = Arc::new(other);
    }
    plan
}

/// How many ways there are to change a plan.
pub const CHANGES: u64 = 10;

/// `plan` as another dev.toml has it.
pub fn changed(plan: &Plan, change: u64) -> Plan {
    let mut plan = plan.clone();
    match change % CHANGES {
        1 | 2 => {
            // Another command for the last step.
            let last = plan.steps.len() - 1;
            let mut step = (*plan.steps[last]).clone();
            step.run = command(&format!("{} -v{change}", step.run.text), &["out", "gen", "build", "tool"]);
            plan.steps[last] = Arc::new(step);
        }
        3 => add_in_front(&mut plan),
        // The first step goes by another name, where nothing calls it by its name.
        4 if !plan.steps[0].makes_artifact => {
            let mut step = (*plan.steps[0]).clone();
            step.name = Arc::from("renamed");
            plan.steps[0] = Arc::new(step);
        }
        4 => {}
        5 => turn_services(&mut plan),
        6 => {
            // Another command for each service.
            for service in &mut plan.services {
                let mut other = (**service).clone();
                other.run = command(&format!("{} -v", other.run.text), &["port", "build", "tool"]);
                *service = Arc::new(other);
            }
        }
        7 => {
            // All services are gone but the last.
            let needed = plan.services.iter().any(|node| !node.needs.is_empty())
                || plan.steps.iter().any(|node| !node.needs.is_empty());
            if !needed {
                plan.services.drain(..plan.services.len() - 1);
            }
        }
        8 => {
            // Services are asked otherwise whether they are ready.
            for service in &mut plan.services {
                let mut other = (**service).clone();
                other.health.interval = Some(Duration::from_millis(50));
                *service = Arc::new(other);
            }
        }
        9 => {
            // Steps that have a limit have another one.
            for step in &mut plan.steps {
                let mut other = (**step).clone();
                other.timeout = other.timeout.map(|timeout| timeout + Duration::from_secs(1));
                *step = Arc::new(other);
            }
        }
        _ => {}
    }
    plan
}

/// A step and a service stand before all others, so that each index means another one.
fn add_in_front(plan: &mut Plan) {
    let up = |indices: &mut Vec<usize>| indices.iter_mut().for_each(|index| *index += 1);
    for node in &mut plan.steps {
        let mut step = (**node).clone();
        up(&mut step.after);
        up(&mut step.needs);
        *node = Arc::new(step);
    }
    for node in &mut plan.services {
        let mut service = (**node).clone();
        up(&mut service.after);
        up(&mut service.needs);
        up(&mut service.uses);
        *node = Arc::new(service);
    }
    plan.steps.insert(0, Arc::new(step("extra", "extra", &["web.css"], &["extra.css"], &[])));
    let side = reads(service("side", "side", Swap::Overlap, &[0], &[]), &["server.js"]);
    plan.services.insert(0, Arc::new(side));
}

fn turn_services(plan: &mut Plan) {
    let count = plan.services.len();
    let turn = |indices: &mut Vec<usize>| indices.iter_mut().for_each(|index| *index = count - 1 - *index);
    for node in &mut plan.services {
        let mut service = (**node).clone();
        turn(&mut service.needs);
        *node = Arc::new(service);
    }
    for node in &mut plan.steps {
        let mut step = (**node).clone();
        turn(&mut step.needs);
        *node = Arc::new(step);
    }
    plan.services.reverse();
}
