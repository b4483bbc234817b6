//! Rust: the binaries of a package or workspace, and which of them serve.

use super::{
    draft::{Draft, Table, Value, as_name},
    patterns::pattern,
    reading::{Doubt, Rank, Reading},
    tree::Tree,
};

/// Crates that serve.
const SERVERS: &[&str] = &[
    "actix-web",
    "axum",
    "dropshot",
    "gotham",
    "hyper",
    "iron",
    "leptos_axum",
    "loco-rs",
    "ntex",
    "pavex",
    "poem",
    "rocket",
    "rouille",
    "salvo",
    "tide",
    "tiny_http",
    "tonic",
    "trillium",
    "viz",
    "warp",
    "xitca-web",
];

/// A workspace is looked for in so many folders above.
const MOST_LEVELS: usize = 4;

/// One binary.
struct Binary {
    name: String,
    package: String,
    /// The folder of its package: empty or ending in a slash.
    folder: String,
    dependencies: toml::Table,
    /// The sources of its package.
    text: String,
    /// Its own file.
    own: String,
}

/// The readings of a folder that holds Cargo.toml.
pub(super) fn readings(tree: &Tree) -> Vec<Reading> {
    let Some(manifest) = tree.toml("Cargo.toml") else { return Vec::new() };
    if let Some(reading) = trunk(tree) {
        return vec![reading];
    }
    let shared = manifest.get("workspace").and_then(|workspace| workspace.get("dependencies")).cloned();
    let mut binaries = binaries(tree, "", &manifest);
    for folder in members(tree, &manifest) {
        if let Some(member) = tree.toml(&format!("{folder}Cargo.toml")) {
            binaries.extend(self::binaries(tree, &folder, &member));
        }
    }
    let default = manifest.get("package").and_then(|package| package.get("default-run")).and_then(toml::Value::as_str);
    // Of several that are made of the same code, those that listen themselves.
    let direct: Vec<bool> = binaries.iter().map(|binary| pattern(LISTENS).is_match(&binary.own)).collect();
    let some_direct =
        |package: &str| binaries.iter().zip(&direct).any(|(other, direct)| *direct && other.package == package);
    let serves = |binary: &Binary| {
        let is_direct = pattern(LISTENS).is_match(&binary.own);
        serves(binary) && (is_direct || !some_direct(&binary.package))
    };
    let serving = binaries.iter().filter(|binary| serves(binary)).count();
    let single = binaries.len() == 1 || serving == 1 || default.is_some();
    let readings = binaries.iter().map(|binary| {
        let meant = default.map_or(serving == 0 || serves(binary), |default| default == binary.name);
        let rank = if meant { Rank::Likely } else { Rank::Aside };
        let step = if single && meant { "build".to_owned() } else { format!("build-{}", as_name(&binary.name)) };
        reading(tree, binary, &step, rank, shared.as_ref())
    });
    readings.collect()
}

/// A program for the browser: trunk builds, serves and reloads it.
fn trunk(tree: &Tree) -> Option<Reading> {
    tree.first(&["Trunk.toml"])?;
    let service = Table::service("web", "trunk serve --port {port} --address 127.0.0.1").because(
        "inputs",
        [] as [&str; 0],
        "trunk watches and reloads itself",
    );
    let what = "a Rust program for the browser (Trunk.toml)".to_owned();
    let draft = Draft::new(vec![service]);
    Some(Reading { name: "web".to_owned(), what, draft, doubts: Vec::new(), rank: Rank::Likely })
}

/// The folders of a workspace's members, each ending in a slash.
fn members(tree: &Tree, manifest: &toml::Table) -> Vec<String> {
    let list = |key: &str| -> Vec<String> {
        let list = manifest.get("workspace").and_then(|workspace| workspace.get(key)).and_then(toml::Value::as_array);
        let list = list.into_iter().flatten().filter_map(toml::Value::as_str);
        list.map(|path| path.trim_start_matches("./").trim_end_matches('/').to_owned()).collect()
    };
    let globs = |patterns: Vec<String>| crate::plan::Globs::new(&patterns).unwrap_or_default();
    let (wanted, not) = (globs(list("members")), globs(list("exclude")));
    let folders = tree.ending(&["/Cargo.toml"]).map(|path| path.trim_end_matches("/Cargo.toml"));
    let folders = folders.filter(|folder| {
        let folder = std::path::Path::new(folder);
        wanted.matches(folder) && !not.matches(folder)
    });
    folders.map(|folder| format!("{folder}/")).collect()
}

