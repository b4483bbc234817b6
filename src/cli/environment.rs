//! What surrounds devloop: the current folder, the terminal, the variables that speak about colours.
#![expect(clippy::disallowed_methods, reason = "the door to the environment and the standard streams")]

use std::{
    env,
    io::{self, IsTerminal, Write},
    path::{Component, Path, PathBuf},
};

use crate::{
    error::{Colour, Problem},
    ui::pane::{self, Theme},
};

/// What the standard streams are connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terminal {
    /// Colours on standard output.
    pub stdout: Colour,
    /// Colours on standard error.
    pub stderr: Colour,
    /// Whether standard output is a terminal at all.
    pub stdout_is: Connected,
    /// Whether standard error is one.
    pub stderr_is: Connected,
    /// What a pane would look like; none where there cannot be one.
    pub pane: Option<Theme>,
}

/// What a stream is connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connected {
    /// A terminal.
    Terminal,
    /// A file, a pipe, nothing.
    Other,
}

impl Terminal {
    /// Looks at the streams and the environment.
    pub fn look() -> Terminal {
        let wish = Wish::of(|name| env::var_os(name).map(|value| value.to_string_lossy().into_owned()));
        let connected = |is_terminal: bool| if is_terminal { Connected::Terminal } else { Connected::Other };
        let stdout_is = connected(io::stdout().is_terminal());
        let stderr_is = connected(io::stderr().is_terminal());
        let stdout = wish.on(stdout_is);
        // Keys have to come from the terminal, too.
        let is_whole = stdout_is == Connected::Terminal && io::stdin().is_terminal();
        let pane = if is_whole { pane::theme(stdout) } else { None };
        Terminal { stdout, stderr: wish.on(stderr_is), stdout_is, stderr_is, pane }
    }
}

/// What the environment says about colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    Never,
    Always,
    OnTerminals,
}

impl Wish {
    /// `NO_COLOR` beats `CLICOLOR_FORCE` beats `TERM=dumb`. An empty variable is as none.
    fn of(variable: impl Fn(&str) -> Option<String>) -> Wish {
        let variable = |name| variable(name).filter(|value| !value.is_empty());
        if variable("NO_COLOR").is_some() {
            Wish::Never
        } else if variable("CLICOLOR_FORCE").is_some_and(|value| value != "0") {
            Wish::Always
        } else if variable("TERM").as_deref() == Some("dumb") || variable("CLICOLOR").as_deref() == Some("0") {
            Wish::Never
        } else {
            Wish::OnTerminals
        }
    }

    fn on(self, stream: Connected) -> Colour {
        match (self, stream) {
            (Wish::Always, _) | (Wish::OnTerminals, Connected::Terminal) => Colour::Always,
            _ => Colour::Never,
        }
    }
}

/// A variable of ours.
pub(super) fn variable(name: &str) -> Option<std::ffi::OsString> {
    env::var_os(name)
}

/// The current folder.
pub(super) fn current_dir() -> Result<PathBuf, Problem> {
    env::current_dir().map_err(|error| {
        Problem::new("the current folder is not there any more")
            .caused_by(error)
            .hint("enter the project's folder again")
    })
}

/// `file` as one writes it in the folder `here`: `dev.toml`, `../dev.toml`.
pub(super) fn shown_from(here: &Path, file: &Path) -> PathBuf {
    let shared = here.components().zip(file.components()).take_while(|(a, b)| a == b).count();
    let ups = here.components().skip(shared).map(|_| Component::ParentDir);
    ups.chain(file.components().skip(shared)).collect()
}

/// Writes to standard output; whether somebody reads it is not our business.
pub(super) fn to_stdout(text: &str) {
    let mut stdout = io::stdout().lock();
    _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

/// Whether somebody reads standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reader {
    There,
    Gone,
}

/// Writes a line to standard output, where much may come and a reader such as `head` may have had enough.
pub(super) fn line_to_stdout(text: &str) -> Reader {
    let mut stdout = io::stdout().lock();
    match writeln!(stdout, "{text}") {
        Ok(()) => Reader::There,
        Err(_) => Reader::Gone,
    }
}

/// Writes to standard error, likewise.
pub(super) fn to_stderr(text: &str) {
    _ = io::stderr().lock().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_decides_about_colours() {
        let wish = |variables: &[(&str, &str)]| {
            Wish::of(|name| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
        };
        assert_eq!(wish(&[]), Wish::OnTerminals);
        assert_eq!(wish(&[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")]), Wish::Never);
        assert_eq!(wish(&[("NO_COLOR", ""), ("CLICOLOR_FORCE", "1")]), Wish::Always);
        assert_eq!(wish(&[("CLICOLOR_FORCE", "0")]), Wish::OnTerminals);
        assert_eq!(wish(&[("CLICOLOR_FORCE", "1"), ("TERM", "dumb")]), Wish::Always);
        assert_eq!(wish(&[("TERM", "dumb")]), Wish::Never);
        assert_eq!(Wish::OnTerminals.on(Connected::Other), Colour::Never);
        assert_eq!(Wish::OnTerminals.on(Connected::Terminal), Colour::Always);
    }

    #[test]
    fn a_file_above_is_shown_with_dots() {
        let shown = |here, file| shown_from(Path::new(here), Path::new(file));
        assert_eq!(shown("/p/api", "/p/api/dev.toml"), Path::new("dev.toml"));
        assert_eq!(shown("/p/api/cmd", "/p/dev.toml"), Path::new("../../dev.toml"));
    }
}
