//! Go: the generators that stand before the build, each only where its marks are found and its tool can be had.

use std::collections::BTreeSet;

use super::{
    draft::{Table, Value},
    go::{Code, Program},
    go_embed,
    patterns::pattern,
    reading::Doubt,
    tree::folder_of,
    yaml,
};

/// The steps before the build.
#[derive(Default)]
pub(super) struct Generated {
    pub(super) steps: Vec<Table>,
    pub(super) doubts: Vec<Doubt>,
}

/// A generator as Go programs are had.
struct Tool {
    program: &'static str,
    package: &'static str,
    module: &'static str,
}

const WIRE: Tool =
    Tool { program: "wire", package: "github.com/google/wire/cmd/wire", module: "github.com/google/wire" };
const TEMPL: Tool =
    Tool { program: "templ", package: "github.com/a-h/templ/cmd/templ", module: "github.com/a-h/templ" };
const SQLC: Tool =
    Tool { program: "sqlc", package: "github.com/sqlc-dev/sqlc/cmd/sqlc", module: "github.com/sqlc-dev/sqlc" };
const GQLGEN: Tool =
    Tool { program: "gqlgen", package: "github.com/99designs/gqlgen", module: "github.com/99designs/gqlgen" };
const BUF: Tool =
    Tool { program: "buf", package: "github.com/bufbuild/buf/cmd/buf", module: "github.com/bufbuild/buf" };

/// Commands of `//go:generate` that another step runs, or that make nothing a program is built from.
const NOT_BUILT_FROM: &[&str] = &[
    "mockgen",
    "mockery",
    "moq",
    "counterfeiter",
    "minimock",
    "gowrap",
    "wire",
    "templ",
    "sqlc",
    "gqlgen",
    "buf",
    "swag",
    "ent",
    "ginkgo",
    "docker",
];

pub(super) fn steps(code: &Code, program: &Program) -> Generated {
    let mut generated = Generated::default();
    go_embed::put(code, program, &mut generated);
    buf(code, &mut generated);
    sqlc(code, &mut generated);
    ent(code, program, &mut generated);
    templ(code, &mut generated);
    gqlgen(code, &mut generated);
    wire(code, &mut generated);
    go_generate(code, program, &mut generated);
    generated
}

impl Generated {
    /// A step whose tool was found; without it what is generated is taken as it is, and that is said.
    fn step(&mut self, code: &Code, tool: &Tool, seen: &str, make: impl FnOnce(&str) -> Table) {
        match how_to_run(code, tool) {
            Some(run) => self.steps.push(make(&run).why(seen.to_owned())),
            None => self.doubts.push(Doubt::new(format!(
                "{seen}: `{}` is neither installed nor in go.mod; what it has generated before is used",
                tool.program
            ))),
        }
    }
}

/// `go tool wire` if go.mod has it as a tool; the one that is installed; the version that go.mod asks for.
fn how_to_run(code: &Code, tool: &Tool) -> Option<String> {
    let as_tool = pattern(&format!(r"(?m)^\s*(?:tool\s+)?{}\s*$", regex::escape(tool.package)));
    if as_tool.is_match(&code.go_mods) && code.go_mods.contains("tool") {
        return Some(format!("go tool {}", tool.program));
    }
    if code.tree.program(tool.program) {
        return Some(tool.program.to_owned());
    }
    let required = pattern(&format!(r"(?m)^\s*(?:require\s+)?{}\s+(v[\w.+-]+)", regex::escape(tool.module)));
    let version = required.captures(&code.go_mods)?;
    // The version of one that is replaced is not what is built: its own examples replace a tool by the folder above.
    let replaced = pattern(&format!(r"(?m)^\s*(?:replace\s+)?{}(?:\s+v\S+)?\s+=>\s+\.", regex::escape(tool.module)));
    if replaced.is_match(&code.go_mods) {
        return Some(format!("go run {}", tool.package));
    }
    Some(format!("go run {}@{}", tool.package, &version[1]))
}

