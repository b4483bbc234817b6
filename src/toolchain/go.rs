//! What a Go build reads, from `go list -deps`: the files of every package that lies in the root or in a module that is
//! replaced by a folder or belongs to the workspace; patterns for files that may come (in their folders, and what they
//! embed); go.mod, go.sum, go.work and vendor/modules.txt.
//!
//! Not known, as go itself does not know it either: headers that cgo includes from other folders.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::Deserialize;

use super::{
    Question,
    go_words::{Listing, Tests, listings},
    paths::{pattern, plain, relative, upward},
    run,
};
use crate::{
    model::FilePath,
    plan::{Globs, Learned},
};

/// The fields that are asked for.
const FIELDS: &str = "Dir,ImportPath,Name,Standard,Module,GoFiles,CgoFiles,IgnoredGoFiles,\
    InvalidGoFiles,CFiles,CXXFiles,MFiles,HFiles,FFiles,SFiles,SwigFiles,SwigCXXFiles,SysoFiles,EmbedPatterns,EmbedFiles,\
    TestGoFiles,XTestGoFiles,TestEmbedPatterns,TestEmbedFiles,XTestEmbedPatterns,XTestEmbedFiles";

/// Every name of a Go file that does not end in `_test.go`. Said without a `!`, which would take files out of every
/// other pattern too.
const NO_TEST: &str = "{*[!t],*[!s]t,*[!e]st,*[!t]est,*[!_]test,t,st,est,test}.go";

