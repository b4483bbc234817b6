//! From what a person wrote to the `Plan`: compares values with each other and with the folder, fills in defaults.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use super::{
    command::{commands, hook_command, stop_command},
    debug::debug,
    defaults, language,
    middleware::merged,
    names::{Names, Who},
    order::{Commands, Order},
    paths::{cwd, env_files, file_globs, globs, relative, tidy},
    routes::routes,
    table::Report,
    tls,
    written::{self, At, Common, File},
};
use crate::{
    error::Problem,
    model::FilePath,
    plan::{
        Cache, Command, Health, Hook, Inputs, Notify, Plan, Port, Protocol, Proxy, Restart, Service, Step, Stop, Swap,
        Watch,
    },
};

/// Everything that steps and services are made from.
struct Checker<'a> {
    file: &'a File,
    root: &'a Path,
    names: Names,
    commands: Commands,
    order: Order,
}

/// The plan; none if something that it needs is missing. What is wrong is in the report.
pub(super) fn check(report: &mut Report, file: &File, path: &Path, root: &Path) -> Option<Plan> {
    if file.steps.is_empty() && file.services.is_empty() && file.routes.is_empty() && report.problems.is_empty() {
        let problem = Problem::new("there is nothing to do: no `[[step]]` and no `[[service]]`");
        report.problem(
            problem.hint("such as `[[service]]` with `name = \"api\"` and `run = \"go run ./cmd/api\"`"),
            0..0,
        );
        return None;
    }
    let names = Names::new(report, file);
    let commands = commands(report, file, &names);
    let order = Order::new(report, file, &names, &commands);
    let checker = Checker { file, root, names, commands, order };
    let watch = watch(report, &file.watch);
    let proxy = proxy(report, root, &file.proxy);
    ports(report, file, &checker.names, &proxy);
    let routes = routes(report, file, &checker.names, root);
    let hooks: Option<Vec<_>> = file.hooks.iter().map(|hook| self::hook(report, hook)).collect();
    let steps: Vec<_> = (0..file.steps.len()).map(|index| checker.step(report, index)).collect();
    let services: Vec<_> = (0..file.services.len()).map(|index| checker.service(report, index)).collect();
    Some(Plan {
        root: root.to_path_buf(),
        name: project_name(root),
        file: Some(relative(root, &root.join(path)).into()),
        watch,
        proxy,
        routes: routes?,
        hooks: hooks?,
        notify: notify(&file.notify),
        steps: steps.into_iter().map(|step| step.map(Arc::new)).collect::<Option<_>>()?,
        services: services.into_iter().map(|service| service.map(Arc::new)).collect::<Option<_>>()?,
    })
}

/// The name of the project's folder.
pub(super) fn project_name(root: &Path) -> String {
    root.file_name().map_or_else(|| "project".to_owned(), |name| name.to_string_lossy().into_owned())
}

/// A service with the fixed port that the proxy is told to listen on.
pub(super) fn service_on_proxy_port(plan: &Plan) -> Option<Arc<str>> {
    let taken = |service: &&Arc<Service>| plan.proxy.enabled && service.port == Port::Fixed(plan.proxy.listen.port);
    plan.services.iter().find(taken).map(|service| Arc::clone(&service.name))
}

