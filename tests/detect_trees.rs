//! Small trees and what they are read as: one for each reading. Every draft is a good dev.toml without warnings.
#![expect(clippy::disallowed_methods, reason = "tests are outside the house")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{collections::BTreeSet, fs, path::Path};

use devloop::{
    config,
    detect::{self, Finding, Machine, Tree},
    error::{Colour, Problem, render},
};

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

const SERVER: &str = "package main\n\nimport (\n\t\"net/http\"\n\t\"os\"\n)\n\nfunc main() { http.ListenAndServe(\":\"+os.Getenv(\"PORT\"), nil) }\n";
const TOOL: &str = "package main\n\nfunc main() { println() }\n";
const MOD: &str = "module example.com/shop/v2\n\ngo 1.24\n";

#[test]
fn go_programs_are_built_by_package_and_run_as_services() {
    reads(
        &[("go.mod", MOD), ("main.go", SERVER)],
        &[],
        &["run = \"go build -o {out} .\"", "inputs = \"go\"", "name = \"shop\"\nrun = \"{build}\"\n"],
    );
    // The only one that listens is meant; the others are its tools.
    let finding = reads(
        &[("go.mod", MOD), ("cmd/api/main.go", SERVER), ("cmd/seed/main.go", TOOL), ("tools/gen/main.go", SERVER)],
        &[],
        &["run = \"go build -o {out} ./cmd/api\"", "name = \"api\""],
    );
    assert!(finding.doubts.iter().any(|doubt| doubt.text.contains("`seed`")), "{:?}", finding.doubts);
    ambiguous(&[("go.mod", MOD), ("cmd/api/main.go", SERVER), ("cmd/admin/main.go", SERVER)], &["api", "admin"]);
    let grpc = "package main\n\nimport (\n\t\"net\"\n\t\"google.golang.org/grpc\"\n)\n\nfunc main() {\n\tl, _ := net.Listen(\"tcp\", \":50051\")\n\tgrpc.NewServer().Serve(l)\n}\n";
    reads(&[("go.mod", MOD), ("main.go", grpc)], &[], &["port = 50051", "health = { tcp = true }"]);
    let finding = reads(&[("go.mod", MOD), ("main.go", TOOL)], &[], &["port = \"none\""]);
    assert!(finding.doubts.iter().any(|doubt| doubt.text.contains("seems to listen")));
}

#[test]
fn a_go_program_is_known_by_what_its_own_packages_do() {
    let main = "package main\n\nimport \"example.com/shop/v2/internal/web\"\n\nfunc main() { web.Run() }\n";
    let web = SERVER
        .replace("package main", "package web")
        .replace("main()", "Run()")
        .replace("os.Getenv(\"PORT\")", "\"8080\"");
    reads(
        &[("go.mod", MOD), ("cmd/shop/main.go", main), ("internal/web/web.go", &web), ("cmd/tool/main.go", TOOL)],
        &[],
        &["./cmd/shop"],
    );
    let cobra = "package main\n\nimport (\n\t\"net/http\"\n\t\"github.com/spf13/cobra\"\n)\n\nvar c = &cobra.Command{Use: \"serve\"}\n\nfunc main() { http.ListenAndServe(\":8080\", nil) }\n";
    let finding = reads(&[("go.mod", MOD), ("main.go", cobra)], &[], &["run = \"{build} serve\"", "port = 8080"]);
    assert!(finding.doubts.iter().any(|doubt| doubt.text.contains("`serve`")));
}

#[test]
fn files_that_a_build_leaves_out_make_no_program() {
    let ignored = format!("//go:build ignore\n\n{SERVER}");
    let test = SERVER.replace("main()", "TestMain()");
    reads(
        &[
            ("go.mod", MOD),
            ("main.go", SERVER),
            ("gen.go", &ignored),
            ("x/main_test.go", &test),
            ("vendor/a/main.go", SERVER),
            ("examples/a/main.go", SERVER),
            ("cdk/main.go", SERVER),
            ("other/go.mod", "module other"),
            ("other/main.go", SERVER),
        ],
        &[],
        &["-o {out} ."],
    );
}

#[test]
fn a_go_workspace_is_one_project() {
    let files: Files = &[
        ("go.work", "go 1.24\n\nuse (\n\t./api\n\t./lib\n)\n"),
        ("api/go.mod", "module example.com/api\n"),
        ("api/main.go", "package main\n\nimport \"example.com/lib\"\n\nfunc main() { lib.Run() }\n"),
        ("lib/go.mod", "module example.com/lib\n"),
        ("lib/lib.go", "package lib\n\nimport \"net/http\"\n\nfunc Run() { http.ListenAndServe(\":8080\", nil) }\n"),
    ];
    reads(files, &[], &["run = \"go build -o {out} ./api\"", "name = \"api\"", "port = 8080"]);
}

