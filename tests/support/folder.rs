//! A temporary folder with a project's files in it.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The folder; it is gone when this is dropped.
pub struct Folder {
    _folder: tempfile::TempDir,
    /// Where it is, without links.
    pub root: PathBuf,
}

impl Folder {
    pub fn new(files: &[(&str, &str)]) -> Folder {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let root = folder.path().canonicalize().expect("it exists");
        let project = Folder { _folder: folder, root };
        files.iter().for_each(|(path, text)| project.write(path, text));
        project
    }

    /// Writes a file, and makes its folders.
    pub fn write(&self, path: &str, text: &str) {
        let path = self.root.join(path);
        fs::create_dir_all(path.parent().unwrap_or(Path::new(""))).expect("folders can be made");
        fs::write(path, text).expect("files can be written");
    }
}
