//! `run` and `shell` of dev.toml become a `Command`; braces that look like a slip are pointed out.

use super::{
    names::Names,
    order::Commands,
    table::Report,
    written::{At, Common, File, Hook, Run, Service, Stop},
};
use crate::{
    error::{Problem, did_you_mean},
    plan::{Command, Port},
};

/// The commands of all steps and services.
pub(super) fn commands(report: &mut Report, file: &File, names: &Names) -> Commands {
    let steps: Vec<&str> = names.steps().collect();
    let in_step: Vec<&str> = steps.iter().copied().chain(["out"]).collect();
    // `{out}` is known there too, so that it can be called the slip it is.
    let in_service: Vec<&str> = steps.iter().copied().chain(["port", "out"]).collect();
    let of_step = |report: &mut Report, common| command_of(report, common, &in_step);
    Commands {
        steps: file.steps.iter().map(|step| of_step(report, &step.common)).collect(),
        services: file.services.iter().map(|service| of_service(report, service, &in_service)).collect(),
    }
}

fn of_service(report: &mut Report, service: &Service, known: &[&str]) -> Option<Command> {
    let command = command_of(report, &service.common, known)?;
    let span = service.common.run.as_ref()?.span();
    if command.names().contains("out") {
        let problem = Problem::new("a service has no `{out}`");
        let artifact = known.first().filter(|name| !matches!(**name, "port" | "out")).unwrap_or(&"build");
        report.problem(
            problem.hint(format!("the artifact of a step has the step's name, such as `{{{artifact}}}`")),
            span,
        );
        return None;
    }
    if command.names().contains("port") && service.port.as_ref().is_some_and(|port| port.value == Port::None) {
        let problem = Problem::new("`{port}` has no value: this service says `port = \"none\"`");
        report.problem(problem.hint("leave `port` out to be given a free one"), span);
        return None;
    }
    Some(command)
}

fn command_of(report: &mut Report, common: &Common, known: &[&str]) -> Option<Command> {
    in_shell(report, common.run.as_ref()?, common.shell.as_ref(), known)
}

/// `run` of a hook: nothing in braces is replaced, what it is told is in its environment.
pub(super) fn hook_command(report: &mut Report, hook: &Hook) -> Option<Command> {
    in_shell(report, hook.run.as_ref()?, hook.shell.as_ref(), &[])
}

fn in_shell(report: &mut Report, run: &Run, shell: Option<&At<String>>, known: &[&str]) -> Option<Command> {
    if let (Run::Words(_), Some(shell)) = (run, shell) {
        let problem = Problem::new("`shell` has no effect: an array is never given to a shell");
        report.problem(problem.hint("write `run` as one string, or leave `shell` out"), shell.span.clone());
    }
    if let Some(shell) = shell
        && let Err(why) = Command::parse("true", &[], Some(&shell.value))
    {
        report.problem(Problem::new(why), shell.span.clone());
        return None;
    }
    let command = parsed(report, run, shell.map(|shell| &*shell.value), known)?;
    near_misses(report, run, known);
    Some(command)
}

/// `stop.run`
pub(super) fn stop_command(report: &mut Report, stop: &Stop) -> Option<Command> {
    parsed(report, stop.run.as_ref()?, None, &["port"])
}

/// `debug.run`
pub(super) fn debug_command(report: &mut Report, run: &Run, names: &Names) -> Option<Command> {
    let known: Vec<&str> = names.steps().chain(["port", "debug_port"]).collect();
    let command = parsed(report, run, None, &known)?;
    near_misses(report, run, &known);
    if !command.names().contains("debug_port") {
        let problem = Problem::new("the command of `debug` does not say where the debugger is to listen");
        let hint = "put `{debug_port}` where its port belongs, such as `gdbserver 127.0.0.1:{debug_port} {build}`";
        report.problem(problem.hint(hint), run.span());
        return None;
    }
    Some(command)
}

fn parsed(report: &mut Report, run: &Run, shell: Option<&str>, known: &[&str]) -> Option<Command> {
    let result = match run {
        Run::Text(text) => Command::parse(&text.value, known, shell),
        Run::Words(words) => Command::from_words(words.value.iter().map(|word| word.value.clone()).collect(), known),
    };
    result.map_err(|why| report.problem(Problem::new(why), run.span())).ok()
}

/// `{biuld}` stays as it is, and that is hardly what was meant.
fn near_misses(report: &mut Report, run: &Run, known: &[&str]) {
    let texts: Vec<&str> = match run {
        Run::Text(text) => vec![&text.value],
        Run::Words(words) => words.value.iter().map(|word| &*word.value).collect(),
    };
    for name in texts.iter().flat_map(|text| braced(text)) {
        if known.contains(&name) {
            continue;
        }
        if let Some(near) = did_you_mean(name, known.iter().copied()) {
            let warning = Problem::new(format!("`{{{name}}}` is not replaced: it names nothing"));
            report.warning(warning.hint(format!("did you mean `{{{near}}}`?")), run.span());
        }
    }
}

/// The names in single braces.
fn braced(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices('{') {
        let Some((name, after)) = text[at + 1..].split_once('}') else { continue };
        let is_name =
            name.len() > 2 && name.chars().all(|letter| letter.is_ascii_alphanumeric() || "_-".contains(letter));
        let before = text[..at].chars().next_back();
        if is_name && !matches!(before, Some('{' | '$')) && !after.starts_with('}') {
            found.push(name);
        }
    }
    found
}
