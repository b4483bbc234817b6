//! Node, Bun: package.json, its scripts, and what those start.

use serde_json::Value as Json;

use super::{
    draft::{Draft, Table, Value, as_name},
    node_script::{self, Started},
    patterns::pattern,
    reading::{Doubt, Rank, Reading},
    tree::Tree,
};

/// What restarts a server that does not look for changes itself.
pub(super) const SOURCES: [&str; 1] = ["**/*.{js,mjs,cjs,jsx,ts,mts,cts,tsx,json}"];
/// The scripts that start something, in the order they are asked for.
const SCRIPTS: &[&str] = &["dev", "start:dev", "develop", "serve", "start"];

/// Who installs packages and runs scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manager {
    Npm,
    Pnpm,
    Yarn,
    Bun,
}

impl Manager {
    fn of(tree: &Tree, package: &Json) -> Manager {
        let named = package["packageManager"].as_str().unwrap_or_default();
        let by_name = [("pnpm", Manager::Pnpm), ("yarn", Manager::Yarn), ("bun", Manager::Bun), ("npm", Manager::Npm)];
        if let Some((_, manager)) = by_name.iter().find(|(name, _)| named.starts_with(&format!("{name}@"))) {
            return *manager;
        }
        let by_file = [
            ("pnpm-lock.yaml", Manager::Pnpm),
            ("pnpm-workspace.yaml", Manager::Pnpm),
            ("yarn.lock", Manager::Yarn),
            ("bun.lock", Manager::Bun),
            ("bun.lockb", Manager::Bun),
        ];
        let npm = [("package-lock.json", Manager::Npm)];
        let there: Vec<Manager> =
            by_file.iter().chain(&npm).filter(|(file, _)| tree.has(file)).map(|(_, manager)| *manager).collect();
        // Of several lock files, the one whose program is here.
        let installed = there.iter().find(|manager| tree.program(manager.program()));
        installed.or(there.first()).copied().unwrap_or(Manager::Npm)
    }

    fn program(self) -> &'static str {
        match self {
            Manager::Npm => "npm",
            Manager::Pnpm => "pnpm",
            Manager::Yarn => "yarn",
            Manager::Bun => "bun",
        }
    }

    /// How a script is run with more arguments.
    fn script(self, name: &str, more: &str) -> String {
        let dashes = if self == Manager::Npm && !more.is_empty() { " --" } else { "" };
        let space = if more.is_empty() { "" } else { " " };
        format!("{} run {name}{dashes}{space}{more}", self.program())
    }

    /// How a program of node_modules is run.
    pub(super) fn exec(self, command: &str) -> String {
        match self {
            Manager::Npm => format!("npx {command}"),
            Manager::Pnpm => format!("pnpm exec {command}"),
            Manager::Yarn => format!("yarn run {command}"),
            Manager::Bun => format!("bunx {command}"),
        }
    }

    fn install(self) -> Table {
        let (run, lock) = match self {
            Manager::Npm => ("npm install --no-audit --no-fund", "package-lock.json"),
            Manager::Pnpm => ("pnpm install", "pnpm-lock.yaml"),
            Manager::Yarn => ("yarn install", "yarn.lock"),
            Manager::Bun => ("bun install", "bun.lock"),
        };
        Table::step("install", run).with("inputs", ["package.json", lock]).with("outputs", [lock]).because(
            "cancel",
            Value::Flag(false),
            "half an installation helps nobody",
        )
    }
}

/// A package.json and what runs it.
pub(super) struct Package<'t> {
    pub(super) tree: &'t Tree,
    pub(super) json: Json,
    pub(super) manager: Manager,
}

