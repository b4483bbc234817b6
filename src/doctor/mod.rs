//! What costs people days although nothing is wrong with their code: looks at a project and the machine around it, and
//! says what it has found. `look` is the only part that touches anything; each check is a judgement of what it saw.
//! Nothing is changed but by `mend`, which runs the command of a finding.

mod finding;
mod look;
mod scene;

mod alpn;
mod clock;
mod go_cgo;
mod go_plugin;
mod go_proxy;
mod go_vendor;
mod go_version;
mod health_path;
mod inotify;
mod localhost;
mod ports;
mod versions;

pub use self::{
    finding::{Check, Finding, Fix, Place, Weight},
    look::{Project, look, mend},
    scene::{
        Answer, Compiler, GoMod, Holder, Inotify, Module, Named, Package, Program, Replaced, Required, Scene, Spoken,
        Text, Whose, Work,
    },
};

/// Everything that is to be said about what was seen, in the order of `Check::ALL`.
pub fn examine(scene: &Scene) -> Vec<Finding> {
    let judge = |check| match check {
        Check::GoProxy => go_proxy::check(scene),
        Check::GoVersion => go_version::check(scene),
        Check::GoVendor => go_vendor::check(scene),
        Check::GoPlugin => go_plugin::check(scene),
        Check::Cgo => go_cgo::check(scene),
        Check::Versions => versions::check(scene),
        Check::Alpn => alpn::check(scene),
        Check::Inotify => inotify::check(scene),
        Check::Port => ports::check(scene),
        Check::Localhost => localhost::check(scene),
        Check::Clock => clock::check(scene),
        Check::HealthPath => health_path::check(scene),
    };
    Check::ALL.into_iter().flat_map(judge).collect()
}
