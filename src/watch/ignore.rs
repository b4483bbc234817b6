//! Which paths count: the built-in list, .gitignore and its relatives, `[watch] ignore`, and what dev.toml names
//! explicitly, which beats the first two. It looks at names, never at what is in files (but for the lists themselves).

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    builtin,
    gitignore::{Lists, Opinion},
    names::Names,
    reach::{Claim, Outside, Reaches},
};
use crate::plan::{Globs, Learned, Plan};

/// The deepest ignored folder around a path; below it only what names that folder counts. None: nothing is ignored.
pub(super) type Shut = Option<Arc<Path>>;

/// What becomes of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is to be watched.
    Watched(Shut),
    /// It is not, and nothing in it counts.
    Pruned(Rule),
}

/// The rule by which something is ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// `.git` and `.devloop`, whatever anyone says.
    Hard,
    /// What editors leave beside a file.
    Litter,
    /// The rest of the built-in list.
    BuiltIn,
    /// .gitignore, .ignore, info/exclude or the global excludes.
    Git,
    /// `ignore` under `[watch]`.
    Own,
    /// It lies in an ignored folder, or outside the project, and is not named.
    Unnamed,
}

impl Rule {
    /// For people.
    pub(super) fn words(self) -> &'static str {
        match self {
            Rule::Hard => "`.git` and `.devloop` never count",
            Rule::Litter => "editors leave such files behind",
            Rule::BuiltIn => "it is on devloop's own list",
            Rule::Git => "a .gitignore says so",
            Rule::Own => "`[watch] ignore` says so",
            Rule::Unnamed => "it lies in an ignored folder or outside of the project, and dev.toml does not name it",
        }
    }
}

/// All rules of a plan.
#[derive(Debug)]
pub(super) struct Rules {
    names: Names,
    reaches: Reaches,
    own: Own,
    lists: Lists,
}

/// `ignore` under `[watch]`.
#[derive(Debug)]
struct Own {
    globs: Globs,
    takes_out: bool,
}

/// What a path is, as far as the rules care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Folder,
    File,
}

