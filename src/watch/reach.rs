//! What dev.toml names explicitly, and the folders such names lead through: it beats ignore rules, and it may lie
//! outside the project's root.

use std::{
    collections::{BTreeSet, HashSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use super::names::Names;
use crate::plan::{Globs, Inputs, Learned, Plan, Trust};

/// How clearly a path is named, from not at all to letter by letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Claim {
    /// By nothing.
    None,
    /// By a pattern that names everything everywhere: `**`.
    Bare,
    /// By a pattern that names everything in a folder: `gen/**`.
    Folder,
    /// By a pattern that says something about its name: `**/*.go`.
    Name,
    /// As this very file.
    Exact,
}

/// All explicit names of a plan.
#[derive(Debug, Default)]
pub(super) struct Reaches {
    exact: HashSet<PathBuf>,
    patterns: Vec<Pattern>,
    passages: HashSet<PathBuf>,
}

/// A folder outside the project's root that has to be watched.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Outside(pub(super) PathBuf);

#[derive(Debug)]
struct Pattern {
    /// The part without wildcards, absolute.
    prefix: PathBuf,
    /// How many folders below `prefix` its matches may lie.
    depth: usize,
    claim: Claim,
    one: Globs,
    /// The whole list it stands in, for what `!` takes out.
    list: Globs,
}

impl Reaches {
    /// What `plan` and the tool chains name.
    pub(super) fn new<'a>(names: &Names, plan: &Plan, learned: impl Iterator<Item = &'a Arc<Learned>>) -> Reaches {
        let mut reaches = Reaches::default();
        let services = plan.services.iter();
        let files = plan.file.iter().chain(plan.steps.iter().flat_map(|step| &step.env_files));
        let files = files.chain(services.clone().flat_map(|service| service.env_files.iter().chain(&service.program)));
        let authorities = services.clone().filter_map(|service| match service.tls.as_ref().map(|tls| &tls.trust) {
            Some(Trust::File(file)) => Some(file),
            _ => None,
        });
        for file in files.chain(authorities) {
            reaches.add_exact(names.full(file));
        }
        for inputs in plan.steps.iter().map(|step| &step.inputs).chain(services.map(|service| &service.inputs)) {
            if let Inputs::Globs(globs) = inputs {
                reaches.add_globs(names, globs);
            }
        }
        for step in &plan.steps {
            reaches.add_globs(names, &step.outputs);
        }
        for service in &plan.services {
            reaches.add_globs(names, &service.assets);
        }
        for files in plan.folders() {
            reaches.add_globs(names, &files.inside);
        }
        for reads in learned {
            for file in &reads.files {
                reaches.add_exact(names.full(file));
            }
            reaches.add_globs(names, &reads.globs);
        }
        reaches
    }

    fn add_exact(&mut self, file: PathBuf) {
        self.add_passages(file.parent().unwrap_or(Path::new("/")));
        self.exact.insert(file);
    }

    fn add_passages(&mut self, folder: &Path) {
        for ancestor in folder.ancestors() {
            if !self.passages.insert(ancestor.to_owned()) {
                break;
            }
        }
    }

    fn add_globs(&mut self, names: &Names, globs: &Globs) {
        for pattern in globs.patterns().iter().filter(|pattern| !pattern.starts_with('!')) {
            let Some(parsed) = Pattern::parse(names, pattern, globs) else {
                self.add_exact(names.full(Path::new(pattern)));
                continue;
            };
            self.add_passages(&parsed.prefix);
            self.patterns.push(parsed);
        }
    }

    /// Whether a name leads to or through this folder.
    pub(super) fn passes(&self, folder: &Path) -> bool {
        self.passages.contains(folder)
    }

    /// Whether a pattern that names `shut` (or a folder below it) also reaches into `folder`.
    pub(super) fn reaches_into(&self, folder: &Path, shut: &Path) -> bool {
        self.patterns.iter().any(|pattern| pattern.prefix.starts_with(shut) && pattern.holds(folder))
    }

    /// The folders (other than `root`) that patterns name before their first wildcard, above `folder`.
    pub(super) fn named_above<'a>(&'a self, folder: &'a Path, root: &'a Path) -> impl Iterator<Item = &'a Path> {
        let patterns = self
            .patterns
            .iter()
            .filter(move |pattern| pattern.prefix != root && pattern.prefix != folder && pattern.holds(folder));
        patterns.map(|pattern| pattern.prefix.as_path())
    }

    /// How clearly this file is named, by what names `shut` or a folder below it, if there is one.
    pub(super) fn claim(&self, full: &Path, short: &Path, shut: Option<&Path>) -> Claim {
        if self.exact.contains(full) {
            return Claim::Exact;
        }
        let Some(folder) = full.parent() else { return Claim::None };
        let patterns = self.patterns.iter().filter(|pattern| shut.is_none_or(|shut| pattern.prefix.starts_with(shut)));
        // `**` would also match the dots of `../neighbour`.
        let around = patterns.filter(|pattern| pattern.holds(folder));
        let matching = around.filter(|pattern| pattern.one.matches(short) && pattern.list.matches(short));
        matching.map(|pattern| pattern.claim).max().unwrap_or(Claim::None)
    }

    /// The folders outside `root` that names lead to.
    pub(super) fn outside(&self, root: &Path) -> BTreeSet<Outside> {
        let files = self.exact.iter().filter_map(|file| file.parent());
        let folders = files.chain(self.patterns.iter().map(|pattern| pattern.prefix.as_path()));
        folders.filter(|folder| !folder.starts_with(root)).map(|folder| Outside(folder.to_owned())).collect()
    }
}

