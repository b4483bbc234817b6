//! Files and command lines of other tools: every key is translated or named, and the result is a good dev.toml.
#![expect(clippy::disallowed_methods, reason = "tests are outside the house")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{fs, path::Path};

use devloop::{
    config,
    detect::{
        Machine, Tree,
        import::{Fate, Import, import, tools},
    },
    error::{Colour, Problem, render},
};

/// Translates `from` in a folder with these files; the result is checked as dev.toml.
fn translate(files: &[(&str, &str)], from: &str) -> Result<Import, Problem> {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    for (path, text) in files {
        fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
        fs::write(root.join(path), text).unwrap();
    }
    let import = import(&Tree::below(&root, Machine::default()), from)?;
    let text = import.draft.toml();
    config::load(&text, Path::new("dev.toml"), &root)
        .unwrap_or_else(|problems| panic!("{text}\n{}", render(&problems, Colour::Never)));
    Ok(import)
}

fn becomes(files: &[(&str, &str)], from: &str, wanted: &[&str]) -> Import {
    let import = translate(files, from).unwrap_or_else(|problem| panic!("{from}: {problem:?}"));
    let text = import.draft.toml();
    for part in wanted {
        assert!(text.contains(part), "{from} without {part}\n{text}");
    }
    import
}

fn leaves(import: &Import, key: &str) {
    assert!(import.left.iter().any(|line| line.starts_with(&format!("`{key}"))), "{key}: {:#?}", import.left);
}

const AIR: &str = r#"
root = "."
tmp_dir = "tmp"
env_files = [".env"]

[build]
pre_cmd = ["templ generate"]
cmd = "go build -o ./tmp/main ./cmd/api"
bin = "./tmp/main"
args_bin = ["serve", "a b"]
include_ext = ["go", "html"]
exclude_dir = ["assets", "tmp", "vendor"]
exclude_regex = ["_test.go"]
delay = 1000
kill_delay = "500ms"
send_interrupt = true
stop_on_error = true

[[build.rules]]
name = "css"
cmd = "npm run css"
include_dir = ["web"]
include_ext = ["css"]

[color]
main = "magenta"

[proxy]
enabled = true
proxy_port = 8090
app_port = 8080
"#;

#[test]
fn air_becomes_a_build_and_the_program_that_it_makes() {
    let files = [
        (".air.toml", AIR),
        ("cmd/api/main.go", "package main"),
        ("views/a.html", ""),
        ("web/a.css", ""),
        (".env", ""),
    ];
    let import = becomes(
        &files,
        ".air.toml",
        &[
            "[watch]\nignore = [\"assets/**\"]",
            "[proxy]\nlisten = 8090",
            "name = \"css\"\nrun = \"npm run css\"\ninputs = [\"web/**/*.css\"]",
            "name = \"templ\"\nrun = \"templ generate\"",
            "outputs = [\"**/*_templ.go\"]",
            "run = \"go build -o {out} ./cmd/api\"\ninputs = \"go\"",
            "run = \"{build} serve 'a b'\"",
            "port = 8080",
            "stop = { signal = \"SIGINT\", grace = \"500ms\" }",
            "env_files = [\".env\"]",
            "inputs = [\"**/*.html\"]",
        ],
    );
    for key in ["tmp_dir", "build.exclude_regex", "build.delay", "build.stop_on_error", "color", "proxy.enabled"] {
        leaves(&import, key);
    }
    assert!(import.draft.toml().contains("# `build.delay`: devloop runs when a save has settled"));
}

