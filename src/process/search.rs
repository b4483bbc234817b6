//! Finding a program and becoming it, as a shell would; and, if that fails, saying why in words.

use std::{
    convert::Infallible,
    ffi::{CString, OsStr, OsString},
    io::{BufRead, BufReader, Read},
    os::unix::{ffi::OsStrExt, fs::PermissionsExt},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use nix::{errno::Errno, unistd::execve};

use super::wire::Stage;

/// Where a program is looked for if there is no PATH.
const USUAL_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// A program file that is still being written is tried again so often,
const STILL_WRITTEN: u32 = 100;
/// at this distance.
const A_MOMENT: Duration = Duration::from_millis(5);

/// Replaces this process by `program`, looked for in the PATH of `env` if its name has no slash. Comes back only if
/// that fails.
pub(super) fn exec(program: &OsStr, args: &[OsString], env: &[(OsString, OsString)]) -> Errno {
    let words = std::iter::once(program).chain(args.iter().map(OsString::as_os_str));
    let words: Result<Vec<CString>, Errno> = words.map(c_string).collect();
    let variables = env.iter().map(|(name, value)| {
        let mut both = name.clone();
        both.push("=");
        both.push(value);
        c_string(&both)
    });
    let (words, variables) = match (words, variables.collect::<Result<Vec<CString>, Errno>>()) {
        (Ok(words), Ok(variables)) => (words, variables),
        (Err(error), _) | (_, Err(error)) => return error,
    };
    let mut worst = Errno::ENOENT;
    for candidate in candidates(program, env) {
        let Ok(path) = c_string(candidate.as_os_str()) else { continue };
        match patiently(|| execve(&path, &words, &variables)) {
            Ok(never) => match never {},
            // There, but not executable, or its interpreter is missing: as a shell, go on, but remember it.
            Err(Errno::EACCES) => worst = Errno::EACCES,
            Err(Errno::ENOENT | Errno::ENOTDIR) => {}
            Err(error) => return error,
        }
    }
    worst
}

/// The file that `program` names on this path, if it is there and can be executed.
pub fn find_program(program: &OsStr, path: &OsStr, cwd: &Path) -> Option<PathBuf> {
    let env = [("PATH".into(), path.to_owned())];
    let found = candidates(program, &env).into_iter().map(|candidate| cwd.join(candidate));
    found.into_iter().find(|file| file.is_file() && is_executable(file))
}

fn c_string(text: &OsStr) -> Result<CString, Errno> {
    CString::new(text.as_bytes()).map_err(|_| Errno::EINVAL)
}

/// A fresh file may be open for writing for a moment longer, in some process that was just being forked.
fn patiently(mut execute: impl FnMut() -> nix::Result<Infallible>) -> nix::Result<Infallible> {
    for _ in 0..STILL_WRITTEN {
        match execute() {
            Err(Errno::ETXTBSY) => thread::sleep(A_MOMENT),
            other => return other,
        }
    }
    execute()
}

/// The files that `program` may name, in order; relative ones are relative to the program's working folder.
fn candidates(program: &OsStr, env: &[(OsString, OsString)]) -> Vec<PathBuf> {
    if program.as_bytes().contains(&b'/') {
        return vec![PathBuf::from(program)];
    }
    let path = env.iter().rev().find(|(name, _)| name == "PATH");
    let path = path.map_or(OsStr::new(USUAL_PATH), |(_, value)| value.as_os_str());
    path.as_bytes()
        .split(|byte| *byte == b':')
        .map(|folder| Path::new(OsStr::from_bytes(folder)).join(program))
        .collect()
}

/// What was to be started.
pub(super) struct Wanted<'a> {
    pub(super) program: &'a OsStr,
    pub(super) cwd: &'a Path,
    pub(super) env: &'a [(OsString, OsString)],
}

/// Why a program could not be started, from how far it came and the OS's error number.
pub(super) fn explain(wanted: &Wanted<'_>, stage: Stage, errno: i32) -> String {
    let errno = Errno::from_raw(errno);
    let name = wanted.program.to_string_lossy();
    match stage {
        Stage::Setup => format!("could not set `{name}` up: {}", errno.desc()),
        Stage::Folder => {
            let folder = wanted.cwd.display();
            match errno {
                Errno::ENOENT => format!("its working folder `{folder}` does not exist"),
                Errno::ENOTDIR => format!("its working folder `{folder}` is not a folder"),
                _ => format!("its working folder `{folder}` cannot be entered: {}", errno.desc()),
            }
        }
        Stage::Program => explain_exec(wanted, &name, errno),
    }
}

fn explain_exec(wanted: &Wanted<'_>, name: &str, errno: Errno) -> String {
    if name.is_empty() {
        return "the command is empty".to_owned();
    }
    let candidates = candidates(wanted.program, wanted.env).into_iter().map(|path| wanted.cwd.join(path));
    let found = candidates.filter(|path| path.is_file()).collect::<Vec<_>>();
    let has_slash = name.contains('/');
    match (errno, found.first()) {
        (Errno::ENOENT | Errno::ENOTDIR, None) if has_slash => format!("program `{name}` does not exist"),
        (Errno::ENOENT | Errno::ENOTDIR, None) => format!("program `{name}` not found in PATH"),
        (Errno::ENOENT | Errno::ENOTDIR, Some(file)) => match interpreter(file) {
            Some(line) => format!("the interpreter of `{name}` does not exist: its first line is `{line}`"),
            None => format!("`{name}` needs a loader that does not exist here: was it built for another system?"),
        },
        (Errno::EACCES, Some(file)) if !is_executable(file) => {
            format!("`{name}` is not executable; try `chmod +x {}`", file.display())
        }
        (Errno::EACCES, None) if wanted.cwd.join(wanted.program).is_dir() => format!("`{name}` is a folder"),
        (Errno::ENOEXEC, _) => format!("exec format error in `{name}`: is its `#!` line missing?"),
        (Errno::E2BIG, _) => format!("the arguments and variables of `{name}` are too long together"),
        (Errno::ETXTBSY, _) => format!("`{name}` is still being written"),
        _ => format!("could not execute `{name}`: {}", errno.desc()),
    }
}

/// The first line of a script, if it is one.
fn interpreter(file: &Path) -> Option<String> {
    let mut line = Vec::new();
    BufReader::new(std::fs::File::open(file).ok()?.take(256)).read_until(b'\n', &mut line).ok()?;
    line.starts_with(b"#!")
        .then(|| String::from_utf8_lossy(&line).escape_debug().to_string())
        .map(|line| line.trim_end_matches("\\n").to_owned())
}

fn is_executable(file: &Path) -> bool {
    file.metadata().is_ok_and(|about| about.permissions().mode() & 0o111 != 0)
}