impl Rules {
    /// The rules of `plan`, with what the tool chains said in `learned`. Reads the lists above and at the root; those
    /// below come by `read_lists`.
    pub(super) fn new<'a>(plan: &Plan, learned: impl Iterator<Item = &'a Arc<Learned>>) -> Rules {
        let names = Names::new(&plan.root);
        let globs = plan.watch.ignore.clone();
        Rules {
            reaches: Reaches::new(&names, plan, learned),
            lists: Lists::above(&plan.root),
            own: Own { takes_out: globs.patterns().iter().any(|pattern| pattern.starts_with('!')), globs },
            names,
        }
    }

    /// Other explicit names; the lists stay.
    pub(super) fn name<'a>(&mut self, plan: &Plan, learned: impl Iterator<Item = &'a Arc<Learned>>) {
        self.reaches = Reaches::new(&self.names, plan, learned);
    }

    /// Whether a file of this name holds ignore rules.
    pub(super) fn is_list(name: &OsStr) -> bool {
        name == ".gitignore" || name == ".ignore"
    }

    /// Reads the lists in `folder` (again).
    pub(super) fn read_lists(&mut self, folder: &Path) {
        self.lists.read(folder);
    }

    /// The folders outside the root that are named.
    pub(super) fn outside(&self) -> impl Iterator<Item = PathBuf> {
        self.reaches.outside(self.names.root()).into_iter().map(|Outside(folder)| folder)
    }

    /// Whether an explicit name leads to or through `folder`.
    pub(super) fn passes(&self, folder: &Path) -> bool {
        self.reaches.passes(folder)
    }

    /// What is shut around the roots: nothing in the project, everything outside of it.
    fn ground(&self, path: &Path) -> Shut {
        if path.starts_with(self.names.root()) { None } else { Some(Arc::from(Path::new("/"))) }
    }

    /// What becomes of `folder`, which lies in a folder with `above`.
    pub(super) fn folder(&self, folder: &Path, above: &Shut) -> Fate {
        let rule = self.rule(folder, Kind::Folder);
        let shut = match rule {
            None => above.clone(),
            Some(rule @ (Rule::Hard | Rule::Own)) => return Fate::Pruned(rule),
            Some(Rule::Git) if self.hides_what_is_named(folder) => above.clone(),
            Some(_) => Some(Arc::from(folder)),
        };
        let open = match &shut {
            None => true,
            Some(shut) => self.reaches.passes(folder) || self.reaches.reaches_into(folder, shut),
        };
        if open { Fate::Watched(shut) } else { Fate::Pruned(rule.unwrap_or(Rule::Unnamed)) }
    }

    /// Whether `folder` lies in the project and no rule ignores it or a folder around it.
    pub(super) fn is_open(&self, folder: &Path) -> bool {
        folder.starts_with(self.names.root()) && self.folder_from_above(folder) == Fate::Watched(None)
    }

    /// What becomes of a folder of which nothing is known yet, judged from its root downward.
    pub(super) fn folder_from_above(&self, folder: &Path) -> Fate {
        let root = self.names.root();
        let Ok(below) = folder.strip_prefix(root) else {
            return self.folder_outside(folder);
        };
        let mut at = root.to_owned();
        let mut shut = None;
        for component in below.components() {
            at.push(component);
            match self.folder(&at, &shut) {
                Fate::Watched(next) => shut = next,
                pruned @ Fate::Pruned(_) => return pruned,
            }
        }
        Fate::Watched(shut)
    }

    /// Outside the project, rules count from the first folder downward that no name merely leads through.
    fn folder_outside(&self, folder: &Path) -> Fate {
        let ground = self.ground(folder);
        let mut fate = Fate::Watched(ground.clone());
        let ancestors: Vec<&Path> = folder.ancestors().collect();
        for at in ancestors.into_iter().rev().skip_while(|at| self.reaches.passes(at)) {
            let Fate::Watched(shut) = fate else { return fate };
            fate = self.folder(at, &shut);
        }
        fate
    }

    /// Whether `file`, which lies in a folder with `shut`, counts.
    pub(super) fn file(&self, file: &Path, shut: &Shut) -> Result<(), Rule> {
        let rule = self.rule(file, Kind::File);
        if rule == Some(Rule::Hard) {
            return Err(Rule::Hard);
        }
        if rule.is_none() && shut.is_none() {
            return Ok(());
        }
        let claim = self.reaches.claim(file, &self.names.short(file), shut.as_deref());
        match rule {
            _ if claim == Claim::Exact => Ok(()),
            Some(rule @ (Rule::Own | Rule::Litter)) => Err(rule),
            _ if shut.is_some() && claim == Claim::None => Err(Rule::Unnamed),
            Some(Rule::BuiltIn) if claim < Claim::Name => Err(Rule::BuiltIn),
            Some(Rule::Git) if claim < Claim::Folder => Err(Rule::Git),
            _ => Ok(()),
        }
    }

    /// The rule that ignores this very path, not looking at the folders around it nor at what is named.
    fn rule(&self, path: &Path, kind: Kind) -> Option<Rule> {
        let name = path.file_name().unwrap_or_default();
        if builtin::is_hard(name) {
            return Some(Rule::Hard);
        }
        if kind == Kind::File && builtin::is_litter(name) {
            return Some(Rule::Litter);
        }
        if self.own.ignores(&self.names.short(path), kind) {
            return Some(Rule::Own);
        }
        match self.lists.opinion(path, kind == Kind::Folder) {
            Opinion::Ignore => return Some(Rule::Git),
            Opinion::Keep => return None,
            Opinion::None => {}
        }
        let listed = match kind {
            Kind::Folder => builtin::is_folder(name),
            Kind::File => builtin::is_file(name),
        };
        listed.then_some(Rule::BuiltIn)
    }

    /// Whether git's rule for `folder` hides everything in a folder that is named: then the person who named it wins,
    /// as if the rule had been written for that folder itself (`gen/*` in .gitignore, `gen/**` in `outputs`).
    fn hides_what_is_named(&self, folder: &Path) -> bool {
        let anything = "\u{1}anything";
        self.reaches
            .named_above(folder, self.names.root())
            .any(|named| self.lists.opinion(&named.join(anything), true) == Opinion::Ignore)
    }
}

impl Own {
    fn ignores(&self, short: &Path, kind: Kind) -> bool {
        if self.globs.is_empty() {
            return false;
        }
        if self.globs.matches(short) {
            return true;
        }
        let inside = |depth: usize| {
            let mut probe = short.to_owned();
            probe.extend(std::iter::repeat_n("\u{1}", depth));
            self.globs.matches(&probe)
        };
        kind == Kind::Folder && !self.takes_out && inside(1) && inside(2) && inside(6)
    }
}
