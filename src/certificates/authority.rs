//! The authority that signs certificates on this machine: mkcert's if there is one, else devloop's own, which is only
//! good for names of this machine.
#![expect(clippy::disallowed_methods, reason = "the door to the files of the authority")]

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType, GeneralSubtree, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, NameConstraints, date_time_ymd,
};

use super::places::Places;
use crate::{error::Problem, sys::unix_time};

/// As long as a computer lasts.
const LIFE: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Whose authority it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maker {
    /// mkcert's: it signs for every name, and mkcert manages who trusts it.
    Mkcert,
    /// devloop's own: it is limited to localhost, .test and loopback addresses.
    Own,
    /// The same, made just now.
    New,
}

/// An authority.
pub struct Authority {
    /// Whose.
    pub maker: Maker,
    /// Its certificate, as a file.
    pub file: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").field("maker", &self.maker).field("file", &self.file).finish_non_exhaustive()
    }
}

impl Authority {
    /// The one that is there.
    ///
    /// # Errors
    ///
    /// Its files cannot be read or are damaged.
    pub fn find(places: &Places) -> Result<Option<Authority>, Problem> {
        let mkcert = (places.mkcert.join("rootCA.pem"), places.mkcert.join("rootCA-key.pem"));
        // Without its key (a machine that only trusts it) it cannot sign.
        if mkcert.0.is_file() && mkcert.1.is_file() {
            return read(Maker::Mkcert, mkcert.0, &mkcert.1).map(Some);
        }
        let own = own_files(places);
        if own.0.is_file() { read(Maker::Own, own.0, &own.1).map(Some) } else { Ok(None) }
    }

    /// The one that is there, or a new one of devloop's own.
    ///
    /// # Errors
    ///
    /// As `find`; or the files cannot be written.
    pub fn find_or_make(places: &Places) -> Result<Authority, Problem> {
        match Authority::find(places)? {
            Some(found) => Ok(found),
            None => make(places),
        }
    }

    /// What signs.
    pub(super) fn issuer(&self) -> &Issuer<'static, KeyPair> {
        &self.issuer
    }

    /// Whether what it signs for this name will be accepted.
    pub fn covers(&self, name: &str) -> bool {
        let below = |top: &str| name == top || name.strip_suffix(top).is_some_and(|rest| rest.ends_with('.'));
        match (self.maker, name.parse::<IpAddr>()) {
            (Maker::Mkcert, _) => true,
            (Maker::Own | Maker::New, Ok(ip)) => ip.is_loopback(),
            (Maker::Own | Maker::New, Err(_)) => below("localhost") || below("test"),
        }
    }
}

fn own_files(places: &Places) -> (PathBuf, PathBuf) {
    (places.own.join("ca.pem"), places.own.join("ca-key.pem"))
}

fn read(maker: Maker, file: PathBuf, key: &Path) -> Result<Authority, Problem> {
    let text = |path: &Path| {
        fs::read_to_string(path)
            .map_err(|error| Problem::new(format!("cannot read `{}`", path.display())).caused_by(error))
    };
    let damaged = |path: &Path, error: rcgen::Error| {
        let problem = Problem::new(format!("`{}` is not what a certificate authority needs", path.display()));
        let hint = match maker {
            Maker::Mkcert => "it belongs to mkcert; `CAROOT` names another folder",
            Maker::Own | Maker::New => "`devloop untrust`, delete it and its key, and `devloop trust` makes a new one",
        };
        problem.caused_by(error).hint(hint)
    };
    let pair = KeyPair::from_pem(&text(key)?).map_err(|error| damaged(key, error))?;
    let issuer = Issuer::from_ca_cert_pem(&text(&file)?, pair).map_err(|error| damaged(&file, error))?;
    Ok(Authority { maker, file, issuer })
}

fn make(places: &Places) -> Result<Authority, Problem> {
    let (file, key_file) = own_files(places);
    let cannot = |error: rcgen::Error| Problem::new("cannot make a certificate authority").caused_by(error);
    let key = KeyPair::generate().map_err(cannot)?;
    let params = params();
    let certificate = params.self_signed(&key).map_err(cannot)?;
    let write = || -> io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&places.own)?;
        // The key first: a certificate without one would look like an authority.
        put(&key_file, &key.serialize_pem())?;
        put(&file, &certificate.pem())
    };
    write().map_err(|error| Problem::new(format!("cannot write to `{}`", places.own.display())).caused_by(error))?;
    Ok(Authority { maker: Maker::New, file, issuer: Issuer::new(params, key) })
}