impl Checker<'_> {
    fn step(&self, report: &mut Report, index: usize) -> Option<Step> {
        let step = &self.file.steps[index];
        let common = &step.common;
        let who = Who::Step(index);
        let cwd = cwd(report, self.root, common);
        let inputs = match &common.inputs {
            Some(inputs) => written_inputs(report, self.root, inputs),
            None => Inputs::Everything,
        };
        let outputs = file_globs(report, self.root, step.outputs.as_ref());
        let env_files = env_files(report, self.root, common);
        let run = self.commands.steps[index].clone()?;
        Some(Step {
            name: Arc::clone(self.names.of(who)),
            makes_artifact: run.names().contains("out"),
            run,
            cwd,
            env: env(common),
            env_files,
            inputs,
            outputs,
            after: self.order.steps_before(who),
            needs: self.order.services_needed(who),
            cancel: step.cancel.unwrap_or(true),
            cache: step.cache.unwrap_or(Cache::Session),
            timeout: step.timeout,
            generates: step.generates.unwrap_or(false),
            pty: common.pty,
            problems: common.problems.clone(),
        })
    }

    fn service(&self, report: &mut Report, index: usize) -> Option<Service> {
        let service = &self.file.services[index];
        let common = &service.common;
        let who = Who::Service(index);
        let cwd = cwd(report, self.root, common);
        let port = service.port.as_ref().map_or(Port::Auto, |port| port.value);
        swap_fits_port(report, service);
        listen_fds_fits_port(report, service, port);
        let health = health(report, service.health.as_ref(), port);
        let stop = stop(report, service.stop.as_ref());
        let assets = file_globs(report, self.root, service.assets.as_ref());
        let debug = debug(report, service.debug.as_ref(), &self.names);
        let env_files = env_files(report, self.root, common);
        port_in_env(report, common);
        let written = common.inputs.as_ref().map(|inputs| written_inputs(report, self.root, inputs));
        let run = self.commands.services[index].clone()?;
        let after = self.order.steps_before(who);
        let inputs = written.unwrap_or_else(|| if after.is_empty() { language::inputs(&run) } else { Inputs::None });
        Some(Service {
            name: Arc::clone(self.names.of(who)),
            program: program(self.root, &cwd, &run),
            uses: self.uses(&run),
            run,
            cwd,
            env: env(common),
            env_files,
            inputs,
            after,
            needs: self.order.services_needed(who),
            port,
            listen_fds: service.listen_fds.as_ref().is_some_and(|handed| handed.value),
            protocol: service.protocol.as_ref().map_or(Protocol::Http, |protocol| protocol.value),
            tls: tls::of_service(report, self.root, service, port),
            swap: service.swap.as_ref().map_or(Swap::Auto, |swap| swap.value),
            health,
            stop,
            drain: service.drain.unwrap_or(defaults::DRAIN),
            restart: service.restart.unwrap_or(Restart::OnExit),
            pty: common.pty,
            problems: common.problems.clone(),
            assets,
            debug,
            debugging: None,
        })
    }

    /// The steps whose artifacts the command names.
    fn uses(&self, run: &Command) -> Vec<usize> {
        let mut uses: Vec<usize> = run
            .names()
            .into_iter()
            .filter_map(|name| match self.names.find(name) {
                Some(Who::Step(step)) => Some(step),
                _ => None,
            })
            .collect();
        uses.sort_unstable();
        uses
    }
}

fn hook(report: &mut Report, written: &written::Hook) -> Option<Arc<Hook>> {
    let run = hook_command(report, written)?;
    let timeout = written.timeout.unwrap_or(defaults::HOOK_TIMEOUT);
    (!written.on.is_empty()).then(|| Arc::new(Hook { on: written.on.clone(), run, timeout }))
}

fn notify(written: &written::Notify) -> Notify {
    Notify {
        desktop: written.desktop.unwrap_or(false),
        bell: written.bell.unwrap_or(false),
        window: written.window.unwrap_or_default(),
    }
}

fn watch(report: &mut Report, written: &written::Watch) -> Watch {
    let default = defaults::watch();
    Watch {
        ignore: globs(report, written.ignore.as_ref()),
        settle: written.settle.unwrap_or(default.settle),
        backend: written.backend.unwrap_or(default.backend),
    }
}

