//! A plan as people read it: what `devloop check` prints.

mod routes;

use std::{fmt::Write, path::Path, time::Duration};

use nix::sys::signal::Signal;

use super::{
    Backend, Cache, Demand, Globs, Inputs, Plan, Port, Protocol, Reload, Restart, Service, Settle, Step, Swap, Tool,
    Trust, WindowSigns,
};

/// Every step and service in the order written, with what starts it, what it reads and writes, and the defaults that
/// matter. Ends with a line end.
pub fn describe(plan: &Plan) -> String {
    let mut text = Text::default();
    text.line(0, format!("project {} in {}", plan.name, plan.root.display()));
    for (index, step) in plan.steps.iter().enumerate() {
        text.blank();
        describe_step(&mut text, plan, index, step);
    }
    for service in &plan.services {
        text.blank();
        describe_service(&mut text, plan, service);
    }
    text.blank();
    describe_proxy(&mut text, plan);
    routes::describe_routes(&mut text, plan);
    text.blank();
    describe_watch(&mut text, plan);
    describe_hooks(&mut text, plan);
    text.0
}

/// A time as dev.toml writes it: `5s`, `250ms`, `1m30s`.
pub fn time(time: Duration) -> String {
    let micros = time.as_micros();
    let millis = time.as_millis();
    if !micros.is_multiple_of(1_000) {
        return format!("{}ms", micros as f64 / 1_000.0);
    }
    if millis == 0 {
        return "0s".to_owned();
    }
    let (hours, minutes) = (millis / 3_600_000, millis / 60_000 % 60);
    let (seconds, millis) = (millis / 1_000 % 60, millis % 1_000);
    let parts = [(hours, "h"), (minutes, "m"), (seconds, "s"), (millis, "ms")];
    parts.iter().filter(|(amount, _)| *amount > 0).map(|(amount, unit)| format!("{amount}{unit}")).collect()
}

#[derive(Default)]
struct Text(String);

impl Text {
    fn blank(&mut self) {
        self.0.push('\n');
    }

    fn line(&mut self, indent: usize, line: impl AsRef<str>) {
        let line = line.as_ref();
        // Writing to a string cannot fail.
        _ = writeln!(self.0, "{:indent$}{line}", "");
    }

    /// `  label    value`
    fn entry(&mut self, label: &str, value: impl AsRef<str>) {
        let value = value.as_ref().replace('\n', "\n               ");
        self.line(2, format!("{label:<12} {value}"));
    }
}

fn describe_step(text: &mut Text, plan: &Plan, index: usize, step: &Step) {
    text.line(0, format!("step {}", step.name));
    text.entry("run", shown(&step.run.text));
    common(text, plan, &step.cwd, &step.env_files);
    text.entry("runs after", after(plan, &step.after, &step.needs, "nothing: at once"));
    text.entry("runs when", starts_step(plan, index, step));
    if !step.outputs.is_empty() {
        text.entry("writes", patterns(&step.outputs));
    }
    if step.makes_artifact {
        let cache = match step.cache {
            Cache::Session => "kept while devloop runs",
            Cache::Kept => "kept, also for the next devloop",
            Cache::Off => "never reused",
        };
        text.entry("artifact", format!("{{{}}}, {cache}", step.name));
    }
    if step.generates {
        text.entry("generates", "Go files marked as generated are its outputs");
    }
    if !step.cancel {
        text.entry("cancel", "no: it runs to its end, then again");
    }
    if let Some(limit) = step.timeout {
        text.entry("timeout", time(limit));
    }
}