/// The readings of a folder that holds package.json.
pub(super) fn readings(tree: &Tree) -> Vec<Reading> {
    let Some(json) = tree.json("package.json") else { return one_file(tree).into_iter().collect() };
    let manager = Manager::of(tree, &json);
    let package = Package { tree, json, manager };
    let members = package.members();
    let runs = |name: &&str| package.script(name).is_some_and(|text| !node_script::only_builds(text));
    let script = SCRIPTS.iter().copied().find(runs);
    let for_all = script.and_then(|name| package.script(name)).is_some_and(node_script::runs_several);
    let mut readings = match (script.is_none() || for_all) && !members.is_empty() {
        true => members,
        false => package.reading(script).into_iter().collect(),
    };
    if !tree.program(manager.program()) && tree.program("npx") {
        readings.iter_mut().for_each(|reading| fetched(reading, manager.program()));
    }
    readings
}

/// How the folder of a package is installed and built, and what is not sure about it.
pub(super) fn to_build(tree: &Tree) -> Option<(Table, String, Option<Doubt>)> {
    let json = tree.json("package.json")?;
    let manager = Manager::of(tree, &json);
    let draft = Draft::new(vec![manager.install(), Table::step("build", manager.script("build", ""))]);
    let mut reading =
        Reading { name: String::new(), what: String::new(), draft, doubts: Vec::new(), rank: Rank::Likely };
    if !tree.program(manager.program()) && tree.program("npx") {
        fetched(&mut reading, manager.program());
    }
    let run = reading.draft.tables.pop()?.text("run")?.to_owned();
    Some((reading.draft.tables.pop()?, run, reading.doubts.pop()))
}

/// npx fetches a package manager that is not installed.
fn fetched(reading: &mut Reading, program: &str) {
    let runs = |run: &str| run.split_whitespace().next() == Some(program);
    for table in &mut reading.draft.tables {
        if let Some(run) = table.text("run").filter(|run| runs(run)).map(|run| format!("npx --yes {run}")) {
            table.set("run", Value::Text(run));
        }
    }
    reading.doubts.push(Doubt::new(format!("`{program}` is not installed: npx fetches it")));
}

/// What a program's file is usually called.
const FILES: &[&str] =
    &["server.js", "app.js", "index.js", "main.js", "src/index.js", "server.mjs", "index.mjs", "server.ts"];

/// A server that needs no package.json.
fn one_file(tree: &Tree) -> Option<Reading> {
    let package = Package { tree, json: Json::Null, manager: Manager::Npm };
    let mut reading = package.reading(None)?;
    reading.what = reading.what.replace("package.json, ", "");
    Some(reading)
}

/// Whether code listens for anybody.
fn listens(text: &str) -> bool {
    pattern(r"\.listen\(|Bun\.serve|createServer\(").is_match(text)
}

