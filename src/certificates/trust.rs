//! `devloop trust` and `untrust`: which stores there are, which commands change them, and running those. Every command
//! is said before it is run, and none is run that was not asked for.
#![expect(clippy::disallowed_methods, reason = "the door to the tools that change what this machine trusts")]

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
};

/// What our certificate is called in stores.
const NAME: &str = "devloop development authority";

/// What is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// That the stores trust the authority.
    Trust,
    /// That they do not know it.
    Untrust,
}

/// One command and what it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Act {
    /// The store, as a person knows it.
    pub store: String,
    /// The command and its arguments.
    pub words: Vec<OsString>,
    /// What is not there is nothing that could not be removed.
    may_fail: bool,
}

/// Everything that is to be done, and what cannot be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// In this order.
    pub acts: Vec<Act>,
    /// What a person has to do himself, and why.
    pub notes: Vec<String>,
}

/// What the machine is like, as far as it matters here.
#[derive(Clone, Debug)]
pub struct System {
    /// The person's home.
    pub home: PathBuf,
    /// Where programs are looked for.
    pub path: Vec<PathBuf>,
    /// Whether this is root.
    pub rights: Rights,
    /// `/`; another one in tests.
    pub root: PathBuf,
}

/// Whether the system's store may be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rights {
    /// By this process.
    Root,
    /// With `sudo`, which asks.
    Sudo,
}

/// The system's store of one family of Linux: its folder, and what is run after a change.
const STORES: [(&str, &[&str]); 4] = [
    ("usr/local/share/ca-certificates", &["update-ca-certificates"]),
    ("etc/pki/ca-trust/source/anchors", &["update-ca-trust", "extract"]),
    ("etc/ca-certificates/trust-source/anchors", &["trust", "extract-compat"]),
    ("usr/share/pki/trust/anchors", &["update-ca-certificates"]),
];

/// Where Chromium and Firefox keep what they trust: below the home, the database itself or the folder of profiles.
const DATABASES: [&str; 2] = [".pki/nssdb", "snap/chromium/current/.pki/nssdb"];
const PROFILES: [&str; 5] = [
    ".mozilla/firefox",
    ".config/mozilla/firefox",
    "snap/firefox/common/.mozilla/firefox",
    ".var/app/org.mozilla.firefox/.mozilla/firefox",
    "Library/Application Support/Firefox/Profiles",
];

/// What is to be done so that the stores of this machine trust `certificate`, or do not know it any more. Only looks.
pub fn plan(system: &System, certificate: &Path, wanted: Wanted) -> Report {
    let mut report = Report::default();
    of_system(&mut report, system, certificate, wanted);
    of_browsers(&mut report, system, certificate, wanted);
    report
}

fn of_system(report: &mut Report, system: &System, certificate: &Path, wanted: Wanted) {
    let store = "the system's store".to_owned();
    if cfg!(target_os = "macos") {
        let keychain = "/Library/Keychains/System.keychain";
        let words: &[&str] = match wanted {
            Wanted::Trust => &["security", "add-trusted-cert", "-d", "-r", "trustRoot", "-k", keychain],
            Wanted::Untrust => &["security", "remove-trusted-cert", "-d"],
        };
        let mut act = act(system, store, words, wanted);
        act.words.push(certificate.into());
        return report.acts.push(act);
    }
    let found = STORES.iter().find(|(folder, update)| {
        system.root.join(folder).is_dir() && update.first().is_some_and(|tool| system.has(tool))
    });
    let Some((folder, update)) = found else {
        return report.notes.push("no store of the system was found that devloop knows how to change".to_owned());
    };
    let target = system.root.join(folder).join("devloop.crt");
    let mut change = match wanted {
        Wanted::Trust => act(system, store.clone(), &["install", "-m", "644"], wanted),
        Wanted::Untrust if target.exists() => act(system, store.clone(), &["rm"], wanted),
        Wanted::Untrust => return,
    };
    if wanted == Wanted::Trust {
        change.words.push(certificate.into());
    }
    change.words.push(target.into());
    report.acts.push(change);
    report.acts.push(act(system, store, update, Wanted::Trust));
}

/// A command that needs the rights of root.
fn act(system: &System, store: String, words: &[&str], wanted: Wanted) -> Act {
    let before: &[&str] = match system.rights {
        Rights::Root => &[],
        Rights::Sudo => &["sudo"],
    };
    let words = before.iter().chain(words).map(OsString::from).collect();
    Act { store, words, may_fail: wanted == Wanted::Untrust }
}

fn of_browsers(report: &mut Report, system: &System, certificate: &Path, wanted: Wanted) {
    let databases = databases(system);
    if databases.is_empty() {
        return report.notes.push("neither Chromium nor Firefox has a store of its own here yet".to_owned());
    }
    if !system.has("certutil") {
        let package = "`libnss3-tools` (Debian, Ubuntu), `nss-tools` (Fedora) or `nss` (Arch, Homebrew)";
        return report.notes.push(format!("the stores of the browsers need `certutil`: install {package}"));
    }
    for (browser, folder) in databases {
        let mut place = OsString::from("sql:");
        place.push(&folder);
        let mut words: Vec<OsString> = vec!["certutil".into(), "-d".into(), place];
        match wanted {
            Wanted::Trust => {
                words.extend(["-A", "-t", "C,,", "-n", NAME, "-i"].map(OsString::from));
                words.push(certificate.into());
            }
            Wanted::Untrust => words.extend(["-D", "-n", NAME].map(OsString::from)),
        }
        let store = format!("{browser}'s store in {}", folder.display());
        report.acts.push(Act { store, words, may_fail: wanted == Wanted::Untrust });
    }
}

