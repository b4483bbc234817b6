//! Somebody at a terminal, with `devloop up` or `devloop attach` in it.

use std::{
    ops::{Deref, DerefMut},
    process::Command,
};

use crate::{
    support::Project,
    terminal::{Eyes, Terminal},
};

/// A terminal, what is on its screen, and the program that has it.
pub struct Seat(Terminal);

impl Seat {
    /// `devloop up` with these arguments in a project, on a terminal of this size.
    pub fn take(project: &Project, arguments: &[&str], columns: u16, rows: u16) -> Seat {
        let arguments: Vec<&str> = ["up", "--listen", "0"].into_iter().chain(arguments.iter().copied()).collect();
        Seat::take_with(project, &arguments, columns, rows)
    }

    /// `devloop` with these arguments, likewise.
    pub fn take_with(project: &Project, arguments: &[&str], columns: u16, rows: u16) -> Seat {
        Seat::of(project.command(arguments), project, columns, rows)
    }

    /// This program, in this project.
    pub fn of(mut program: Command, project: &Project, columns: u16, rows: u16) -> Seat {
        Seat(Terminal::with(program.current_dir(project.root()), Eyes::Open, columns, rows))
    }
}

impl Deref for Seat {
    type Target = Terminal;
    fn deref(&self) -> &Terminal {
        &self.0
    }
}

impl DerefMut for Seat {
    fn deref_mut(&mut self) -> &mut Terminal {
        &mut self.0
    }
}
