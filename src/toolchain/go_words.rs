//! Which packages a command line builds with go, and with which flags. Pure.

use std::path::{Path, PathBuf};

use super::words::{Simple, base, split};

/// One question for `go list`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listing {
    /// The go command as it was written.
    pub(super) go: String,
    /// Where to ask.
    pub(super) cwd: PathBuf,
    /// Flags that choose files: `-tags`, `-mod`, `-modfile`, `-overlay`, `-race`, …
    pub(super) flags: Vec<String>,
    /// Patterns of packages, or files.
    pub(super) packages: Vec<String>,
    /// Whether tests are built too.
    pub(super) tests: Tests,
    /// Variables set in front of the command.
    pub(super) env: Vec<(String, String)>,
}

/// Whether files of tests are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tests {
    Read,
    NotRead,
}

/// Flags that choose which files belong to a package and that go list understands.
const CHOOSING: [&str; 11] =
    ["tags", "mod", "modfile", "overlay", "race", "msan", "asan", "compiler", "installsuffix", "buildmode", "pgo"];

/// Flags without a value.
const SWITCHES: [&str; 22] = [
    "a",
    "n",
    "v",
    "x",
    "i",
    "work",
    "race",
    "msan",
    "asan",
    "cover",
    "trimpath",
    "linkshared",
    "modcacherw",
    "buildvcs",
    "json",
    "c",
    "short",
    "failfast",
    "benchmem",
    "fullpath",
    "artifacts",
    "help",
];

/// What a command line builds. A command line in which no go command builds anything of ours (a generator, make, a
/// debugger) stands for every package below where it runs.
pub(super) fn listings(words: &[String], cwd: &Path) -> Vec<Listing> {
    let found: Vec<Listing> = split(words, cwd).iter().filter_map(listing).collect();
    if !found.is_empty() {
        return found;
    }
    let everything = vec!["./...".to_owned()];
    vec![Listing {
        go: "go".to_owned(),
        cwd: cwd.to_owned(),
        flags: Vec::new(),
        packages: everything,
        tests: Tests::NotRead,
        env: Vec::new(),
    }]
}

fn listing(command: &Simple) -> Option<Listing> {
    let (go, rest) = command.words.split_first()?;
    if !is_go(base(go)) {
        return None;
    }
    let (verb, args) = rest.split_first()?;
    let tests = match verb.as_str() {
        "build" | "run" | "install" => Tests::NotRead,
        "test" | "vet" => Tests::Read,
        _ => return None,
    };
    let mut listing = Listing {
        go: go.clone(),
        cwd: command.cwd.clone(),
        flags: Vec::new(),
        packages: Vec::new(),
        tests,
        env: command.assignments.clone(),
    };
    let rest = flags(args, &mut listing);
    listing.packages = packages(verb, rest);
    // a tool from elsewhere, at a version of its own: nothing of ours
    (!listing.packages.iter().any(|package| package.contains('@'))).then_some(listing)
}

/// `go`, `go1.26`, `gotip`
fn is_go(name: &str) -> bool {
    name == "go" || name == "gotip" || name.strip_prefix("go1.").is_some_and(|version| !version.is_empty())
}

/// Takes the flags off; returns what is behind them.
fn flags<'a>(args: &'a [String], listing: &mut Listing) -> &'a [String] {
    let mut rest = args;
    while let Some((first, after)) = rest.split_first() {
        let Some(flag) = first.strip_prefix('-').filter(|flag| !flag.is_empty() && *flag != "-") else { break };
        let flag = flag.strip_prefix('-').unwrap_or(flag);
        rest = after;
        let (name, value) = match flag.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None if SWITCHES.contains(&flag) => (flag, None),
            None => {
                let value = rest.first().cloned();
                rest = rest.get(1..).unwrap_or_default();
                (flag, value)
            }
        };
        match (name, value) {
            ("C", Some(folder)) => listing.cwd = listing.cwd.join(folder),
            // asking must not write go.mod
            ("mod", Some(value)) if value == "mod" => {}
            (name, Some(value)) if CHOOSING.contains(&name) => listing.flags.push(format!("-{name}={value}")),
            (name, None) if CHOOSING.contains(&name) => listing.flags.push(format!("-{name}")),
            _ => {}
        }
    }
    rest
}

/// `go run` takes files or one package; the others take any number. None: the package where the command runs.
fn packages(verb: &str, rest: &[String]) -> Vec<String> {
    let is_file = |word: &&String| word.ends_with(".go") && !word.starts_with('-');
    let files: Vec<String> = rest.iter().take_while(is_file).cloned().collect();
    let found: Vec<String> = match verb {
        _ if !files.is_empty() => files,
        "run" => rest.iter().take(1).cloned().collect(),
        _ => rest.iter().take_while(|word| !word.starts_with('-') && !is_redirection(word)).cloned().collect(),
    };
    if found.is_empty() { vec![".".to_owned()] } else { found }
}

fn is_redirection(word: &str) -> bool {
    word.trim_start_matches(|first: char| first.is_ascii_digit()).starts_with(['>', '<'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<Listing> {
        let words: Vec<String> = text.split(' ').map(str::to_owned).collect();
        listings(&words, Path::new("/w"))
    }

    #[test]
    fn packages_and_choosing_flags_are_found() {
        let cases: [(&str, &[&str], &[&str]); 12] = [
            ("go build -o {out} ./cmd/api", &["./cmd/api"], &[]),
            ("go build", &["."], &[]),
            ("go build -tags dev,x -race -ldflags -s ./a ./b", &["./a", "./b"], &["-tags=dev,x", "-race"]),
            ("go build --tags=dev .", &["."], &["-tags=dev"]),
            ("go run ./cmd/api --flag ./x", &["./cmd/api"], &[]),
            ("go run -mod=vendor main.go util.go serve", &["main.go", "util.go"], &["-mod=vendor"]),
            ("go test -run X -count 1 ./...", &["./..."], &[]),
            ("/usr/local/go/bin/go install -trimpath ./...", &["./..."], &[]),
            ("CGO_ENABLED=0 go1.26.1 build -modfile alt.mod ./x > log", &["./x"], &["-modfile=alt.mod"]),
            ("echo x && go build ./y", &["./y"], &[]),
            ("wire ./...", &["./..."], &[]),
            ("go run github.com/a-h/templ/cmd/templ@v0.3 generate", &["./..."], &[]),
        ];
        for (text, packages, flags) in cases {
            let found = of(text);
            assert_eq!(found.len(), 1, "{text}");
            assert_eq!(found[0].packages, packages, "{text}");
            assert_eq!(found[0].flags, flags, "{text}");
        }
    }

    #[test]
    fn folders_are_followed() {
        assert_eq!(of("go build -C api ./cmd")[0].cwd, Path::new("/w/api"));
        assert_eq!(of("cd api && go build .")[0].cwd, Path::new("/w/api"));
    }

    #[test]
    fn tests_are_read_where_they_are_built() {
        assert_eq!(of("go vet ./...")[0].tests, Tests::Read);
        assert_eq!(of("go build ./...")[0].tests, Tests::NotRead);
    }

    #[test]
    fn several_commands_are_several_questions() {
        let found = of("go build ./a && GOOS=linux go build ./b");
        assert_eq!(found.len(), 2);
        assert_eq!(found[1].env, [("GOOS".to_owned(), "linux".to_owned())]);
    }
}
