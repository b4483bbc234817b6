//! What is known of a request from the moment it came to its answer.

use std::{sync::Arc, time::Duration};

use hyper::{Version, http::request::Parts, upgrade::OnUpgrade};

use super::{
    body::Upload,
    browser::Asks,
    client::{Client, Sight},
    headers::{Local, Upgrade, is_grpc},
    records::Trail,
    rules::Fields,
    speech::Speech,
};
use crate::model::Time;

/// A request on its way.
pub(super) struct Journey {
    /// Its head, fit for the program.
    pub(super) head: Parts,
    /// What it came in.
    pub(super) came_in: Version,
    /// Its body.
    pub(super) upload: Upload,
    /// What it wants to become, and the client's side of that.
    pub(super) upgrade: (Upgrade, Option<OnUpgrade>),
    /// How the client named this machine.
    pub(super) local: Local,
    /// What the program gets for `Host`.
    pub(super) naming: Naming,
    /// Who sent it.
    pub(super) client: Arc<Client>,
    /// Whether its answer may be a page for devloop's tag.
    pub(super) asks: Asks,
    /// The policies that dev.toml sets for its answer.
    pub(super) policies: Option<Arc<Fields>>,
    /// A person looks at an empty page, who is shown another one after this time at the gate.
    pub(super) patience: Option<Duration>,
    /// The newest change of assets when it came.
    pub(super) assets: u64,
    /// When it came.
    pub(super) came: Time,
    /// How long it then waited until it was let in for the first time.
    pub(super) held: Option<Duration>,
    /// What it leaves behind.
    pub(super) trail: Trail,
}

/// What stands in `Host`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Naming {
    /// What is in the head.
    AsItIs,
    /// The address of the instance.
    Instance,
}

impl Journey {
    /// Whether this is a gRPC call: only HTTP/2 can bring its status back.
    pub(super) fn is_call(&self) -> bool {
        self.came_in == Version::HTTP_2 && self.upgrade.0 == Upgrade::None && is_grpc(&self.head.headers)
    }

    /// In HTTP/1.1 an end may stand behind a body that is not read yet; the frames of HTTP/2 are always read.
    pub(super) fn sight(&self) -> Sight {
        match self.client.speech {
            Speech::Http1 if self.upload.hides_the_end() => Sight::Blocked,
            Speech::Http1 | Speech::Http2 => Sight::Clear,
        }
    }
}
