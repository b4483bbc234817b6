//! Go modules and workspaces.

use super::*;

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
