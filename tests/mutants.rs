//! The planted bugs of tests/mutants still fit the code: each text to be replaced stands in its file exactly once.

use std::{fs, path::Path};

#[test]
fn each_text_that_a_mutant_replaces_stands_in_the_code_once() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = fs::read_dir(root.join("tests/mutants")).expect("the folder is there");
    let mut unfit = Vec::new();
    let mut mutants = 0;
    for path in folder.map(|entry| entry.expect("it can be read").path()) {
        if path.extension().is_none_or(|extension| extension != "txt") {
            continue;
        }
        mutants += 1;
        let text = fs::read_to_string(&path).expect("it is text");
        let name = path.file_name().expect("it has a name").to_string_lossy().into_owned();
        let replacements: Vec<&str> = text.split("\n=== src").skip(1).collect();
        if replacements.is_empty() {
            unfit.push(format!("{name} replaces nothing"));
        }
        for replacement in replacements {
            let (file, rest) = replacement.split_once('\n').expect("a path stands in its line");
            let (old, _) = rest.split_once("--- with\n").expect("it says by what");
            let code = fs::read_to_string(root.join(format!("src{file}"))).expect("the file is there");
            match code.matches(old).count() {
                1 => {}
                times => unfit.push(format!("{name}: the text stands {times} times in src{file}")),
            }
        }
    }
    assert!(mutants > 0, "there are no mutants");
    assert!(unfit.is_empty(), "{}", unfit.join("\n"));
}
