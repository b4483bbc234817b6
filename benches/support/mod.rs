//! What the benchmarks have in common.

pub mod by_hand;
pub mod client;
pub mod devloop;
pub mod load;
pub mod peers;
pub mod process;
pub mod program;
pub mod project;
pub mod screen;
pub mod stats;
pub mod table;

use std::{path::PathBuf, time::Duration};

/// Nothing takes this long; who waits so long gives up with a message.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// A number from the environment: how many rounds, edits, swaps.
pub fn number(variable: &str, default: usize) -> usize {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Numbers from the environment, with commas between them.
pub fn numbers(variable: &str, default: &[usize]) -> Vec<usize> {
    let given = std::env::var(variable).ok();
    given.map_or_else(|| default.to_vec(), |text| text.split(',').filter_map(|word| word.trim().parse().ok()).collect())
}

/// A program of this name, if it is installed.
pub fn installed(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let found = std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file());
    if found.is_none() {
        println!("({name} is not installed)");
    }
    found
}

/// Milliseconds.
pub fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