fn proxy(report: &mut Report, root: &Path, written: &written::Proxy) -> Proxy {
    let default = defaults::proxy();
    let listen = written.listen.as_ref().map_or(default.listen, |listen| listen.value.clone());
    if let (Some(host), Some(place)) = (&listen.host, &written.listen)
        && matches!(host.as_str(), "0.0.0.0" | "::")
    {
        let warning = Problem::new("everybody on your network can reach the proxy at this address");
        report.warning(
            warning.hint("`listen = \"127.0.0.1:…\"` or the port alone is for this machine only"),
            place.span.clone(),
        );
    }
    if let (Some(0), Some(At { value: true, span })) = (written.record, &written.record_bodies) {
        let problem = Problem::new("`record_bodies` has no effect: with `record = 0` no request is remembered");
        report.problem(problem.hint("leave `record` out, or say how many requests are remembered"), span.clone());
    }
    let hosts = written.hosts.iter().flat_map(|hosts| &hosts.value).map(|host| host.value.to_lowercase());
    Proxy {
        enabled: written.enabled.unwrap_or(default.enabled),
        listen,
        hosts: hosts.collect(),
        fresh: written.fresh.unwrap_or(default.fresh),
        hold: written.hold.unwrap_or(default.hold),
        reload: written.reload.unwrap_or(default.reload),
        editor: written.editor.clone().or(default.editor),
        waiting: written.waiting.unwrap_or(default.waiting),
        console: written.console.unwrap_or(default.console),
        tls: written.tls.unwrap_or(default.tls),
        client_certs: tls::client_certs(report, root, written),
        record: written.record.unwrap_or(default.record),
        record_bodies: written.record_bodies.as_ref().map_or(default.record_bodies, |bodies| bodies.value),
        server_timing: written.server_timing.unwrap_or(default.server_timing),
        trust_forwarded: written.trust_forwarded.unwrap_or(default.trust_forwarded),
        middleware: Arc::new(merged(&written.middleware, &written::Middleware::default())),
    }
}

/// Fixed ports: each service its own, none the proxy's.
fn ports(report: &mut Report, file: &File, names: &Names, proxy: &Proxy) {
    let mut taken: BTreeMap<u16, usize> = BTreeMap::new();
    for (index, service) in file.services.iter().enumerate() {
        let Some(At { value: Port::Fixed(port), span }) = &service.port else { continue };
        if let Some(first) = taken.get(port) {
            let other = names.called(Who::Service(*first));
            let problem = Problem::new(format!("port {port} belongs to {other} already"));
            report.problem(problem.hint("`port = \"auto\"` gives each instance a free one, in `$PORT`"), span.clone());
        }
        taken.entry(*port).or_insert(index);
        if proxy.enabled && *port == proxy.listen.port {
            let problem = Problem::new(format!("port {port} is where the proxy listens"));
            let hint = "leave `port` out to be given a free one in `$PORT`, or set another `listen` in `[proxy]`";
            report.problem(problem.hint(hint), span.clone());
        }
    }
}

fn swap_fits_port(report: &mut Report, service: &written::Service) {
    let (Some(swap), Some(port)) = (&service.swap, &service.port) else { return };
    if let (Swap::Overlap, Port::Fixed(number)) = (swap.value, port.value) {
        let problem = Problem::new(format!("`swap = \"overlap\"` cannot work with the fixed port {number}"));
        let hint =
            "two instances overlap, and only one can have the port: leave `port` out, or use `swap = \"exclusive\"`";
        report.problem(problem.hint(hint), swap.span.clone());
    }
}

fn listen_fds_fits_port(report: &mut Report, service: &written::Service, port: Port) {
    if let (Some(At { value: true, span }), Port::None) = (&service.listen_fds, port) {
        let problem = Problem::new("`listen_fds` needs a port, and `port` is `\"none\"`");
        report
            .problem(problem.hint("leave `port` out to be given a free one, or leave `listen_fds` out"), span.clone());
    }
}

fn port_in_env(report: &mut Report, common: &Common) {
    for (name, _) in &common.env {
        if matches!(name.value.as_str(), "PORT" | "DEVLOOP" | "DEVLOOP_REVISION") {
            let warning = Problem::new(format!("`{}` is overwritten: devloop sets it itself", name.value));
            let warning = if name.value == "PORT" { warning.hint("`port = 8080` fixes the port") } else { warning };
            report.warning(warning, name.span.clone());
        }
    }
}

