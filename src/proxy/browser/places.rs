//! Places in files as addresses that open the editor.

use std::{fmt::Write, path::PathBuf};

use super::super::settings::Browser;

/// The address of a place; none if no editor is known, or the file is in none of the folders.
pub(in super::super) fn link(browser: &Browser, file: &str, line: u64, column: Option<u64>) -> Option<String> {
    let template = browser.editor.as_ref()?;
    let file = find(&browser.folders, file)?;
    let column = column.unwrap_or(1).to_string();
    let file = encoded(&file.to_string_lossy());
    Some(template.replace("{file}", &file).replace("{line}", &line.to_string()).replace("{column}", &column))
}

/// Programs name files from where they run, and that is not told: the first folder that has it is taken.
fn find(folders: &[PathBuf], file: &str) -> Option<PathBuf> {
    folders.iter().map(|folder| folder.join(file)).find(|path| path.is_file())
}

/// As the path of an address: everything but letters, digits and `-._~/` in hexadecimal.
fn encoded(path: &str) -> String {
    let mut text = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => text.push(char::from(byte)),
            other => write!(text, "%{other:02X}").expect("writing to a string cannot fail"),
        }
    }
    text
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test's own files")]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_found_in_the_first_folder_that_has_it() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("a b");
        std::fs::create_dir(&inner).unwrap();
        std::fs::write(inner.join("main.go"), "").unwrap();
        let folders = vec![folder.path().to_owned(), inner.clone()];
        let editor = Some("vscode://file{file}:{line}:{column}".to_owned());
        let browser = Browser { editor, folders, ..Browser::default() };
        let root = folder.path().to_string_lossy().into_owned();
        let expected = format!("vscode://file{root}/a%20b/main.go:3:1");
        assert_eq!(link(&browser, "main.go", 3, None), Some(expected.clone()));
        assert_eq!(link(&browser, &inner.join("main.go").to_string_lossy(), 3, Some(1)), Some(expected));
        assert_eq!(link(&browser, "gone.go", 3, None), None);
        assert_eq!(link(&Browser { editor: None, ..browser }, "main.go", 3, None), None);
    }

    #[test]
    fn a_path_cannot_break_out_of_its_address() {
        assert_eq!(encoded("/a b\"<>&?#%:ü"), "/a%20b%22%3C%3E%26%3F%23%25%3A%C3%BC");
    }
}
