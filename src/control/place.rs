//! Where the socket is, and that nobody else can get at it.
//!
//! `$XDG_RUNTIME_DIR/devloop/NAME-HASH.sock`, else below the folder for temporary files: paths of sockets are short, so
//! it cannot be in the project. The project's `.devloop/control` says where it is, so that whoever looks for it needs
//! to know nothing else.
#![expect(clippy::disallowed_methods, reason = "the door to the socket's folder and to .devloop/control")]

use std::{
    ffi::OsString,
    fs,
    os::unix::{
        ffi::OsStrExt,
        fs::{DirBuilderExt, MetadataExt, PermissionsExt},
        net::UnixStream,
    },
    path::{Path, PathBuf},
};

use crate::error::Problem;

/// The file in `.devloop` that holds the socket's path.
const POINTER: &str = "control";
/// The folder in a project's root.
const FOLDER: &str = ".devloop";
/// Longest path of a socket that every system takes (macOS: 104 with the end).
const LONGEST: usize = 100;
/// So much of the project's name is in the socket's.
const NAME: usize = 24;

/// Where the socket of one project is. Removed when it is dropped.
#[derive(Debug)]
pub struct Place {
    socket: PathBuf,
    pointer: PathBuf,
}

impl Place {
    /// The place for the project with this name and root, in the first of these folders that will do. What a devloop
    /// that is dead has left there is removed.
    ///
    /// # Errors
    /// No folder will do, or another process answers there.
    pub(super) fn prepare(root: &Path, name: &str, os_env: &[(OsString, OsString)]) -> Result<Place, Problem> {
        let file = file_name(root, name);
        let mut why = Vec::new();
        for folder in folders(os_env) {
            let socket = folder.join(&file);
            if socket.as_os_str().len() > LONGEST {
                why.push(format!("`{}` is too long for a socket's path", socket.display()));
                continue;
            }
            match make_private(&folder).and_then(|()| clear(&socket)) {
                Ok(()) => return Ok(Place { socket, pointer: root.join(FOLDER).join(POINTER) }),
                Err(problem) => why.push(problem),
            }
        }
        Err(why.into_iter().fold(Problem::new("there is no place for the control socket"), Problem::caused_by))
    }

    /// The socket's path.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// The socket is there: nobody else may open it, and the project says where it is.
    pub(super) fn publish(&self) -> std::io::Result<()> {
        fs::set_permissions(&self.socket, fs::Permissions::from_mode(0o600))?;
        fs::write(&self.pointer, self.socket.as_os_str().as_bytes())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Another devloop would have replaced both, but only after we let go of the project's lock.
        _ = fs::remove_file(&self.pointer);
        _ = fs::remove_file(&self.socket);
    }
}

/// The socket of the project that `folder` lies in: the nearest folder above, or `folder` itself, whose `.devloop`
/// names one. Not above `top`, if there is one.
pub fn find(folder: &Path, top: Option<&Path>) -> Option<(PathBuf, PathBuf)> {
    for root in folder.ancestors() {
        if let Ok(text) = fs::read(root.join(FOLDER).join(POINTER)) {
            return Some((root.to_owned(), PathBuf::from(std::ffi::OsStr::from_bytes(&text))));
        }
        if top == Some(root) {
            break;
        }
    }
    None
}

/// A readable name, and what tells projects of the same name apart.
fn file_name(root: &Path, name: &str) -> String {
    let hash = xxhash_rust::xxh3::xxh3_64(root.as_os_str().as_bytes());
    let plain = |letter: char| if letter.is_ascii_alphanumeric() || letter == '-' { letter } else { '_' };
    let name: String = name.chars().take(NAME).map(plain).collect();
    format!("{name}-{hash:016x}.sock")
}

fn folders(os_env: &[(OsString, OsString)]) -> Vec<PathBuf> {
    let variable = |wanted: &str| {
        let found = os_env.iter().find(|(name, _)| name == wanted).map(|(_, value)| PathBuf::from(value));
        found.filter(|path| path.is_absolute())
    };
    let own = format!("devloop-{}", nix::unistd::getuid());
    let runtime = variable("XDG_RUNTIME_DIR").map(|folder| folder.join("devloop"));
    let temporary = variable("TMPDIR").map(|folder| folder.join(&own));
    runtime.into_iter().chain(temporary).chain([Path::new("/tmp").join(own)]).collect()
}

