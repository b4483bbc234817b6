//! What the operating system knows about processes and sockets. The only place with Linux-only reading of `/proc`;
//! elsewhere the answers are "not known", and every caller treats that as such.

mod clock;
#[cfg(target_os = "linux")]
mod diag;
mod environment;
mod inotify;
mod open_files;
mod processes;
mod sockets;

pub use self::{
    clock::{Clock, unix_time},
    environment::environment,
    inotify::{Inotify, inotify},
    open_files::{lower_open_files, open_files_before, raise_open_files},
    processes::{
        all_processes, command_line, descendants, is_traced, is_zombie, open_for_writing, parent, resident_memory,
        started_at, variable_of,
    },
    sockets::{Listener, have_left, listeners_on, listening, pid_of_peer, pids_of_peers},
};

pub use self::sockets::listeners_on_near;
