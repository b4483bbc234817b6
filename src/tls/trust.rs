//! Who is believed to be who he says. What is done with the answer is decided elsewhere.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use rustls::{
    CertificateError, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::CryptoProvider,
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};

use crate::error::Problem;

/// Whom to trust.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Roots {
    /// Whom this machine trusts, and the authorities in these files, where they are there.
    Machine(Vec<PathBuf>),
    /// The authorities in this file, and certificates that stand in it themselves.
    File {
        /// Where it is.
        path: PathBuf,
        /// As it was written.
        shown: String,
    },
    /// Everybody.
    Anybody,
}

/// What checks certificates.
pub(super) fn verifier(roots: &Roots, provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, Problem> {
    let (store, exact) = match roots {
        Roots::Anybody => return Ok(Arc::new(Anybody::new(Arc::clone(provider)))),
        Roots::Machine(files) => {
            let mut store = RootCertStore::clone(of_this_machine());
            let more = files.iter().filter_map(|file| read(file, &file.display().to_string()).ok()).flatten();
            store.add_parsable_certificates(more);
            (store, Vec::new())
        }
        Roots::File { path, shown } => {
            let exact = read(path, shown)?;
            let mut store = RootCertStore::empty();
            store.add_parsable_certificates(exact.iter().cloned());
            (store, exact)
        }
    };
    // Without anybody to trust there is no verifier: then nobody is trusted.
    let signed = WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(provider)).build().ok();
    Ok(Arc::new(Known { exact, signed, checks: Anybody::new(Arc::clone(provider)) }))
}

/// The authorities in a file of PEM. May block.
///
/// # Errors
///
/// It cannot be read, or holds no certificate.
pub fn roots_in(path: &Path, shown: &str) -> Result<RootCertStore, Problem> {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(read(path, shown)?);
    if store.is_empty() {
        return Err(empty(shown));
    }
    Ok(store)
}

fn read(path: &Path, shown: &str) -> Result<Vec<CertificateDer<'static>>, Problem> {
    let text = std::fs::read(path);
    let text = text.map_err(|error| Problem::new(format!("cannot read `{shown}`")).caused_by(error))?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) | Err(_) => Err(empty(shown)),
    }
}

fn empty(shown: &str) -> Problem {
    Problem::new(format!("`{shown}` holds no certificate"))
        .hint("it has to be PEM, which begins with `-----BEGIN CERTIFICATE-----`")
}

/// Read once: they do not change while devloop runs.
fn of_this_machine() -> &'static RootCertStore {
    static ROOTS: OnceLock<RootCertStore> = OnceLock::new();
    ROOTS.get_or_init(|| {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        store
    })
}

/// Whether an error says that nobody known has signed. A certificate that has signed itself and calls itself an
/// authority is refused with words of its own, and so is one whose authority has only the name of one that is known: an
/// older one of its.
pub(super) fn is_unknown(error: &CertificateError) -> bool {
    match error {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => true,
        CertificateError::Other(other) => other.to_string().contains("CaUsedAsEndEntity"),
        _ => false,
    }
}

/// Believes certificates that stand in the file themselves (whatever they are for: who writes them there means them),
/// and those that its authorities have signed.
#[derive(Debug)]
struct Known {
    exact: Vec<CertificateDer<'static>>,
    signed: Option<Arc<WebPkiServerVerifier>>,
    checks: Anybody,
}

impl ServerCertVerifier for Known {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if self.exact.iter().any(|known| **known == **end_entity) {
            return Ok(ServerCertVerified::assertion());
        }
        match &self.signed {
            Some(signed) => signed.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now),
            None => Err(CertificateError::UnknownIssuer.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.checks.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.checks.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.checks.supported_verify_schemes()
    }
}

/// Believes every certificate of whoever has its key.
#[derive(Debug)]
pub struct Anybody(Arc<CryptoProvider>);

impl Anybody {
    /// With these algorithms.
    pub fn new(provider: Arc<CryptoProvider>) -> Anybody {
        Anybody(provider)
    }
}

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