fn wire(code: &Code, generated: &mut Generated) {
    let is_injector = |path: &&str| {
        let text = code.tree.text(path).unwrap_or_default();
        pattern(r"(?m)^//\s?(go:build|\+build)\s+wireinject").is_match(&text)
    };
    let folders: BTreeSet<String> =
        code.tree.ending(&[".go"]).filter(is_injector).map(|path| place(folder_of(path))).collect();
    let Some(first) = folders.first() else { return };
    let seen = format!("wire: `//go:build wireinject` in {first}");
    let folders: Vec<String> = folders.iter().cloned().collect();
    generated.step(code, &WIRE, &seen, |run| {
        Table::step("wire", format!("{run} {}", folders.join(" ")))
            .with("inputs", ["**/*.go", "go.mod"])
            .with("outputs", ["**/wire_gen.go"])
    });
}

fn templ(code: &Code, generated: &mut Generated) {
    let Some(first) = code.tree.ending(&[".templ"]).next() else { return };
    generated.step(code, &TEMPL, &format!("templ: {first}"), |run| {
        Table::step("templ", format!("{run} generate"))
            .with("inputs", ["**/*.templ"])
            .with("outputs", ["**/*_templ.go", "**/*_templ.txt"])
    });
}

fn sqlc(code: &Code, generated: &mut Generated) {
    let Some(file) = code.tree.first(&["sqlc.yaml", "sqlc.yml", "sqlc.json"]) else { return };
    let text = code.tree.text(file).unwrap_or_default();
    let Some(config) = yaml::parse(&text) else {
        generated.doubts.push(Doubt::new(format!("`{file}` cannot be read: sqlc is left out")));
        return;
    };
    let folder_or_file =
        |path: String| if path.contains('.') || path.contains('*') { path } else { format!("{path}/**") };
    let found = |keys: &[&str]| {
        let values = yaml::strings_at(&config, keys);
        values.into_iter().map(|value| value.trim_start_matches("./").trim_end_matches('/').to_owned())
    };
    let inputs: Vec<String> =
        std::iter::once(file.to_owned()).chain(found(&["queries", "schema"]).map(folder_or_file)).collect();
    let outputs: Vec<String> = found(&["out", "path"]).map(|out| format!("{out}/**")).collect();
    generated.step(code, &SQLC, &format!("sqlc: {file}"), |run| {
        Table::step("sqlc", format!("{run} generate")).with("inputs", unique(inputs)).with("outputs", unique(outputs))
    });
}

fn gqlgen(code: &Code, generated: &mut Generated) {
    let Some(file) = code.tree.first(&["gqlgen.yml", "gqlgen.yaml", ".gqlgen.yml"]) else { return };
    let config = code.tree.text(file).and_then(|text| yaml::parse(&text)).unwrap_or_default();
    let outputs: Vec<String> =
        yaml::strings_at(&config, &["filename"]).into_iter().filter(|path| path.ends_with(".go")).collect();
    generated.step(code, &GQLGEN, &format!("gqlgen: {file}"), |run| {
        let step = Table::step("gqlgen", format!("{run} generate"))
            .with("inputs", ["**/*.graphqls", "**/*.graphql", file])
            .with("generates", Value::Flag(true));
        if outputs.is_empty() { step } else { step.with("outputs", unique(outputs)) }
    });
}

fn buf(code: &Code, generated: &mut Generated) {
    let Some(file) = code.tree.first(&["buf.gen.yaml", "buf.gen.yml"]) else {
        protoc(code, generated);
        return;
    };
    generated.step(code, &BUF, &format!("buf: {file}"), |run| {
        Table::step("proto", format!("{run} generate"))
            .with("inputs", ["**/*.proto", "buf.yaml", "buf.work.yaml", file])
            .with("outputs", ["**/*.pb.go", "**/*.pb.gw.go", "**/*.connect.go", "**/*.pb.validate.go"])
    });
}

/// protoc has no file that says how it is called; who runs it says so.
fn protoc(code: &Code, generated: &mut Generated) {
    let Some(first) = code.tree.ending(&[".proto"]).next() else { return };
    let in_go = pattern(r"(?m)^//go:generate.*\bprotoc\b");
    let by_go = code.tree.ending(&[".go"]).any(|path| code.tree.text(path).is_some_and(|text| in_go.is_match(&text)));
    if !by_go {
        generated.doubts.push(Doubt::new(format!(
            "how {first} becomes Go is not known: protoc is left out, what it has generated before is used"
        )));
    }
}

