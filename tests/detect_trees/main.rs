//! Small trees and what they are read as: one for each reading. Every draft is a good dev.toml without warnings.
#![expect(clippy::disallowed_methods, reason = "tests are outside the house")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod go;
mod node;

use std::{collections::BTreeSet, fs, path::Path};

use devloop::{
    config,
    detect::{self, Finding, Machine, Tree},
    error::{Colour, Problem, render},
};

const SERVER: &str = "package main\n\nimport (\n\t\"net/http\"\n\t\"os\"\n)\n\nfunc main() { http.ListenAndServe(\":\"+os.Getenv(\"PORT\"), nil) }\n";
const TOOL: &str = "package main\n\nfunc main() { println() }\n";
const MOD: &str = "module example.com/shop/v2\n\ngo 1.24\n";

type Files<'a> = &'a [(&'a str, &'a str)];

/// A folder with these files, on a machine with these programs.
fn look(files: Files, programs: &[&str], names: &[&str]) -> Result<Finding, Problem> {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    for (path, text) in files {
        fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
        fs::write(root.join(path), text).unwrap();
    }
    let programs: BTreeSet<String> = programs.iter().map(|name| (*name).to_owned()).collect();
    let tree = Tree::below(&root, Machine { programs, ..Machine::default() });
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let finding = detect::find(&tree, &names)?;
    let text = finding.draft.toml();
    let loaded = config::load(&text, Path::new("dev.toml"), &root)
        .unwrap_or_else(|problems| panic!("{text}\n{}", render(&problems, Colour::Never)));
    assert_eq!(loaded.warnings, [], "{text}");
    assert!(finding.lines().len() <= 5, "{:?}", finding.lines());
    Ok(finding)
}

/// It is read without a choice, and its dev.toml holds all of this.
fn reads(files: Files, programs: &[&str], wanted: &[&str]) -> Finding {
    let finding = look(files, programs, &[]).unwrap_or_else(|problem| panic!("{files:?}: {problem:?}"));
    let text = finding.draft.toml();
    for part in wanted {
        assert!(text.contains(part), "{files:?} without {part}\n{text}{:?}", finding.doubts);
    }
    finding
}

/// It can be read in several ways, and these are named with how to choose them.
fn ambiguous(files: Files, names: &[&str]) {
    let problem = look(files, &[], &[]).unwrap_err();
    let hint = problem.hint.unwrap_or_default();
    for name in names {
        assert!(hint.contains(&format!("devloop up {name}")), "{name}: {hint}");
        assert!(look(files, &[], &[name]).is_ok(), "{name}");
    }
    assert!(look(files, &[], names).unwrap().draft.of(detect::Kind::Service).count() >= names.len());
}

#[test]
fn cargo_binaries_are_built_and_copied_out() {
    let axum = "[package]\nname = \"hello\"\n\n[dependencies]\naxum = \"0.8\"\n";
    let main = "fn main() { let p = std::env::var(\"PORT\"); }";
    reads(
        &[("Cargo.toml", axum), ("src/main.rs", main)],
        &[],
        &[
            "cargo build --bin hello && cp \"${CARGO_TARGET_DIR:-target}/debug/hello\" {out}",
            "inputs = \"cargo\"",
            "run = \"{build}\"\n",
        ],
    );
    reads(
        &[("Cargo.toml", axum), ("src/main.rs", "TcpListener::bind(\"0.0.0.0:3000\")")],
        &[],
        &["listen = 3001", "port = 3000"],
    );
    reads(
        &[("Cargo.toml", "[package]\nname = \"r\"\n[dependencies]\nrocket = \"0.5\"\n"), ("src/main.rs", "")],
        &[],
        &["env ROCKET_PORT={port} {build}"],
    );
    let two: Files = &[
        ("Cargo.toml", "[package]\nname = \"mini\"\n"),
        ("src/lib.rs", ""),
        ("src/bin/cli.rs", "fn main() {}"),
        ("src/bin/server.rs", "TcpListener::bind(addr)"),
    ];
    reads(two, &[], &["--bin server", "health = { tcp = true }"]);
    let workspace: Files = &[
        ("Cargo.toml", "[workspace]\nmembers = [\"crates/*\"]\n"),
        ("crates/api/Cargo.toml", "[package]\nname = \"api\"\n[dependencies]\naxum.workspace = true\n"),
        ("crates/api/src/main.rs", main),
        ("crates/cli/Cargo.toml", "[package]\nname = \"cli\"\n"),
        ("crates/cli/src/main.rs", "fn main() {}"),
    ];
    reads(workspace, &[], &["cargo build -p api --bin api"]);
    reads(
        &[("Cargo.toml", axum), ("Trunk.toml", ""), ("src/main.rs", "")],
        &[],
        &["trunk serve --port {port}", "inputs = []"],
    );
}

