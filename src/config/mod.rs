//! dev.toml: what a person wrote becomes a checked `Plan`, or a list of all its problems.
