//! Go under `dlv`: programs that a step has built, and `go run`.

use std::sync::Arc;

use super::{
    super::{Command, Step, line::Line},
    Begin, No, Told, Under, Wish, file_name, strings,
};

/// Without these two a debugger cannot show most variables and lines.
const GCFLAGS: &str = "-gcflags=all=-N -l";

/// Flags of `go run` that take the next word as their value.
const WITH_VALUE: &[&str] = &[
    "asmflags",
    "buildmode",
    "buildvcs",
    "C",
    "compiler",
    "covermode",
    "coverpkg",
    "exec",
    "gccgoflags",
    "gcflags",
    "installsuffix",
    "ldflags",
    "mod",
    "modfile",
    "o",
    "overlay",
    "p",
    "pgo",
    "pkgdir",
    "tags",
    "toolexec",
];

/// Whether this command builds with go.
pub(super) fn builds(run: &Command) -> bool {
    let words: Vec<&str> = run.text.split_whitespace().collect();
    words.windows(2).any(|pair| file_name(pair[0]) == "go" && pair[1] == "build")
}

/// What it builds keeps everything that a debugger asks for. A command with `-gcflags` of its own has the last word.
pub(super) fn keep_symbols(step: &mut Arc<Step>, goflags: &str) {
    let step = Arc::make_mut(step);
    let own = step.env.get("GOFLAGS").map_or(goflags, String::as_str);
    let flags = format!("{own} '{GCFLAGS}'").trim_start().to_owned();
    step.env.insert("GOFLAGS".to_owned(), flags);
}

pub(super) fn under(line: Option<Line<'_>>, is_made_by_go: bool, wish: Wish) -> Result<Under, No> {
    let in_shell = "`dlv` starts one program, and its command is a script: write its `debug`, or `run` as one program";
    let Some(line) = line else {
        return Err(if is_made_by_go { No::Because(in_shell.to_owned()) } else { No::Other });
    };
    let words = line.words();
    let plain = |at: usize| words.get(at).and_then(|word| word.plain());
    if plain(0).is_some_and(|program| file_name(program) == "go") && plain(1) == Some("run") {
        return go_run(&line, wish);
    }
    if !is_made_by_go {
        return Err(No::Other);
    }
    let mut before = strings(["dlv", "exec"]);
    before.extend(flags(wish));
    Ok(Under { run: line.edit(&[(0..0, before), (1..1, strings(["--"]))]), told: Told::ByCommand })
}

fn flags(wish: Wish) -> Vec<String> {
    let mut flags = strings(["--headless", "--api-version=2", "--accept-multiclient"]);
    flags.insert(1, format!("--listen=127.0.0.1:{}", wish.port));
    if wish.begin == Begin::Run {
        flags.push("--continue".to_owned());
    }
    flags
}

/// `go run` becomes `dlv debug`, which builds the same package.
fn go_run(line: &Line<'_>, wish: Wish) -> Result<Under, No> {
    let words = line.words();
    let mut build_flags = Vec::new();
    let mut at = 2;
    while let Some(flag) = words.get(at).and_then(|word| word.plain()).filter(|word| word.starts_with('-')) {
        build_flags.push(shell_words::quote(flag).into_owned());
        at += 1;
        if WITH_VALUE.contains(&flag.trim_start_matches('-')) {
            let value = words.get(at).and_then(|word| word.plain());
            let value =
                value.ok_or_else(|| No::Because(format!("what follows `{flag}` is not known before it runs")))?;
            build_flags.push(shell_words::quote(value).into_owned());
            at += 1;
        }
    }
    let is_file = |at: usize| words.get(at).and_then(|word| word.plain()).is_some_and(|word| word.ends_with(".go"));
    let package = at;
    at += 1;
    while is_file(package) && is_file(at) {
        at += 1;
    }
    let mut before = strings(["dlv", "debug"]);
    before.extend(flags(wish));
    before.push("--output={debug_output}".to_owned());
    if !build_flags.is_empty() {
        before.push(format!("--build-flags={}", build_flags.join(" ")));
    }
    let mut changes = vec![(0..package, before)];
    if at <= words.len() {
        changes.push((at..at, strings(["--"])));
    }
    Ok(Under { run: line.edit(&changes), told: Told::ByCommand })
}