fn describe_service(text: &mut Text, plan: &Plan, service: &Service) {
    text.line(0, format!("service {}", service.name));
    text.entry("run", shown(&service.run.text));
    common(text, plan, &service.cwd, &service.env_files);
    text.entry("starts after", after(plan, &service.after, &service.needs, "nothing: at once"));
    text.entry("restarts on", starts_service(plan, service));
    if !service.assets.is_empty() {
        text.entry("assets", format!("{}: told to pages, no restart", patterns(&service.assets)));
    }
    text.entry("port", port(service.port));
    if let Some(speaks) = speaks(service) {
        text.entry("speaks", speaks);
    }
    text.entry("swap", swap(service));
    text.entry("ready when", health(service));
    text.entry("stop", stop(service));
    if service.restart == Restart::No {
        text.entry("restart", "no: when it exits by itself, it is left alone");
    }
}

fn common(text: &mut Text, plan: &Plan, cwd: &Path, env_files: &[crate::model::FilePath]) {
    if cwd != plan.root {
        let shown = cwd.strip_prefix(&plan.root).unwrap_or(cwd);
        text.entry("cwd", shown.display().to_string());
    }
    if !env_files.is_empty() {
        let files: Vec<String> = env_files.iter().map(|file| file.display().to_string()).collect();
        text.entry("env files", files.join(", "));
    }
}

fn after(plan: &Plan, steps: &[usize], needs: &[usize], nothing: &str) -> String {
    let mut all: Vec<String> = steps.iter().map(|index| format!("step {}", plan.steps[*index].name)).collect();
    all.extend(needs.iter().map(|index| format!("service {} is ready", plan.services[*index].name)));
    if all.is_empty() { nothing.to_owned() } else { all.join(", ") }
}

fn starts_step(plan: &Plan, index: usize, step: &Step) -> String {
    let mut reasons = Vec::new();
    match &step.inputs {
        Inputs::None => {}
        Inputs::Everything => {
            reasons.push("any file changes that is not ignored and no output (no `inputs`)".to_owned())
        }
        Inputs::Globs(globs) if globs.is_empty() => {}
        Inputs::Globs(globs) => reasons.push(format!("a file changes in {}", patterns(globs))),
        Inputs::Tool(tool) => reasons.push(format!("a file changes that {} says it reads", tool_name(*tool))),
    }
    let uses = step.run.names();
    for used in plan.steps.iter().enumerate().filter(|(other, used)| *other != index && uses.contains(&*used.name)) {
        reasons.push(format!("the artifact of {} changes", used.1.name));
    }
    if !step.env_files.is_empty() {
        reasons.push("an env file changes".to_owned());
    }
    if reasons.is_empty() {
        "devloop starts, and never again (`inputs = []`)".to_owned()
    } else {
        reasons.join(", or ")
    }
}

fn starts_service(plan: &Plan, service: &Service) -> String {
    let mut reasons = Vec::new();
    let used = service.uses.iter().map(|index| format!("the artifact of {}", plan.steps[*index].name));
    reasons.extend(used);
    let followed = service.after.iter().filter(|index| service.follows_steps() && !service.uses.contains(index));
    for index in followed {
        let step = &plan.steps[*index];
        if !step.outputs.is_empty() {
            reasons.push(format!("the outputs of {}", step.name));
        } else if !step.makes_artifact {
            reasons.push(format!("each run of {} (it declares no outputs)", step.name));
        }
    }
    if let Some(program) = &service.program {
        reasons.push(program.display().to_string());
    }
    match &service.inputs {
        Inputs::None => {}
        Inputs::Everything => reasons.push("any file that is not ignored (no `inputs`)".to_owned()),
        Inputs::Globs(globs) if globs.is_empty() => {}
        Inputs::Globs(globs) => reasons.push(patterns(globs)),
        Inputs::Tool(tool) => reasons.push(format!("what {} says it reads", tool_name(*tool))),
    }
    reasons.extend(service.env_files.iter().map(|file| file.display().to_string()));
    if let Some(Trust::File(file)) = service.tls.as_ref().map(|tls| &tls.trust) {
        reasons.push(file.display().to_string());
    }
    if reasons.is_empty() { "nothing: it runs until devloop ends".to_owned() } else { reasons.join(", ") }
}

