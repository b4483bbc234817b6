//! What mends a failure whose words are known: one line of advice, or none. Knows nothing about this machine.

use regex::Regex;
use std::sync::LazyLock;

use crate::escapes::strip_escapes;

/// What is to be seen in one line, all of it, and the advice. Lower case.
const KNOWN: &[(&[&str], &str)] = &[
    (
        &["go.mod requires go >=", "gotoolchain=local"],
        "`go env -w GOTOOLCHAIN=auto` lets go fetch the version that it needs; `devloop doctor` tells more",
    ),
    (&["missing go.sum entry"], "`go mod tidy`"),
    (&["updates to go.mod needed"], "`go mod tidy`"),
    (&["inconsistent vendoring"], "`go mod vendor`"),
    (
        &["cgo to work", "stub"],
        "it was built without cgo: CGO_ENABLED=0, or no C compiler; `devloop doctor` says which",
    ),
    (
        &["cgo: c compiler", "not found"],
        "install a C compiler (Debian: gcc), or build with `env = { CGO_ENABLED = \"0\" }`",
    ),
    (&["npm error missing script"], "package.json has no such script: mend `run`"),
    (
        &["cannot find package", "imported from"],
        "a package is not installed: `npm install`, or what your lock file names",
    ),
    (
        &["externally-managed-environment"],
        "this Python belongs to the system: use a virtual environment, `python3 -m venv .venv`",
    ),
    (
        &["no space left on device", "watch"],
        "the limit of inotify is reached: `devloop doctor` prints the command that raises it",
    ),
    (&["enospc", "watchers"], "the limit of inotify is reached: `devloop doctor` prints the command that raises it"),
    (
        &["missing port in address"],
        "it wants an address where it is given a port: `run = \"env PORT=:{port} …\"`, or a colon before it in the code",
    ),
    (&["text file busy"], "a step writes over the program that runs: let it write to `{out}`"),
];

/// Databases by their usual ports.
const DATABASES: &[(&str, &str)] = &[
    ("5432", "PostgreSQL"),
    ("3306", "MySQL"),
    ("6379", "Redis"),
    ("27017", "MongoDB"),
    ("5672", "RabbitMQ"),
    ("9092", "Kafka"),
    ("4222", "NATS"),
    ("9200", "Elasticsearch"),
    ("11211", "memcached"),
    ("1433", "SQL Server"),
];

/// `DATABASE_URL must be set`, `"DATABASE_URL" is required`, `KeyError: 'DATABASE_URL'`, …
static VARIABLE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r#"(?x)
        ["'`]?\b(?<a>[A-Z][A-Z0-9]*_[A-Z0-9_]+)\b["'`]?\s+(?:environment\ variable\s+)?
            (?:must\ be\ set|is\ required|is\ not\ set|not\ set|is\ missing|is\ not\ defined|is\ unset)
        | KeyError:\ '(?<b>[A-Z][A-Z0-9]*_[A-Z0-9_]+)'
        | (?i:environment\ variable\ (?:is\ )?not\ (?:found|set|defined|present)):?\s+["'`]?(?<c>[A-Z][A-Z0-9_]{2,})
        "#,
    )
    .expect("this room's own pattern is well-formed")
});

/// What these lines of output advise; the last line that is known counts.
pub fn advice(lines: &[String]) -> Option<String> {
    lines.iter().rev().find_map(|line| of(&strip_escapes(line)))
}

fn of(line: &str) -> Option<String> {
    let lower = line.to_lowercase();
    if let Some((_, advice)) = KNOWN.iter().find(|(parts, _)| parts.iter().all(|part| lower.contains(part))) {
        return Some((*advice).to_owned());
    }
    if lower.contains("refused") || lower.contains("can't connect to") {
        let words = line.split(|letter: char| !letter.is_ascii_digit());
        let found = words.filter_map(|word| DATABASES.iter().find(|(port, _)| *port == word)).next();
        return found.map(|(port, name)| {
            format!("nothing listens on port {port} ({name}): start it, or write it as a service that this one `needs`")
        });
    }
    let found = VARIABLE.captures(line)?;
    let name = ["a", "b", "c"].iter().find_map(|group| found.name(group))?.as_str();
    Some(format!("`{name}` is not set: `env = {{ {name} = \"…\" }}`, or `env_files = [\".env\"]` with a line for it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn advised(line: &str, wanted: &str) {
        let advice = advice(&["before".to_owned(), line.to_owned(), "exit status 1".to_owned()]);
        assert!(advice.as_deref().is_some_and(|advice| advice.contains(wanted)), "{line}: {advice:?}");
    }

    #[test]
    fn what_tool_chains_say_when_something_around_them_is_wrong_is_understood() {
        advised("go: go.mod requires go >= 1.27.0 (running go 1.26.8; GOTOOLCHAIN=local)", "GOTOOLCHAIN=auto");
        advised("main.go:4:2: missing go.sum entry for module providing package x/y", "go mod tidy");
        advised("npm error Missing script: \"dev\"", "package.json");
        advised("listen tcp: address 25109: missing port in address", "PORT=:{port}");
        advised("error: externally-managed-environment", "venv");
        advised("Error: ENOSPC: System limit for number of file watchers reached, watch '/x'", "inotify");
    }

    #[test]
    fn a_database_that_does_not_run_is_named() {
        advised("dial tcp 127.0.0.1:5432: connect: connection refused", "5432 (PostgreSQL)");
        advised("Error: connect ECONNREFUSED ::1:27017", "27017 (MongoDB)");
        advised("connection to server at \"localhost\" (::1), port 5432 failed: Connection refused", "PostgreSQL");
        advised(
            "redis.exceptions.ConnectionError: Error 111 connecting to localhost:6379. Connection refused.",
            "Redis",
        );
        assert_eq!(advice(&["dial tcp 127.0.0.1:1234: connect: connection refused".to_owned()]), None);
    }

    #[test]
    fn a_variable_that_is_missing_is_named() {
        advised("panicked at 'DATABASE_URL must be set'", "env = { DATABASE_URL");
        advised("Error: Config validation error: \"MONGODB_URL\" is required", "`MONGODB_URL` is not set");
        advised("KeyError: 'SECRET_KEY'", "SECRET_KEY");
        advised("error: Environment variable not found: DATABASE_URL.", "DATABASE_URL");
        advised("required environment variable not set: TOKEN", "TOKEN");
    }

    #[test]
    fn other_words_give_no_advice() {
        for line in ["", "panic: nil pointer", "a is required", "HTTP_OK", "KeyError: 'name'", "connection refused"] {
            assert_eq!(advice(&[line.to_owned()]), None, "{line}");
        }
    }
}
