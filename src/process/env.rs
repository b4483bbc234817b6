//! The environment of a program, put together from its layers. It reads neither ours nor a file.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
};

use super::{SESSION_MARK, Terminal};
use crate::model::Revision;

/// The layers, the lowest first.
#[derive(Clone, Debug)]
pub struct Layers<'a> {
    /// Ours.
    pub os: &'a [(OsString, OsString)],
    /// Those of the `env_files`, in order, one after the other.
    pub files: &'a [(String, String)],
    /// `env`
    pub own: &'a BTreeMap<String, String>,
    /// What devloop adds.
    pub devloop: Additions<'a>,
}

/// What devloop adds to an environment.
#[derive(Clone, Copy, Debug)]
pub struct Additions<'a> {
    /// Becomes `PORT`.
    pub port: Option<u16>,
    /// Becomes `DEVLOOP_REVISION`.
    pub revision: Revision,
    /// Becomes `DEVLOOP_SESSION`.
    pub session: &'a str,
    /// Whether colours are wanted.
    pub colours: Colours,
    /// What the program writes to.
    pub terminal: Terminal,
}

/// Whether output is to be coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colours {
    /// As if on a terminal.
    Wanted,
    /// As the program finds it right.
    AsItIs,
}

/// What is said to programs of whoever started devloop, and is not meant for ours.
const NOT_OURS: [&str; 5] = ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "NOTIFY_SOCKET", "WATCHDOG_USEC"];

/// The whole environment, sorted by name, each name once: OS < env_files < env < `PORT`, `DEVLOOP`, `DEVLOOP_REVISION`,
/// `DEVLOOP_SESSION`. `HOST` is 127.0.0.1 unless it is set. Programs that write to a pipe are told to write line by
/// line (`PYTHONUNBUFFERED`) and, where colours are wanted and `NO_COLOR` is not set, in colour, unless a layer says
/// otherwise.
pub fn compose(layers: &Layers<'_>) -> Vec<(OsString, OsString)> {
    let mut env: BTreeMap<OsString, OsString> =
        layers.os.iter().filter(|(name, _)| !NOT_OURS.iter().any(|other| name == other)).cloned().collect();
    env.extend(layers.files.iter().map(|(name, value)| (name.into(), value.into())));
    env.extend(layers.own.iter().map(|(name, value)| (name.into(), value.into())));
    let added = &layers.devloop;
    if let Some(port) = added.port {
        env.insert("PORT".into(), port.to_string().into());
        unless_set(&mut env, "HOST", "127.0.0.1");
    }
    env.insert("DEVLOOP".into(), "1".into());
    env.insert("DEVLOOP_REVISION".into(), added.revision.to_string().into());
    env.insert(SESSION_MARK.into(), added.session.into());
    if added.terminal == Terminal::Pipes {
        unless_set(&mut env, "PYTHONUNBUFFERED", "1");
        if added.colours == Colours::Wanted && !is_set(&env, "NO_COLOR") {
            unless_set(&mut env, "FORCE_COLOR", "1");
            unless_set(&mut env, "CLICOLOR_FORCE", "1");
            unless_set(&mut env, "CARGO_TERM_COLOR", "always");
        }
    }
    if added.terminal == Terminal::Pty && env.get(OsStr::new("TERM")).is_none_or(|term| term.is_empty()) {
        env.insert("TERM".into(), "xterm-256color".into());
    }
    env.into_iter().collect()
}

fn unless_set(env: &mut BTreeMap<OsString, OsString>, name: &str, value: &str) {
    env.entry(name.into()).or_insert_with(|| value.into());
}

/// Set and not empty, as no-color.org has it.
fn is_set(env: &BTreeMap<OsString, OsString>, name: &str) -> bool {
    env.get(OsStr::new(name)).is_some_and(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn composed(
        os: &[(&str, &str)],
        own: &[(&str, &str)],
        colours: Colours,
        terminal: Terminal,
    ) -> BTreeMap<String, String> {
        let os: Vec<(OsString, OsString)> = os.iter().map(|(name, value)| (name.into(), value.into())).collect();
        let files = [("A".to_owned(), "file".to_owned()), ("B".to_owned(), "file".to_owned())];
        let own: BTreeMap<String, String> = own.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let devloop = Additions { port: Some(20123), revision: Revision(7), session: "s", colours, terminal };
        let env = compose(&Layers { os: &os, files: &files, own: &own, devloop });
        env.into_iter().map(|(n, v)| (n.into_string().unwrap(), v.into_string().unwrap())).collect()
    }

    #[test]
    fn upper_layers_win_and_devloops_own_names_win_over_all() {
        let os = [("A", "os"), ("C", "os"), ("PORT", "1"), ("DEVLOOP_SESSION", "outer"), ("NOTIFY_SOCKET", "/x")];
        let env = composed(&os, &[("B", "own"), ("PORT", "2")], Colours::AsItIs, Terminal::Pipes);
        let expected = [("A", "file"), ("B", "own"), ("C", "os"), ("PORT", "20123"), ("HOST", "127.0.0.1")];
        for (name, value) in expected.into_iter().chain([("DEVLOOP", "1"), ("DEVLOOP_REVISION", "7")]) {
            assert_eq!(env.get(name).map(String::as_str), Some(value), "{name}");
        }
        assert_eq!(env["DEVLOOP_SESSION"], "s");
        assert!(!env.contains_key("NOTIFY_SOCKET") && !env.contains_key("FORCE_COLOR"));
    }

    #[test]
    fn what_a_person_has_set_stays() {
        let set = [("HOST", "0.0.0.0"), ("FORCE_COLOR", "0"), ("PYTHONUNBUFFERED", "")];
        let env = composed(&set, &[], Colours::Wanted, Terminal::Pipes);
        assert_eq!((env["HOST"].as_str(), env["FORCE_COLOR"].as_str()), ("0.0.0.0", "0"));
        assert_eq!((env["PYTHONUNBUFFERED"].as_str(), env["CLICOLOR_FORCE"].as_str()), ("", "1"));
    }

    #[test]
    fn colours_are_not_forced_with_no_color_or_on_a_terminal() {
        for (os, terminal) in [([("NO_COLOR", "1")], Terminal::Pipes), ([("NO_COLOR", "")], Terminal::Pty)] {
            let env = composed(&os, &[], Colours::Wanted, terminal);
            assert!(!env.contains_key("FORCE_COLOR") && !env.contains_key("CARGO_TERM_COLOR"));
        }
    }
}
