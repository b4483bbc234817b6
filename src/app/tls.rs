//! TLS as the plan has it: whom the programs of services have to be, for whoever speaks to them.

use std::path::{Path, PathBuf};

use crate::{
    certificates::Places,
    error::Problem,
    model::on_disk,
    plan::{Service, Trust},
    sys,
    tls::{Handshake, Roots},
};

/// How TLS with the program of a service begins, if it speaks that.
///
/// # Errors
///
/// Whom to trust stands in a file that cannot be read.
pub(super) async fn handshake(root: &Path, service: &Service) -> Result<Option<Handshake>, Problem> {
    let Some(tls) = &service.tls else { return Ok(None) };
    let roots = match &tls.trust {
        Trust::Machine => Roots::Machine(authorities()),
        Trust::File(file) => Roots::File { path: on_disk(root, file), shown: file.display().to_string() },
        Trust::Anybody => Roots::Anybody,
    };
    let name = tls.server_name.clone();
    let made = tokio::task::spawn_blocking(move || Handshake::new(&roots, name.as_deref())).await;
    made.unwrap_or_else(|error| Err(Problem::new("cannot speak TLS").caused_by(error))).map(Some)
}

/// devloop's own authority and mkcert's, which need not be in the system's store.
fn authorities() -> Vec<PathBuf> {
    let places = Places::of(&sys::environment());
    places.map_or_else(Vec::new, |places| vec![places.own.join("ca.pem"), places.mkcert.join("rootCA.pem")])
}
