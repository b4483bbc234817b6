//! What devloop adds to pages: a tag for a small script, and what that script is told. It decides nothing about swaps.
//!
//! `inject` says which answers get the tag, `csp` lets it pass the page's own rules, `decode` and `insert` put it in
//! while the page streams by, `page` is that as a body. `client.js` is the script; `assets` and `places` belong to what
//! it is told.

mod assets;
pub(super) mod attack;
mod console;
mod csp;
mod decode;
mod inject;
mod insert;
mod page;
mod places;

pub(super) use self::{
    assets::Assets,
    console::{Allowance, take as take_console},
    inject::{Asks, By, CLIENT, Opening, POLICIES, Served, fresh_nonce, inject, is_watched},
    page::Page,
    places::link,
};

/// What the tag loads. The same for every page and every project: it knows nothing by itself.
pub(super) const SCRIPT: &str = include_str!("client.js");
