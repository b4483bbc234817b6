//! HTTP/2 in front of the proxy and behind it, and gRPC through swaps: real sockets, real frames.
#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests are outside the house")]

#[path = "../proxy_support/mod.rs"]
mod proxy_support;

mod behind;
mod calls;
mod front;
#[path = "../support/have.rs"]
mod have;
mod raw;
mod real;
mod support;
