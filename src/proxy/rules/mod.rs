//! What is decided about a request and its answer on their way, by what dev.toml says: one noun a file, and pure. What is
//! decided is done elsewhere (`passage`).

pub(super) mod redirect;