fn binaries(tree: &Tree, folder: &str, manifest: &toml::Table) -> Vec<Binary> {
    let Some(package) = manifest.get("package").and_then(|package| package.get("name")).and_then(toml::Value::as_str)
    else {
        return Vec::new();
    };
    let mut dependencies = manifest.get("dependencies").and_then(toml::Value::as_table).cloned().unwrap_or_default();
    for key in ["workspace", "build-dependencies", "dev-dependencies"] {
        dependencies.remove(key);
    }
    let sources: Vec<&str> = tree.ending(&[".rs"]).filter(|path| path.starts_with(&format!("{folder}src/"))).collect();
    let text: String = sources.iter().filter_map(|path| tree.text(path)).collect();
    let mut files = written_binaries(manifest, folder);
    let main = format!("{folder}src/main.rs");
    let found = sources.iter().filter_map(|path| {
        let rest = path.strip_prefix(&format!("{folder}src/bin/"))?;
        let name = rest.strip_suffix("/main.rs").or_else(|| rest.strip_suffix(".rs"))?;
        (!name.contains('/')).then(|| (name.to_owned(), (*path).to_owned()))
    });
    let found = tree.has(&main).then(|| (package.to_owned(), main)).into_iter().chain(found);
    for (name, path) in found {
        if files.iter().all(|(known, file)| *known != name && *file != path) {
            files.push((name, path));
        }
    }
    let binary = |(name, path): (String, String)| Binary {
        package: package.to_owned(),
        folder: folder.to_owned(),
        dependencies: dependencies.clone(),
        text: text.clone(),
        own: tree.text(&path).unwrap_or_default(),
        name,
    };
    files.into_iter().map(binary).collect()
}

/// Names and files of `[[bin]]`.
fn written_binaries(manifest: &toml::Table, folder: &str) -> Vec<(String, String)> {
    let written = manifest.get("bin").and_then(toml::Value::as_array).into_iter().flatten();
    let named = written.filter_map(|bin| {
        let text = |key: &str| bin.get(key).and_then(toml::Value::as_str).map(str::to_owned);
        let name = text("name")?;
        let path = text("path").unwrap_or_else(|| format!("src/bin/{name}.rs"));
        Some((name, format!("{folder}{}", path.trim_start_matches("./"))))
    });
    named.collect()
}

/// What code says that listens.
const LISTENS: &str = r"TcpListener::bind|HttpServer::new|Server::bind|warp::serve|tiny_http::Server|rocket::build|#\[launch\]|\.serve\(|axum::serve";

fn serves(binary: &Binary) -> bool {
    let listens = pattern(LISTENS);
    let depends = binary.dependencies.keys().any(|name| SERVERS.contains(&name.as_str()));
    let only_client = binary.dependencies.contains_key("reqwest") && !listens.is_match(&binary.text);
    (depends && !only_client) || listens.is_match(&binary.text)
}

fn reading(tree: &Tree, binary: &Binary, step: &str, rank: Rank, shared: Option<&toml::Value>) -> Reading {
    let name = as_name(&binary.name);
    let package = if binary.folder.is_empty() { String::new() } else { format!(" -p {}", binary.package) };
    let target = target_folder(tree);
    let run = format!(
        "cargo build{package} --bin {name} && cp \"${{CARGO_TARGET_DIR:-{target}}}/debug/{name}\" {{out}}",
        name = binary.name
    );
    let place = if binary.folder.is_empty() { "Cargo.toml".to_owned() } else { format!("{}Cargo.toml", binary.folder) };
    let build = Table::step(step, run)
        .because("inputs", "cargo", "what cargo really reads")
        .why(format!("binary `{}` of {place}", binary.name));
    let mut doubts = Vec::new();
    let service = service(binary, &name, step, &mut doubts, shared);
    let what = format!("a Rust program (binary `{}` of {place})", binary.name);
    Reading { name, what, draft: Draft::new(vec![build, service]), doubts, rank }
}

fn target_folder(tree: &Tree) -> String {
    let up = above(tree);
    let config = tree.toml(".cargo/config.toml").or_else(|| tree.toml(".cargo/config"));
    let folder = config.and_then(|config| Some(config.get("build")?.get("target-dir")?.as_str()?.to_owned()));
    folder.unwrap_or_else(|| format!("{up}target"))
}