/// Limited as far as a certificate can say: whoever steals the key can pretend to be localhost, and nobody else.
fn params() -> CertificateParams {
    let mut params = CertificateParams::default();
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, "devloop");
    // Another one for every authority, so that stores can tell them apart.
    name.push(DnType::CommonName, format!("devloop development authority {:x}", unix_time().as_secs()));
    params.distinguished_name = name;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let v4 = CidrSubnet::from_addr_prefix(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)), 8);
    let v6 = CidrSubnet::from_addr_prefix(IpAddr::V6(Ipv6Addr::LOCALHOST), 128);
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: vec![
            GeneralSubtree::DnsName("localhost".to_owned()),
            GeneralSubtree::DnsName("test".to_owned()),
            GeneralSubtree::IpAddress(v4),
            GeneralSubtree::IpAddress(v6),
        ],
        excluded_subtrees: Vec::new(),
    });
    let now = date_time_ymd(1970, 1, 1) + unix_time();
    (params.not_before, params.not_after) = (now - DAY, now + LIFE);
    params
}

/// Whole or not at all, and nobody else can read it.
fn put(path: &Path, text: &str) -> io::Result<()> {
    let draft = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&draft, path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn places(folder: &Path) -> Places {
        Places { own: folder.join("data/devloop"), mkcert: folder.join("mkcert"), home: folder.to_owned() }
    }

    #[test]
    fn an_authority_is_made_once_and_only_its_owner_can_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let places = places(folder.path());
        assert!(Authority::find(&places).unwrap().is_none());
        assert_eq!(Authority::find_or_make(&places).unwrap().maker, Maker::New);
        let before = fs::read(places.own.join("ca.pem")).unwrap();
        assert_eq!(Authority::find_or_make(&places).unwrap().maker, Maker::Own);
        assert_eq!(fs::read(places.own.join("ca.pem")).unwrap(), before);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&places.own), 0o700);
        assert_eq!((mode(&places.own.join("ca.pem")), mode(&places.own.join("ca-key.pem"))), (0o600, 0o600));
    }

    #[test]
    fn mkcerts_authority_is_used_if_it_can_sign() {
        let folder = tempfile::tempdir().unwrap();
        let places = places(folder.path());
        let made = make(&places).unwrap();
        fs::create_dir_all(&places.mkcert).unwrap();
        fs::copy(&made.file, places.mkcert.join("rootCA.pem")).unwrap();
        assert_eq!(Authority::find_or_make(&places).unwrap().maker, Maker::Own);
        fs::copy(places.own.join("ca-key.pem"), places.mkcert.join("rootCA-key.pem")).unwrap();
        let found = Authority::find_or_make(&places).unwrap();
        assert_eq!((found.maker, &found.file), (Maker::Mkcert, &places.mkcert.join("rootCA.pem")));
        assert!(found.covers("app.example.com") && found.covers("192.168.1.7"));
    }

    #[test]
    fn a_damaged_authority_is_said_and_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let places = places(folder.path());
        make(&places).unwrap();
        fs::write(places.own.join("ca.pem"), "nothing").unwrap();
        let problem = Authority::find_or_make(&places).unwrap_err();
        assert!(problem.message.contains("ca.pem"), "{problem:?}");
        assert_eq!(fs::read_to_string(places.own.join("ca.pem")).unwrap(), "nothing");
    }

    #[test]
    fn our_own_authority_covers_this_machine_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let own = make(&places(folder.path())).unwrap();
        for name in ["localhost", "a.b.localhost", "app.test", "127.0.0.1", "127.1.2.3", "::1"] {
            assert!(own.covers(name), "{name}");
        }
        for name in ["example.com", "evillocalhost", "localhost.evil.com", "latest", "192.168.1.7", "::2"] {
            assert!(!own.covers(name), "{name}");
        }
    }
}