/// The parts of a pattern before its first wildcard; the whole of it, if there is none.
pub(super) fn literal_part(pattern: &str) -> PathBuf {
    pattern.split('/').take_while(|part| is_literal(part)).collect()
}

fn is_literal(part: &str) -> bool {
    !part.contains(['*', '?', '[', '{', '\\'])
}

impl Pattern {
    /// None if there is no wildcard in it.
    fn parse(names: &Names, text: &str, list: &Globs) -> Option<Pattern> {
        let whole = if text.ends_with('/') { format!("{text}**") } else { text.to_owned() };
        let parts: Vec<&str> = whole.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
        let literal = parts.iter().take_while(|part| is_literal(part)).count();
        if literal == parts.len() {
            return None;
        }
        let prefix = names.full(Path::new(&parts[..literal].join("/")));
        let rest = &parts[literal..];
        let deep = rest.iter().any(|part| part.contains("**") || part.contains('{'));
        let depth = if deep { usize::MAX } else { rest.len() - 1 };
        let last = rest.last().copied().unwrap_or_default();
        let claim = match (last.chars().all(|letter| matches!(letter, '*' | '?' | '.')), literal) {
            (false, _) => Claim::Name,
            (true, 0) => Claim::Bare,
            (true, _) => Claim::Folder,
        };
        let one = Globs::new(&[text.to_owned()]).ok()?;
        Some(Pattern { prefix, depth, claim, one, list: list.clone() })
    }

    /// Whether `folder` may hold a match.
    fn holds(&self, folder: &Path) -> bool {
        folder.strip_prefix(&self.prefix).is_ok_and(|below| below.components().count() <= self.depth)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reaches(patterns: &[&str]) -> Reaches {
        let patterns: Vec<String> = patterns.iter().map(|text| (*text).to_owned()).collect();
        let mut reaches = Reaches::default();
        reaches.add_globs(&Names::new(Path::new("/w/p")), &Globs::new(&patterns).unwrap());
        reaches
    }

    fn claim(reaches: &Reaches, short: &str, shut: Option<&str>) -> Claim {
        reaches.claim(&Names::new(Path::new("/w/p")).full(Path::new(short)), Path::new(short), shut.map(Path::new))
    }

    #[test]
    fn a_pattern_claims_as_clearly_as_it_speaks() {
        let all = reaches(&["**/*.go", "gen/**", "**", "conf/app.yaml", "!gen/skip/**"]);
        assert_eq!(claim(&all, "conf/app.yaml", None), Claim::Exact);
        assert_eq!(claim(&all, "a/b.go", None), Claim::Name);
        assert_eq!(claim(&all, "gen/x.txt", None), Claim::Folder);
        assert_eq!(claim(&all, "gen/skip/x.txt", None), Claim::None);
        assert_eq!(claim(&all, "other", None), Claim::Bare);
    }

    #[test]
    fn only_a_pattern_that_names_a_shut_folder_claims_what_is_in_it() {
        let some = reaches(&["**/*.go", "target/gen/*.rs"]);
        assert_eq!(claim(&some, "target/gen/a.go", Some("/w/p/target")), Claim::None);
        assert_eq!(claim(&some, "target/gen/a.rs", Some("/w/p/target")), Claim::Name);
        assert!(some.passes(Path::new("/w/p/target")));
        assert!(some.reaches_into(Path::new("/w/p/target/gen"), Path::new("/w/p/target")));
        assert!(!some.reaches_into(Path::new("/w/p/target/gen/deep"), Path::new("/w/p/target")));
        assert!(!some.reaches_into(Path::new("/w/p/target/debug"), Path::new("/w/p/target")));
    }

    #[test]
    fn names_outside_the_root_become_folders_to_watch() {
        let outside = reaches(&["../lib/**", "../.env", "src/**", "../../x/*.c"]).outside(Path::new("/w/p"));
        let folders: Vec<_> = outside.iter().map(|Outside(folder)| folder.to_str().unwrap()).collect();
        assert_eq!(folders, ["/w", "/w/lib", "/x"]);
    }
}
