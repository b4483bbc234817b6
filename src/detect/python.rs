//! Python: Django, FastAPI and Starlette, Flask, plain programs; with uv, poetry, a virtual environment or without.

use super::{
    draft::{Draft, Table, Value, as_name},
    patterns::pattern,
    reading::{Doubt, Rank, Reading},
    tree::{Tree, folder_of},
};

/// What restarts a Python server.
const SOURCES: &[&str] = &["**/*.py", "pyproject.toml", "requirements*.txt"];

/// How Python is started here.
struct Runner {
    /// What stands before `-m module` and `file.py`.
    python: String,
    install: Option<Table>,
    doubt: Option<Doubt>,
}

/// The readings of a folder with Python in it.
pub(super) fn readings(tree: &Tree) -> Vec<Reading> {
    if tree.ending(&[".py"]).next().is_none() {
        return Vec::new();
    }
    let reading =
        django(tree).or_else(|| asgi(tree)).or_else(|| flask(tree)).or_else(|| script(tree)).or_else(|| plain(tree));
    reading.into_iter().collect()
}

impl Runner {
    fn of(tree: &Tree) -> Runner {
        let by_tool = |python: &str| Runner { python: python.to_owned(), install: None, doubt: None };
        let project = tree.text("pyproject.toml").unwrap_or_default();
        if tree.has("uv.lock") || project.contains("[tool.uv") {
            return if tree.program("uv") {
                by_tool("uv run python")
            } else {
                Runner::fetched(tree, "uv", "sync --inexact", &["uv.lock", "pyproject.toml"])
            };
        }
        if tree.has("poetry.lock") || project.contains("[tool.poetry") {
            if !tree.program("poetry") {
                return Runner::fetched(tree, "poetry", "install --no-root", &["poetry.lock", "pyproject.toml"]);
            }
            let install = Table::step("install", "poetry install")
                .with("inputs", ["poetry.lock", "pyproject.toml"])
                .with("cancel", Value::Flag(false));
            return Runner { install: Some(install), ..by_tool("poetry run python") };
        }
        if tree.has("Pipfile") && tree.program("pipenv") {
            return by_tool("pipenv run python");
        }
        for folder in [".venv", "venv", "env"] {
            if tree.has(&format!("{folder}/bin/python")) {
                return by_tool(&format!("{folder}/bin/python"));
            }
        }
        let python = system_python(tree);
        if tree.variable("VIRTUAL_ENV") || tree.variable("CONDA_PREFIX") {
            return by_tool("python");
        }
        let listed = tree
            .first(&["requirements.txt", "requirements-dev.txt", "requirements/dev.txt", "requirements/base.txt"])
            .or_else(|| tree.ending(&["/requirements.txt"]).min_by_key(|path| path.matches('/').count()));
        if let Some(file) = listed {
            return Runner {
                install: Some(into_venv(tree, python, &format!("-r {file}"), file)),
                ..by_tool(".venv/bin/python")
            };
        }
        if tree.has("Pipfile") {
            return Runner::fetched(tree, "pipenv", "install --dev", &["Pipfile", "Pipfile.lock"]);
        }
        if project.contains("[project]") && project.contains("dependencies") {
            if tree.program("uv") {
                return by_tool("uv run python");
            }
            return Runner {
                install: Some(into_venv(tree, python, "-e .", "pyproject.toml")),
                ..by_tool(".venv/bin/python")
            };
        }
        let doubt = Doubt::new(format!(
            "no virtual environment and no list of packages: the `{python}` of this machine is used"
        ));
        Runner { doubt: Some(doubt), ..by_tool(python) }
    }

