//! What a check has found: what was seen, why it matters, what mends it.

use std::path::PathBuf;

/// One thing that is wrong, or looks like it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which check found it.
    pub check: Check,
    /// How sure it is.
    pub weight: Weight,
    /// What was seen: a fragment, as problems have it.
    pub seen: String,
    /// What follows from it.
    pub why: String,
    /// The command that mends it, or what to write where.
    pub mend: String,
    /// Where it stands, if it stands in a file.
    pub place: Option<Place>,
    /// What `--fix` may do about it; none if that is for a person to decide.
    pub fix: Option<Fix>,
}

/// A line of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file, as it is to be shown.
    pub file: PathBuf,
    /// From 1; none if the file as a whole is meant.
    pub line: Option<usize>,
}

/// How sure a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// It does not work as it is.
    Wrong,
    /// It may be meant so.
    Doubtful,
}

/// A command that only touches what the finding is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fix {
    /// Where it runs.
    pub cwd: PathBuf,
    /// The program and its arguments.
    pub words: Vec<String>,
}

/// The checks, in the order in which they are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Check {
    /// Where modules are fetched from.
    GoProxy,
    /// Versions that go.mod, go.work and images ask for.
    GoVersion,
    /// vendor/ against go.mod.
    GoVendor,
    /// Plugins against what loads them.
    GoPlugin,
    /// Programs built without cgo.
    Cgo,
    /// What go.mod requires against what runs.
    Versions,
    /// What TLS promises against what is spoken.
    Alpn,
    /// Limits of the system's file events.
    Inotify,
    /// Ports that somebody else has.
    Port,
    /// What `localhost` means.
    Localhost,
    /// The clock of the folder.
    Clock,
    /// Health paths.
    HealthPath,
}

impl Check {
    /// All of them.
    pub const ALL: [Check; 12] = [
        Check::GoProxy,
        Check::GoVersion,
        Check::GoVendor,
        Check::GoPlugin,
        Check::Cgo,
        Check::Versions,
        Check::Alpn,
        Check::Inotify,
        Check::Port,
        Check::Localhost,
        Check::Clock,
        Check::HealthPath,
    ];

    /// As `--json` and docs/doctor.md call it.
    pub fn name(self) -> &'static str {
        match self {
            Check::GoProxy => "go-proxy",
            Check::GoVersion => "go-version",
            Check::GoVendor => "go-vendor",
            Check::GoPlugin => "go-plugin",
            Check::Cgo => "cgo",
            Check::Versions => "versions",
            Check::Alpn => "alpn",
            Check::Inotify => "inotify",
            Check::Port => "port",
            Check::Localhost => "localhost",
            Check::Clock => "clock",
            Check::HealthPath => "health-path",
        }
    }
}

impl Weight {
    /// As `--json` calls it.
    pub fn name(self) -> &'static str {
        match self {
            Weight::Wrong => "wrong",
            Weight::Doubtful => "doubtful",
        }
    }
}

impl Finding {
    pub(super) fn new(check: Check, weight: Weight, seen: impl Into<String>) -> Finding {
        let seen = seen.into();
        Finding { check, weight, seen, why: String::new(), mend: String::new(), place: None, fix: None }
    }

    pub(super) fn why(mut self, why: impl Into<String>) -> Finding {
        self.why = why.into();
        self
    }

    pub(super) fn mend(mut self, mend: impl Into<String>) -> Finding {
        self.mend = mend.into();
        self
    }

    pub(super) fn at(mut self, place: Place) -> Finding {
        self.place = Some(place);
        self
    }

    /// With the command that `--fix` runs, which is what mends it.
    pub(super) fn fix(mut self, cwd: impl Into<PathBuf>, words: &[&str]) -> Finding {
        self.mend = shell_words::join(words);
        self.fix = Some(Fix { cwd: cwd.into(), words: words.iter().map(|word| (*word).to_owned()).collect() });
        self
    }
}
