//! What a service without `inputs`, and without a step before it, is restarted by: the sources of the language that
//! its command shows.

use crate::plan::{Command, Globs, Inputs, Tool};

const SCRIPT: &[&str] = &["**/*.{js,mjs,cjs,jsx,ts,mts,cts,tsx,json}"];
const PYTHON: &[&str] = &["**/*.py", "pyproject.toml", "requirements*.txt"];
const RUBY: &[&str] = &["**/*.{rb,ru,erb,rake}", "Gemfile", "Gemfile.lock"];
const PHP: &[&str] = &["**/*.php"];
const ELIXIR: &[&str] = &["**/*.{ex,exs,eex,heex,leex}"];
const DOTNET: &[&str] = &["**/*.{cs,fs,vb,csproj,fsproj,vbproj,razor,cshtml,json}"];
const JVM: &[&str] = &["**/*.{java,kt,kts,scala,groovy,gradle,xml,properties}"];
const DART: &[&str] = &["**/*.dart", "pubspec.yaml"];
const PERL: &[&str] = &["**/*.{pl,pm,psgi}"];
const LUA: &[&str] = &["**/*.lua"];

/// Programs and the patterns of their sources.
const LANGUAGES: &[(&[&str], &[&str])] = &[
    (&["node", "nodejs", "deno", "bun", "npm", "pnpm", "yarn", "tsx", "ts-node"], SCRIPT),
    (
        &["python", "pypy", "uvicorn", "gunicorn", "hypercorn", "flask", "django-admin", "fastapi", "poetry", "uv"],
        PYTHON,
    ),
    (&["ruby", "rails", "rackup", "puma", "bundle", "rake"], RUBY),
    (&["php", "artisan", "composer", "symfony"], PHP),
    (&["mix", "elixir", "iex"], ELIXIR),
    (&["dotnet"], DOTNET),
    (&["java", "gradle", "gradlew", "mvn", "mvnw", "sbt", "kotlin", "scala"], JVM),
    (&["dart", "flutter"], DART),
    (&["perl", "plackup", "morbo"], PERL),
    (&["lua", "luajit"], LUA),
];

/// Programs that do not run this project's code, or that look for changes themselves.
const NEVER: &[&str] = &[
    "caddy",
    "docker",
    "docker-compose",
    "etcd",
    "haproxy",
    "mailhog",
    "mailpit",
    "mariadbd",
    "memcached",
    "minio",
    "mongod",
    "mysqld",
    "nats-server",
    "next",
    "nginx",
    "nodemon",
    "nuxt",
    "podman",
    "postgres",
    "redis-server",
    "valkey-server",
    "vite",
];

/// Programs that only start another one, named by their arguments.
const WRAPPERS: &[&str] = &["bunx", "env", "exec", "nice", "nohup", "npx", "pnpx", "stdbuf", "time"];

/// The inputs of a service that runs `command`: nothing for a program file (that is watched by itself) and for
/// servers that are not this project's code; its language's sources where the command shows one; else everything.
pub(super) fn inputs(command: &Command) -> Inputs {
    let words = words_of(command);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let words = without_wrappers(&words);
    let Some(program) = words.first() else { return Inputs::Everything };
    let name = program.rsplit('/').next().unwrap_or(program);
    match name {
        "go" => return Inputs::Tool(Tool::Go),
        "cargo" => return Inputs::Tool(Tool::Cargo),
        name if NEVER.contains(&name) => return Inputs::None,
        _ => {}
    }
    let by_program = LANGUAGES.iter().find(|(programs, _)| programs.contains(&without_version(name)));
    if let Some((_, patterns)) = by_program {
        return globs(patterns);
    }
    match (name.rsplit_once('.').map(|(_, extension)| extension), program.contains('/')) {
        (Some("py"), _) => globs(PYTHON),
        (Some("js" | "mjs" | "cjs" | "ts"), _) => globs(SCRIPT),
        (Some("rb"), _) => globs(RUBY),
        (Some("php"), _) => globs(PHP),
        (Some("pl"), _) => globs(PERL),
        (Some("sh" | "bash"), _) => Inputs::Everything,
        // A binary of this project: `program` names it.
        (_, true) if command.program() == Some(program) && !program.starts_with('/') => Inputs::None,
        _ => Inputs::Everything,
    }
}

fn globs(patterns: &[&str]) -> Inputs {
    let patterns: Vec<String> = patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
    Inputs::Globs(Globs::new(&patterns).unwrap_or_default())
}

/// The words of the command; of a script, those of its last command.
fn words_of(command: &Command) -> Vec<String> {
    match command.words() {
        Some(words) => words.into_iter().map(|word| word.unwrap_or("").to_owned()).collect(),
        None => {
            let last = command.text.rsplit(['\n', ';', '&', '|']).find(|part| !part.trim().is_empty()).unwrap_or("");
            shell_words::split(last).unwrap_or_default()
        }
    }
}

fn without_wrappers<'w>(mut words: &'w [&'w str]) -> &'w [&'w str] {
    let mut wrapped = false;
    while let Some((first, rest)) = words.split_first() {
        let assigns = first.contains('=') && !first.contains('/');
        let name = first.rsplit('/').next().unwrap_or(first);
        let skipped = WRAPPERS.contains(&name) || assigns || (wrapped && first.starts_with('-'));
        if !skipped {
            break;
        }
        wrapped = true;
        words = rest;
    }
    words
}

/// `python3.12` is `python`.
fn without_version(name: &str) -> &str {
    name.trim_end_matches(|letter: char| letter.is_ascii_digit() || letter == '.')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> String {
        match inputs(&Command::parse(text, &["build", "port"], None).unwrap()) {
            Inputs::None => "none".to_owned(),
            Inputs::Everything => "everything".to_owned(),
            Inputs::Tool(tool) => format!("{tool:?}"),
            Inputs::Globs(globs) => globs.patterns()[0].clone(),
        }
    }

    #[test]
    fn a_command_shows_its_language() {
        for (text, wanted) in [
            ("go run ./cmd/api", "Go"),
            ("cargo run --release", "Cargo"),
            ("node server.js", SCRIPT[0]),
            ("npx tsx server.ts", SCRIPT[0]),
            ("python3.12 app.py", PYTHON[0]),
            ("/usr/bin/env python3 app.py", PYTHON[0]),
            ("env A=b python3 app.py", PYTHON[0]),
            ("A=b python3 app.py", PYTHON[0]),
            ("cd web && node server.js", SCRIPT[0]),
            ("bundle exec puma", RUBY[0]),
            ("php -S 127.0.0.1:{port}", PHP[0]),
            ("./manage.py runserver", PYTHON[0]),
            ("./server --verbose", "none"),
            ("./run.sh", "everything"),
            ("docker compose up db", "none"),
            ("npx vite", "none"),
            ("my-server --port {port}", "everything"),
            ("{build} --verbose", "everything"),
        ] {
            assert_eq!(of(text), wanted, "{text}");
        }
    }

    #[test]
    fn every_pattern_of_the_table_compiles() {
        for (_, patterns) in LANGUAGES {
            let patterns: Vec<String> = patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
            assert!(Globs::new(&patterns).is_ok(), "{patterns:?}");
        }
    }
}
