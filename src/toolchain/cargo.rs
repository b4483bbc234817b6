//! What a cargo build reads, from `cargo metadata`: the sources of the packages that are built and of every package
//! they reach by path; their manifests; Cargo.lock, `.cargo/config.toml`, rust-toolchain.
//!
//! What macros and build scripts read cannot be known before a build. A package that may do so (it has a build script,
//! names files in its sources, or depends on a crate known to read files) counts as a whole, without `target`.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::Deserialize;

use super::{
    Question,
    cargo_words::{Beside, Packages, Selection, selections},
    paths::{pattern, plain, relative, upward},
    run,
};
use crate::{
    model::FilePath,
    plan::{Globs, Learned},
};

/// Crates whose macros read files beside the sources.
const READERS: [&str; 16] = [
    "askama",
    "askama_derive",
    "rinja",
    "minijinja-embed",
    "rust-embed",
    "include_dir",
    "sqlx",
    "sqlx-macros",
    "refinery",
    "diesel_migrations",
    "maud-extensions",
    "tera",
    "ructe",
    "sailfish",
    "fluent-templates",
    "rust-i18n",
];

/// What sources that read other files mention.
const MARKS: [&str; 8] =
    ["include_str!", "include_bytes!", "include!", "CARGO_MANIFEST_DIR", "#[path", "_file!", "migrate!", "embed"];

/// Folders of a package that only tests, benchmarks and examples are made from.
const BESIDE: [&str; 3] = ["tests", "benches", "examples"];

#[derive(Debug, Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    #[serde(default)]
    workspace_default_members: Vec<String>,
    workspace_root: PathBuf,
    target_directory: PathBuf,
}

#[derive(Clone, Debug, Deserialize)]
struct Package {
    id: String,
    name: String,
    manifest_path: PathBuf,
    targets: Vec<Target>,
    dependencies: Vec<Dependency>,
}

#[derive(Clone, Debug, Deserialize)]
struct Target {
    kind: Vec<String>,
    src_path: PathBuf,
}

#[derive(Clone, Debug, Deserialize)]
struct Dependency {
    name: String,
    kind: Option<String>,
    path: Option<PathBuf>,
}

impl Package {
    fn folder(&self) -> &Path {
        self.manifest_path.parent().unwrap_or(&self.manifest_path)
    }
}

pub(super) async fn ask(question: &Question) -> Result<Learned, String> {
    let root = plain(&question.root);
    let mut answer = Answer { root, files: BTreeSet::new(), wanted: BTreeSet::new(), unwanted: BTreeSet::new() };
    for selection in selections(&question.command, &question.cwd) {
        let mut env = question.env.clone();
        env.retain(|(name, _)| !selection.env.iter().any(|(own, _)| *name == **own));
        env.extend(selection.env.iter().map(|(name, value)| (name.into(), value.into())));
        let metadata = metadata(&selection, selection.manifest.as_deref(), &env).await?;
        let reached = reach(&selection, &metadata, &env).await?;
        answer.workspace(&selection, &metadata);
        let reached_folders: BTreeSet<&Path> = reached.iter().map(Package::folder).collect();
        let others = metadata.packages.iter().map(Package::folder).filter(|folder| !reached_folders.contains(folder));
        let inside = others.filter(|other| !reached_folders.iter().any(|folder| folder.starts_with(other)));
        inside.for_each(|other| answer.not_below(other));
        let looked = tokio::task::spawn_blocking(move || {
            let look = |package: Package| {
                let whole = may_read_anything(&package);
                (package, whole)
            };
            reached.into_iter().map(look).collect::<Vec<_>>()
        });
        for (package, whole) in looked.await.map_err(|error| error.to_string())? {
            answer.package(&package, whole, selection.beside);
        }
    }
    answer.learned()
}

