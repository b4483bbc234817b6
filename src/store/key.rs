//! The key of an artifact: everything that made it. What is not in here must not change what a step makes, or the step
//! says `cache = false`.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fs,
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::{Path, PathBuf},
};

use xxhash_rust::xxh3::Xxh3;

use crate::{
    model::{Artifact, Digest, FilePath, on_disk},
    plan::Resolved,
};

/// What makes an artifact.
#[derive(Clone, Copy, Debug)]
pub struct Ingredients<'a> {
    /// The project's root.
    pub root: &'a Path,
    /// The command with its artifacts' names still in braces (`{out}`, `{build}`): the same words in every run.
    pub command: &'a Resolved,
    /// Where it runs; absolute.
    pub cwd: &'a Path,
    /// The step's `env`.
    pub env: &'a BTreeMap<String, String>,
    /// The step's `env_files`; their content counts.
    pub env_files: &'a [FilePath],
    /// devloop's own environment; only what matters to builds counts: see `environment_that_matters`.
    pub environment: &'a [(OsString, OsString)],
    /// What the step reads: see `inputs_digest`.
    pub inputs: Digest,
    /// The artifacts its command names; their content counts.
    pub artifacts: &'a [Artifact],
}

/// The key: equal for equal ingredients, whatever their order.
pub fn key(of: &Ingredients<'_>) -> Digest {
    let mut hash = Hash(Xxh3::new());
    hash.part("command", of.command.program.as_bytes());
    of.command.args.iter().for_each(|arg| hash.part("arg", arg.as_bytes()));
    hash.part("cwd", of.cwd.as_os_str().as_bytes());
    for (name, value) in of.env {
        hash.part("env", name.as_bytes());
        hash.part("value", value.as_bytes());
    }
    for file in of.env_files {
        hash.part("env file", file.as_os_str().as_bytes());
        match fs::read(on_disk(of.root, file)) {
            Ok(content) => hash.part("content", &content),
            Err(_) => hash.part("missing", b""),
        }
    }
    let named = |name: &OsStr| matters(name) || is_named_in(name, of.command);
    let mut environment: Vec<_> = of.environment.iter().filter(|(name, _)| named(name)).collect();
    environment.sort();
    for (name, value) in environment {
        hash.part("os", name.as_bytes());
        hash.part("value", value.as_bytes());
    }
    program(of, &mut hash);
    hash.part("inputs", &of.inputs.0.to_le_bytes());
    let mut artifacts: Vec<_> = of.artifacts.iter().map(|artifact| (&artifact.step, artifact.digest)).collect();
    artifacts.sort();
    for (step, digest) in artifacts {
        hash.part("artifact", step.as_bytes());
        hash.part("digest", &digest.0.to_le_bytes());
    }
    Digest(hash.0.digest128())
}

/// One digest for all files a step reads; none as content means that a file is not there. Any order.
pub fn inputs_digest<'a>(files: impl IntoIterator<Item = (&'a Path, Option<Digest>)>) -> Digest {
    let mut files: Vec<_> = files.into_iter().collect();
    files.sort();
    let mut hash = Hash(Xxh3::new());
    for (path, content) in files {
        hash.part("file", path.as_os_str().as_bytes());
        match content {
            Some(digest) => hash.part("content", &digest.0.to_le_bytes()),
            None => hash.part("missing", b""),
        }
    }
    Digest(hash.0.digest128())
}

/// Variables of the OS environment that change what builds make: these, and all that begin with one of
/// `BUILD_PREFIXES`. Variables that a script names (`$VERSION`) count too.
const BUILD_NAMES: &str = "PATH HOME LANG LC_ALL TZ SOURCE_DATE_EPOCH CC CXX CPP AR AS LD NM RANLIB STRIP CFLAGS CXXFLAGS \
    CPPFLAGS LDFLAGS FFLAGS MAKEFLAGS CPATH LIBRARY_PATH C_INCLUDE_PATH CPLUS_INCLUDE_PATH LD_LIBRARY_PATH SDKROOT \
    DEVELOPER_DIR MACOSX_DEPLOYMENT_TARGET VIRTUAL_ENV CONDA_PREFIX PROFILE TARGET ENV APP_ENV RAILS_ENV MIX_ENV";

