//! Go: which packages are programs, which of them serve, and where they learn their port.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    draft::{Draft, Kind, Table, Value, as_name},
    go_port::{self, Where},
    go_tools,
    patterns::pattern,
    reading::{Doubt, Rank, Reading},
    tree::{Tree, folder_of},
};

/// Folders whose programs are no part of the project.
const ASIDE: &[&str] = &[
    "_examples",
    "cdk",
    "demo",
    "example",
    "examples",
    "hack",
    "infra",
    "internal",
    "lambda",
    "misc",
    "pulumi",
    "samples",
    "scripts",
    "test",
    "tests",
    "tools",
];

/// All that is known about the Go code of a folder.
pub(super) struct Code<'t> {
    pub(super) tree: &'t Tree,
    /// Module paths and their folders, longest path first.
    modules: Vec<(String, String)>,
    /// Folders and their packages.
    packages: BTreeMap<String, Package>,
    /// The text of go.mod files.
    pub(super) go_mods: String,
}

/// One folder's Go files, without tests and those that a build leaves out.
#[derive(Debug, Default)]
pub(super) struct Package {
    pub(super) is_main: bool,
    pub(super) text: String,
    pub(super) imports: BTreeSet<String>,
}

/// A program and what it is made of.
pub(super) struct Program<'c> {
    /// Its package's folder: `.`, `cmd/api`.
    pub(super) folder: &'c str,
    /// The folders of its own packages, its own first.
    pub(super) packages: Vec<&'c str>,
    /// Everything those import.
    pub(super) imports: BTreeSet<&'c str>,
    /// Their text.
    pub(super) text: String,
    /// That of its own package.
    pub(super) own: &'c str,
}

/// The readings of a folder that holds go.mod or go.work.
pub(super) fn readings(tree: &Tree) -> Vec<Reading> {
    let modules = modules(tree);
    if modules.is_empty() {
        return Vec::new();
    }
    let code = Code::read(tree, modules);
    let all = code.programs();
    let within = |folder: &str| {
        // A program within another one's folder is a part of its tests or its tools.
        all.iter().any(|other| other.folder != "." && folder.starts_with(&format!("{}/", other.folder)))
    };
    let is_central = |program: &&Program| !is_aside(program.folder) && !within(program.folder);
    let central: Vec<&Program> = all.iter().filter(is_central).collect();
    let considered = if central.is_empty() { all.iter().collect() } else { central };
    let serving: Vec<&&Program> = considered.iter().filter(|program| serves(&program.text)).collect();
    let single = considered.len() == 1 || serving.len() == 1;
    let mut readings = Vec::new();
    for program in &considered {
        let rank = match serving.is_empty() {
            true => Rank::Likely,
            false if serves(&program.text) => Rank::Likely,
            false => Rank::Aside,
        };
        let step =
            if single && rank == Rank::Likely { "build".to_owned() } else { format!("build-{}", code.name(program)) };
        readings.push(code.reading(program, &step, rank));
    }
    readings
}

/// The port that the only likely program of a folder has to itself.
pub(super) fn only_place(tree: &Tree) -> Option<(String, Value)> {
    let likely = readings(tree).into_iter().filter(|reading| reading.rank == Rank::Likely);
    let [only] = &likely.collect::<Vec<_>>()[..] else { return None };
    let service = only.draft.of(Kind::Service).next()?;
    match service.get("port")? {
        Value::Number(port) => Some(("port".to_owned(), Value::Number(*port))),
        _ => None,
    }
}