fn health(report: &mut Report, written: Option<&At<written::Health>>, port: Port) -> Health {
    let default = defaults::health();
    let Some(At { value: written, span }) = written else { return default };
    let by_path = written.path.as_ref().map(|path| ("path", path.span.clone()));
    let by_log = written.log.as_ref().map(|log| ("log", log.span.clone()));
    let by_tcp = written.tcp.as_ref().filter(|tcp| tcp.value).map(|tcp| ("tcp", tcp.span.clone()));
    let mut ways: Vec<_> = [by_path, by_log, by_tcp].into_iter().flatten().collect();
    ways.sort_by_key(|(_, span)| span.start);
    if let [(first, _), (second, second_span), ..] = &ways[..] {
        let problem = Problem::new(format!("`{second}` contradicts `{first}`: one of them says when it is ready"));
        report.problem(problem.hint("keep one of `path`, `log` and `tcp`"), second_span.clone());
    }
    let only = |key: &str| matches!(&ways[..], [(way, _)] if *way == key);
    if let Some(status) = &written.status
        && (only("log") || only("tcp"))
    {
        let problem = Problem::new("`status` has no effect without an HTTP request");
        report.problem(problem.hint("it belongs to `path`"), status.span.clone());
    }
    if let Some(status) = &written.status
        && ways.is_empty()
    {
        let problem = Problem::new("`status` needs a `path` to ask for");
        report.problem(problem.hint("add `path = \"/health\"`"), status.span.clone());
    }
    if let Some(interval) = &written.interval
        && only("log")
    {
        report.problem(Problem::new("`interval` has no effect: with `log` nothing is probed"), interval.span.clone());
    }
    if port == Port::None
        && let Some((way, way_span)) = ways.iter().find(|(way, _)| *way != "log")
    {
        let place = if written.path.is_some() && *way == "path" { way_span } else { span };
        let problem = Problem::new(format!("`health` cannot ask a service with `port = \"none\"` (`{way}`)"));
        report.problem(problem.hint("`health = { log = \"…\" }` waits for a line of its output"), place.clone());
    }
    Health {
        path: written.path.as_ref().map(|path| path.value.clone()),
        status: written.status.as_ref().map(|status| status.value.clone()).unwrap_or_default(),
        log: written.log.as_ref().map(|log| log.value.clone()),
        tcp: written.tcp.as_ref().is_some_and(|tcp| tcp.value),
        timeout: written.timeout.unwrap_or(default.timeout),
        interval: written.interval.as_ref().map(|interval| interval.value),
    }
}

fn stop(report: &mut Report, written: Option<&written::Stop>) -> Stop {
    let default = defaults::stop();
    let Some(written) = written else { return default };
    Stop {
        signal: written.signal.unwrap_or(default.signal),
        grace: written.grace.unwrap_or(default.grace),
        run: stop_command(report, written),
    }
}

fn written_inputs(report: &mut Report, root: &Path, written: &written::Inputs) -> Inputs {
    match written {
        written::Inputs::Tool(tool) => Inputs::Tool(*tool),
        written::Inputs::Globs(patterns) => Inputs::Globs(file_globs(report, root, Some(patterns))),
    }
}

fn env(common: &Common) -> BTreeMap<String, String> {
    common.env.iter().map(|(name, value)| (name.value.clone(), value.clone())).collect()
}

/// The program file that the command names, if it lies in the tree.
pub(super) fn program(root: &Path, cwd: &Path, run: &Command) -> Option<FilePath> {
    let word = Path::new(run.program()?);
    if word.is_absolute() || word.components().count() < 2 && !run.program()?.contains('/') {
        return None;
    }
    let path = tidy(&cwd.join(word));
    path.strip_prefix(root).ok().map(FilePath::from)
}