const BUILD_PREFIXES: [&str; 19] = [
    "GO",
    "CGO_",
    "CARGO",
    "RUST",
    "CC_",
    "CXX_",
    "CFLAGS_",
    "NODE_",
    "NPM_CONFIG_",
    "npm_config_",
    "PYTHON",
    "JAVA_",
    "GRADLE_",
    "MAVEN_",
    "PKG_CONFIG",
    "VITE_",
    "NEXT_PUBLIC_",
    "REACT_APP_",
    "PROTOC",
];

/// Whether a variable of the OS environment belongs to every key.
pub fn environment_that_matters(name: &OsStr) -> bool {
    matters(name)
}

fn matters(name: &OsStr) -> bool {
    let Some(name) = name.to_str() else { return false };
    BUILD_NAMES.split_whitespace().any(|known| known == name)
        || BUILD_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Whether a script in the command reads this variable.
fn is_named_in(name: &OsStr, command: &Resolved) -> bool {
    let Some(name) = name.to_str().filter(|name| !name.is_empty()) else { return false };
    let begins = |rest: &str| {
        let rest = rest.strip_prefix('{').unwrap_or(rest);
        let after = rest.strip_prefix(name).map(|after| after.chars().next());
        after.is_some_and(|next| !next.is_some_and(|next| next == '_' || next.is_ascii_alphanumeric()))
    };
    command.args.iter().any(|arg| arg.to_string_lossy().split('$').skip(1).any(begins))
}

/// The program's real file, size and time: an update of the compiler is a change; and the files in a person's home that
/// choose what it does. A program that is not found adds nothing; the run will fail and keep nothing.
fn program(of: &Ingredients<'_>, hash: &mut Hash) {
    let Some(real) = find(of).and_then(|found| fs::canonicalize(found).ok()) else { return };
    let settings = settings(of, &real);
    for file in std::iter::once(real).chain(settings) {
        let Ok(info) = fs::metadata(&file) else { continue };
        hash.part("program", file.as_os_str().as_bytes());
        hash.part("size", &info.len().to_le_bytes());
        hash.part("time", &info.mtime().to_le_bytes());
        hash.part("and", &info.mtime_nsec().to_le_bytes());
    }
}

/// Where go keeps `go env -w`, and where rustup, which stands in for cargo and rustc, keeps which toolchain is meant
/// and which version of it is there. Other stand-ins (pyenv, asdf, nvm) are only known by themselves.
fn settings(of: &Ingredients<'_>, real: &Path) -> Vec<PathBuf> {
    let variable =
        |wanted: &str| of.environment.iter().find(|(name, _)| name == wanted).map(|(_, value)| PathBuf::from(value));
    let home = variable("HOME").unwrap_or_default();
    match real.file_name().and_then(OsStr::to_str) {
        Some("go") => {
            let config = variable("XDG_CONFIG_HOME").unwrap_or_else(|| home.join(".config"));
            vec![config.join("go/env"), home.join("Library/Application Support/go/env")]
        }
        Some("rustup") => {
            let rustup = variable("RUSTUP_HOME").unwrap_or_else(|| home.join(".rustup"));
            let versions = fs::read_dir(rustup.join("update-hashes")).into_iter().flatten().flatten();
            let mut files: Vec<PathBuf> = versions.map(|version| version.path()).collect();
            files.sort();
            files.push(rustup.join("settings.toml"));
            files
        }
        _ => Vec::new(),
    }
}

fn find(of: &Ingredients<'_>) -> Option<PathBuf> {
    let program = Path::new(&of.command.program);
    if program.as_os_str().as_bytes().contains(&b'/') {
        return Some(of.cwd.join(program));
    }
    let own = of.env.get("PATH").map(OsString::from);
    let path =
        own.or_else(|| of.environment.iter().find(|(name, _)| name == "PATH").map(|(_, value)| value.clone()))?;
    let folders = path.as_bytes().split(|byte| *byte == b':').map(|folder| of.cwd.join(OsStr::from_bytes(folder)));
    folders.map(|folder| folder.join(program)).find(|file| is_program(file))
}

fn is_program(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|info| info.is_file() && info.mode() & 0o111 != 0)
}

struct Hash(Xxh3);

impl Hash {
    /// With its kind and length, so that no two lists of parts read the same.
    fn part(&mut self, kind: &str, content: &[u8]) {
        self.0.update(kind.as_bytes());
        self.0.update(&[0]);
        self.0.update(&(content.len() as u64).to_le_bytes());
        self.0.update(content);
    }
}
