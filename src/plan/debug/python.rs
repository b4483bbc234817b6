//! Python under `debugpy`: an interpreter's own commands, the servers that are installed as programs, and what starts
//! one of them in a project's environment.

use super::{
    super::line::{Line, Word},
    Begin, Certainty, No, Told, Under, Wish, file_name,
};

/// Programs that come with a Python package and can be run as `python -m NAME`.
const MODULES: &[&str] = &[
    "uvicorn",
    "gunicorn",
    "hypercorn",
    "daphne",
    "flask",
    "fastapi",
    "granian",
    "celery",
    "streamlit",
    "waitress-serve",
    "sanic",
    "litestar",
    "django-admin",
];

/// Programs that run another one in the project's environment.
const RUNNERS: &[&str] = &["uv", "poetry", "pdm", "hatch", "pipenv", "rye"];

/// Options of those runners, and of the interpreter, that take the next word as their value.
const WITH_VALUE: &[&str] = &[
    "-p",
    "--python",
    "--with",
    "--with-editable",
    "--with-requirements",
    "--extra",
    "--group",
    "--package",
    "--project",
    "--directory",
    "--env-file",
    "--index-url",
    "-C",
    "-W",
    "-X",
];

pub(super) fn under(line: Option<Line<'_>>, certainty: Certainty, wish: Wish) -> Result<Under, No> {
    let Some(line) = line else { return Err(No::Other) };
    let words = line.words();
    let mut program = 0;
    let name = |at: usize| words.get(at).and_then(Word::plain).map(file_name).unwrap_or_default();
    if RUNNERS.contains(&name(0)) && name(1) == "run" {
        program = past_options(&words, 2);
    }
    // Without the first one it warns that it may miss breakpoints in what comes with Python.
    let mut debugger = vec![
        "-Xfrozen_modules=off".to_owned(),
        "-m".to_owned(),
        "debugpy".to_owned(),
        "--listen".to_owned(),
        format!("127.0.0.1:{}", wish.port),
    ];
    if wish.begin == Begin::Wait {
        debugger.push("--wait-for-client".to_owned());
    }
    let by_command = |run| Ok(Under { run, told: Told::ByCommand });
    let called = name(program);
    if is_interpreter(called) {
        let at = past_options(&words, program + 1);
        return by_command(line.replace(at..at, &debugger));
    }
    let is_runner = program > 0;
    if MODULES.contains(&called) {
        let module = match called {
            "waitress-serve" => "waitress",
            "django-admin" => "django",
            other => other,
        };
        debugger.extend(["-m".to_owned(), module.to_owned()]);
        debugger.insert(0, beside(words[program].plain().unwrap_or_default()));
        return by_command(line.replace(program..program + 1, &debugger));
    }
    if is_runner && called.ends_with(".py") || certainty == Certainty::Told && words[program].plain().is_some() {
        debugger.insert(0, "python3".to_owned());
        return by_command(line.replace(program..program, &debugger));
    }
    Err(No::Other)
}

fn is_interpreter(name: &str) -> bool {
    let version = name.strip_prefix("python").or_else(|| name.strip_prefix("pypy"));
    version.is_some_and(|version| version.chars().all(|letter| letter.is_ascii_digit() || letter == '.'))
}

/// The interpreter in the same folder as a program of its environment.
fn beside(program: &str) -> String {
    match program.rsplit_once('/') {
        Some((folder, _)) => format!("{folder}/python"),
        None => "python3".to_owned(),
    }
}

/// The first word from `at` on that is no option and no option's value; `-m` and `-c` are what is run.
fn past_options(words: &[Word], mut at: usize) -> usize {
    while let Some(option) = words.get(at).and_then(Word::plain).filter(|word| word.starts_with('-')) {
        if matches!(option, "-m" | "-c" | "-") {
            break;
        }
        at += if WITH_VALUE.contains(&option) { 2 } else { 1 };
    }
    at.min(words.len())
}
