//! Places and reasons out of what programs print.
