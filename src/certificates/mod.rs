//! HTTPS on this machine: an authority that signs, certificates for single names, and the places that trust the
//! authority. It never makes anybody trust anything unless it is asked to.
//!
//! `places` says where things lie, `authority` finds or makes the authority, `leaves` signs, `trust` plans what
//! `devloop trust` does and does it.

mod authority;
mod leaves;
mod places;
mod trust;

pub use self::{
    authority::{Authority, Maker},
    leaves::Leaves,
    places::Places,
    trust::{Act, Report, Rights, System, Wanted, plan, run},
};