/// The databases that are there; none is made.
fn databases(system: &System) -> Vec<(&'static str, PathBuf)> {
    let has_database = |folder: &PathBuf| folder.join("cert9.db").is_file();
    let chromium = DATABASES.iter().map(|folder| system.home.join(folder)).filter(has_database);
    let mut found: Vec<_> = chromium.map(|folder| ("Chromium", folder)).collect();
    for profiles in PROFILES {
        let Ok(entries) = std::fs::read_dir(system.home.join(profiles)) else { continue };
        let mut folders: Vec<PathBuf> =
            entries.filter_map(Result::ok).map(|entry| entry.path()).filter(has_database).collect();
        folders.sort();
        found.extend(folders.into_iter().map(|folder| ("Firefox", folder)));
    }
    found
}

impl System {
    /// What only root needs is often not where a person's programs are looked for.
    fn has(&self, program: &str) -> bool {
        let of_root = ["usr/sbin", "sbin", "usr/local/sbin"].map(|folder| self.root.join(folder));
        self.path.iter().chain(&of_root).any(|folder| folder.join(program).is_file())
    }
}

impl Act {
    /// As one would type it.
    pub fn shown(&self) -> String {
        let words: Vec<_> = self.words.iter().map(|word| word.to_string_lossy()).collect();
        shell_words::join(words)
    }
}

/// Runs one command; it may ask on the terminal. What went wrong, if anything did.
pub fn run(act: &Act) -> Result<(), String> {
    let Some((program, arguments)) = act.words.split_first() else { return Ok(()) };
    let ended = Command::new(program).args(arguments).status();
    match ended {
        Ok(status) if status.success() || act.may_fail => Ok(()),
        Ok(status) => Err(format!("{status}")),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A home with one database of each kind, and a Debian.
    fn machine(rights: Rights) -> (tempfile::TempDir, System) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_owned();
        let home = root.join("home");
        for database in [".pki/nssdb", ".mozilla/firefox/abc.default"] {
            fs::create_dir_all(home.join(database)).unwrap();
            fs::write(home.join(database).join("cert9.db"), "").unwrap();
        }
        fs::create_dir_all(home.join(".mozilla/firefox/Crash Reports")).unwrap();
        fs::create_dir_all(root.join("usr/local/share/ca-certificates")).unwrap();
        fs::create_dir_all(root.join("bin")).unwrap();
        for tool in ["certutil", "update-ca-certificates"] {
            fs::write(root.join("bin").join(tool), "").unwrap();
        }
        (folder, System { home, path: vec![root.join("bin")], rights, root })
    }

    fn shown(folder: &tempfile::TempDir, report: &Report) -> Vec<String> {
        let root = folder.path().to_str().unwrap();
        report.acts.iter().map(|act| act.shown().replace(root, "")).collect()
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn all_stores_of_the_machine_and_of_the_browsers_are_told() {
        let (folder, system) = machine(Rights::Sudo);
        let report = plan(&system, Path::new("/ca.pem"), Wanted::Trust);
        assert_eq!(report.notes, Vec::<String>::new());
        assert_eq!(
            shown(&folder, &report),
            [
                "sudo install -m 644 /ca.pem /usr/local/share/ca-certificates/devloop.crt",
                "sudo update-ca-certificates",
                "certutil -d sql:/home/.pki/nssdb -A -t C,, -n 'devloop development authority' -i /ca.pem",
                "certutil -d sql:/home/.mozilla/firefox/abc.default -A -t C,, -n 'devloop development authority' -i \
                 /ca.pem",
            ]
        );
        // What was never put there is not taken away.
        let report = plan(&system, Path::new("/ca.pem"), Wanted::Untrust);
        assert_eq!(
            shown(&folder, &report)[0],
            "certutil -d sql:/home/.pki/nssdb -D -n 'devloop development authority'"
        );
        fs::write(folder.path().join("usr/local/share/ca-certificates/devloop.crt"), "").unwrap();
        let report = plan(&System { rights: Rights::Root, ..system }, Path::new("/ca.pem"), Wanted::Untrust);
        let first = &shown(&folder, &report)[..2];
        assert_eq!(first, ["rm /usr/local/share/ca-certificates/devloop.crt", "update-ca-certificates"]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_is_missing_is_said() {
        let (folder, system) = machine(Rights::Root);
        fs::remove_file(folder.path().join("bin/certutil")).unwrap();
        fs::remove_file(folder.path().join("bin/update-ca-certificates")).unwrap();
        let report = plan(&system, Path::new("/ca.pem"), Wanted::Trust);
        assert_eq!(report.acts, []);
        assert!(report.notes[0].contains("no store of the system"), "{report:?}");
        assert!(report.notes[1].contains("libnss3-tools"), "{report:?}");
    }

    #[test]
    fn what_fails_is_said_unless_it_was_only_to_be_removed() {
        let act = |may_fail| Act { store: "x".into(), words: vec!["false".into()], may_fail };
        assert!(run(&act(false)).is_err());
        assert_eq!(run(&act(true)), Ok(()));
    }
}
