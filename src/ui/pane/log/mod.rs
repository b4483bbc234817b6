//! The pane's log: what programs and devloop have said, bounded, filtered and searched. It is text and numbers only;
//! `logview` beside it draws.

mod entry;
mod filter;
mod level;
mod search;
mod store;
mod structured;
mod trace;

pub(super) use self::{
    entry::{Entry, Source},
    filter::{Filter, Least},
    level::Level,
    search::Search,
    store::Store,
    structured::Record,
};
