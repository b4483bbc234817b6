//! The control socket: how people's other terminals and programs look at a running devloop and steer it.
//!
//! One JSON object a line, versioned, on a unix socket that only its owner can open (docs/control.md). `place` says
//! where it is, `ask` what may be asked, `chronicle` what is remembered of this session, `story` what that tells about
//! one revision, `server` answers (`connection`, and `attach` for a pane), `client` asks, `attached` reads what such a
//! pane is told. What is done about a wish is decided elsewhere: the room hands it on.

mod ask;
mod attach;
mod attached;
mod chronicle;
mod client;
mod connection;
mod place;
mod server;
mod story;

pub use self::{
    ask::{Ask, AttachAsk, Done, Format, LogsAsk, Refused, Request, Until, VERSION, WaitAsk},
    attached::{Hello, Piece},
    chronicle::{Chronicle, Entry, What},
    client::{Client, Next, Silence},
    place::{Place, find},
    server::{About, Count, Feeds, Moment, Render, Server, Stage, Wish},
};
