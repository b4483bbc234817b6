//! The files of a folder, as a reading sees them: their paths, their texts on demand, and the little that matters about
//! the machine around them. Nothing is written or run.

use std::{
    collections::{BTreeMap, BTreeSet},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use ignore::{Walk, WalkBuilder};

/// More files are not looked at: a folder that holds more is no single project.
const MOST_FILES: usize = 20_000;
/// Larger files are not read: sources and manifests are smaller.
const MOST_BYTES: u64 = 512 << 10;
/// Folders of other people's code and of results.
const SKIPPED: &[&str] = &[
    ".devloop",
    ".git",
    ".hg",
    ".idea",
    ".next",
    ".svn",
    ".tox",
    ".venv",
    "__pycache__",
    "_build",
    "bower_components",
    "coverage",
    "deps",
    "env",
    "node_modules",
    "target",
    "testdata",
    "third_party",
    "vendor",
    "venv",
];

/// A folder's files.
#[derive(Clone, Debug)]
pub struct Tree {
    files: Arc<Files>,
    /// What every path of this view begins with: empty, or `web/`.
    prefix: String,
}

#[derive(Debug)]
struct Files {
    paths: BTreeSet<String>,
    texts: Texts,
    machine: Machine,
}

#[derive(Debug)]
enum Texts {
    Given(BTreeMap<String, String>),
    Below(PathBuf),
}

/// What is known about the machine.
#[derive(Clone, Debug)]
pub struct Machine {
    /// The folders in which programs are looked for.
    pub path: Vec<PathBuf>,
    /// Programs that are there beside those.
    pub programs: BTreeSet<String>,
    /// Names of variables that are set.
    pub variables: BTreeSet<String>,
    /// Whether somebody listens on a port.
    pub taken: fn(u16) -> Taken,
}

/// Whether somebody listens on a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// Yes.
    Taken,
    /// No, or nobody knows.
    Free,
}

impl Default for Machine {
    fn default() -> Machine {
        Machine { path: Vec::new(), programs: BTreeSet::new(), variables: BTreeSet::new(), taken: |_| Taken::Free }
    }
}

impl Tree {
    /// The files below `root` that git would not ignore, without other people's code and results: at most 20,000.
    pub fn below(root: &Path, machine: Machine) -> Tree {
        let walk = walk(root, 12).build();
        // A .gitignore that names the binary `api` names the folder cmd/api, too, although git has its files.
        let commands = walk_all(&root.join("cmd"));
        let files = walk.flatten().chain(commands.flatten());
        let files = files.filter(|entry| entry.file_type().is_some_and(|kind| kind.is_file()));
        let paths = files.filter_map(|entry| Some(entry.path().strip_prefix(root).ok()?.to_str()?.to_owned()));
        let paths = paths.take(MOST_FILES).collect();
        let files = Files { paths, texts: Texts::Below(root.to_path_buf()), machine };
        Tree { files: Arc::new(files), prefix: String::new() }
    }