/// What may stand beside Go files; new ones count only where there are some already.
const OTHER_LANGUAGES: &str = "*.{c,cc,cpp,cxx,h,hh,hpp,hxx,m,f,F,for,f90,swig,swigcxx}";

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Package {
    dir: PathBuf,
    import_path: String,
    name: String,
    standard: bool,
    module: Option<Module>,
    go_files: Vec<PathBuf>,
    cgo_files: Vec<PathBuf>,
    ignored_go_files: Vec<PathBuf>,
    invalid_go_files: Vec<PathBuf>,
    c_files: Vec<PathBuf>,
    #[serde(rename = "CXXFiles")]
    cxx_files: Vec<PathBuf>,
    m_files: Vec<PathBuf>,
    h_files: Vec<PathBuf>,
    f_files: Vec<PathBuf>,
    s_files: Vec<PathBuf>,
    swig_files: Vec<PathBuf>,
    #[serde(rename = "SwigCXXFiles")]
    swig_cxx_files: Vec<PathBuf>,
    syso_files: Vec<PathBuf>,
    embed_patterns: Vec<String>,
    embed_files: Vec<PathBuf>,
    test_go_files: Vec<PathBuf>,
    #[serde(rename = "XTestGoFiles")]
    xtest_go_files: Vec<PathBuf>,
    test_embed_patterns: Vec<String>,
    test_embed_files: Vec<PathBuf>,
    #[serde(rename = "XTestEmbedPatterns")]
    xtest_embed_patterns: Vec<String>,
    #[serde(rename = "XTestEmbedFiles")]
    xtest_embed_files: Vec<PathBuf>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Module {
    path: String,
    main: bool,
    dir: Option<PathBuf>,
    go_mod: Option<PathBuf>,
    replace: Option<Box<Module>>,
}

/// What `go env` says.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "UPPERCASE", default)]
struct Env {
    gomod: PathBuf,
    gowork: PathBuf,
    gomodcache: PathBuf,
    gocache: PathBuf,
}

pub(super) async fn ask(question: &Question) -> Result<Learned, String> {
    let mut answer = Answer { root: plain(&question.root), files: BTreeSet::new(), patterns: BTreeSet::new() };
    for listing in listings(&question.command, &question.cwd) {
        let mut env = question.env.clone();
        env.retain(|(name, _)| !listing.env.iter().any(|(own, _)| *name == **own));
        env.extend(listing.env.iter().map(|(name, value)| (name.into(), value.into())));
        let words = ["env", "-json", "GOMOD", "GOWORK", "GOMODCACHE", "GOCACHE"].map(str::to_owned);
        let known = go(&listing, &words, &env).await?;
        let known: Env =
            serde_json::from_slice(&known).map_err(|error| format!("`go env` is not understood: {error}"))?;
        let packages = go(&listing, &list_words(&listing), &env).await?;
        let packages = serde_json::Deserializer::from_slice(&packages).into_iter::<Package>();
        let packages: Vec<Package> =
            packages.collect::<Result<_, _>>().map_err(|error| format!("`go list` is not understood: {error}"))?;
        if packages.is_empty() {
            return Err(format!("`go list` knows no package for `{}`", listing.packages.join(" ")));
        }
        answer.modules(&listing, &known, &packages);
        packages.iter().for_each(|package| answer.package(package, &listing, &known));
        answer.missing(&packages);
    }
    answer.learned()
}

fn list_words(listing: &Listing) -> Vec<String> {
    let mut words: Vec<String> = ["list", "-e", "-deps", &format!("-json={FIELDS}")].map(str::to_owned).to_vec();
    words.extend((listing.tests == Tests::Read).then(|| "-test".to_owned()));
    words.extend(listing.flags.iter().cloned());
    words.push("--".to_owned());
    words.extend(listing.packages.iter().cloned());
    words
}

async fn go(
    listing: &Listing,
    words: &[String],
    env: &[(std::ffi::OsString, std::ffi::OsString)],
) -> Result<Vec<u8>, String> {
    let words: Vec<_> = std::iter::once(&listing.go).chain(words).map(Into::into).collect();
    run::output(&words, &listing.cwd, env).await
}

struct Answer {
    root: PathBuf,
    files: BTreeSet<FilePath>,
    patterns: BTreeSet<String>,
}

impl Answer {
    fn file(&mut self, path: &Path) {
        self.files.insert(Arc::from(relative(&self.root, path)));
    }

    fn pattern(&mut self, folder: &Path, rest: &str) {
        self.patterns.extend(pattern(&self.root, folder, rest));
    }

    /// Files of modules, whether they are there or not: a go.work may come.
    fn modules(&mut self, listing: &Listing, known: &Env, packages: &[Package]) {
        let own = packages.iter().filter_map(|package| package.module.as_ref()).filter_map(own_folder);
        let own: BTreeSet<PathBuf> = own.collect();
        let main = known.gomod.parent().filter(|_| known.gomod.is_absolute() && known.gomod.ends_with("go.mod"));
        let work = known.gowork.parent().filter(|_| known.gowork.is_absolute());
        for folder in own.iter().map(PathBuf::as_path).chain(main).chain(work) {
            for name in ["go.mod", "go.sum", "vendor/modules.txt"] {
                self.file(&folder.join(name));
            }
        }
        if work.is_some() {
            self.file(&known.gowork);
            self.file(&known.gowork.with_extension("work.sum"));
        }
        let root = self.root.clone();
        for folder in upward(&root, main.unwrap_or(&listing.cwd)) {
            self.file(&folder.join("go.work"));
            self.file(&folder.join("go.mod"));
        }
        let flags = listing.flags.iter().filter_map(|flag| flag.strip_prefix('-')?.split_once('='));
        for (_, value) in flags.filter(|(name, _)| matches!(*name, "modfile" | "overlay" | "pgo")) {
            let file = plain(&listing.cwd.join(value));
            self.file(&file);
            self.file(&file.with_extension("sum"));
        }
    }

    fn package(&mut self, package: &Package, listing: &Listing, known: &Env) {
        if !self.is_own(package, known) {
            return;
        }
        let dir = &package.dir;
        let groups = [
            &package.go_files,
            &package.cgo_files,
            &package.ignored_go_files,
            &package.invalid_go_files,
            &package.s_files,
            &package.syso_files,
            &package.embed_files,
        ];
        groups.into_iter().flatten().for_each(|file| self.file(&dir.join(file)));
        let others = [
            &package.c_files,
            &package.cxx_files,
            &package.m_files,
            &package.h_files,
            &package.f_files,
            &package.swig_files,
            &package.swig_cxx_files,
        ];
        others.into_iter().flatten().for_each(|file| self.file(&dir.join(file)));
        if others.iter().any(|files| !files.is_empty()) || !package.cgo_files.is_empty() {
            self.pattern(dir, OTHER_LANGUAGES);
        }
        if package.name == "main" {
            self.file(&dir.join("default.pgo"));
        }
        self.embedded(dir, &package.embed_patterns);
        self.go_files(dir);
        if listing.tests == Tests::Read {
            self.tests(package);
        }
    }

    fn tests(&mut self, package: &Package) {
        let dir = &package.dir;
        let groups =
            [&package.test_go_files, &package.xtest_go_files, &package.test_embed_files, &package.xtest_embed_files];
        groups.into_iter().flatten().for_each(|file| self.file(&dir.join(file)));
        self.embedded(dir, &package.test_embed_patterns);
        self.embedded(dir, &package.xtest_embed_patterns);
        self.pattern(dir, "*_test.go");
        self.pattern(dir, "testdata/**");
    }

    /// Everything that go might take from this folder, but no tests.
    fn go_files(&mut self, dir: &Path) {
        self.pattern(dir, NO_TEST);
        self.pattern(dir, "*.{s,S,sx,syso}");
    }

    /// A pattern may name a folder, which stands for what is in it.
    fn embedded(&mut self, dir: &Path, patterns: &[String]) {
        for text in patterns {
            let text = text.strip_prefix("all:").unwrap_or(text);
            let text = text.replace('{', "\\{").replace('}', "\\}");
            self.pattern(dir, &text);
            self.pattern(dir, &format!("{text}/**"));
        }
    }

    /// Packages of our own that are imported and not there yet, because a generator has not run.
    fn missing(&mut self, packages: &[Package]) {
        let modules: BTreeSet<(String, PathBuf)> = packages
            .iter()
            .filter_map(|package| package.module.as_ref())
            .filter_map(|module| Some((module.path.clone(), own_folder(module)?)))
            .collect();
        for package in packages.iter().filter(|package| !package.standard && package.go_files.is_empty()) {
            for (path, folder) in &modules {
                let Some(rest) = package.import_path.strip_prefix(path.as_str()) else { continue };
                if rest.is_empty() || rest.starts_with('/') {
                    self.go_files(&folder.join(rest.trim_start_matches('/')));
                }
            }
        }
    }

    /// Neither Go's own nor from the module cache, which nobody writes into.
    fn is_own(&self, package: &Package, known: &Env) -> bool {
        let dir = &package.dir;
        let cached = [&known.gomodcache, &known.gocache]
            .iter()
            .any(|cache| !cache.as_os_str().is_empty() && dir.starts_with(cache));
        let in_root = dir.starts_with(&self.root);
        let ours = package.module.as_ref().and_then(own_folder).is_some_and(|folder| dir.starts_with(folder));
        !package.standard && !cached && dir.is_absolute() && (in_root || ours)
    }

    fn learned(self) -> Result<Learned, String> {
        let patterns: Vec<String> = self.patterns.into_iter().collect();
        let globs = Globs::new(&patterns).map_err(|(index, error)| format!("`{}`: {error}", patterns[index]))?;
        Ok(Learned { files: self.files, globs })
    }
}

/// The folder of a module that lies in the workspace, is the main one, or is replaced by a folder.
fn own_folder(module: &Module) -> Option<PathBuf> {
    let by_folder = module.replace.as_deref().filter(|replace| is_folder(&replace.path));
    match by_folder {
        Some(replace) => replace.dir.clone().or_else(|| Some(replace.go_mod.as_ref()?.parent()?.to_owned())),
        None if module.main => module.dir.clone(),
        None => None,
    }
}

/// A module is replaced by a folder if its path is written as one.
fn is_folder(path: &str) -> bool {
    ["./", "../", "/"].iter().any(|start| path.starts_with(start)) || matches!(path, "." | "..")
}
