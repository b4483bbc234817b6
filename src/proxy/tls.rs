//! HTTPS on the proxy's port: the handshake with a client, with a certificate for the name that it asks for. Certificates
//! are made elsewhere.

use std::{fmt, io, sync::Arc};

use rustls::{
    ServerConfig,
    crypto::ring,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{
    host::{Allowed, is_allowed},
    settings::Certify,
    shared::Shared,
    speech::Speech,
    wire::ClientIo,
};

/// What clients may choose from (RFC 7301), the best first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Accepts clients of TLS.
#[derive(Clone)]
pub(super) struct Gatehouse(TlsAcceptor);

impl Gatehouse {
    /// With certificates from `certify`, for hosts that are answered.
    ///
    /// # Errors
    ///
    /// The protocols of TLS are not there, which cannot be.
    pub(super) fn new(certify: Certify, shared: Arc<Shared>) -> Result<Gatehouse, rustls::Error> {
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(ByName { certify, shared }));
        config.alpn_protocols = PROTOCOLS.iter().map(|name| name.to_vec()).collect();
        Ok(Gatehouse(TlsAcceptor::from(Arc::new(config))))
    }

    /// The handshake. What is spoken inside is what the client chose, and HTTP/1.1 if it does not choose.
    pub(super) async fn accept(&self, io: ClientIo) -> io::Result<(TlsStream<ClientIo>, Speech)> {
        let stream = self.0.accept(io).await?;
        let speech = match stream.get_ref().1.alpn_protocol() {
            Some(b"h2") => Speech::Http2,
            _ => Speech::Http1,
        };
        Ok((stream, speech))
    }
}

/// Chooses the certificate by the name that the client asks for (SNI, RFC 6066).
struct ByName {
    certify: Certify,
    shared: Arc<Shared>,
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().map(|name| name.trim_end_matches('.').to_ascii_lowercase());
        if let Some(name) = &name {
            let known = self.shared.known();
            if !is_allowed(name, Allowed { hosts: &known.hosts, reach: self.shared.reach }) {
                return None;
            }
        }
        (self.certify.0)(name.as_deref())
    }
}

impl fmt::Debug for ByName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ByName")
    }
}
