//! What people and programs see of a running devloop: one line per fact and per line of output, as text or as JSON.

mod json;
pub mod pane;
mod printer;
mod sanitize;
mod stamp;
mod wording;

pub use self::{
    printer::{Format, Printer, Reader},
    sanitize::sanitize,
    stamp::Stamp,
    wording::{Said, Tone, say},
};

#[cfg(test)]
mod tests;