async fn metadata(
    selection: &Selection,
    manifest: Option<&Path>,
    env: &[(OsString, OsString)],
) -> Result<Metadata, String> {
    let mut words: Vec<OsString> = selection.cargo.iter().map(OsString::from).collect();
    words.extend(["metadata", "--no-deps", "--format-version", "1", "--offline"].map(OsString::from));
    if let Some(manifest) = manifest {
        words.extend([OsString::from("--manifest-path"), manifest.into()]);
    }
    let text = run::output(&words, &selection.cwd, env).await?;
    serde_json::from_slice(&text).map_err(|error| format!("`cargo metadata` is not understood: {error}"))
}

/// The packages that are built and every one they reach by a path, also outside the workspace.
async fn reach(
    selection: &Selection,
    metadata: &Metadata,
    env: &[(OsString, OsString)],
) -> Result<Vec<Package>, String> {
    let mut known: BTreeMap<PathBuf, Package> =
        metadata.packages.iter().map(|package| (package.folder().to_owned(), package.clone())).collect();
    let mut open: Vec<PathBuf> =
        selected(selection, metadata).iter().map(|package| package.folder().to_owned()).collect();
    open.extend(patched(&metadata.workspace_root));
    let mut reached: BTreeMap<PathBuf, Package> = BTreeMap::new();
    while let Some(folder) = open.pop() {
        if reached.contains_key(&folder) {
            continue;
        }
        if !known.contains_key(&folder) {
            let manifest = folder.join("Cargo.toml");
            // a path that is not there, or not a package: cargo itself will say so
            let Ok(more) = self::metadata(selection, Some(&manifest), env).await else { continue };
            known.extend(more.packages.into_iter().map(|package| (package.folder().to_owned(), package)));
        }
        let Some(package) = known.get(&folder) else { continue };
        let counts = |dependency: &&Dependency| {
            selection.beside == Beside::Everything || dependency.kind.as_deref() != Some("dev")
        };
        open.extend(package.dependencies.iter().filter(counts).filter_map(|dependency| dependency.path.clone()));
        reached.insert(folder, package.clone());
    }
    if reached.is_empty() {
        return Err("`cargo metadata` knows no package here".to_owned());
    }
    Ok(reached.into_values().collect())
}

fn selected<'a>(selection: &Selection, metadata: &'a Metadata) -> Vec<&'a Package> {
    let all = || metadata.packages.iter().collect::<Vec<_>>();
    match &selection.packages {
        Packages::All => all(),
        Packages::Named(names) => {
            // `name@1.0` and `path+file:…#name` name a package too
            let is_meant = |package: &&Package| {
                names.iter().any(|name| {
                    let name = name.rsplit(['#', '/']).next().unwrap_or(name);
                    name.split(['@', ':']).next() == Some(package.name.as_str())
                })
            };
            metadata.packages.iter().filter(is_meant).collect()
        }
        Packages::Here => {
            let here = selection.manifest.as_deref().and_then(Path::parent).unwrap_or(&selection.cwd);
            let nearest = metadata.packages.iter().filter(|package| here.starts_with(package.folder()));
            if let Some(nearest) = nearest.max_by_key(|package| package.folder().as_os_str().len())
                && here != metadata.workspace_root
            {
                return vec![nearest];
            }
            let default = |package: &&Package| metadata.workspace_default_members.contains(&package.id);
            let found: Vec<&Package> = metadata.packages.iter().filter(default).collect();
            if found.is_empty() { all() } else { found }
        }
    }
}

/// The folders that `[patch]` and `[replace]` of the workspace point at.
fn patched(workspace: &Path) -> Vec<PathBuf> {
    let Ok(text) = fs::read_to_string(workspace.join("Cargo.toml")) else { return Vec::new() };
    let Ok(manifest) = text.parse::<toml::Table>() else { return Vec::new() };
    let sources = manifest.get("patch").and_then(toml::Value::as_table).into_iter().flat_map(|patch| patch.values());
    let replaced = manifest.get("replace").into_iter();
    let crates = sources.chain(replaced).filter_map(toml::Value::as_table).flat_map(|table| table.values());
    let paths = crates.filter_map(|one| one.get("path")?.as_str());
    paths.map(|path| plain(&workspace.join(path))).collect()
}

