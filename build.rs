//! Which commit is this? Told to `devloop --version` by `DEVLOOP_BUILT`. Never fails: what is not known is left out.
//!
//! `DEVLOOP_COMMIT` and `DEVLOOP_DATE` say it for those who build packages (or `SOURCE_DATE_EPOCH` the date); else it
//! is read from what cargo puts into a published package, or from .git. Only in release builds: a debug build would be
//! made anew after every commit.

#![expect(clippy::disallowed_methods, reason = "the door to what cargo tells its build script")]

use std::{
    env, fs,
    path::{Path, PathBuf},
};

fn main() {
    for name in ["DEVLOOP_COMMIT", "DEVLOOP_DATE", "SOURCE_DATE_EPOCH"] {
        println!("cargo::rerun-if-env-changed={name}");
    }
    println!("cargo::rerun-if-changed=build.rs");
    let is_release = env::var("PROFILE").is_ok_and(|profile| profile == "release");
    let known = if is_release { published().or_else(from_git) } else { None };
    let (commit, date) = known.unwrap_or_default();
    let commit = variable("DEVLOOP_COMMIT").unwrap_or(commit);
    let epoch = variable("SOURCE_DATE_EPOCH").and_then(|seconds| day(seconds.trim().parse().ok()?));
    let date = variable("DEVLOOP_DATE").or(epoch).unwrap_or(date);
    let short: String = commit.chars().take(9).collect();
    let words: Vec<&str> = [&*short, &*date].into_iter().filter(|word| !word.is_empty()).collect();
    let built = if words.is_empty() { String::new() } else { format!(" ({})", words.join(" ")) };
    println!("cargo::rustc-env=DEVLOOP_BUILT={built}");
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty() && !value.contains(['\n', '\r']))
}

/// `cargo publish` leaves the commit in the package.
fn published() -> Option<(String, String)> {
    let text = fs::read_to_string(".cargo_vcs_info.json").ok()?;
    let after = text.split("\"sha1\"").nth(1)?;
    Some((after.split('"').nth(1)?.to_owned(), String::new()))
}

/// The commit that is checked out, and the day on which that was last changed here.
fn from_git() -> Option<(String, String)> {
    let folder = git_folder()?;
    let head = watched(&folder.join("HEAD"))?;
    let commit = match head.trim().strip_prefix("ref: ") {
        None => head.trim().to_owned(),
        Some(name) => {
            // In a worktree, branches lie in the folder that it shares with others.
            let shared = fs::read_to_string(folder.join("commondir")).map(|shared| folder.join(shared.trim()));
            let shared = shared.unwrap_or_else(|_| folder.clone());
            let packed = || {
                let text = watched(&shared.join("packed-refs"))?;
                let line = text.lines().find(|line| line.ends_with(&format!(" {name}")))?.to_owned();
                Some(line.split(' ').next()?.to_owned())
            };
            watched(&shared.join(name)).map(|commit| commit.trim().to_owned()).or_else(packed)?
        }
    };
    let log = fs::read_to_string(folder.join("logs/HEAD")).unwrap_or_default();
    let seconds = log.lines().last().and_then(|line| line.split('\t').next()?.rsplit(' ').nth(1)?.parse().ok());
    Some((commit, seconds.and_then(day).unwrap_or_default()))
}

fn git_folder() -> Option<PathBuf> {
    let git = Path::new(".git");
    if git.is_dir() {
        return Some(git.to_path_buf());
    }
    let text = fs::read_to_string(git).ok()?;
    Some(PathBuf::from(text.strip_prefix("gitdir: ")?.trim()))
}

/// Reads a file, and asks to be run again when it changes.
fn watched(file: &Path) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    println!("cargo::rerun-if-changed={}", file.display());
    Some(text)
}

/// Seconds since 1970 as a day: `2026-11-26` (Howard Hinnant, "chrono-compatible low-level date algorithms").
fn day(seconds: i64) -> Option<String> {
    let days = seconds.div_euclid(86_400).checked_add(719_468)?;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    Some(format!("{year:04}-{month:02}-{day:02}"))
}
