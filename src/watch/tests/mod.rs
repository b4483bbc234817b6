//! The watcher attacked from inside the crate, with plans of its own.
