//! Who has to show a certificate, and who believes it: programs that speak HTTPS, and clients of the proxy.

use crate::model::FilePath;

/// `tls` of a service: its program speaks HTTPS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// Whose certificates are good.
    pub trust: Trust,
    /// The name that its certificate has to be for; none: `localhost`.
    pub server_name: Option<String>,
}

/// Whose certificates are good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Those that this machine trusts, devloop's own authority and mkcert's among them.
    Machine,
    /// Those that the authorities in this file have signed, or that stand in it themselves.
    File(FilePath),
    /// All.
    Anybody,
}

/// `client_certs`: what clients of the proxy are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCerts {
    /// The file with the authorities that sign them.
    pub ca: FilePath,
    /// What becomes of clients without one.
    pub demand: Demand,
    /// The field in which programs get them; lower case.
    pub header: String,
}

/// What becomes of clients without a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Demand {
    /// They are let in.
    Optional,
    /// They are not.
    Required,
}