    /// These files with these texts.
    pub fn of<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>, machine: Machine) -> Tree {
        let texts: BTreeMap<String, String> =
            files.into_iter().map(|(path, text)| (path.to_owned(), text.to_owned())).collect();
        let files = Files { paths: texts.keys().cloned().collect(), texts: Texts::Given(texts), machine };
        Tree { files: Arc::new(files), prefix: String::new() }
    }

    /// The same files as seen from a folder among them.
    pub fn inside(&self, folder: &str) -> Tree {
        Tree { files: Arc::clone(&self.files), prefix: format!("{}{folder}/", self.prefix) }
    }

    /// Where this view stands in the whole: empty, or `web/`.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Whether there is such a file or folder, ignored by git or not.
    pub fn has(&self, path: &str) -> bool {
        let path = self.whole(path);
        if self.files.paths.contains(&path) {
            return true;
        }
        match &self.files.texts {
            Texts::Given(_) => {
                let below = format!("{path}/");
                self.files.paths.range(below.clone()..).next().is_some_and(|next| next.starts_with(&below))
            }
            Texts::Below(root) => root.join(path).exists(),
        }
    }

    /// The first of these that is there.
    pub fn first<'p>(&self, paths: &[&'p str]) -> Option<&'p str> {
        paths.iter().copied().find(|path| self.has(path))
    }

    /// The text of a file; none if it is not there, too large or no text.
    pub fn text(&self, path: &str) -> Option<String> {
        let path = self.whole(path);
        match &self.files.texts {
            Texts::Given(texts) => texts.get(&path).cloned(),
            Texts::Below(root) => {
                let path = root.join(path);
                let small = std::fs::metadata(&path).is_ok_and(|kind| kind.is_file() && kind.len() <= MOST_BYTES);
                if small { std::fs::read_to_string(path).ok() } else { None }
            }
        }
    }

    /// A file as TOML.
    pub fn toml(&self, path: &str) -> Option<toml::Table> {
        self.text(path)?.parse().ok()
    }

    /// A file as JSON.
    pub fn json(&self, path: &str) -> Option<serde_json::Value> {
        serde_json::from_str(&self.text(path)?).ok()
    }

    /// The paths of all files, in order.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        let from = self.files.paths.range(self.prefix.clone()..);
        from.map_while(|path| path.strip_prefix(&self.prefix))
    }

    /// The paths of the files whose names end in one of these.
    pub fn ending<'t>(&'t self, ends: &'t [&str]) -> impl Iterator<Item = &'t str> {
        self.paths().filter(|path| ends.iter().any(|end| path.ends_with(end)))
    }

    /// The folders right in this one that hold files.
    pub fn folders(&self) -> BTreeSet<&str> {
        self.paths().filter_map(|path| path.split_once('/')).map(|(folder, _)| folder).collect()
    }

    /// Whether a program of this name can be started.
    pub fn program(&self, name: &str) -> bool {
        let machine = &self.files.machine;
        let runs = |file: PathBuf| {
            std::fs::metadata(file).is_ok_and(|kind| kind.is_file() && kind.permissions().mode() & 0o111 != 0)
        };
        machine.programs.contains(name) || machine.path.iter().any(|folder| runs(folder.join(name)))
    }

    /// Whether containers can be started: docker is there, and its daemon has a socket or is said to be elsewhere.
    pub fn docker(&self) -> bool {
        let machine = &self.files.machine;
        let reachable = self.variable("DOCKER_HOST") || Path::new("/var/run/docker.sock").exists();
        machine.programs.contains("docker") || (self.program("docker") && reachable)
    }

    /// Whether a variable is set in devloop's environment.
    pub fn variable(&self, name: &str) -> bool {
        self.files.machine.variables.contains(name)
    }

    /// Whether somebody listens on this port.
    pub fn taken(&self, port: u16) -> Taken {
        (self.files.machine.taken)(port)
    }

    fn whole(&self, path: &str) -> String {
        match path {
            "" | "." => self.prefix.trim_end_matches('/').to_owned(),
            _ => format!("{}{}", self.prefix, path.strip_prefix("./").unwrap_or(path)),
        }
    }
}

fn walk(folder: &Path, depth: usize) -> WalkBuilder {
    let mut walk = WalkBuilder::new(folder);
    walk.hidden(false).require_git(false).max_depth(Some(depth)).filter_entry(|entry| {
        let is_folder = entry.file_type().is_some_and(|kind| kind.is_dir());
        let name = entry.file_name().to_str().unwrap_or_default();
        !is_folder || entry.depth() == 0 || !SKIPPED.contains(&name)
    });
    walk
}

/// As `walk`, whatever git ignores.
fn walk_all(folder: &Path) -> Walk {
    walk(folder, 3).standard_filters(false).build()
}

/// The folder of a path; `.` at the top.
pub(super) fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or(".", |(folder, _)| folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_of_a_folder_knows_only_what_is_in_it() {
        let tree = Tree::of([("go.mod", "module m"), ("web/package.json", "{}"), ("webs/x", "")], Machine::default());
        let web = tree.inside("web");
        assert_eq!(web.paths().collect::<Vec<_>>(), ["package.json"]);
        assert!(web.has("package.json") && !web.has("go.mod") && tree.has("web") && !tree.has("we"));
        assert_eq!(tree.folders().into_iter().collect::<Vec<_>>(), ["web", "webs"]);
        assert_eq!((folder_of("a/b.go"), folder_of("b.go")), ("a", "."));
    }

    #[test]
    fn a_real_folder_is_walked_without_what_git_ignores_and_asked_for_what_it_does() {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in [
            (".gitignore", ".env\napi\n"),
            ("cmd/api/main.go", ""),
            (".env", "A=b\n"),
            ("main.go", "package main"),
            ("vendor/x/x.go", "package x"),
        ] {
            let path = folder.path().join(path);
            #[expect(clippy::disallowed_methods, reason = "a test's own files")]
            {
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, text).unwrap();
            }
        }
        let tree = Tree::below(folder.path(), Machine::default());
        assert_eq!(tree.paths().collect::<Vec<_>>(), [".gitignore", "cmd/api/main.go", "main.go"]);
        assert!(tree.has(".env") && tree.has("vendor"));
        assert_eq!(tree.text("main.go").as_deref(), Some("package main"));
    }
}
