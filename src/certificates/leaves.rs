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

    /// The certificate for this name; without one for localhost and the loopback addresses, because clients that connect to
    /// an address name nobody. None: the authority does not cover that name.
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
    use super::*;
    use crate::certificates::Places;

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
