//! What the operating system knows about processes and sockets. The only place with Linux-only reading of `/proc`;
//! elsewhere the answers are "not known", and every caller treats that as such.

mod clock;
mod processes;
mod sockets;

pub use self::{
    clock::{Clock, unix_time},
    processes::{command_line, descendants, open_for_writing, started_at},
    sockets::{Listener, listeners_on, listening, pid_of_peer},
};

pub use self::sockets::listeners_on_near;