#[test]
fn a_member_of_a_workspace_above_is_built_into_the_workspace_s_folder() {
    let folder = tempfile::tempdir().unwrap();
    let member = folder.path().join("basics/hello");
    fs::create_dir_all(member.join("src")).unwrap();
    fs::write(folder.path().join("Cargo.toml"), "[workspace]\nmembers = [\"basics/*\"]\n").unwrap();
    fs::write(member.join("Cargo.toml"), "[package]\nname = \"hello\"\n[dependencies]\naxum = \"0.8\"\n").unwrap();
    fs::write(member.join("src/main.rs"), "fn main() { std::env::var(\"PORT\"); }").unwrap();
    let finding = detect::find(&Tree::below(&member, Machine::default()), &[]).unwrap();
    let text = finding.draft.toml();
    assert!(text.contains("${CARGO_TARGET_DIR:-../../target}/debug/hello"), "{text}");
}

#[test]
fn python_frameworks_are_started_without_their_own_reloading() {
    let manage = ("manage.py", "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'x.settings')\n");
    reads(&[manage, ("uv.lock", "")], &["uv"], &["uv run python manage.py runserver --noreload 127.0.0.1:{port}"]);
    reads(&[manage, (".venv/bin/python", "")], &[], &["run = \".venv/bin/python manage.py"]);
    reads(&[manage, ("poetry.lock", "")], &["poetry"], &["poetry run python manage.py", "poetry install"]);
    // What is not installed is put into the project's own environment.
    reads(&[manage, ("uv.lock", "")], &[], &["pip install -q --disable-pip-version-check uv", ".venv/bin/uv sync"]);
    reads(&[manage, ("Pipfile", "")], &["pipenv"], &["pipenv run python manage.py"]);
    reads(&[manage, ("Pipfile", "")], &[], &[".venv/bin/pipenv install --dev"]);
    reads(
        &[manage, ("Pipfile", ""), ("requirements.txt", "django\n")],
        &[],
        &["pip install -q --disable-pip-version-check -r"],
    );
    reads(&[manage, ("poetry.lock", "")], &[], &[".venv/bin/poetry install --no-root", "run = \".venv/bin/python man"]);
    reads(
        &[manage, ("requirements.txt", "django\n")],
        &[],
        &["python3 -m venv .venv && .venv/bin/python -m pip install"],
    );
    reads(
        &[("app.py", "from flask import Flask\n\napp = Flask(__name__)\n")],
        &[],
        &["-m flask --app app run --debug --no-reload --port {port}"],
    );
    reads(&[("shop/__init__.py", "def create_app():\n    app = Flask(__name__)\n")], &[], &["--app shop run"]);
    reads(
        &[("main.py", "from fastapi import FastAPI\n\napi = FastAPI()\n")],
        &[],
        &["-m uvicorn main:api --host 127.0.0.1 --port {port}"],
    );
    reads(
        &[("src/shop/__init__.py", ""), ("src/shop/main.py", "app: FastAPI = FastAPI(\n")],
        &[],
        &["-m uvicorn --app-dir src shop.main:app"],
    );
    reads(
        &[("app/main.py", "from app.x import y\napp = FastAPI()\n"), ("app/x.py", "")],
        &[],
        &["uvicorn app.main:app"],
    );
    let makes = "def get_application() -> FastAPI:\n    application = FastAPI(title='x')\n    return application\n";
    let called = format!("from fastapi import FastAPI\n\n\n{makes}\n\napp = get_application()\n");
    reads(&[("app/__init__.py", ""), ("app/main.py", &called)], &[], &["-m uvicorn app.main:app --host"]);
    reads(&[("main.py", makes)], &[], &["-m uvicorn --factory main:get_application --host"]);
    reads(&[("server.py", "HTTPServer(('', int(os.environ['PORT']))).serve_forever()\n")], &[], &["python3 server.py"]);
}

