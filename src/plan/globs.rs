//! A set of path patterns as dev.toml writes them, relative to the project's root.

use std::{fmt, path::Path};

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

/// Patterns and their matcher. `*` stays within one folder, `**` does not; `{a,b}` and `[a-z]` work; a pattern that
/// names a folder (`static/`) stands for everything below it; a leading `!` takes paths out again.
#[derive(Clone, Default)]
pub struct Globs {
    patterns: Vec<String>,
    wanted: GlobSet,
    unwanted: GlobSet,
}

impl Globs {
    /// Compiles `patterns`.
    ///
    /// # Errors
    /// The index of the first pattern that is not one, and why.
    pub fn new(patterns: &[String]) -> Result<Globs, (usize, String)> {
        let mut wanted = GlobSetBuilder::new();
        let mut unwanted = GlobSetBuilder::new();
        for (index, pattern) in patterns.iter().enumerate() {
            let (set, text) = match pattern.strip_prefix('!') {
                Some(rest) => (&mut unwanted, rest),
                None => (&mut wanted, pattern.as_str()),
            };
            let text = text.strip_prefix("./").unwrap_or(text);
            let text = if text.ends_with('/') { format!("{text}**") } else { text.to_owned() };
            let glob = GlobBuilder::new(&text)
                .literal_separator(true)
                .backslash_escape(true)
                .build()
                .map_err(|error| (index, error.kind().to_string()))?;
            set.add(glob);
        }
        let build = |set: GlobSetBuilder| set.build().map_err(|error| (0, error.kind().to_string()));
        Ok(Globs { patterns: patterns.to_vec(), wanted: build(wanted)?, unwanted: build(unwanted)? })
    }

    /// Everything below this folder, whose path is relative to the root.
    pub fn below(folder: &str) -> Globs {
        let folder = globset::escape(folder.trim_end_matches('/'));
        let pattern = if folder.is_empty() || folder == "." { "**".to_owned() } else { format!("{folder}/**") };
        Globs::new(&[pattern]).unwrap_or_default()
    }

    /// Whether `path` (relative to the root) is one of them.
    pub fn matches(&self, path: &Path) -> bool {
        self.wanted.is_match(path) && !self.unwanted.is_match(path)
    }

    /// As they were written.
    pub fn patterns(&self) -> &[String] {
        &self.patterns
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }
}

impl PartialEq for Globs {
    fn eq(&self, other: &Globs) -> bool {
        self.patterns == other.patterns
    }
}

impl fmt::Debug for Globs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.patterns).finish()
    }
}