    /// A tool that is not installed is put into the project's own environment, and installs the rest there.
    fn fetched(tree: &Tree, tool: &str, install: &str, inputs: &[&str]) -> Runner {
        let python = system_python(tree);
        let make = format!(
            "{python} -m venv .venv && .venv/bin/python -m pip install -q --disable-pip-version-check {tool} && .venv/bin/{tool} {install}"
        );
        let install = Table::step("install", make)
            .with("inputs", inputs)
            .because("cancel", Value::Flag(false), "half an installation helps nobody")
            .why(format!("{tool} is not installed here: it is put into .venv, beside what it installs"));
        let doubt = Doubt::new(format!("`{tool}` is not installed: it is put into .venv"));
        Runner { python: ".venv/bin/python".to_owned(), install: Some(install), doubt: Some(doubt) }
    }
}

fn system_python(tree: &Tree) -> &'static str {
    if tree.program("python3") || !tree.program("python") { "python3" } else { "python" }
}

fn into_venv(tree: &Tree, python: &str, what: &str, file: &str) -> Table {
    let make = if tree.program("uv") {
        format!("uv venv -q --allow-existing .venv && uv pip install -q -p .venv {what}")
    } else {
        format!("{python} -m venv .venv && .venv/bin/python -m pip install -q --disable-pip-version-check {what}")
    };
    Table::step("install", make)
        .with("inputs", [file])
        .because("cancel", Value::Flag(false), "half an installation helps nobody")
        .why(format!("{file}: into a virtual environment of the project's own, .venv"))
}

/// A reading that runs `command` after `python`.
fn reading(tree: &Tree, name: &str, what: String, command: &str, inputs: &[&str], mut doubts: Vec<Doubt>) -> Reading {
    let runner = Runner::of(tree);
    doubts.extend(runner.doubt);
    let mut service = Table::service(name, format!("{} {command}", runner.python)).with("inputs", inputs);
    if let Some(why) = exclusive(tree) {
        service = service.because("swap", "exclusive", why);
    }
    let tables = runner.install.into_iter().chain([service]).collect();
    Reading { name: name.to_owned(), what, draft: Draft::new(tables), doubts, rank: Rank::Likely }
}

fn django(tree: &Tree) -> Option<Reading> {
    let file = tree.first(&["manage.py"])?;
    if !tree.text(file)?.contains("DJANGO_SETTINGS_MODULE") {
        return None;
    }
    let inputs: Vec<&str> = SOURCES.iter().copied().chain(["**/templates/**"]).collect();
    let what = "a Django project (manage.py)".to_owned();
    let mut doubts = Vec::new();
    if tree.ending(&[".py"]).any(|path| path.contains("migrations/")) {
        doubts.push(Doubt::new(
            "migrations are not applied: a step with `manage.py migrate` and `cancel = false` would do that".to_owned(),
        ));
    }
    let mut reading = reading(tree, "web", what, "manage.py runserver --noreload 127.0.0.1:{port}", &inputs, doubts);
    if let Some(service) = reading.draft.table_mut("web") {
        service.why.push("--noreload: devloop restarts it, and holds requests meanwhile".to_owned());
    }
    Some(reading)
}

/// `name = Class(` at the left margin: its file and the name.
fn object<'t>(tree: &'t Tree, class: &str) -> Option<(&'t str, String)> {
    let made = pattern(&format!(r"(?m)^(\w+)\s*(?::\s*[\w.\[\]]+\s*)?=\s*(?:\w+\.)?{class}\("));
    let mut found: Vec<(&str, String)> =
        own_files(tree).filter_map(|path| Some((path, made.captures(&tree.text(path)?)?[1].to_owned()))).collect();
    found.sort_by_key(|(path, _)| {
        let name = path.rsplit('/').next().unwrap_or(path);
        let usual = ["main.py", "app.py", "wsgi.py", "asgi.py", "server.py", "run.py", "api.py", "__init__.py"];
        (usual.iter().position(|usual| *usual == name).unwrap_or(usual.len()), path.matches('/').count(), *path)
    });
    found.into_iter().next()
}