#[test]
fn other_languages_are_known_by_their_frameworks() {
    for (files, wanted) in [
        (
            &[("Gemfile", "gem 'rails'\n"), ("config/application.rb", ""), ("bin/rails", "")][..],
            "bin/rails server -b 127.0.0.1 -p {port}",
        ),
        (&[("config.ru", "run App")], "rackup --host 127.0.0.1 -p {port}"),
        (&[("app.rb", "require 'sinatra'\n")], "ruby app.rb -o 127.0.0.1 -p {port}"),
        (&[("artisan", ""), ("composer.json", "{}")], "php artisan serve --host=127.0.0.1 --port={port}"),
        (&[("public/index.php", "<?php")], "php -S 127.0.0.1:{port} -t public"),
        (&[("deno.json", "{}"), ("main.ts", "Deno.env.get(\"PORT\")")], "deno run -A main.ts"),
        (&[("deno.json", r#"{"tasks":{"dev":"deno run --watch a.ts"}}"#)], "deno task dev"),
        (
            &[("mix.exs", "{:phoenix, \"~> 1.7\"}"), ("config/dev.exs", "http: [ip: {127, 0, 0, 1}, port: 4000]")],
            "port = 4000",
        ),
        (
            &[("pom.xml", "<artifactId>spring-boot-starter-web</artifactId>"), ("mvnw", "")],
            "env SERVER_PORT={port} ./mvnw -q spring-boot:run",
        ),
        (
            &[("build.gradle.kts", "id(\"org.springframework.boot\")"), ("gradlew", "")],
            "env SERVER_PORT={port} ./gradlew -q --console=plain bootRun",
        ),
        (&[("pom.xml", "<groupId>io.quarkus</groupId>")], "mvn -q quarkus:dev -Dquarkus.http.port={port}"),
        (
            &[("build.gradle", "id 'io.micronaut.application'"), ("gradlew", "")],
            "env MICRONAUT_SERVER_PORT={port} ./gradlew",
        ),
        (&[("build.gradle.kts", "application { mainClass = \"x.Main\" }")], "gradle -q --console=plain run"),
        (&[("deno.json", "{}"), ("main.ts", "export default { fetch() {} }")], "deno serve --port {port} main.ts"),
        (&[("app.py", "app = Litestar([index])\n")], "-m uvicorn app:app"),
        (&[("package.json", r#"{"scripts":{"dev":"bun --watch a.ts"}}"#), ("bun.lock", ""), ("a.ts", "")], "bun a.ts"),
        (
            &[("src/Shop/Shop.csproj", "<Project Sdk=\"Microsoft.NET.Sdk.Web\">")],
            "dotnet run --project src/Shop/Shop.csproj",
        ),
    ] {
        reads(files, &[], &[wanted]);
    }
}

#[test]
fn a_procfile_says_what_stands_beside_the_program() {
    let files: Files = &[
        ("go.mod", MOD),
        ("main.go", SERVER),
        ("Procfile", "web: bin/shop\nworker: go run ./worker\nrelease: bin/migrate\n"),
    ];
    let finding = reads(
        files,
        &["go"],
        &["go build -o {out} .", "name = \"worker\"\nrun = \"go run ./worker\"\nport = \"none\""],
    );
    assert_eq!(finding.draft.of(detect::Kind::Service).count(), 2);
    let dev: Files = &[
        ("Gemfile", ""),
        ("config/application.rb", ""),
        ("bin/rails", ""),
        ("Procfile.dev", "web: bin/rails server -p 3000\ncss: bin/rails tailwindcss:watch\n"),
    ];
    reads(dev, &[], &["run = \"bin/rails server -p {port}\"", "name = \"css\""]);
    reads(&[("Procfile", "web: ./serve --port $PORT\n")], &[], &["run = \"./serve --port $PORT\""]);
}

#[test]
fn databases_of_a_compose_file_are_needed_and_an_env_file_is_read() {
    let compose = "services:\n  db:\n    image: postgres:16\n    ports: [\"5432:5432\"]\n  app:\n    build: .\n";
    let files: Files = &[("go.mod", MOD), ("main.go", SERVER), ("compose.yaml", compose), (".env", "A=b\n")];
    reads(
        files,
        &["docker"],
        &[
            "needs = [\"db\"]",
            "run = \"docker compose up db\"\nport = 5432",
            "stop = { run = \"docker compose stop db\"",
            "env_files = [\".env\"]",
        ],
    );
    let set = "services:\n  web:\n    build: .\n    environment:\n      - DATABASE_URL=postgres://db/x\n      - A=b\n";
    let files_with_set = [("go.mod", MOD), ("main.go", SERVER), ("compose.yaml", set), (".env", "A=b\n")];
    let missing = reads(&files_with_set, &[], &[]);
    assert!(
        missing.doubts.iter().any(|doubt| doubt.text.contains("compose.yaml sets `DATABASE_URL` for `web`")),
        "{:?}",
        missing.doubts
    );
    let without = reads(files, &[], &[]);
    assert!(without.doubts.iter().any(|doubt| doubt.text.contains("docker does not run here")), "{:?}", without.doubts);
}

#[test]
fn two_programs_of_different_kinds_are_never_chosen_between() {
    let page = r#"{"name":"page","scripts":{"dev":"vite"},"devDependencies":{"vite":"8"}}"#;
    ambiguous(&[("go.mod", MOD), ("main.go", SERVER), ("package.json", page)], &["shop", "web"]);
    ambiguous(
        &[("backend/go.mod", MOD), ("backend/main.go", SERVER), ("frontend/package.json", page)],
        &["backend", "frontend"],
    );
    // A page server in a folder below is one more, and is named.
    let finding = reads(&[("go.mod", MOD), ("main.go", SERVER), ("web/package.json", page)], &[], &["{build}"]);
    assert!(
        finding.doubts.iter().any(|doubt| doubt.text.contains("`devloop up shop web` runs both")),
        "{:?}",
        finding.doubts
    );
    // A framework's own bundler is its helper.
    let finding = reads(&[("artisan", ""), ("package.json", page)], &[], &["artisan serve"]);
    assert!(finding.doubts[0].text.contains("`devloop up web assets` runs both"), "{:?}", finding.doubts);
}

#[test]
fn an_empty_folder_is_nothing() {
    let problem = look(&[("README.md", "")], &[], &[]).unwrap_err();
    assert_eq!(problem.hint, None);
    for broken in [("package.json", "{"), ("Cargo.toml", "[["), ("go.mod", ""), ("compose.yaml", "a: [")] {
        assert!(look(&[broken], &[], &[]).is_err());
    }
}
