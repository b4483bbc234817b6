//! What was looked at: everything that the checks judge, as values. Nothing here looks.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use serde::Deserialize;

use super::finding::Place;
use crate::plan::{Plan, Protocol};

/// A project and the machine around it.
#[derive(Debug, Default)]
pub struct Scene {
    /// The folder of dev.toml, else the current one.
    pub root: PathBuf,
    /// dev.toml, if there is a good one.
    pub plan: Option<Plan>,
    /// Its text, for places.
    pub config: Option<Text>,
    /// The Go modules that the project is made of.
    pub modules: Vec<Module>,
    /// A go.mod is there, and no `go` can be started.
    pub go_is_missing: bool,
    /// go.work above the project.
    pub work: Option<Work>,
    /// Compose files, Kubernetes manifests and Dockerfiles.
    pub deployments: Vec<Text>,
    /// Go programs in PATH that dev.toml's commands name.
    pub programs: Vec<Program>,
    /// Who listens on the ports that dev.toml names.
    pub held: BTreeMap<u16, Vec<Holder>>,
    /// What was said on fixed ports that are open.
    pub spoken: Vec<Spoken>,
    /// What `localhost` resolves to, in that order; empty if that is not known.
    pub localhost: Vec<IpAddr>,
    /// The limits of file events; none where there are none.
    pub inotify: Option<Inotify>,
    /// Folders that would be watched.
    pub folders: u64,
    /// The files written furthest in the future.
    pub future: Vec<(PathBuf, Duration)>,
    /// What kind of network folder the project lies in, if it does.
    pub network: Option<&'static str>,
}

/// A file that was read.
#[derive(Clone, Debug, Default)]
pub struct Text {
    /// As it is to be shown.
    pub file: PathBuf,
    /// What it holds.
    pub text: String,
}

/// A folder with a go.mod.
#[derive(Debug, Default)]
pub struct Module {
    /// Absolute.
    pub dir: PathBuf,
    /// go.mod.
    pub file: Text,
    /// What `go mod edit -json` says of it.
    pub go_mod: GoMod,
    /// `go env -json`, with the variables that dev.toml sets for the step that builds it.
    pub env: BTreeMap<String, String>,
    /// The version that is installed: `1.26.8`.
    pub installed: String,
    /// vendor/modules.txt.
    pub vendor: Option<String>,
    /// Every package that is built, with cgo; none if go could not tell.
    pub packages: Option<Vec<Package>>,
    /// Plugins that lie in it.
    pub plugins: Vec<Program>,
    /// Required modules that are not in the module cache: `path@version`.
    pub absent: Vec<String>,
    /// Prefixes of URLs that git rewrites to ssh: `github.com/acme/`.
    pub rewritten: Vec<String>,
    /// Whether a C compiler is in PATH.
    pub compiler: Compiler,
}

/// Whether there is a C compiler.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compiler {
    /// There is one.
    #[default]
    There,
    /// There is none.
    Missing,
}

/// go.mod as go understands it.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct GoMod {
    /// `module`
    pub module: Named,
    /// `go`
    pub go: Option<String>,
    /// `toolchain`
    pub toolchain: Option<String>,
    /// `require`
    pub require: Option<Vec<Required>>,
    /// `replace`
    pub replace: Option<Vec<Replaced>>,
}

/// `module`
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Named {
    /// The module's path.
    pub path: String,
}

/// One line of `require`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Required {
    /// The module's path.
    pub path: String,
    /// `v1.2.3`; empty in a `replace` by a folder or of every version.
    pub version: String,
    /// Only needed by another module.
    pub indirect: bool,
}

/// One line of `replace`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Replaced {
    /// What is replaced.
    pub old: Required,
    /// By what.
    pub new: Required,
}

/// go.work.
#[derive(Debug, Default)]
pub struct Work {
    /// Its folder.
    pub dir: PathBuf,
    /// Its text.
    pub file: Text,
    /// `go`
    pub go: Option<String>,
    /// The folders that `use` names, as written, and the `go` line of the go.mod in each; none if there is no go.mod.
    pub used: Vec<(String, Option<String>)>,
}

/// One package of `go list`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Package {
    /// Its import path.
    pub import_path: String,
    /// Part of Go itself.
    pub standard: bool,
    /// Files that need cgo.
    pub cgo_files: Vec<String>,
    /// What it imports.
    pub imports: Vec<String>,
}

/// A built Go program: what `go version -m` says of it.
#[derive(Clone, Debug, Default)]
pub struct Program {
    /// The file.
    pub path: PathBuf,
    /// The toolchain: `1.26.8`.
    pub go: String,
    /// Its main module and everything built in: path -> version.
    pub modules: BTreeMap<String, String>,
    /// The path of its main module.
    pub main: String,
}

