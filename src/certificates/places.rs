//! Where authorities, browsers' stores and profiles lie, according to the environment. Pure.

use std::{
    ffi::{OsStr, OsString},
    path::PathBuf,
};

/// The folders that matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// devloop's own authority.
    pub own: PathBuf,
    /// mkcert's.
    pub mkcert: PathBuf,
    /// The person's.
    pub home: PathBuf,
}

impl Places {
    /// As the environment says (the XDG base directories; on macOS `Library/Application Support`). None without a home.
    pub fn of(environment: &[(OsString, OsString)]) -> Option<Places> {
        let of = |wanted: &str| {
            let found = environment.iter().find(|(name, _)| name == OsStr::new(wanted))?;
            (!found.1.is_empty()).then(|| PathBuf::from(&found.1))
        };
        let home = of("HOME")?;
        let data = of("XDG_DATA_HOME").filter(|data| data.is_absolute());
        let data = data.unwrap_or_else(|| match cfg!(target_os = "macos") {
            true => home.join("Library/Application Support"),
            false => home.join(".local/share"),
        });
        let mkcert = of("CAROOT").unwrap_or_else(|| data.join("mkcert"));
        Some(Places { own: data.join("devloop"), mkcert, home })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_says_where_things_lie() {
        let places = |pairs: &[(&str, &str)]| {
            let pairs: Vec<_> = pairs.iter().map(|(name, value)| (name.into(), value.into())).collect();
            Places::of(&pairs)
        };
        let own = |pairs: &[(&str, &str)]| places(pairs).map(|places| places.own);
        assert_eq!(places(&[]), None);
        assert_eq!(own(&[("HOME", "/h"), ("XDG_DATA_HOME", "/d")]), Some("/d/devloop".into()));
        let standard = if cfg!(target_os = "macos") { "Library/Application Support" } else { ".local/share" };
        let data = PathBuf::from("/h").join(standard);
        assert_eq!(own(&[("HOME", "/h"), ("XDG_DATA_HOME", "relative")]), Some(data.join("devloop")));
        assert_eq!(places(&[("HOME", "/h"), ("CAROOT", "/c")]).map(|places| places.mkcert), Some("/c".into()));
        assert_eq!(places(&[("HOME", "/h")]).map(|places| places.mkcert), Some(data.join("mkcert")));
    }
}