#[test]
fn air_files_of_every_shape_are_understood() {
    for (text, wanted) in [
        ("", &["run = \"go build -o {out} .\"", "run = \"{build}\""][..]),
        ("[build]\ncmd = \"go build -o bin/app\"\nbin = \"bin/app\"\n", &["run = \"go build -o {out}\""]),
        (
            "[build]\ncmd = \"go build -o ./tmp/main .\"\nfull_bin = \"APP_ENV=dev ./tmp/main\"\n",
            &["run = \"APP_ENV=dev {build}\""],
        ),
        ("[build]\nentrypoint = [\"./tmp/main\", \"-v\"]\n", &["run = \"{build} -v\""]),
        ("[build]\nentrypoint = \"./tmp/main\"\n", &["run = \"{build}\""]),
        (
            "[build]\ncmd = \"make build\"\nbin = \"bin/app\"\n",
            &[
                "run = \"make build\"\ninputs = [\"**/*.{go,tpl,tmpl,html}\"]\noutputs = [\"bin/app\"]",
                "run = \"bin/app\"",
            ],
        ),
        (
            "[build]\ncmd = \"templ generate && go build -o ./tmp/main .\"\n",
            &["run = \"templ generate && go build -o {out} .\""],
        ),
        ("[build]\npoll = true\nrerun = true\n", &["backend = \"poll\"", "restart = \"on-exit\""]),
        ("[build]\ncmd = \"go build -o './tmp/main' .\"\n", &["run = \"go build -o {out} .\""]),
        (
            "[build]\ninclude_dir = [\"cmd\"]\ninclude_file = [\"go.mod\"]\ncmd = \"make\"\nbin = \"a/b\"\n",
            &["inputs = [\"cmd/**/*.{go,tpl,tmpl,html}\", \"go.mod\"]"],
        ),
    ] {
        becomes(&[(".air.toml", text)], ".air.toml", wanted);
    }
    // air reads a whole number below a million as milliseconds, a larger one as nanoseconds.
    for (delay, grace) in [("500", "500ms"), ("2000000000", "2000ms"), ("\"2s\"", "2s")] {
        let text = format!("[build]\nkill_delay = {delay}\n");
        becomes(&[(".air.toml", &text)], ".air.toml", &[&format!("grace = \"{grace}\"")]);
    }
    // Written on Windows.
    let windows = "[build]\ncmd = \"go build -o ./tmp/main.exe .\"\nbin = \"tmp\\\\main.exe\"\n";
    becomes(&[(".air.toml", windows)], ".air.toml", &["run = \"go build -o {out} .\"", "run = \"{build}\""]);
    let debugger = "[build]\nfull_bin = \"dlv exec --headless --listen :2345 ./tmp/main -- serve\"\n";
    becomes(&[(".air.toml", debugger)], ".air.toml", &["--listen :2345 {build} -- serve"]);
    becomes(
        &[(".air.toml", "[build]\ncmd = \"make\"\nbin = \"a/b\"\ninclude_ext = [\"*\"]\n")],
        ".air.toml",
        &["inputs = [\"**/*\"]"],
    );
    let odd = becomes(&[(".air.toml", "[build]\nnew_key = 1\n")], ".air.toml", &[]);
    assert!(odd.left[0].starts_with("`build.new_key`: not known here"), "{:?}", odd.left);
    let broken = translate(&[(".air.toml", "[build")], ".air.toml").unwrap_err();
    assert!(broken.message.contains("is not understood") && !broken.causes.is_empty(), "{broken:?}");
}

/// As `air init` of v1.67 writes it: every key, most of them as empty as can be.
const AIR_INIT: &str = r#"
env_files = []
root = "."
testdata_dir = "testdata"
tmp_dir = "tmp"

[build]
  args_bin = []
  bin = "./tmp/main"
  cmd = "go build -o ./tmp/main ."
  delay = 1000
  entrypoint = ["./tmp/main"]
  exclude_dir = ["tmp", "vendor", "testdata"]
  exclude_file = []
  exclude_regex = ["_test.go"]
  full_bin = ""
  include_dir = []
  include_ext = ["go", "tpl", "tmpl", "html"]
  include_file = []
  kill_delay = "0s"
  poll = false
  poll_interval = 0
  post_cmd = []
  pre_cmd = []
  rerun = false

