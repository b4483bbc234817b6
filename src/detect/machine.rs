//! What a reading may know about this machine.

use std::path::PathBuf;

use super::tree::{Machine, Taken};
use crate::sys;

impl Machine {
    /// This one, now.
    pub fn here() -> Machine {
        let environment = sys::environment();
        let path = environment.iter().find(|(name, _)| name == "PATH").map(|(_, value)| std::env::split_paths(value));
        let path: Vec<PathBuf> = path.into_iter().flatten().collect();
        let variables = environment.iter().filter_map(|(name, _)| name.to_str().map(str::to_owned)).collect();
        Machine { path, variables, taken, ..Machine::default() }
    }
}

fn taken(port: u16) -> Taken {
    if sys::listeners_on(port).is_empty() { Taken::Free } else { Taken::Taken }
}
