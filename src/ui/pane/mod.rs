//! The pane on the terminal: the status above, the log below. It decides nothing about the project: it shows what it is
//! told, and says what a person asks for.
//!
//! Reading order: `view` (everything that is seen), `picture` (the view as cells: a pure function) with its `parts`,
//! `doing` and `overlay`; `log`, `logview` and `row` (the log: what is kept, where one looks, what a line looks like);
//! `act`, `command` and `fuzzy` (keys and what they ask for); `theme`. What touches the world: `screen`, `input` and
//! its `keys` (the terminal), `window` (what it shows around the pane), `keeper` (the terminal after `kill -9`),
//! `guest` (editors and browsers).

mod view;

mod doing;
mod overlay;
mod parts;
mod picture;
mod press;

mod log;
mod logview;
mod row;

mod act;
mod command;
mod fuzzy;

mod theme;

mod guest;
mod input;
mod keeper;
mod keys;
mod screen;
mod window;

pub use self::{
    act::{Ask, Mouse, Steer},
    doing::Pace,
    guest::{Editor, browse, start_apart, start_here},
    input::{Input, Typed},
    keeper::maybe_keep,
    picture::{Spots, draw},
    screen::{Screen, theme, window},
    theme::{Signs, Theme},
    view::{Load, News, Seat, View},
    window::Window,
};

#[cfg(test)]
mod tests;
