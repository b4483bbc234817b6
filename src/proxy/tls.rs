//! HTTPS on the proxy's port: the handshake with a client, with a certificate for the name that it asks for, and what a
//! client's own certificate tells the program (RFC 9440). Certificates are made elsewhere.

use std::{fmt, io, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use hyper::{
    HeaderMap,
    header::{HeaderName, HeaderValue},
};
use rustls::{
    RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::CertificateDer,
    server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier},
    sign::CertifiedKey,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{
    host::{Allowed, Reach, is_allowed},
    settings::{Certify, Clients},
    speech::Speech,
    wire::ClientIo,
};
use crate::{error::Problem, plan::Demand};

/// What clients may choose from (RFC 7301), the best first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Accepts clients of TLS. Cheap to clone.
#[derive(Clone)]
pub struct Https {
    acceptor: TlsAcceptor,
    fields: Option<Fields>,
}

/// The fields in which a program is told who its client is.
#[derive(Clone, Debug)]
pub(super) struct Fields {
    certificate: HeaderName,
    chain: HeaderName,
}

/// Who a client has shown to be.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    fields: Fields,
    certificate: HeaderValue,
    /// Those that vouch for it, if it has brought any.
    chain: Option<HeaderValue>,
}

impl Https {
    /// With certificates from `certify`, for loopback names and `hosts`; `clients`: what is asked of clients.
    ///
    /// # Errors
    ///
    /// There is nobody who could have signed certificates of clients.
    pub fn new(certify: Certify, hosts: &[String], clients: Option<Clients>) -> Result<Https, Problem> {
        let cannot = |error: &dyn fmt::Display| Problem::new("cannot speak HTTPS").caused_by(error);
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
        let builder = builder.map_err(|error| cannot(&error))?;
        let (builder, fields) = match clients {
            None => (builder.with_no_client_auth(), None),
            Some(Clients { roots, demand, header }) => {
                let fields =
                    Fields::new(header).ok_or_else(|| Problem::new("the field for certificates has no name"))?;
                let roots: Arc<RootCertStore> = roots;
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider);
                let verifier = match demand {
                    Demand::Optional => verifier.allow_unauthenticated(),
                    Demand::Required => verifier,
                };
                let verifier = verifier.build().map_err(|error| cannot(&error))?;
                (builder.with_client_cert_verifier(verifier), Some(fields))
            }
        };
        let mut config = builder.with_cert_resolver(Arc::new(ByName { certify, hosts: hosts.to_vec() }));
        config.alpn_protocols = PROTOCOLS.iter().map(|name| name.to_vec()).collect();
        Ok(Https { acceptor: TlsAcceptor::from(Arc::new(config)), fields })
    }

    /// The handshake. What is spoken inside is what the client chose, and HTTP/1.1 if it does not choose.
    pub(super) async fn accept(&self, io: ClientIo) -> io::Result<(TlsStream<ClientIo>, Speech, Option<Shown>)> {
        let stream = self.acceptor.accept(io).await?;
        let connection = stream.get_ref().1;
        let speech = match connection.alpn_protocol() {
            Some(b"h2") => Speech::Http2,
            _ => Speech::Http1,
        };
        let shown = self.fields.as_ref().zip(connection.peer_certificates());
        let shown = shown.and_then(|(fields, certificates)| Shown::new(fields.clone(), certificates));
        Ok((stream, speech, shown))
    }

    /// The fields that only devloop may set.
    pub(super) fn fields(&self) -> Option<&Fields> {
        self.fields.as_ref()
    }
}

impl Fields {
    fn new(name: HeaderName) -> Option<Fields> {
        let chain = HeaderName::from_bytes(format!("{name}-chain").as_bytes()).ok()?;
        Some(Fields { certificate: name, chain })
    }

    /// Takes away what a client says about itself, also in the spelling that some programs take for the same (CGI and
    /// its heirs make `_` of `-`).
    pub(super) fn strip(&self, headers: &mut HeaderMap) {
        let plain = |name: &HeaderName| name.as_str().replace('_', "-");
        let ours = [plain(&self.certificate), plain(&self.chain)];
        let forged: Vec<HeaderName> = headers.keys().filter(|name| ours.contains(&plain(name))).cloned().collect();
        forged.iter().for_each(|name| drop(headers.remove(name)));
    }
}

impl Shown {
    fn new(fields: Fields, certificates: &[CertificateDer<'_>]) -> Option<Shown> {
        let (first, rest) = certificates.split_first()?;
        let certificate = HeaderValue::from_str(&bytes_item(first)).ok()?;
        let chain: Vec<String> = rest.iter().map(|certificate| bytes_item(certificate)).collect();
        let chain = (!chain.is_empty()).then(|| HeaderValue::from_str(&chain.join(", ")).ok()).flatten();
        Some(Shown { fields, certificate, chain })
    }

    /// Tells the program.
    pub(super) fn tell(&self, headers: &mut HeaderMap) {
        headers.insert(self.fields.certificate.clone(), self.certificate.clone());
        if let Some(chain) = &self.chain {
            headers.insert(self.fields.chain.clone(), chain.clone());
        }
    }
}

/// Bytes as structured fields write them (RFC 8941 section 3.3.5).
fn bytes_item(bytes: &[u8]) -> String {
    format!(":{}:", STANDARD.encode(bytes))
}

/// Chooses the certificate by the name that the client asks for (SNI, RFC 6066).
struct ByName {
    certify: Certify,
    hosts: Vec<String>,
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().map(|name| name.trim_end_matches('.').to_ascii_lowercase());
        // Addresses are never named here.
        let allowed = Allowed { hosts: &self.hosts, reach: Reach::Loopback };
        if name.as_deref().is_some_and(|name| !is_allowed(name, allowed)) {
            return None;
        }
        (self.certify.0)(name.as_deref())
    }
}

impl fmt::Debug for ByName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ByName")
    }
}

impl fmt::Debug for Https {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Https").field("fields", &self.fields).finish_non_exhaustive()
    }
}