/// Who has a port.
#[derive(Clone, Debug)]
pub struct Holder {
    /// Where it listens.
    pub addr: SocketAddr,
    /// "nginx -g daemon off; (pid 4711)", or that it cannot be seen.
    pub who: String,
    /// Whose it is.
    pub whose: Whose,
}

/// Whose program it is that has a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// The devloop of this project, or a program of it.
    ThisProjects,
    /// Somebody else's.
    Foreign,
}

/// What a listening port was found to speak.
#[derive(Clone, Debug)]
pub struct Spoken {
    /// The service.
    pub service: String,
    /// Its port.
    pub port: u16,
    /// The status of `GET` of the health path, and of `/`, if it speaks HTTP/1.1.
    pub health: Option<(u16, u16)>,
    /// What TLS agreed on ("h2", "http/1.1", "" for nothing), if it speaks TLS at all.
    pub alpn: Option<String>,
    /// Whether it answered an HTTP/2 preface: in TLS, or without it if dev.toml says `h2c`.
    pub h2: Answer,
    /// What dev.toml says that it speaks.
    pub declared: Protocol,
}

/// Whether there was an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It was the right one.
    Given,
    /// None, or another one.
    None,
    /// It was not asked.
    NotAsked,
}

/// The limits of file events.
#[derive(Clone, Copy, Debug, Default)]
pub struct Inotify {
    /// fs.inotify.max_user_watches
    pub max_watches: u64,
    /// fs.inotify.max_user_instances
    pub max_instances: u64,
    /// What this user's processes have now.
    pub watches: u64,
    /// What this user's processes have now.
    pub instances: u64,
}

impl Text {
    /// The line that holds `words`, else the whole file.
    pub(super) fn place_of(&self, words: &str) -> Place {
        let line = self.text.lines().position(|line| line.contains(words)).map(|line| line + 1);
        Place { file: self.file.clone(), line }
    }
}

impl GoMod {
    /// What is really fetched: every required module, or what replaces it, but for folders.
    pub fn fetched(&self) -> Vec<Required> {
        let required = self.require.iter().flatten();
        let fetched = required.filter_map(|required| match self.replacement(required) {
            Some(new) => (!new.version.is_empty()).then(|| new.clone()),
            None => Some(required.clone()),
        });
        fetched.collect()
    }

    /// What stands in for a required module.
    pub fn replacement(&self, required: &Required) -> Option<&Required> {
        let fits =
            |old: &Required| old.path == required.path && (old.version.is_empty() || old.version == required.version);
        self.replace.iter().flatten().find(|replaced| fits(&replaced.old)).map(|replaced| &replaced.new)
    }

    /// The version of this module that is used, without its `v`.
    pub fn version_of(&self, path: &str) -> Option<&str> {
        let required = self.require.iter().flatten().find(|required| required.path == path)?;
        let used = self.replacement(required).unwrap_or(required);
        used.version.strip_prefix('v')
    }
}

/// The numbers of a version, as far as they go: `v1.26.8-rc1` is 1, 26, 8.
pub(super) fn numbers(version: &str) -> Vec<u64> {
    let version = version.trim_start_matches("go").trim_start_matches('v');
    let mut numbers = Vec::new();
    for part in version.split('.') {
        let digits: String = part.chars().take_while(char::is_ascii_digit).collect();
        let Ok(number) = digits.parse() else { break };
        numbers.push(number);
        if digits.len() < part.len() {
            break;
        }
    }
    numbers
}

/// Whether the version `have` is older than `want`; missing numbers count as zero.
pub(super) fn is_older(have: &str, want: &str) -> bool {
    let (mut have, mut want) = (numbers(have), numbers(want));
    let length = have.len().max(want.len());
    have.resize(length, 0);
    want.resize(length, 0);
    have < want
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number() {
        assert!(is_older("1.9", "1.10"));
        assert!(is_older("go1.21.3", "1.22"));
        assert!(!is_older("1.22.0", "1.22"));
        assert!(!is_older("1.26.8", "1.26.0-rc1"));
        assert_eq!(numbers("v3.1.2-alpine"), [3, 1, 2]);
        assert_eq!(numbers("latest"), [0_u64; 0]);
    }

    #[test]
    fn what_is_replaced_by_a_folder_is_not_fetched() {
        let go_mod: GoMod = serde_json::from_str(
            r#"{"Require":[{"Path":"a.b/c","Version":"v1.0.0"},{"Path":"a.b/d","Version":"v1.0.0"}],
                "Replace":[{"Old":{"Path":"a.b/c"},"New":{"Path":"../c"}}]}"#,
        )
        .unwrap();
        let paths: Vec<String> = go_mod.fetched().into_iter().map(|module| module.path).collect();
        assert_eq!(paths, ["a.b/d"]);
    }
}