[proxy]
  app_port = 0
  app_start_timeout = 0
  enabled = false
  proxy_port = 0
"#;

#[test]
fn the_file_that_air_writes_itself_is_nothing_but_a_build_and_a_service() {
    let written = becomes(&[(".air.toml", AIR_INIT), ("main.go", "package main")], ".air.toml", &[]);
    let tables = written.draft.toml();
    let tables = tables.split("# Without a counterpart").next().unwrap().trim();
    let wanted = "[[step]]\nname = \"build\"\nrun = \"go build -o {out} .\"\ninputs = \"go\"  # what the packages really consist of, embedded files too; no tests\n\n[[service]]\nname = \"app\"\nrun = \"{build}\"";
    assert_eq!(tables, wanted);
    // A proxy that is switched off says nothing about ports.
    let off = AIR_INIT.replace("app_port = 0", "app_port = 8080").replace("proxy_port = 0", "proxy_port = 8090");
    let off = becomes(&[(".air.toml", &off)], ".air.toml", &[]);
    assert!(!off.draft.toml().contains("80"), "{}", off.draft.toml());
}

#[test]
fn the_example_of_the_guide_becomes_what_the_guide_says() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/from-air.md")).unwrap();
    let block = |language: &str| {
        let (_, rest) = page.split_once(&format!("```{language}\n")).unwrap();
        rest.split("```").next().unwrap().to_owned()
    };
    let import = becomes(&[(".air.toml", &block("ini")), ("web/css/a.css", "")], ".air.toml", &[]);
    let plain = |toml: &str| -> Vec<String> {
        let lines = toml.lines().map(|line| line.split("  #").next().unwrap().trim_end().to_owned());
        lines.filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
    };
    assert_eq!(plain(&import.draft.toml()), plain(&block("toml")));
}

#[test]
fn modd_blocks_become_steps_and_services() {
    let text = "@shell = bash\n@out = ./bin\n# a comment\n**/*.go !**/*_test.go {\n    prep +onchange: go test @dirmods\n    prep: \"\n        go build \\\n          -o app\n    \"\n    daemon +sigterm: @out/app -p 3001\n}\n\n\"web/**/*.{js,ts}\" {\n    indir: web\n    daemon: node tool.js\n}\n{\n    prep: echo hello\n}\n";
    let import = becomes(
        &[("modd.conf", text), ("web/a.js", "")],
        "modd.conf",
        &[
            "run = \"go test ./...\"\ninputs = [\"**/*.go\", \"!**/*_test.go\"]",
            "run = \"./bin/app -p {port}\"\nstop = { signal = \"SIGTERM\" }",
            "shell = \"bash\"",
            "inputs = [\"web/**/*.{js,ts}\"]\ncwd = \"web\"",
            "run = \"echo hello\"\ninputs = []",
        ],
    );
    leaves(&import, "@dirmods");
    leaves(&import, "+onchange");
    for broken in ["**/*.go {\n prep: x\n", "**/*.go {\n what: x\n}\n", "@x\n"] {
        let problem = translate(&[("modd.conf", broken)], "modd.conf").unwrap_err();
        assert!(problem.causes[0].starts_with("line "), "{problem:?}");
    }
}

#[test]
fn a_procfile_becomes_services() {
    let import = becomes(
        &[("Procfile", "web: bundle exec puma -p $PORT\nworker: rake jobs\nrelease: rake db:migrate\n")],
        "Procfile",
        &[
            "name = \"web\"\nrun = \"bundle exec puma -p $PORT\"",
            "name = \"worker\"\nrun = \"rake jobs\"\nport = \"none\"",
        ],
    );
    leaves(&import, "release");
}

