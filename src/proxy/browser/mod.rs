//! What devloop adds to pages: a tag for a small script, and what that script is told. It decides nothing about swaps.
//!
//! `inject` says which answers get the tag, `csp` lets it pass the page's own rules, `decode` and `insert` put it in while
//! the page streams by, `page` is that as a body. `client.js` is the script.

mod csp;
mod decode;
mod inject;
mod insert;
mod page;

pub(super) use self::{
    inject::{Asks, CLIENT, Opening, Served, fresh_nonce, inject, origin},
    page::Page,
};

/// What the tag loads. The same for every page and every project: it knows nothing by itself.
pub(super) const SCRIPT: &str = include_str!("client.js");
