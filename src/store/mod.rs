//! The `.devloop` folder: artifacts by key, remembered state, the lock, the log.