#[test]
fn nodemon_becomes_one_service() {
    let text = r#"{"watch":["src","config.json"],"ext":"ts,json","ignore":["src/**/*.spec.ts","*.test.js"],"exec":"ts-node ./src/index.ts","env":{"A":"b"},"signal":"SIGINT","delay":"2500","verbose":true}"#;
    let import = becomes(
        &[("nodemon.json", text), ("src/index.ts", ""), ("config.json", "{}")],
        "nodemon.json",
        &[
            "run = \"ts-node ./src/index.ts\"",
            "inputs = [\"src/**/*.{ts,json}\", \"config.json\", \"!src/**/*.spec.ts\", \"!**/*.test.js\"]",
            "env = { A = \"b\" }",
            "stop = { signal = \"SIGINT\" }",
        ],
    );
    leaves(&import, "delay");
    leaves(&import, "verbose");
    becomes(
        &[
            ("nodemon.json", r#"{"execMap":{"js":"node --inspect"},"legacyWatch":true,"exitcrash":true}"#),
            ("package.json", r#"{"main":"a.js"}"#),
        ],
        "nodemon.json",
        &["run = \"node --inspect a.js\"", "backend = \"poll\"", "restart = \"no\""],
    );
    assert!(translate(&[("nodemon.json", "{}")], "nodemon.json").is_err());
}

#[test]
fn process_compose_becomes_steps_for_what_ends_and_services_for_the_rest() {
    let text = "version: \"0.5\"\nenvironment:\n  - LEVEL=1\nprocesses:\n  migrate:\n    command: ./migrate\n    depends_on:\n      db:\n        condition: process_healthy\n  db:\n    command: postgres -D data\n    readiness_probe:\n      exec:\n        command: pg_isready\n    shutdown:\n      command: pg_ctl stop\n      timeout_seconds: 10\n      signal: 2\n    namespace: data\n  api:\n    description: the API\n    command: \"./api $${HOME}\"\n    working_dir: ./src\n    environment:\n      LEVEL: 2\n    availability:\n      restart: always\n    depends_on:\n      migrate:\n        condition: process_completed_successfully\n      db:\n        condition: process_started\n    readiness_probe:\n      http_get:\n        path: /health\n        port: 8080\n  old:\n    command: x\n    disabled: true\n";
    let import = becomes(
        &[("process-compose.yaml", text), ("src/a", "")],
        "process-compose.yaml",
        &[
            "[[step]]\nname = \"migrate\"\nrun = \"./migrate\"\nenv = { LEVEL = \"1\" }\nafter = []\nneeds = [\"db\"]",
            "stop = { run = \"pg_ctl stop\", signal = \"SIGINT\", grace = \"10s\" }\nrestart = \"no\"",
            "# the API\n[[service]]\nname = \"api\"\nrun = \"./api ${HOME}\"",
            "port = 8080",
            "health = \"/health\"",
            "env = { LEVEL = \"2\" }\ncwd = \"src\"\nafter = [\"migrate\"]\nneeds = [\"db\"]",
        ],
    );
    for key in ["processes.db.readiness_probe.exec", "processes.db.namespace", "processes.old", "version"] {
        leaves(&import, key);
    }
}

#[test]
fn a_tiltfile_gives_its_local_resources() {
    let text = "# load\nload('ext://restart', 'x')\nk8s_yaml('a.yaml')\nlocal_resource(\n  'proto',\n  cmd='make proto',\n  deps=['proto', 'a.txt'],\n)\nlocal_resource('api', cmd=['go', 'build', '-o', 'bin/api'], serve_cmd=\"\"\"bin/api --port 8080\"\"\", resource_deps=['proto'], serve_env={'A': 'b'}, labels=['x'], deps=paths + ['y'])\nlocal_resource(name, 'x')\n";
    let import = becomes(
        &[("Tiltfile", text), ("proto/a.proto", ""), ("a.txt", "")],
        "Tiltfile",
        &[
            "name = \"proto\"\nrun = \"make proto\"\ninputs = [\"proto/**\", \"a.txt\"]\nafter = []",
            "name = \"api-build\"\nrun = [\"go\", \"build\", \"-o\", \"bin/api\"]\nafter = [\"proto\"]",
            "name = \"api\"\nrun = \"bin/api --port {port}\"\nenv = { A = \"b\" }\nafter = [\"proto\", \"api-build\"]",
        ],
    );
    for key in ["k8s_yaml", "load", "local_resource", "api: labels", "api: deps = paths + ['y']"] {
        leaves(&import, key);
    }
}

#[test]
fn command_lines_of_wgo_and_watchexec_become_the_same_program() {
    becomes(
        &[],
        "wgo run -race -tags=x ./cmd/api -v",
        &[
            "run = \"go build -race -tags=x -o {out} ./cmd/api\"\ninputs = \"go\"",
            "name = \"api\"\nrun = \"{build} -v\"",
        ],
    );
    let import = becomes(
        &[],
        "wgo -file .go -xdir node_modules -debounce 1s clear :: go build -o app :: ./app",
        &["ignore = [\"node_modules/**\"]", "run = \"go build -o app\"\ninputs = [\"**/*.go\"]", "run = \"./app\""],
    );
    leaves(&import, "-debounce 1s");
    becomes(
        &[],
        "wgo run . :: wgo -file .scss sass a.scss",
        &["run = \"go build -o {out} .\"", "run = \"sass a.scss\""],
    );
    let import = becomes(
        &[],
        "watchexec -r -e rs,toml -w src --stop-signal INT --stop-timeout 3s -E A=b -c -- cargo run",
        &[
            "name = \"cargo\"",
            "run = \"cargo run\"",
            "inputs = [\"src/**/*.{rs,toml}\"]",
            "env = { A = \"b\" }",
            "stop = { signal = \"SIGINT\", grace = \"3s\" }",
        ]
        .map(|part| if part == "name = \"cargo\"" { "name = \"run\"" } else { part }),
    );
    leaves(&import, "--clear");
    becomes(&[], "watchexec -e go 'go test ./... | tail'", &["[[step]]", "run = \"go test ./... | tail\""]);
    for broken in ["wgo", "wgo run", "watchexec -r", "watchexec -e", "wgo 'open"] {
        assert!(translate(&[], broken).is_err(), "{broken}");
    }
}

#[test]
fn what_is_not_known_is_said_with_what_is() {
    for (files, from) in
        [(&[][..], "nothing.toml"), (&[("x.ini", "a")], "x.ini"), (&[("Tiltfile", "k8s_yaml('x')")], "Tiltfile")]
    {
        let problem = translate(files, from).unwrap_err();
        assert!(problem.hint.is_some(), "{problem:?}");
    }
}

/// The tables of docs/init.md.
fn tables() -> String {
    let mut text = String::new();
    for (tool, keys) in tools() {
        text.push_str(&format!("\n### {tool}\n\n| key | becomes |\n|---|---|\n"));
        for (key, fate) in keys {
            let key = key.replace('|', "\\|");
            match fate {
                Fate::To(what) => text.push_str(&format!("| `{key}` | {what} |\n")),
                Fate::None(why) => text.push_str(&format!("| `{key}` | nothing: {why} |\n")),
            }
        }
    }
    text
}

#[test]
fn docs_init_md_shows_what_becomes_of_every_key() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/init.md");
    let text = fs::read_to_string(&path).unwrap();
    let (before, shown) = text.split_once("<!-- tables -->\n").unwrap();
    if std::env::var_os("DEVLOOP_TEST_WRITE").is_some() {
        fs::write(&path, format!("{before}<!-- tables -->\n{}", tables())).unwrap();
        return;
    }
    assert_eq!(shown, tables(), "`DEVLOOP_TEST_WRITE=1 cargo test --test detect_import` writes it");
}

#[test]
fn no_key_stands_twice_in_a_table() {
    for (tool, keys) in tools() {
        for (index, (key, _)) in keys.iter().enumerate() {
            assert!(keys[..index].iter().all(|(known, _)| known != key), "{tool}: {key}");
        }
        assert!(keys.len() > 3);
    }
}