fn describe_proxy(text: &mut Text, plan: &Plan) {
    let proxy = &plan.proxy;
    if !proxy.enabled {
        return text.line(0, "proxy off");
    }
    let port = proxy.listen.port;
    let scheme = if proxy.tls { "https" } else { "http" };
    text.line(0, "proxy");
    let address = match &proxy.listen.host {
        Some(host) if host.contains(':') => format!("{scheme}://[{host}]:{port}"),
        Some(host) => format!("{scheme}://{host}:{port}"),
        None => format!("{scheme}://localhost:{port} (127.0.0.1 and ::1)"),
    };
    let taken = match (proxy.listen.written, port) {
        (_, 0) => "; the system chooses the port",
        (true, _) => "",
        (false, _) => "; if it is taken, the next free port",
    };
    text.entry("listens on", format!("{address}{taken}"));
    if !proxy.hosts.is_empty() {
        text.entry("hosts", format!("{}, and those of this machine", proxy.hosts.join(", ")));
    }
    if let Some(certs) = &proxy.client_certs {
        let demand = match certs.demand {
            Demand::Optional => "asked for",
            Demand::Required => "demanded",
        };
        text.entry(
            "clients",
            format!("are {demand} certificates of {}, passed on as {}", certs.ca.display(), certs.header),
        );
    }
    let fresh =
        if proxy.fresh.is_zero() { "off".to_owned() } else { format!("up to {} after a save", time(proxy.fresh)) };
    text.entry("fresh", fresh);
    text.entry("hold", format!("{}, not counting a build that runs", time(proxy.hold)));
    let reload = match proxy.reload {
        Reload::Never => "off",
        Reload::Own => "pages, after each swap of their service",
        Reload::All => "pages, after each swap of any service",
    };
    text.entry("reload", reload);
    if let Some(editor) = &proxy.editor {
        text.entry("editor", editor);
    }
    match proxy.waiting {
        None => text.entry("waiting", "off"),
        Some(after) => text.entry("waiting", format!("a page about it, after {}", time(after))),
    }
    if proxy.console {
        text.entry("console", "what pages write there is shown");
    }
    let bodies = if proxy.record_bodies { ", with their bodies" } else { "" };
    let record = match proxy.record {
        0 => "off".to_owned(),
        count => format!("the last {count} requests{bodies}, shown at /.devloop/"),
    };
    text.entry("record", record);
    if proxy.server_timing {
        text.entry("timing", "answers carry Server-Timing");
    }
    if proxy.trust_forwarded {
        text.entry("forwarded", "what clients say in X-Forwarded-For and its like is passed on");
    }
    if plan.routes.is_empty() {
        routes::describe_middleware(text, &proxy.middleware);
    }
}

fn describe_watch(text: &mut Text, plan: &Plan) {
    text.line(0, "watch");
    let settle = match plan.watch.settle {
        Settle::Auto => "auto".to_owned(),
        Settle::Fixed(quiet) => time(quiet),
    };
    text.entry("settle", settle);
    let backend = match plan.watch.backend {
        Backend::Auto => "auto",
        Backend::Native => "native",
        Backend::Poll => "poll",
    };
    text.entry("backend", backend);
    if !plan.watch.ignore.is_empty() {
        text.entry("ignores", format!("{}, .gitignore and the built-in list", patterns(&plan.watch.ignore)));
    }
}

/// Nothing where nobody is to be told.
fn describe_hooks(text: &mut Text, plan: &Plan) {
    for hook in &plan.hooks {
        let on: Vec<&str> = hook.on.iter().map(|moment| moment.name()).collect();
        text.blank();
        text.line(0, format!("hook on {}", on.join(", ")));
        text.entry("run", shown(&hook.run.text));
        text.entry("timeout", time(hook.timeout));
    }
    let ways = [(plan.notify.desktop, "a notification of the desktop"), (plan.notify.bell, "the terminal's bell")];
    let ways: Vec<&str> = ways.iter().filter(|(wanted, _)| *wanted).map(|(_, way)| *way).collect();
    if !ways.is_empty() {
        text.blank();
        text.line(0, format!("notify by {}, of failures and when all is well again", ways.join(" and ")));
    }
    match plan.notify.window {
        WindowSigns::Auto => {}
        WindowSigns::Always => text.line(0, "title and progress in the terminal's window, whatever terminal it is"),
        WindowSigns::Never => text.line(0, "no title and no progress in the terminal's window"),
    }
}