/// The modules of this folder: of go.mod, and those that go.work uses.
fn modules(tree: &Tree) -> Vec<(String, String)> {
    let mut folders: BTreeSet<String> = BTreeSet::new();
    if tree.has("go.mod") {
        folders.insert(".".to_owned());
    }
    if let Some(work) = tree.text("go.work") {
        let uses = pattern(r"(?m)^\s*(?:use\s+)?(\.[\w./-]*)\s*$");
        folders.extend(uses.captures_iter(&work).map(|found| tidy(&found[1])));
    }
    let name = pattern(r#"(?m)^module\s+"?([^\s"]+)"?"#);
    let mut modules: Vec<(String, String)> = folders
        .into_iter()
        .filter_map(|folder| {
            let text = tree.text(&join(&folder, "go.mod"))?;
            Some((name.captures(&text)?[1].to_owned(), folder))
        })
        .collect();
    modules.sort_by_key(|(path, _)| std::cmp::Reverse(path.len()));
    modules
}

fn tidy(path: &str) -> String {
    match path.trim_start_matches("./").trim_end_matches('/') {
        "" | "." => ".".to_owned(),
        path => path.to_owned(),
    }
}

fn join(folder: &str, name: &str) -> String {
    if folder == "." { name.to_owned() } else { format!("{folder}/{name}") }
}

fn is_aside(folder: &str) -> bool {
    folder.split('/').any(|part| ASIDE.contains(&part))
}

/// Whether the code listens for anybody.
fn serves(text: &str) -> bool {
    pattern(
        r"ListenAndServe|http\.Serve\w*\(|http\.Server\{|net\.Listen\(|gin\.(Default|New)\(|echo\.New\(|fiber\.New\(|grpc\.NewServer\(|fasthttp\.|iris\.New\(|beego\.Run\(|web\.Run\(|ListenConfig\{|ghttp\.|kratos\.New\(|rest\.MustNewServer\(|zrpc\.MustNewServer\(|huma\.|pocketbase\.New",
    )
    .is_match(text)
}

impl<'t> Code<'t> {
    fn read(tree: &'t Tree, modules: Vec<(String, String)>) -> Code<'t> {
        let mut packages: BTreeMap<String, Package> = BTreeMap::new();
        for path in tree.ending(&[".go"]).filter(|path| !path.ends_with("_test.go")) {
            let Some(text) = tree.text(path) else { continue };
            let text = without_comment_lines(&text);
            let Some(clause) = pattern(r"(?m)^package\s+(\w+)").captures(&text) else { continue };
            if left_out(&text) {
                continue;
            }
            let package = packages.entry(folder_of(path).to_owned()).or_default();
            package.is_main |= &clause[1] == "main" && pattern(r"(?m)^func main\(\)").is_match(&text);
            package.imports.extend(imports(&text));
            package.text.push_str(&text);
        }
        let go_mods = modules.iter().filter_map(|(_, folder)| tree.text(&join(folder, "go.mod"))).collect();
        Code { tree, modules, packages, go_mods }
    }

    fn programs(&self) -> Vec<Program<'_>> {
        let mains =
            self.packages.iter().filter(|(folder, package)| package.is_main && self.module_of(folder).is_some());
        mains.map(|(folder, package)| self.program(folder, package)).collect()
    }

    /// The module that a folder belongs to: its nearest go.mod is one of ours.
    fn module_of(&self, folder: &str) -> Option<&(String, String)> {
        let inside = |root: &str| root == "." || folder == root || folder.starts_with(&format!("{root}/"));
        let nearest = self.modules.iter().filter(|(_, root)| inside(root)).max_by_key(|(_, root)| root.len())?;
        let mut at = folder;
        while at != nearest.1 && at != "." {
            if self.tree.has(&join(at, "go.mod")) {
                return None;
            }
            at = folder_of(at);
        }
        Some(nearest)
    }

    fn program<'c>(&'c self, folder: &'c str, package: &'c Package) -> Program<'c> {
        let mut seen: BTreeSet<&str> = BTreeSet::from([folder]);
        let mut order = vec![folder];
        let mut imports: BTreeSet<&str> = BTreeSet::new();
        let mut text = String::new();
        let mut next = 0;
        while let Some(at) = order.get(next).copied() {
            next += 1;
            let Some(package) = self.packages.get(at) else { continue };
            text.push_str(&package.text);
            for import in &package.imports {
                imports.insert(import);
                let own = self.folder_of_import(import).and_then(|folder| self.packages.get_key_value(&folder));
                if let Some((folder, _)) = own
                    && seen.insert(folder)
                {
                    order.push(folder);
                }
            }
        }
        Program { folder, packages: order, imports, text, own: &package.text }
    }

    fn folder_of_import(&self, import: &str) -> Option<String> {
        self.modules.iter().find_map(|(path, root)| match import.strip_prefix(path.as_str())? {
            "" => Some(root.clone()),
            rest => rest.strip_prefix('/').map(|rest| join(root, rest)),
        })
    }

    /// What a program is called: its folder's name, that of its module at the top.
    fn name(&self, program: &Program) -> String {
        let last = |path: &str| path.rsplit('/').find(|part| !is_version(part)).unwrap_or(path).to_owned();
        match program.folder {
            "." | "cmd" | "src" => as_name(&last(self.modules.first().map_or("app", |(path, _)| path))),
            folder => match last(folder).as_str() {
                // `services/users/cmd`
                "cmd" | "server" | "main" if folder.contains('/') && !folder.starts_with("cmd/") => {
                    as_name(&last(folder_of(folder)))
                }
                name => as_name(name),
            },
        }
    }

    fn reading(&self, program: &Program, step: &str, rank: Rank) -> Reading {
        let name = self.name(program);
        let path = if program.folder == "." { ".".to_owned() } else { format!("./{}", program.folder) };
        let generated = go_tools::steps(self, program);
        let mut doubts = generated.doubts;
        let mut tables = generated.steps;
        let build = Table::step(step, format!("go build -o {{out}} {path}"))
            .because("inputs", "go", "what the packages really consist of, embedded files too; no tests")
            .why(format!("package main is in {path}"));
        tables.push(build);
        tables.push(self.service(program, &name, step, &mut doubts));
        let what = match path.as_str() {
            "." => "a Go program (package main beside go.mod)".to_owned(),
            path => format!("a Go program (package main in {path})"),
        };
        Reading { name, what, draft: Draft::new(tables), doubts, rank }
    }

    fn service(&self, program: &Program, name: &str, step: &str, doubts: &mut Vec<Doubt>) -> Table {
        let mut run = format!("{{{step}}}");
        if let Some(command) = serving_command(program) {
            run.push_str(&format!(" {command}"));
            doubts.push(Doubt::about(
                name,
                "run",
                format!("`{name}` has commands: `{command}` is taken for the one that serves"),
            ));
        }
        let serving = serves(&program.text);
        let place = if serving { go_port::of(program.own, &program.text) } else { Where::Nowhere };
        let mut service = match &place {
            Where::Flag(flag) => Table::service(name, format!("{run} {flag}")),
            Where::Variable(variable) => Table::service(name, format!("env {variable} {run}")),
            _ => Table::service(name, run),
        };
        match place {
            Where::Fixed(port) => {
                service = service.because("port", port, "written in the code; with $PORT two instances could overlap");
            }
            Where::Unknown => doubts.push(Doubt::about(
                name,
                "port",
                format!(
                    "where `{name}` listens was not found: it is given $PORT, and followed if it listens elsewhere"
                ),
            )),
            Where::Nowhere => {
                service = service.with("port", "none");
                doubts.push(Doubt::about(
                    name,
                    "port",
                    format!("nothing in `{name}` seems to listen: taken for a program without a port"),
                ));
            }
            _ => {}
        }
        if serving && no_http(&program.text) {
            let tcp = Value::Inline(vec![("tcp".to_owned(), Value::Flag(true))]);
            service = service.because("health", tcp, "no HTTP is to be seen: an open port is enough");
        }
        match exclusive(program) {
            Some(why) => service.because("swap", "exclusive", why),
            None => service,
        }
    }
}