/// What uvicorn is told to serve: an object of this class; what a function makes that makes one; that function itself.
fn served<'t>(tree: &'t Tree, class: &str) -> Option<(&'t str, String, &'static str)> {
    if let Some((path, name)) = object(tree, class) {
        return Some((path, name, ""));
    }
    let (path, function) = own_files(tree).find_map(|path| Some((path, maker(&tree.text(path)?, class)?)))?;
    match object(tree, &regex::escape(&function)) {
        Some((path, name)) => Some((path, name, "")),
        None => Some((path, function, "--factory ")),
    }
}

/// The first function at the left margin that can be called without arguments and makes such an object.
fn maker(text: &str, class: &str) -> Option<String> {
    let head = pattern(r"^def (\w+)\(([^)]*)\)");
    let makes = format!("{class}(");
    let mut within = None;
    for line in text.lines() {
        if let Some(found) = head.captures(line) {
            let callable = found[2].split(',').all(|argument| argument.trim().is_empty() || argument.contains('='));
            within = callable.then(|| found[1].to_owned());
        } else if line.starts_with(|letter: char| !letter.is_whitespace() && letter != ')') {
            within = None;
        } else if within.is_some() && line.contains(&makes) {
            return within;
        }
    }
    None
}

fn own_files(tree: &Tree) -> impl Iterator<Item = &str> {
    let is_aside = |part: &str| {
        matches!(part, "tests" | "test" | "docs" | "docs_src" | "examples" | "migrations" | "alembic" | "scripts")
    };
    tree.ending(&[".py"]).filter(move |path| !path.split('/').any(is_aside) && !path.ends_with("conftest.py"))
}

/// A module's dotted name, and the folder it is found from.
fn module(tree: &Tree, path: &str) -> (String, Option<String>) {
    let mut root = folder_of(path);
    let stem = path.strip_suffix(".py").unwrap_or(path);
    let mut parts = vec![stem.rsplit('/').next().unwrap_or(stem)];
    let is_package = |folder: &str| {
        let name = folder.rsplit('/').next().unwrap_or(folder);
        let imported = pattern(&format!(r"(?m)^\s*(?:from|import)\s+{}\b", regex::escape(name)));
        tree.has(&format!("{folder}/__init__.py"))
            || own_files(tree).any(|file| tree.text(file).is_some_and(|text| imported.is_match(&text)))
    };
    while root != "." && is_package(root) {
        parts.insert(0, root.rsplit('/').next().unwrap_or(root));
        root = folder_of(root);
    }
    if parts.len() > 1 && parts.last() == Some(&"__init__") {
        parts.pop();
    }
    (parts.join("."), (root != ".").then(|| root.to_owned()))
}

fn asgi(tree: &Tree) -> Option<Reading> {
    for (class, kind) in [
        ("FastAPI", "a FastAPI program"),
        ("Starlette", "a Starlette program"),
        ("Litestar", "a Litestar program"),
        ("Quart", "a Quart program"),
    ] {
        let Some((path, name, factory)) = served(tree, class) else { continue };
        let (module, folder) = module(tree, path);
        let folder = folder.map_or(String::new(), |folder| format!(" --app-dir {folder}"));
        let command = format!("-m uvicorn{folder} {factory}{module}:{name} --host 127.0.0.1 --port {{port}}");
        let service = as_name(module.split('.').next().unwrap_or("app"));
        let service = if matches!(service.as_str(), "main" | "src" | "app") { "api".to_owned() } else { service };
        return Some(reading(tree, &service, format!("{kind} ({path})"), &command, SOURCES, Vec::new()));
    }
    None
}

