//! What go and cargo say that a build reads.
