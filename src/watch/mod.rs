//! Files: what the OS says about them, which of it counts, and what is in them.