fn may_read_anything(package: &Package) -> bool {
    let has_script = package.targets.iter().any(|target| target.kind.iter().any(|kind| kind == "custom-build"));
    let reads = package.dependencies.iter().any(|dependency| READERS.contains(&dependency.name.as_str()));
    has_script || reads || mentions_files(package)
}

fn mentions_files(package: &Package) -> bool {
    let mut open: Vec<PathBuf> = vec![package.folder().join("src")];
    open.extend(package.targets.iter().map(|target| target.src_path.clone()));
    while let Some(path) = open.pop() {
        let Ok(info) = fs::symlink_metadata(&path) else { continue };
        if info.is_dir() {
            let entries = fs::read_dir(&path).into_iter().flatten().flatten();
            open.extend(entries.map(|entry| entry.path()));
        } else if info.is_file() && path.extension().is_some_and(|extension| extension == "rs") {
            let bytes = fs::read(&path).unwrap_or_default();
            let text = String::from_utf8_lossy(&bytes);
            if MARKS.iter().any(|mark| text.contains(mark)) {
                return true;
            }
        }
    }
    false
}

struct Answer {
    root: PathBuf,
    files: BTreeSet<FilePath>,
    wanted: BTreeSet<String>,
    unwanted: BTreeSet<String>,
}

impl Answer {
    fn file(&mut self, path: &Path) {
        self.files.insert(Arc::from(relative(&self.root, path)));
    }

    fn pattern(&mut self, folder: &Path, rest: &str) {
        self.wanted.extend(pattern(&self.root, folder, rest));
    }

    fn not_below(&mut self, folder: &Path) {
        self.unwanted.extend(pattern(&self.root, folder, "**").map(|pattern| format!("!{pattern}")));
    }

    /// What stands beside the packages, whether it is there or not.
    fn workspace(&mut self, selection: &Selection, metadata: &Metadata) {
        for name in ["Cargo.toml", "Cargo.lock"] {
            self.file(&metadata.workspace_root.join(name));
        }
        let root = self.root.clone();
        for folder in upward(&root, &selection.cwd).into_iter().chain(upward(&root, &metadata.workspace_root)) {
            for name in [".cargo/config.toml", ".cargo/config", "rust-toolchain", "rust-toolchain.toml"] {
                self.file(&folder.join(name));
            }
        }
        self.not_below(&metadata.target_directory);
    }

    fn package(&mut self, package: &Package, whole: bool, beside: Beside) {
        let folder = package.folder();
        self.file(&package.manifest_path);
        self.file(&folder.join("build.rs"));
        let aside =
            |target: &&Target| target.kind.iter().any(|kind| matches!(kind.as_str(), "test" | "bench" | "example"));
        for target in package.targets.iter().filter(|target| beside == Beside::Everything || !aside(target)) {
            self.file(&target.src_path);
            let source = target.src_path.parent().filter(|source| *source != folder);
            if let Some(source) = source.filter(|_| !aside(&target)) {
                self.pattern(source, "**");
            }
        }
        self.pattern(folder, "src/**");
        if whole {
            self.pattern(folder, "**");
            self.not_below(&folder.join("target"));
        }
        for name in BESIDE {
            match beside {
                Beside::Everything => self.pattern(&folder.join(name), "**"),
                Beside::Nothing => self.not_below(&folder.join(name)),
            }
        }
    }

    /// One command's `tests` may be another one's not: what is wanted by name wins.
    fn learned(self) -> Result<Learned, String> {
        let wanted = self.wanted;
        let unwanted = self.unwanted.into_iter().filter(|pattern| !wanted.contains(pattern.trim_start_matches('!')));
        let patterns: Vec<String> = wanted.iter().cloned().chain(unwanted).collect();
        let globs = Globs::new(&patterns).map_err(|(index, error)| format!("`{}`: {error}", patterns[index]))?;
        Ok(Learned { files: self.files, globs })
    }
}