/// A build leaves this file out: `//go:build ignore`, `wireinject`, another system.
fn left_out(text: &str) -> bool {
    pattern(r"(?m)^//go:build\s+(ignore|wireinject|tools|windows|js|plan9|never|none|generate)\b").is_match(text)
}

/// Whole lines of comments say nothing about code; directives do.
fn without_comment_lines(text: &str) -> String {
    let kept = text.lines().filter(|line| !line.trim_start().starts_with("//") || line.starts_with("//go:"));
    kept.flat_map(|line| [line, "\n"]).collect()
}

fn imports(text: &str) -> Vec<String> {
    let end = pattern(r"(?m)^(func|type|var|const)\b").find(text).map_or(text.len(), |found| found.start());
    let import = pattern(r#"(?m)^\s*(?:import\s+)?(?:[\w.]+\s+)?"([^"\n]+)"\s*(?://.*)?$"#);
    import.captures_iter(&text[..end]).map(|found| found[1].to_owned()).collect()
}

fn is_version(part: &str) -> bool {
    part.strip_prefix('v').is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// `serve`, if the program is a tool with commands of which one serves.
fn serving_command(program: &Program) -> Option<String> {
    let cobra = program.imports.iter().any(|import| import.starts_with("github.com/spf13/cobra"));
    let urfave = program.imports.iter().any(|import| import.starts_with("github.com/urfave/cli"));
    let key = match (cobra, urfave) {
        (true, _) => "Use",
        (_, true) => "Name",
        _ => return None,
    };
    let command = pattern(&format!(r#"\b{key}:\s*"(serve|server|start|web|run|api|http|daemon)\b[^"]*""#));
    let found: BTreeSet<String> = command.captures_iter(&program.text).map(|found| found[1].to_owned()).collect();
    ["serve", "server", "web", "api", "http", "start", "daemon", "run"]
        .map(str::to_owned)
        .into_iter()
        .find(|name| found.contains(name))
}

/// Whether no HTTP is to be seen, but another way of listening.
fn no_http(text: &str) -> bool {
    let http = r"net/http|gin\.|echo\.New|fiber\.New|fasthttp|iris\.|beego|ghttp\.|kratos|HTTP/1";
    pattern(r"grpc\.NewServer\(|net\.Listen\(|ListenConfig\{").is_match(text) && !pattern(http).is_match(text)
}

/// Why two instances must not run side by side.
fn exclusive(program: &Program) -> Option<String> {
    let imports = |known: &[&str]| {
        let import = program.imports.iter().find(|import| known.iter().any(|known| import.starts_with(known)));
        import.map(|import| (*import).to_owned())
    };
    let sqlite = [
        "github.com/mattn/go-sqlite3",
        "modernc.org/sqlite",
        "github.com/glebarez/",
        "github.com/ncruces/go-sqlite3",
        "gorm.io/driver/sqlite",
        "zombiezen.com/go/sqlite",
        "crawshaw.io/sqlite",
        "github.com/jinzhu/gorm/dialects/sqlite",
        "github.com/pocketbase/",
    ];
    if let Some(import) = imports(&sqlite) {
        return Some(format!("SQLite ({import}): one writer at a time"));
    }
    if let Some(import) = imports(&["github.com/robfig/cron", "github.com/go-co-op/gocron"]) {
        return Some(format!("jobs by the clock ({import}) would run twice"));
    }
    let migrations = ["github.com/golang-migrate/migrate", "github.com/pressly/goose", "github.com/rubenv/sql-migrate"];
    if let Some(import) = imports(&migrations) {
        return Some(format!("it migrates its database ({import})"));
    }
    program.text.contains(".AutoMigrate(").then(|| "it migrates its database (AutoMigrate)".to_owned())
}
