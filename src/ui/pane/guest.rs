//! What a person opens from the pane: an editor, a browser. It is theirs: it does not end with devloop.
#![expect(clippy::disallowed_methods, reason = "the door to what a person opens: an editor, a browser")]

use std::{
    io,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use crate::model::Place;

/// An editor that was found, and where it is to be shown.
#[derive(Debug)]
pub enum Editor {
    /// In our terminal, which has to be given back first.
    Terminal(Command),
    /// In a window of its own.
    Window(Command),
}

/// Editors that open a window and do not need the terminal.
const WINDOWS: [&str; 22] = [
    "code",
    "code-insiders",
    "codium",
    "cursor",
    "windsurf",
    "zed",
    "zeditor",
    "subl",
    "sublime_text",
    "mate",
    "gedit",
    "gnome-text-editor",
    "kate",
    "gvim",
    "mvim",
    "idea",
    "goland",
    "pycharm",
    "webstorm",
    "rustrover",
    "clion",
    "xed",
];

impl Editor {
    /// `$VISUAL`, else `$EDITOR`, else `vi`, at this place of this file.
    ///
    /// # Errors
    /// The variable is no command line: why.
    pub fn at(file: &Path, place: &Place) -> Result<Editor, String> {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
        let (name, line) = match (variable("VISUAL"), variable("EDITOR")) {
            (Some(line), _) => ("VISUAL", line),
            (None, Some(line)) => ("EDITOR", line),
            (None, None) => ("EDITOR", "vi".to_owned()),
        };
        let words = shell_words::split(&line).map_err(|error| format!("`${name}` is no command line: {error}"))?;
        let Some((program, first)) = words.split_first() else { return Err(format!("`${name}` is empty")) };
        let kind = Path::new(program).file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut command = Command::new(program);
        command.args(first).args(arguments(&kind, file, place));
        Ok(if WINDOWS.contains(&kind.as_str()) { Editor::Window(command) } else { Editor::Terminal(command) })
    }
}

/// How this editor is told where to begin.
fn arguments(kind: &str, file: &Path, place: &Place) -> Vec<PathBuf> {
    let (line, column) = (place.line, place.column.unwrap_or(1));
    let with_place = || PathBuf::from(format!("{}:{line}:{column}", file.display()));
    match kind {
        "vim" | "nvim" | "gvim" | "mvim" => vec![format!("+call cursor({line},{column})").into(), file.into()],
        "nano" => vec![format!("+{line},{column}").into(), file.into()],
        "emacs" | "emacsclient" | "kak" => vec![format!("+{line}:{column}").into(), file.into()],
        "vi" | "nvi" | "joe" | "jed" | "mg" | "ne" | "gedit" | "xed" | "gnome-text-editor" => {
            vec![format!("+{line}").into(), file.into()]
        }
        "hx" | "helix" | "zed" | "zeditor" | "subl" | "sublime_text" | "micro" => vec![with_place()],
        "code" | "code-insiders" | "codium" | "cursor" | "windsurf" => vec!["--goto".into(), with_place()],
        "mate" => vec!["--line".into(), format!("{line}:{column}").into(), file.into()],
        "kate" => {
            vec!["--line".into(), line.to_string().into(), "--column".into(), column.to_string().into(), file.into()]
        }
        "idea" | "goland" | "pycharm" | "webstorm" | "rustrover" | "clion" => {
            vec!["--line".into(), line.to_string().into(), "--column".into(), column.to_string().into(), file.into()]
        }
        _ => vec![file.into()],
    }
}

/// Starts an editor in our terminal.
///
/// # Errors
/// It cannot be started.
pub fn start_here(mut command: Command) -> io::Result<Child> {
    command.spawn()
}

/// Starts what has a window of its own, apart from our terminal.
///
/// # Errors
/// It cannot be started.
pub fn start_apart(mut command: Command) -> io::Result<()> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    let mut child = command.spawn()?;
    // Only so that it leaves no zombie.
    std::thread::Builder::new().name("guest".to_owned()).spawn(move || child.wait())?;
    Ok(())
}

/// Opens an address in the browser: `$BROWSER`, or what the system has for that.
///
/// # Errors
/// There is none.
pub fn browse(url: &str) -> io::Result<()> {
    let usual = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let browser = std::env::var("BROWSER").ok().filter(|value| !value.trim().is_empty());
    let words = browser.and_then(|line| shell_words::split(&line).ok()).filter(|words| !words.is_empty());
    let words = words.unwrap_or_else(|| vec![usual.to_owned()]);
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).arg(url);
    start_apart(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_editor_is_told_the_place_in_its_own_way() {
        let place = Place { file: "a.go".into(), line: 12, column: Some(5), message: String::new() };
        let words = |kind: &str| {
            let words = arguments(kind, Path::new("/p/a.go"), &place);
            words.iter().map(|word| word.display().to_string()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(words("nvim"), "+call cursor(12,5) /p/a.go");
        assert_eq!(words("code"), "--goto /p/a.go:12:5");
        assert_eq!(words("nano"), "+12,5 /p/a.go");
        assert_eq!(words("hx"), "/p/a.go:12:5");
        assert_eq!(words("goland"), "--line 12 --column 5 /p/a.go");
        assert_eq!(words("my-editor"), "/p/a.go");
    }
}