/// The way to the workspace that this folder is a member of: `../../`; empty if it is its own.
fn above(tree: &Tree) -> String {
    let is_workspace =
        |up: &str| tree.toml(&format!("{up}Cargo.toml")).is_some_and(|file| file.contains_key("workspace"));
    let ways = (1..=MOST_LEVELS).map(|levels| "../".repeat(levels));
    match is_workspace("") {
        true => String::new(),
        false => ways.into_iter().find(|up| is_workspace(up)).unwrap_or_default(),
    }
}

fn service(binary: &Binary, name: &str, step: &str, doubts: &mut Vec<Doubt>, shared: Option<&toml::Value>) -> Table {
    let run = format!("{{{step}}}");
    let text = &binary.text;
    let has = |name: &str| binary.dependencies.contains_key(name);
    let by_flag =
        pattern(r"(?s)#\[(?:arg|clap|structopt)\([^\]]*\blong\b[^\]]*\)\]\s*(?:pub(?:\([^)]*\))?\s+)?port\s*:");
    let by_variable = pattern(r#"(?:var|var_os|env!?)\(\s*"PORT"|env\s*=\s*"PORT""#);
    let written = pattern(
        r#""(?:0\.0\.0\.0|127\.0\.0\.1|localhost|\[::1?\])?:(\d{2,5})"|\(\[(?:0|127), ?0, ?0, ?[01]\], ?(\d{2,5})\)|bind\(\(\s*"[^"]*",\s*(\d{2,5})\)"#,
    );
    let fixed =
        written.captures(text).and_then(|found| found.iter().skip(1).flatten().next()?.as_str().parse::<u16>().ok());
    let mut service = if !serves(binary) {
        doubts.push(Doubt::about(
            name,
            "port",
            format!("nothing in `{name}` seems to listen: taken for a program without a port"),
        ));
        Table::service(name, run).with("port", "none")
    } else if by_variable.is_match(text) {
        Table::service(name, run)
    } else if has("rocket") {
        Table::service(name, format!("env ROCKET_PORT={{port}} {run}"))
    } else if by_flag.is_match(text) {
        Table::service(name, format!("{run} --port {{port}}"))
    } else if let Some(port) = fixed.filter(|port| *port > 0) {
        Table::service(name, run).because("port", port, "written in the code; with $PORT two instances could overlap")
    } else {
        let text =
            format!("where `{name}` listens was not found: it is given $PORT, and followed if it listens elsewhere");
        doubts.push(Doubt::about(name, "port", text));
        Table::service(name, run)
    };
    let http = SERVERS.iter().any(|server| *server != "tonic" && *server != "hyper" && has(server));
    let http = http || (has("hyper") && !has("tonic")) || text.contains("HTTP/1");
    if serves(binary) && !http {
        let tcp = Value::Inline(vec![("tcp".to_owned(), Value::Flag(true))]);
        service = service.because("health", tcp, "no HTTP is to be seen: an open port is enough");
    }
    match exclusive(binary, shared) {
        Some(why) => service.because("swap", "exclusive", why),
        None => service,
    }
}

/// Why two instances must not run side by side.
fn exclusive(binary: &Binary, shared: Option<&toml::Value>) -> Option<String> {
    let dependency = |name: &str| binary.dependencies.get(name);
    let features = |name: &str| {
        let own = dependency(name)?.get("features");
        let shared = shared.and_then(|shared| shared.get(name)?.get("features"));
        let features = own.into_iter().chain(shared).filter_map(toml::Value::as_array).flatten();
        Some(
            features
                .filter_map(toml::Value::as_str)
                .any(|feature| feature.starts_with("sqlite") || feature.contains("sqlx-sqlite")),
        )
    };
    if dependency("rusqlite").is_some() {
        return Some("SQLite (rusqlite): one writer at a time".to_owned());
    }
    for name in ["sqlx", "diesel", "sea-orm"] {
        if features(name) == Some(true) {
            return Some(format!("SQLite ({name}): one writer at a time"));
        }
    }
    if dependency("tokio-cron-scheduler").is_some() {
        return Some("jobs by the clock (tokio-cron-scheduler) would run twice".to_owned());
    }
    let migrates = ["sqlx::migrate!", "embed_migrations!", "Migrator::up", "refinery::embed"];
    let found = migrates.iter().find(|word| binary.text.contains(**word))?;
    Some(format!("it migrates its database ({found})"))
}