/// What it speaks, unless that is what everybody does.
fn speaks(service: &Service) -> Option<String> {
    let tls = match &service.tls {
        None => return (service.protocol == Protocol::H2c).then(|| "HTTP/2 without TLS".to_owned()),
        Some(tls) => tls,
    };
    let http = if service.protocol == Protocol::H2 { "HTTP/2 inside TLS" } else { "HTTPS" };
    let name = tls.server_name.as_deref().unwrap_or("localhost");
    Some(match &tls.trust {
        Trust::Machine => format!("{http}, with a certificate for {name} that this machine trusts"),
        Trust::File(file) => format!("{http}, with a certificate for {name} that {} vouches for", file.display()),
        Trust::Anybody => format!("{http}, and nobody checks its certificate"),
    })
}

fn port(port: Port) -> String {
    match port {
        Port::Auto => "auto: a free one for each instance, in $PORT".to_owned(),
        Port::Fixed(port) => format!("{port}, always"),
        Port::None => "none: it does not listen".to_owned(),
    }
}

fn swap(service: &Service) -> String {
    let overlap = format!("start the new one, then stop the old one within {}", time(service.drain));
    match (service.swap, service.port) {
        (Swap::Exclusive, _) => "exclusive: stop the old one, then start the new one".to_owned(),
        (Swap::Auto, Port::Fixed(_)) => {
            "exclusive, as the port is fixed: stop the old one, then start the new one".to_owned()
        }
        (Swap::Auto, _) => format!("auto: {overlap}"),
        (Swap::Overlap, _) => format!("overlap: {overlap}"),
    }
}

fn health(service: &Service) -> String {
    let health = &service.health;
    let condition = match (&health.path, &health.log) {
        (Some(path), _) if health.status.is_empty() => format!("GET {path} answers 200 to 399"),
        (Some(path), _) => {
            let statuses: Vec<String> = health.status.iter().map(u16::to_string).collect();
            format!("GET {path} answers {}", statuses.join(" or "))
        }
        (None, Some(log)) => format!("a line of its output holds `{}`", shown(log)),
        (None, None) if health.tcp => "its port accepts connections".to_owned(),
        (None, None) if service.port == Port::None => "it has been alive for 500ms".to_owned(),
        (None, None) => "it answers any HTTP request (no `health`)".to_owned(),
    };
    let every = health.interval.map(|interval| format!(", asked every {}", time(interval))).unwrap_or_default();
    format!("{condition}{every}, within {}", time(health.timeout))
}

fn stop(service: &Service) -> String {
    let stop = &service.stop;
    let signal =
        Signal::try_from(stop.signal).map_or_else(|_| format!("signal {}", stop.signal), |signal| signal.to_string());
    let first = stop.run.as_ref().map(|run| format!("{}, then ", shown(&run.text))).unwrap_or_default();
    format!("{first}{signal}, and SIGKILL after {}", time(stop.grace))
}

fn tool_name(tool: Tool) -> &'static str {
    match tool {
        Tool::Go => "go",
        Tool::Cargo => "cargo",
    }
}

fn patterns(globs: &Globs) -> String {
    let patterns: Vec<String> = globs.patterns().iter().map(|pattern| shown(pattern)).collect();
    patterns.join(", ")
}

/// Without what would drive the terminal.
fn shown(text: &str) -> String {
    crate::error::visible(text.trim())
}