impl Package<'_> {
    fn script(&self, name: &str) -> Option<&str> {
        self.json["scripts"][name].as_str()
    }

    /// Whether it depends on a package of this name.
    fn depends(&self, name: &str) -> bool {
        ["dependencies", "devDependencies"].iter().any(|kind| !self.json[*kind][name].is_null())
    }

    /// The members of a workspace that have something to start.
    fn members(&self) -> Vec<Reading> {
        let listed = match &self.json["workspaces"] {
            Json::Array(list) => list.clone(),
            Json::Object(map) => map.get("packages").and_then(Json::as_array).cloned().unwrap_or_default(),
            _ => {
                let text = self.tree.text("pnpm-workspace.yaml").unwrap_or_default();
                let known = super::yaml::parse(&text).unwrap_or_default();
                known["packages"].as_array().cloned().unwrap_or_default()
            }
        };
        let patterns: Vec<String> = listed
            .iter()
            .filter_map(Json::as_str)
            .map(|path| path.trim_start_matches("./").trim_end_matches('/').to_owned())
            .collect();
        let Ok(globs) = crate::plan::Globs::new(&patterns) else { return Vec::new() };
        let files = self.tree.ending(&["/package.json"]).map(|path| path.trim_end_matches("/package.json"));
        let mut readings = Vec::new();
        for folder in files.filter(|folder| globs.matches(std::path::Path::new(folder))) {
            let tree = self.tree.inside(folder);
            let Some(json) = tree.json("package.json") else { continue };
            let member = Package { tree: &tree, json, manager: self.manager };
            let script = ["dev", "start:dev", "develop"]
                .into_iter()
                .find(|name| member.script(name).is_some_and(|text| !node_script::only_builds(text)));
            let Some(mut reading) = script.and_then(|script| member.reading(Some(script))) else { continue };
            if !reading
                .draft
                .tables
                .iter()
                .any(|table| table.get("port").is_none() && table.kind == super::Kind::Service)
            {
                continue;
            }
            reading.name = as_name(folder.rsplit('/').next().unwrap_or(folder));
            let named = reading.name.clone();
            for table in reading.draft.tables.iter_mut().filter(|table| table.kind == super::Kind::Service) {
                table.set("name", Value::Text(named.clone()));
            }
            reading.draft.tables.retain(|table| table.name() != "install");
            reading = reading.moved(&format!("{folder}/"));
            reading.draft.tables.insert(0, self.manager.install());
            readings.push(reading);
        }
        readings
    }

    fn reading(&self, script: Option<&str>) -> Option<Reading> {
        let name = self.name();
        let (started, seen) = match script {
            Some(script) => {
                let text = self.script(script).unwrap_or_default();
                (node_script::started(self, script, text), format!("script `{script}`: {text}"))
            }
            None if self.depends("vite") && self.tree.has("index.html") => {
                let run = self.manager.exec("vite --port {port} --strictPort");
                (
                    Started { reloads: Some("vite".to_owned()), reads_port: true, ..Started::plain(run) },
                    "vite".to_owned(),
                )
            }
            None => {
                let file = self.json["main"].as_str().filter(|file| self.tree.has(file));
                let file = file.or_else(|| self.tree.first(FILES))?;
                if !listens(&self.tree.text(file)?) {
                    return None;
                }
                (Started::plain(format!("node {file}")), file.to_owned())
            }
        };
        let mut doubts = Vec::new();
        let mut tables = Vec::new();
        if self.depends_on_anything() {
            tables.push(self.manager.install());
            tables.extend(self.prisma());
        }
        tables.extend(self.built(&started));
        tables.push(self.service(&name, started, &mut doubts));
        let what = format!("{} (package.json, {seen})", self.kind());
        Some(Reading { name, what, draft: Draft::new(tables), doubts, rank: Rank::Likely })
    }

    fn name(&self) -> String {
        let front = ["vite", "next", "nuxt", "astro", "react-scripts", "@angular/core", "@sveltejs/kit", "gatsby"];
        let is_server =
            ["express", "fastify", "koa", "hono", "@nestjs/core", "@hapi/hapi"].iter().any(|name| self.depends(name));
        match self.json["name"].as_str() {
            _ if front.iter().any(|name| self.depends(name)) && !is_server => "web".to_owned(),
            Some(name) => as_name(name.rsplit('/').next().unwrap_or(name)),
            None => "app".to_owned(),
        }
    }

    fn kind(&self) -> &'static str {
        let known = [
            ("next", "a Next project"),
            ("nuxt", "a Nuxt project"),
            ("astro", "an Astro project"),
            ("@remix-run/dev", "a Remix project"),
            ("@react-router/dev", "a React Router project"),
            ("@nestjs/core", "a Nest project"),
            ("vite", "a Vite project"),
        ];
        known.iter().find(|(name, _)| self.depends(name)).map_or("a Node project", |(_, kind)| kind)
    }

    fn depends_on_anything(&self) -> bool {
        ["dependencies", "devDependencies"]
            .iter()
            .any(|kind| self.json[*kind].as_object().is_some_and(|all| !all.is_empty()))
    }

    fn prisma(&self) -> Option<Table> {
        let schema = self.tree.first(&["prisma/schema.prisma", "schema.prisma", "src/prisma/schema.prisma"])?;
        let generated = self.depends("prisma") || self.depends("@prisma/client");
        generated.then(|| {
            Table::step("prisma", self.manager.exec("prisma generate"))
                .with("inputs", [schema, "package.json"])
                .because("cancel", Value::Flag(false), "it writes into node_modules")
        })
    }

    /// A build, if what is started is its result.
    fn built(&self, started: &Started) -> Option<Table> {
        let file = started
            .run
            .split_whitespace()
            .find(|word| word.starts_with("dist/") || word.starts_with("build/") || word.starts_with("./dist/"))?;
        self.script("build")?;
        let folder = file.trim_start_matches("./").split('/').next()?;
        let step = Table::step("build", self.manager.script("build", "")).with("inputs", SOURCES.as_slice());
        Some(step.with("outputs", vec![format!("{folder}/**")]).why(format!("`{file}` is what it builds")))
    }

    fn service(&self, name: &str, started: Started, doubts: &mut Vec<Doubt>) -> Table {
        let run = match (&started.script, started.port) {
            (Some(script), Some(flag)) => self.manager.script(script, flag),
            (Some(script), None) => self.manager.script(script, ""),
            (None, _) => started.run.clone(),
        };
        let mut service = Table::service(name, run);
        if let Some(reloads) = &started.reloads {
            service = service.because("inputs", [] as [&str; 0], format!("{reloads} looks for changes itself"));
        } else if self.built(&started).is_none() {
            service = service.with("inputs", SOURCES.as_slice());
        }
        if let Some(instead) = &started.instead_of {
            doubts.push(Doubt::about(
                name,
                "run",
                format!("`{instead}` would restart it behind devloop's back: it is started without that"),
            ));
        }
        if started.port.is_none() {
            service = self.port(name, service, &started, doubts);
        }
        match self.exclusive().filter(|_| started.reloads.is_none()) {
            Some(why) => service.because("swap", "exclusive", why),
            None => service,
        }
    }

    /// `$PORT` if the code reads it, what is written in it otherwise.
    fn port(&self, name: &str, service: Table, started: &Started, doubts: &mut Vec<Doubt>) -> Table {
        if started.reads_port {
            return service;
        }
        let reads = pattern(
            r#"\benv\.PORT\b|\benv\[['"]PORT['"]\]|env\.get\(['"]PORT['"]\)|\.get(?:OrThrow)?(?:<\w+>)?\(['"]PORT['"]"#,
        );
        let listens = pattern(r#"\.listen\(\s*\{?\s*(?:port:\s*)?(\d{2,5})\b|\b[pP](?:ort|ORT)\s*[:=]\s*(\d{2,5})\b"#);
        let mut fixed = None;
        let is_test = |path: &&str| path.contains("test") || path.contains("spec") || path.contains("e2e");
        for path in self.tree.ending(&[".js", ".ts", ".mjs", ".cjs", ".mts"]).filter(|path| !is_test(path)) {
            let Some(text) = self.tree.text(path) else { continue };
            if reads.is_match(&text) {
                return service;
            }
            let found = listens
                .captures(&text)
                .and_then(|found| found.iter().skip(1).flatten().next()?.as_str().parse::<u16>().ok());
            fixed = fixed.or(found.filter(|_| text.contains("listen") || text.contains("serve")));
        }
        match fixed {
            Some(port) if started.reloads.is_none() => {
                service.because("port", port, "written in the code; with $PORT two instances could overlap")
            }
            _ => {
                let text = format!(
                    "where `{name}` listens was not found: it is given $PORT, and followed if it listens elsewhere"
                );
                doubts.push(Doubt::about(name, "port", text));
                service
            }
        }
    }

    fn exclusive(&self) -> Option<String> {
        let prisma = self.tree.first(&["prisma/schema.prisma", "schema.prisma"]).and_then(|file| self.tree.text(file));
        if prisma.is_some_and(|text| pattern(r#"provider\s*=\s*"sqlite""#).is_match(&text)) {
            return Some("SQLite (prisma): one writer at a time".to_owned());
        }
        let sqlite =
            ["better-sqlite3", "sqlite3", "sqlite", "@libsql/client"].into_iter().find(|name| self.depends(name));
        if let Some(name) = sqlite {
            return Some(format!("SQLite ({name}): one writer at a time"));
        }
        let cron = ["node-cron", "cron", "agenda", "@nestjs/schedule", "node-schedule"]
            .into_iter()
            .find(|name| self.depends(name));
        cron.map(|name| format!("jobs by the clock ({name}) would run twice"))
    }
}