#[test]
fn a_go_module_in_a_folder_below_is_run_there() {
    reads(
        &[("README.md", ""), ("backend/go.mod", MOD), ("backend/cmd/x/main.go", SERVER)],
        &[],
        &["cwd = \"backend\"", "name = \"backend\""],
    );
}

#[test]
fn go_generators_come_before_the_build_in_an_order_that_builds() {
    let go_mod = format!(
        "{MOD}\ntool (\n\tgithub.com/google/wire/cmd/wire\n\tgithub.com/a-h/templ/cmd/templ\n)\n\nrequire github.com/99designs/gqlgen v0.17.49\n"
    );
    let injector = "//go:build wireinject\n\npackage main\n";
    let files: Files = &[
        ("go.mod", &go_mod),
        ("main.go", SERVER),
        ("wire.go", injector),
        ("page.templ", ""),
        ("gqlgen.yml", "schema:\n  - graph/*.graphqls\nexec:\n  filename: graph/generated.go\n"),
        (
            "sqlc.yaml",
            "version: \"2\"\nsql:\n  - engine: postgresql\n    queries: db/query.sql\n    schema: db/migrations\n    gen:\n      go:\n        package: db\n        out: internal/db\n",
        ),
        ("buf.gen.yaml", "version: v2\n"),
        ("ent/generate.go", "package ent\n\n//go:generate go run entgo.io/ent/cmd/ent generate ./schema\n"),
    ];
    let finding = reads(
        files,
        &["sqlc", "buf"],
        &[
            "run = \"go tool wire .\"",
            "run = \"go tool templ generate\"",
            "run = \"go run github.com/99designs/gqlgen@v0.17.49 generate\"",
            "inputs = [\"db/migrations/**\", \"db/query.sql\", \"sqlc.yaml\"]\noutputs = [\"internal/db/**\"]",
            "run = \"buf generate\"",
            "outputs = [\"graph/generated.go\"]",
        ],
    );
    let steps: Vec<&str> = finding.draft.of(detect::Kind::Step).map(detect::Table::name).collect();
    assert_eq!(steps, ["proto", "sqlc", "templ", "gqlgen", "wire", "build"]);
}

#[test]
fn a_generator_that_a_folder_replaces_is_the_one_in_that_folder() {
    let go_mod = "module github.com/a-h/templ/examples/counter\n\nrequire github.com/a-h/templ v0.2.0\n\nreplace github.com/a-h/templ => ../../\n";
    reads(
        &[("go.mod", go_mod), ("main.go", SERVER), ("page.templ", "")],
        &[],
        &["run = \"go run github.com/a-h/templ/cmd/templ generate\""],
    );
}

#[test]
fn a_generator_that_cannot_be_had_is_left_out_and_said() {
    let finding = reads(&[("go.mod", MOD), ("main.go", SERVER), ("sqlc.yaml", "version: 2\n")], &[], &["build"]);
    assert_eq!(finding.draft.of(detect::Kind::Step).count(), 1);
    assert!(finding.doubts[0].text.contains("`sqlc` is neither installed nor in go.mod"), "{:?}", finding.doubts);
}

#[test]
fn go_generate_runs_where_its_program_can_be_had_and_makes_what_is_built() {
    let with = |line: &str| SERVER.replace("package main", &format!("package main\n\n//go:generate {line}"));
    let go = [("go.mod", MOD), ("main.go", &*with("go run ./gen"))];
    reads(&go, &[], &["run = \"go generate .\"", "generates = true", "inputs = [\"*\"]"]);
    reads(&[("go.mod", MOD), ("main.go", &with("stringer -type=X"))], &["stringer"], &["go generate ."]);
    for line in ["mockgen -source=x.go", "stringer -type=X"] {
        let finding = reads(&[("go.mod", MOD), ("main.go", &with(line))], &[], &[]);
        assert_eq!(finding.draft.of(detect::Kind::Step).count(), 1, "{line}");
    }
    let ent = SERVER.replace("\"os\"", "\"os\"\n\t\"example.com/shop/v2/ent\"");
    reads(
        &[
            ("go.mod", MOD),
            ("main.go", &ent),
            ("ent/generate.go", "package ent\n\n//go:generate go run entgo.io/ent/cmd/ent generate ./schema\n"),
            ("ent/schema/user.go", "package schema\n"),
        ],
        &[],
        &["run = \"go generate ./ent\"", "\"!ent/schema/**\""],
    );
}