fn ent(code: &Code, program: &Program, generated: &mut Generated) {
    let uses = program.imports.iter().any(|import| import.starts_with("entgo.io/ent") || import.ends_with("/ent"));
    let Some(file) = code.tree.ending(&["ent/generate.go"]).next().filter(|_| uses) else { return };
    let folder = folder_of(file);
    let own = [format!("{folder}/**"), format!("!{folder}/schema/**"), format!("!{file}"), format!("!{folder}/*.tmpl")];
    generated.steps.push(
        Table::step("ent", format!("go generate ./{folder}"))
            .with("inputs", vec![format!("{folder}/schema/**"), file.to_owned()])
            .with("outputs", own.to_vec())
            .why(format!("ent: {file}")),
    );
}

/// `//go:generate` lines in the packages of the program whose commands can be had here.
fn go_generate(code: &Code, program: &Program, generated: &mut Generated) {
    let line = pattern(r"(?m)^//go:generate\s+(.+)$");
    let mut folders: BTreeSet<String> = BTreeSet::new();
    let mut missing: BTreeSet<String> = BTreeSet::new();
    let own = |path: &&str| program.packages.contains(&folder_of(path)) && !path.ends_with("/ent/generate.go");
    for path in code.tree.ending(&[".go"]).filter(own) {
        let text = code.tree.text(path).unwrap_or_default();
        for found in line.captures_iter(&text) {
            let words: Vec<&str> = found[1].split_whitespace().collect();
            if words.iter().any(|word| {
                NOT_BUILT_FROM
                    .iter()
                    .any(|known| word.rsplit('/').next().is_some_and(|last| last.split('@').next() == Some(known)))
            }) {
                continue;
            }
            match words[..] {
                // A program of the project's own, whose results are there: it may fetch tables from the network.
                ["go", "run", ref rest @ ..] if is_own(rest) && has_generated(code, folder_of(path)) => {}
                ["go", "run" | "tool", ..] => _ = folders.insert(folder_of(path).to_owned()),
                [program, ..] if code.tree.program(program) => _ = folders.insert(folder_of(path).to_owned()),
                [program, ..] => _ = missing.insert(program.to_owned()),
                [] => {}
            }
        }
    }
    if let Some(program) = missing.first() {
        generated.doubts.push(Doubt::new(format!(
            "`//go:generate {program}` is left out: it is not installed; what it has generated before is used"
        )));
    }
    let Some(first) = folders.first() else { return };
    let inputs = folders.iter().map(|folder| if folder == "." { "*".to_owned() } else { format!("{folder}/*") });
    generated.steps.push(
        Table::step(
            "generate",
            format!("go generate {}", folders.iter().map(|folder| place(folder)).collect::<Vec<_>>().join(" ")),
        )
        .with("inputs", inputs.collect::<Vec<_>>())
        .because("generates", Value::Flag(true), "Go files marked as generated are its outputs")
        .why(format!("`//go:generate` in {}", place(first))),
    );
}

/// `./gen`, `gen.go`; not `example.com/tool@v1`.
fn is_own(words: &[&str]) -> bool {
    let program = words.iter().find(|word| !word.starts_with('-'));
    program.is_none_or(|program| program.starts_with('.') || program.ends_with(".go"))
}

/// Whether a folder holds Go files that a generator has written.
fn has_generated(code: &Code, folder: &str) -> bool {
    let marked = pattern(r"(?m)^// Code generated .* DO NOT EDIT\.$");
    let here = code.tree.ending(&[".go"]).filter(|path| folder_of(path) == folder);
    here.filter_map(|path| code.tree.text(path)).any(|text| marked.is_match(&text))
}

/// A folder as go names it: `.`, `./cmd/api`.
fn place(folder: &str) -> String {
    if folder == "." { ".".to_owned() } else { format!("./{folder}") }
}

fn unique(list: Vec<String>) -> Vec<String> {
    list.into_iter().collect::<BTreeSet<_>>().into_iter().collect()
}