fn flask(tree: &Tree) -> Option<Reading> {
    let factory = || {
        let made = pattern(r"(?m)^def (create_app|make_app)\(");
        let path = own_files(tree)
            .find(|path| tree.text(path).is_some_and(|text| made.is_match(&text) && text.contains("Flask(")))?;
        Some((path, String::new()))
    };
    let called = || {
        // `app = create_app()`: what the project itself says to serve.
        let (path, name) = object(tree, "create_app")?;
        own_files(tree).any(|file| tree.text(file).is_some_and(|text| text.contains("Flask("))).then_some((path, name))
    };
    let (path, name) = object(tree, "Flask").or_else(called).or_else(factory)?;
    let (module, folder) = module(tree, path);
    let app = match &folder {
        Some(folder) => format!("{folder}/{}", path.rsplit('/').next().unwrap_or(path)),
        None => module.clone(),
    };
    let app = if name.is_empty() || name == "app" || name == "application" { app } else { format!("{app}:{name}") };
    let command = match tree.has(".flaskenv") && tree.text(".flaskenv").is_some_and(|text| text.contains("FLASK_APP")) {
        true => "-m flask run --no-reload --port {port}".to_owned(),
        false => format!("-m flask --app {app} run --debug --no-reload --port {{port}}"),
    };
    let inputs: Vec<&str> = SOURCES.iter().copied().chain(["**/templates/**"]).collect();
    let what = format!("a Flask program ({path})");
    Some(reading(tree, "web", what, &command, &inputs, Vec::new()))
}

/// The one script of pyproject.toml, if something in it serves.
fn script(tree: &Tree) -> Option<Reading> {
    let project = tree.toml("pyproject.toml")?;
    let scripts = project.get("project")?.get("scripts")?.as_table()?;
    let [(name, target)] = scripts.iter().collect::<Vec<_>>()[..] else { return None };
    let (module, function) = target.as_str()?.split_once(':')?;
    serving_file(tree, |_| true)?;
    let command = format!("-c \"import sys; from {module} import {function} as main; sys.exit(main())\"");
    let service = as_name(name);
    let doubt = Doubt::about(
        &service,
        "port",
        format!("where `{name}` listens was not found: it is given $PORT, and followed if it listens elsewhere"),
    );
    let what = format!("a Python program (pyproject.toml, script `{name}`)");
    Some(reading(tree, &service, what, &command, SOURCES, vec![doubt]))
}

/// A file that serves on its own.
fn plain(tree: &Tree) -> Option<Reading> {
    let names = ["main.py", "app.py", "server.py", "run.py", "wsgi.py", "__main__.py"];
    let file = serving_file(tree, |path| names.contains(&path) || !path.contains('/'))?;
    let text = tree.text(file)?;
    let mut doubts = Vec::new();
    if !pattern(r#"(?:environ(?:\.get)?|getenv)[\[(]\s*["']PORT["']"#).is_match(&text) {
        doubts.push(Doubt::about(
            "app",
            "port",
            format!("where `{file}` listens was not found: it is given $PORT, and followed if it listens elsewhere"),
        ));
    }
    Some(reading(tree, "app", format!("a Python program ({file})"), file, SOURCES, doubts))
}

fn serving_file(tree: &Tree, wanted: impl Fn(&str) -> bool) -> Option<&str> {
    let serves = pattern(
        r"HTTPServer|serve_forever|make_server\(|uvicorn\.run|run_app\(|\.listen\(|Sanic\(|Bottle\(|aiohttp import web|socketserver|run\(host=|run\(port=",
    );
    own_files(tree).filter(|path| wanted(path)).find(|path| tree.text(path).is_some_and(|text| serves.is_match(&text)))
}

/// Why two instances must not run side by side.
fn exclusive(tree: &Tree) -> Option<String> {
    let sqlite = pattern(r"django\.db\.backends\.sqlite3|sqlite(?:\+\w+)?:///|\bimport (?:aio)?sqlite3?\b");
    let cron = pattern(r"\bapscheduler\b|\bimport schedule\b");
    for path in own_files(tree) {
        let text = tree.text(path).unwrap_or_default();
        if sqlite.is_match(&text) {
            return Some(format!("SQLite ({path}): one writer at a time"));
        }
        if cron.is_match(&text) {
            return Some(format!("jobs by the clock ({path}) would run twice"));
        }
    }
    None
}
