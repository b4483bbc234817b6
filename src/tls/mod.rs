//! TLS with the programs of services: whom to trust, the handshake, and what went wrong with it, in words. Which
//! program is spoken to, and when, is decided elsewhere.

mod trust;

use std::{fmt, io, sync::Arc};

use rustls::{AlertDescription, CertificateError, ClientConfig, crypto::ring, pki_types::ServerName};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

pub use self::trust::{Anybody, Roots, roots_in};
use crate::error::Problem;

/// A program whose certificate names nobody in particular is this machine.
const THIS_MACHINE: &str = "localhost";

/// How TLS with one program begins. Cheap to clone.
#[derive(Clone)]
pub struct Handshake {
    http1: Arc<ClientConfig>,
    http2: Arc<ClientConfig>,
    name: ServerName<'static>,
    /// The file with whom to trust, as it was written.
    ca: Option<Arc<str>>,
}

/// What is to be spoken inside (RFC 7301).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alpn {
    /// HTTP/1.1; a program that does not choose speaks it, too.
    Http1,
    /// HTTP/2; the program has to choose it.
    Http2,
}

/// Why there is no TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Its certificate is not good, or nothing in common was found.
    Refused {
        /// Why.
        why: String,
        /// What to do about it.
        hint: String,
    },
    /// It answers, but not in TLS.
    NotTls,
    /// It does not offer this.
    NotOffered(Alpn),
    /// The connection ended; how.
    Closed(String),
}

impl Handshake {
    /// With a program whose certificate has to be for `name` (none: for `localhost`). Reads files: may block.
    ///
    /// # Errors
    ///
    /// The file with whom to trust cannot be read or holds no certificate.
    pub fn new(roots: &Roots, name: Option<&str>) -> Result<Handshake, Problem> {
        let provider = Arc::new(ring::default_provider());
        let cannot = |error: rustls::Error| Problem::new("cannot speak TLS").caused_by(error);
        let verifier = trust::verifier(roots, &provider)?;
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder.map_err(cannot)?.dangerous().with_custom_certificate_verifier(verifier);
        let mut config = builder.with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let http1 = Arc::new(config.clone());
        config.alpn_protocols = vec![b"h2".to_vec()];
        let name = name.unwrap_or(THIS_MACHINE);
        let sound = ServerName::try_from(name.to_owned());
        let name =
            sound.map_err(|error| Problem::new(format!("`{name}` is not the name of a host")).caused_by(error))?;
        let ca = match roots {
            Roots::File { shown, .. } => Some(Arc::from(shown.as_str())),
            Roots::Machine(_) | Roots::Anybody => None,
        };
        Ok(Handshake { http1, http2: Arc::new(config), name, ca })
    }

    /// Shakes hands.
    ///
    /// # Errors
    ///
    /// There is no TLS, no trust, or not what is wanted inside of it.
    pub async fn shake(&self, stream: TcpStream, wanted: Alpn) -> Result<TlsStream<TcpStream>, Failure> {
        let config = match wanted {
            Alpn::Http1 => &self.http1,
            Alpn::Http2 => &self.http2,
        };
        let connecting = TlsConnector::from(Arc::clone(config)).connect(self.name.clone(), stream);
        let stream = connecting.await.map_err(|error| self.failure(&error, wanted))?;
        match (wanted, stream.get_ref().1.alpn_protocol()) {
            (Alpn::Http1, _) | (Alpn::Http2, Some(b"h2")) => Ok(stream),
            (Alpn::Http2, _) => Err(Failure::NotOffered(Alpn::Http2)),
        }
    }

    fn failure(&self, error: &io::Error, wanted: Alpn) -> Failure {
        let cause = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        match cause {
            Some(rustls::Error::InvalidCertificate(error)) => self.distrust(error),
            Some(rustls::Error::InvalidMessage(_)) => Failure::NotTls,
            Some(rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol)) => Failure::NotOffered(wanted),
            Some(error @ (rustls::Error::PeerIncompatible(_) | rustls::Error::AlertReceived(_))) => {
                Failure::Refused { why: error.to_string(), hint: "devloop speaks TLS 1.2 and 1.3".to_owned() }
            }
            Some(error) => Failure::Closed(error.to_string()),
            None => Failure::Closed(error.to_string()),
        }
    }

    fn distrust(&self, error: &CertificateError) -> Failure {
        let (why, hint) = match error {
            CertificateError::NotValidForNameContext { presented, .. } => self.not_named(presented),
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                ("its certificate has expired".to_owned(), "make a new one".to_owned())
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                ("its certificate is not valid yet".to_owned(), "is the clock of this machine right?".to_owned())
            }
            error if trust::is_unknown(error) => self.not_signed(),
            error => (
                format!("its certificate is not good: {error}"),
                "make another one; `tls = { insecure = true }` takes any".to_owned(),
            ),
        };
        Failure::Refused { why, hint }
    }

    fn not_signed(&self) -> (String, String) {
        match &self.ca {
            None => (
                "its certificate is signed by nobody that this machine trusts".to_owned(),
                "name who signed it, or the certificate itself: `tls = { ca = \"cert.pem\" }`; \
                 `tls = { insecure = true }` checks nothing"
                    .to_owned(),
            ),
            Some(ca) => (
                format!("its certificate is not signed by what is in `{ca}`"),
                "`ca` is the certificate of whoever signed it, or the certificate itself".to_owned(),
            ),
        }
    }

    fn not_named(&self, presented: &[String]) -> (String, String) {
        let wanted = self.name.to_str();
        let names: Vec<&str> = presented.iter().map(|name| inside(name)).collect();
        match names.first() {
            None => (
                "its certificate is for no host at all: it has no `subjectAltName`".to_owned(),
                format!("make one for `{wanted}`"),
            ),
            Some(first) => (
                format!("its certificate is for `{}`, not for `{wanted}`", names.join("`, `")),
                format!("name it: `tls = {{ server_name = \"{}\" }}`", first.replace('*', "www")),
            ),
        }
    }
}

/// The name in `DnsName("app.test")`.
fn inside(presented: &str) -> &str {
    let inner = presented.split_once('(').map_or(presented, |(_, rest)| rest.trim_end_matches(')'));
    inner.trim_matches('"')
}

impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handshake").field("name", &self.name).field("ca", &self.ca).finish_non_exhaustive()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Refused { why, .. } => f.write_str(why),
            Failure::NotTls => f.write_str("it does not speak TLS"),
            Failure::NotOffered(Alpn::Http1) => f.write_str("it does not offer `http/1.1` in TLS (ALPN)"),
            Failure::NotOffered(Alpn::Http2) => f.write_str("it does not offer `h2` in TLS (ALPN)"),
            Failure::Closed(how) => write!(f, "TLS did not begin: {how}"),
        }
    }
}

impl std::error::Error for Failure {}