#[test]
fn what_a_program_embeds_and_git_does_not_have_is_built_before() {
    let embeds = |pattern: &str| format!("package ui\n\nimport \"embed\"\n\n//go:embed {pattern}\nvar Box embed.FS\n");
    let main = SERVER.replace("\"os\"", "\"os\"\n\t_ \"example.com/shop/v2/ui\"");
    let package = r#"{"scripts":{"build":"vite build"},"devDependencies":{"vite":"8"}}"#;
    let ui = embeds("all:dist/*");
    let files = [("go.mod", MOD), ("main.go", &main), ("ui/ui.go", &ui), ("ui/package.json", package)];
    let wanted = [
        "name = \"install-ui\"\nrun = \"npm install",
        "name = \"build-ui\"\nrun = \"npm run build\"\ninputs = [\"ui/**/*.",
        "\"!ui/dist/**\"]\noutputs = [\"ui/dist/**\"]\ncwd = \"ui\"",
    ];
    let finding = reads(&files, &["npm"], &wanted);
    let steps: Vec<&str> = finding.draft.of(detect::Kind::Step).map(detect::Table::name).collect();
    assert_eq!(steps, ["install-ui", "build-ui", "build"]);
    // A mark that keeps the folder in git is nothing that could be served.
    let marked: Vec<(&str, &str)> = files.iter().copied().chain([("ui/dist/.gitkeep", "")]).collect();
    reads(&marked, &["npm"], &wanted);
    let committed: Vec<(&str, &str)> = files.iter().copied().chain([("ui/dist/index.html", "")]).collect();
    assert_eq!(reads(&committed, &["npm"], &[]).draft.of(detect::Kind::Step).count(), 1);
    // Ignored by git, and here from the last build: it is built again, as its sources change.
    let ignored: Vec<(&str, &str)> = committed.iter().copied().chain([(".gitignore", "dist\n")]).collect();
    reads(&ignored, &["npm"], &wanted);
    let nobody = [files[0], files[1], files[2]];
    let finding = reads(&nobody, &[], &[]);
    assert!(finding.doubts[0].text.contains("ui/ui.go embeds `ui/dist`, which is not here"), "{:?}", finding.doubts);
}