/// Makes the folder, which nobody else may enter. One that is not ours is not used.
fn make_private(folder: &Path) -> Result<(), String> {
    let said = |error: std::io::Error| format!("`{}` cannot be made: {error}", folder.display());
    match fs::DirBuilder::new().mode(0o700).create(folder) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(said(error)),
    }
    // Not through a link: somebody else may have put it there.
    let known = fs::symlink_metadata(folder).map_err(said)?;
    if !known.is_dir() || known.uid() != nix::unistd::getuid().as_raw() {
        return Err(format!("`{}` is not a folder of ours", folder.display()));
    }
    if known.mode() & 0o077 != 0 {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).map_err(said)?;
    }
    Ok(())
}

/// Removes what a dead devloop has left.
fn clear(socket: &Path) -> Result<(), String> {
    if UnixStream::connect(socket).is_ok() {
        return Err(format!("another process answers on `{}`", socket.display()));
    }
    match fs::remove_file(socket) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(format!("`{}` cannot be removed: {error}", socket.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    fn env(folder: &Path) -> Vec<(OsString, OsString)> {
        vec![("XDG_RUNTIME_DIR".into(), folder.into()), ("TMPDIR".into(), folder.join("tmp").into())]
    }

    /// A folder with a short path.
    fn runtime() -> tempfile::TempDir {
        tempfile::Builder::new().prefix("dl").tempdir_in("/tmp").expect("a temporary folder")
    }

    fn project(folder: &Path, name: &str) -> PathBuf {
        let root = folder.join(name);
        fs::create_dir_all(root.join(FOLDER)).expect("folders can be made");
        root
    }

    #[test]
    fn two_projects_of_the_same_name_have_two_sockets() {
        let folder = runtime();
        let (a, b) = (project(folder.path(), "a"), project(folder.path(), "b"));
        let place = |root: &Path| Place::prepare(root, "shop", &env(folder.path())).expect("a place");
        assert_ne!(place(&a).socket(), place(&b).socket());
        assert_eq!(place(&a).socket(), place(&a).socket());
        assert_eq!(place(&a).socket().parent(), Some(&*folder.path().join("devloop")));
    }

    #[test]
    fn the_folder_is_private_and_the_project_says_where_the_socket_is() {
        let folder = runtime();
        let root = project(folder.path(), "a");
        let place = Place::prepare(&root, "shop", &env(folder.path())).expect("a place");
        let _listener = UnixListener::bind(place.socket()).expect("it can be bound");
        place.publish().expect("it can be published");
        let mode = |path: &Path| fs::metadata(path).expect("it is there").mode() & 0o777;
        assert_eq!(mode(&folder.path().join("devloop")), 0o700);
        assert_eq!(mode(place.socket()), 0o600);
        let deep = root.join("cmd/api");
        assert_eq!(find(&deep, None), Some((root.clone(), place.socket().to_owned())));
        assert_eq!(find(&deep, Some(&root)), Some((root.clone(), place.socket().to_owned())));
        assert_eq!(find(&deep, Some(&deep)), None);
        drop(place);
        assert_eq!(find(&root, Some(&root)), None);
    }

    #[test]
    fn the_socket_of_a_dead_devloop_is_replaced_and_that_of_a_live_one_is_not() {
        let folder = runtime();
        let root = project(folder.path(), "a");
        let first = Place::prepare(&root, "shop", &env(folder.path())).expect("a place");
        let listener = UnixListener::bind(first.socket()).expect("it can be bound");
        let socket = first.socket().to_owned();
        std::mem::forget(first);
        let other = Place::prepare(&root, "shop", &env(folder.path())).expect("another folder will do");
        assert_ne!(other.socket(), socket, "a live one is not replaced");
        drop(listener);
        let second = Place::prepare(&root, "shop", &env(folder.path())).expect("a place");
        assert_eq!(second.socket(), socket);
        assert!(!socket.exists());
    }

    #[test]
    fn a_path_that_is_too_long_goes_elsewhere() {
        let folder = runtime();
        let root = project(folder.path(), "a");
        let long = folder.path().join("x".repeat(90));
        fs::create_dir(&long).expect("it can be made");
        let env = vec![("XDG_RUNTIME_DIR".into(), long.clone().into()), ("TMPDIR".into(), folder.path().into())];
        let place = Place::prepare(&root, "shop", &env).expect("a place");
        assert!(!place.socket().starts_with(&long) && place.socket().starts_with(folder.path()));
    }
}
