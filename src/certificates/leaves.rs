//! Certificates for single names, made when they are asked for: seven days long, renewed a day before their end.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose, SanType,
    date_time_ymd,
};
use rustls::{
    crypto::ring::sign::any_supported_type,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    sign::CertifiedKey,
};

use super::authority::Authority;
use crate::sys::unix_time;

const DAY: Duration = Duration::from_secs(24 * 3600);
const LIFE: Duration = DAY.saturating_mul(7);
/// So many names are kept; somebody who asks for more is playing.
const MOST: usize = 256;

/// All certificates of one authority.
#[derive(Debug)]
pub struct Leaves {
    authority: Authority,
    made: Mutex<HashMap<String, Leaf>>,
}

#[derive(Clone, Debug)]
struct Leaf {
    key: Arc<CertifiedKey>,
    /// Since 1970.
    ends: Duration,
}

impl Leaves {
    /// None yet.
    pub fn of(authority: Authority) -> Leaves {
        Leaves { authority, made: Mutex::default() }
    }

    /// The authority.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The certificate for this name; without one for localhost and the loopback addresses, because clients that
    /// connect to an address name nobody. None: the authority does not cover that name.
    pub fn certificate(&self, name: Option<&str>) -> Option<Arc<CertifiedKey>> {
        let asked = name.unwrap_or_default();
        if !asked.is_empty() && !self.authority.covers(asked) {
            return None;
        }
        let now = unix_time();
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(leaf) = made.get(asked)
            && leaf.ends > now + DAY
        {
            return Some(Arc::clone(&leaf.key));
        }
        if made.len() >= MOST {
            made.clear();
        }
        let leaf = self.make(asked, now)?;
        made.insert(asked.to_owned(), leaf.clone());
        Some(leaf.key)
    }

    fn make(&self, name: &str, now: Duration) -> Option<Leaf> {
        let mut params = CertificateParams::default();
        params.subject_alt_names = match name {
            "" => vec![
                SanType::DnsName("localhost".try_into().ok()?),
                SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)),
                SanType::IpAddress(IpAddr::V6(Ipv6Addr::LOCALHOST)),
            ],
            name => vec![SanType::DnsName(name.try_into().ok()?)],
        };
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "devloop development certificate");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let zero = date_time_ymd(1970, 1, 1);
        // Clocks of phones and virtual machines differ.
        (params.not_before, params.not_after) = (zero + (now - DAY), zero + now + LIFE);
        let key = KeyPair::generate().ok()?;
        let certificate = params.signed_by(&key, self.authority.issuer()).ok()?;
        let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let key = CertifiedKey::new(vec![certificate.der().clone()], any_supported_type(&private).ok()?);
        Some(Leaf { key: Arc::new(key), ends: now + LIFE })
    }
}

#[cfg(test)]
mod tests {
    use rustls::{
        RootCertStore,
        client::{WebPkiServerVerifier, danger::ServerCertVerifier},
        pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
    };

    use super::*;
    use crate::certificates::Places;

    /// Whether somebody who trusts only this authority believes that a server with these certificates is `name`.
    fn is_believed(file: &std::path::Path, chain: &[CertificateDer<'_>], name: &str, at: Duration) -> bool {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(file).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        verifier.verify_server_cert(&chain[0], &chain[1..], &name, &[], UnixTime::since_unix_epoch(at)).is_ok()
    }

    #[test]
    fn whoever_trusts_our_authority_believes_it_for_seven_days_and_for_this_machine_only() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().to_owned();
        let places = Places { own: home.join("own"), mkcert: home.join("mkcert"), home };
        let leaves = Leaves::of(Authority::find_or_make(&places).unwrap());
        let (now, file) = (unix_time(), places.own.join("ca.pem"));
        let signed = |name: &str| leaves.make(name, now).unwrap().key;
        for name in ["localhost", "api.localhost", "shop.test"] {
            let leaf = signed(name);
            for (days, is_good) in [(0, true), (6, true), (8, false)] {
                assert_eq!(is_believed(&file, &leaf.cert, name, now + days * DAY), is_good, "{name} after {days} days");
            }
            assert!(!is_believed(&file, &leaf.cert, "other.test", now), "{name}");
        }
        for address in ["127.0.0.1", "::1"] {
            assert!(is_believed(&file, &signed("").cert, address, now), "{address}");
        }
        // Whoever has stolen its key signs what he likes, and is not believed.
        for name in ["example.com", "localhost.example.com", "notlocalhost"] {
            assert!(!is_believed(&file, &signed(name).cert, name, now), "{name}");
        }
        // No second authority below it: `cA` and a `pathLenConstraint` of 0 (RFC 5280, section 4.2.1.9), since this
        // verifier asks that of no authority that is trusted.
        let ours = CertificateDer::from_pem_file(&file).unwrap();
        let alone = [0x55, 0x1d, 0x13, 0x01, 0x01, 0xff, 0x04, 0x08, 0x30, 0x06, 0x01, 0x01, 0xff, 0x02, 0x01, 0x00];
        assert!(ours.windows(alone.len()).any(|bytes| bytes == alone));
    }

    #[test]
    fn each_name_has_a_certificate_of_its_own_that_is_made_once() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().to_owned();
        let places = Places { own: home.join("own"), mkcert: home.join("mkcert"), home };
        let leaves = Leaves::of(Authority::find_or_make(&places).unwrap());
        let first = leaves.certificate(Some("app.localhost")).unwrap();
        assert!(Arc::ptr_eq(&first, &leaves.certificate(Some("app.localhost")).unwrap()));
        assert!(!Arc::ptr_eq(&first, &leaves.certificate(Some("api.localhost")).unwrap()));
        assert!(leaves.certificate(None).is_some());
        assert!(leaves.certificate(Some("example.com")).is_none());
        // One that is about to end is made anew.
        leaves.made.lock().unwrap().get_mut("app.localhost").unwrap().ends = unix_time();
        assert!(!Arc::ptr_eq(&first, &leaves.certificate(Some("app.localhost")).unwrap()));
    }
}