#[test]
fn what_two_instances_would_share_makes_a_service_exclusive() {
    for import in ["modernc.org/sqlite", "github.com/robfig/cron/v3", "github.com/golang-migrate/migrate/v4"] {
        let main = SERVER.replace("\"os\"", &format!("\"os\"\n\t_ \"{import}\""));
        reads(&[("go.mod", MOD), ("main.go", &main)], &[], &["swap = \"exclusive\"  # ", import]);
    }
    let settings = "DATABASES = {'default': {'ENGINE': 'django.db.backends.sqlite3'}}\n";
    reads(
        &[("manage.py", "os.environ['DJANGO_SETTINGS_MODULE']"), ("x/settings.py", settings)],
        &[],
        &["swap = \"exclusive\""],
    );
    reads(
        &[
            ("package.json", r#"{"scripts":{"start":"node a.js"},"dependencies":{"better-sqlite3":"1"}}"#),
            ("a.js", "listen(process.env.PORT)"),
        ],
        &[],
        &["swap = \"exclusive\""],
    );
    reads(
        &[
            (
                "Cargo.toml",
                "[package]\nname = \"a\"\n[dependencies]\naxum = \"0.8\"\nsqlx = { version = \"0.8\", features = [\"sqlite\"] }\n",
            ),
            ("src/main.rs", ""),
        ],
        &[],
        &["swap = \"exclusive\""],
    );
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
fn node_servers_that_reload_themselves_are_given_a_port_and_left_alone() {
    for (script, run) in [
        ("vite", "npm run dev -- --port {port} --strictPort"),
        ("next dev --turbo", "npm run dev -- --port {port}"),
        ("astro dev", "npm run dev -- --port {port}"),
        ("remix vite:dev", "npm run dev -- --port {port}"),
        ("react-router dev", "npm run dev -- --port {port}"),
        ("nuxt dev", "npm run dev -- --port {port}"),
        ("ng serve", "npm run dev -- --port {port}"),
        ("cross-env A=b vue-cli-service serve", "npm run dev -- --port {port}"),
    ] {
        let package = format!(r#"{{"name":"page","scripts":{{"dev":"{script}"}}}}"#);
        reads(&[("package.json", &package)], &[], &[&format!("run = \"{run}\""), "inputs = []"]);
    }
    reads(
        &[("package.json", r#"{"scripts":{"start":"react-scripts start"}}"#)],
        &[],
        &["run = \"npm run start\"", "inputs = []"],
    );
    reads(
        &[("package.json", r#"{"scripts":{"dev":"nodemon --exec ts-node a.ts"}}"#)],
        &[],
        &["run = \"npm run dev\"", "inputs = []"],
    );
}

#[test]
fn node_programs_that_another_one_would_restart_are_restarted_by_devloop() {
    for (script, run) in [
        ("node --watch server.js", "node server.js"),
        ("nodemon server.js", "node server.js"),
        ("tsx watch src/index.ts", "npx tsx src/index.ts"),
        ("nest start --watch", "npx nest start"),
    ] {
        let package = format!(r#"{{"name":"api","scripts":{{"dev":"{script}","start":"x"}}}}"#);
        let finding = reads(
            &[("package.json", &package), ("server.js", "listen(process.env.PORT)")],
            &[],
            &[&format!("run = \"{run}\""), "inputs = [\"**/*."],
        );
        assert!(finding.doubts[0].text.contains(script), "{:?}", finding.doubts);
    }
}

#[test]
fn the_lock_file_says_who_installs() {
    let package = r#"{"name":"api","scripts":{"start":"node server.js"},"dependencies":{"express":"4"}}"#;
    for (lock, run) in [
        ("package-lock.json", "npm install --no-audit --no-fund"),
        ("pnpm-lock.yaml", "pnpm install"),
        ("yarn.lock", "yarn install"),
        ("bun.lock", "bun install"),
    ] {
        reads(
            &[("package.json", package), (lock, ""), ("server.js", "app.listen(4000)")],
            &[],
            &[&format!("run = \"{run}\""), "port = 4000", "cancel = false"],
        );
    }
    let bun = r#"{"packageManager":"bun@1.2.0","scripts":{"dev":"bun --hot a.ts"}}"#;
    reads(&[("package.json", bun), ("a.ts", "")], &[], &["run = \"bun a.ts\""]);
    let built = r#"{"scripts":{"start":"node dist/main.js","build":"tsc"},"dependencies":{"a":"1"}}"#;
    reads(&[("package.json", built)], &[], &["run = \"npm run build\"", "outputs = [\"dist/**\"]"]);
    reads(&[("server.js", "http.createServer().listen(8081)")], &[], &["run = \"node server.js\"", "port = 8081"]);
}

#[test]
fn of_several_lock_files_the_one_whose_program_is_here_counts() {
    let package = r#"{"name":"api","scripts":{"start":"node server.js"},"dependencies":{"express":"4"}}"#;
    let files: Files =
        &[("package.json", package), ("package-lock.json", ""), ("yarn.lock", ""), ("server.js", "app.listen(4000)")];
    reads(files, &["npm"], &["run = \"npm install"]);
    reads(files, &["npm", "yarn"], &["run = \"yarn install"]);
}

#[test]
fn variables_that_a_script_sets_stay_when_devloop_restarts_its_program() {
    let package = r#"{"scripts":{"dev":"cross-env NODE_ENV=development nodemon src/index.js"}}"#;
    reads(
        &[("package.json", package), ("src/index.js", "listen(process.env.PORT)")],
        &[],
        &["run = \"env NODE_ENV=development node src/index.js\""],
    );
}

#[test]
fn a_file_that_everybody_makes_for_himself_is_missed() {
    let missed = |files: Files| {
        let finding = reads(files, &[], &[]);
        finding.doubts.first().is_some_and(|doubt| doubt.text.contains("`cp .env.example .env`"))
    };
    let go = [("go.mod", MOD), ("main.go", SERVER)];
    assert!(missed(&[go[0], go[1], (".env.example", "A=b\n"), ("config.ts.sample", "")]));
    assert!(!missed(&[go[0], go[1], (".env.example", "A=b\n"), (".env", "A=c\n")]));
    assert!(!missed(&go));
}

#[test]
fn the_members_of_a_node_workspace_are_chosen_by_name() {
    let files: Files = &[
        ("package.json", r#"{"workspaces":["apps/*","packages/*"],"scripts":{"dev":"turbo run dev"}}"#),
        ("apps/web/package.json", r#"{"name":"@x/web","scripts":{"dev":"vite"}}"#),
        ("apps/api/package.json", r#"{"name":"@x/api","scripts":{"dev":"tsx watch a.ts"}}"#),
        ("packages/ui/package.json", r#"{"name":"@x/ui","scripts":{"dev":"tsc --watch"}}"#),
    ];
    ambiguous(files, &["web", "api"]);
    let finding = look(files, &[], &["web"]).unwrap();
    assert!(finding.draft.toml().contains("cwd = \"apps/web\""), "{}", finding.draft.toml());
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
