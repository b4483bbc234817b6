//! Which packages a command line builds with cargo. Pure.

use std::path::{Path, PathBuf};

use super::words::{Simple, base, split};

/// What one cargo command builds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Selection {
    /// The cargo command as it was written, with its toolchain (`+nightly`).
    pub(super) cargo: Vec<String>,
    /// Where it runs.
    pub(super) cwd: PathBuf,
    /// `--manifest-path`
    pub(super) manifest: Option<PathBuf>,
    /// Which packages of the workspace.
    pub(super) packages: Packages,
    /// What beside libraries and programs.
    pub(super) beside: Beside,
    /// Variables set in front of the command.
    pub(super) env: Vec<(String, String)>,
}

/// Which packages are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Packages {
    /// The one of the folder, or the workspace's default ones.
    Here,
    /// `--workspace`, or a command that is not known.
    All,
    /// `-p`
    Named(Vec<String>),
}

/// Whether tests, benchmarks and examples are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beside {
    Nothing,
    Everything,
}

/// What a command line builds. One in which no cargo command builds stands for the whole workspace where it runs.
pub(super) fn selections(words: &[String], cwd: &Path) -> Vec<Selection> {
    let found: Vec<Selection> = split(words, cwd).iter().filter_map(selection).collect();
    if !found.is_empty() {
        return found;
    }
    vec![Selection {
        cargo: vec!["cargo".to_owned()],
        cwd: cwd.to_owned(),
        manifest: None,
        packages: Packages::All,
        beside: Beside::Nothing,
        env: Vec::new(),
    }]
}

fn selection(command: &Simple) -> Option<Selection> {
    let (cargo, mut rest) = command.words.split_first()?;
    if base(cargo) != "cargo" {
        return None;
    }
    let mut cargo = vec![cargo.clone()];
    let mut cwd = command.cwd.clone();
    if let Some((toolchain, after)) = rest.split_first().filter(|(first, _)| first.starts_with('+')) {
        cargo.push(toolchain.clone());
        rest = after;
    }
    let verb = rest.iter().find(|word| !word.starts_with('-'))?.as_str();
    let beside = match verb {
        "build" | "b" | "run" | "r" | "check" | "c" | "install" | "rustc" | "clippy" | "doc" => Beside::Nothing,
        "test" | "t" | "bench" | "nextest" => Beside::Everything,
        _ => return None,
    };
    let mut selection = Selection {
        cargo,
        cwd: PathBuf::new(),
        manifest: None,
        packages: Packages::Here,
        beside,
        env: command.assignments.clone(),
    };
    let mut args = rest.iter().take_while(|word| *word != "--");
    while let Some(arg) = args.next() {
        let (name, value) = match arg.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (arg.as_str(), None),
        };
        match name {
            "-p" | "--package" => named(&mut selection.packages, value.or_else(|| args.next().cloned())),
            "--workspace" | "--all" => selection.packages = Packages::All,
            "--manifest-path" => selection.manifest = value.or_else(|| args.next().cloned()).map(PathBuf::from),
            "-C" | "--path" => cwd = cwd.join(value.or_else(|| args.next().cloned()).unwrap_or_default()),
            "--tests" | "--test" | "--benches" | "--bench" | "--examples" | "--example" | "--all-targets" => {
                selection.beside = Beside::Everything;
            }
            _ => {}
        }
    }
    selection.manifest = selection.manifest.map(|manifest| cwd.join(manifest));
    selection.cwd = cwd;
    Some(selection)
}

fn named(packages: &mut Packages, name: Option<String>) {
    let Some(name) = name else { return };
    match packages {
        Packages::Named(names) => names.push(name),
        Packages::Here => *packages = Packages::Named(vec![name]),
        Packages::All => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Selection {
        let words: Vec<String> = text.split(' ').map(str::to_owned).collect();
        selections(&words, Path::new("/w")).remove(0)
    }

    #[test]
    fn packages_are_found() {
        let named = |names: &[&str]| Packages::Named(names.iter().map(|name| (*name).to_owned()).collect());
        assert_eq!(of("cargo build").packages, Packages::Here);
        assert_eq!(of("cargo +nightly run -p api --package=web -- -p other").packages, named(&["api", "web"]));
        assert_eq!(of("cargo build --workspace").packages, Packages::All);
        assert_eq!(of("just build").packages, Packages::All);
        assert_eq!(of("cargo +nightly build").cargo, ["cargo", "+nightly"]);
    }

    #[test]
    fn folders_and_manifests_are_followed() {
        assert_eq!(of("cd api && cargo build").cwd, Path::new("/w/api"));
        assert_eq!(
            of("cargo build --manifest-path api/Cargo.toml").manifest.as_deref(),
            Some(Path::new("/w/api/Cargo.toml"))
        );
    }

    #[test]
    fn tests_and_examples_count_where_they_are_built() {
        assert_eq!(of("cargo build").beside, Beside::Nothing);
        assert_eq!(of("cargo t").beside, Beside::Everything);
        assert_eq!(of("cargo run --example x").beside, Beside::Everything);
    }
}
