//! `file:line:column: message`, what most compilers print: go, gcc, clang, javac, shells, linters.

use super::{Hit, Weight, location, number, place};

/// What tools write in front of the file.
const PREFIXES: [&str; 5] = ["vet: ", "wire: ", "ERROR in ", "error: ", "warning: "];

/// Files whose lines are told without a column; with one, any name with an extension counts. (Host names have
/// something like an extension too.)
const SOURCES: &str = "asm bash c cc clj cljs cpp cs css cxx dart elm erl ex exs fish fs go gohtml gotmpl graphql groovy h \
    hbs hh hpp hs html java jl js json jsonc jsx kt kts less lua m md mjs cjs mk ml mli mm mod mts cts nim nix php pl \
    pm proto pug py pyi r rb rs s sass scala scss sh sol sql sum svelte swift tcl templ tex tf thrift tmpl toml ts tsx \
    vue work xml yaml yml zig zsh";

/// Files without an extension that have lines.
const NAMES: [&str; 6] = ["Makefile", "GNUmakefile", "Dockerfile", "Justfile", "Rakefile", "Procfile"];

/// One such line. `note:` lines belong to the message before them and are no places of their own.
pub(super) fn line(lines: &[&str]) -> Option<Hit> {
    let text = lines[0].trim_start();
    let text = PREFIXES.iter().find_map(|prefix| text.strip_prefix(prefix)).unwrap_or(text);
    let (file, line, column, message) = split(text)?;
    let (weight, message) = weigh(message);
    if message.is_empty() {
        return None;
    }
    let Some(weight) = weight else { return Some(Hit { weight: Weight::Warning, place: None, lines: 1 }) };
    let (message, more) = with_details(file, message, &lines[1..]);
    Some(Hit { weight, place: Some(place(file, line, column, &message)), lines: 1 + more })
}

/// The first place in `text` where digits stand between colons behind something that looks like a file.
fn split(text: &str) -> Option<(&str, u32, Option<u32>, &str)> {
    let mut from = 0;
    while let Some(colon) = text[from..].find(':').map(|at| from + at) {
        from = colon + 1;
        let (line, rest) = text[from..].split_once(':')?;
        let Some(line) = number(line) else { continue };
        let file = &text[..colon];
        if let Some((column, message)) = rest.split_once(':')
            && let Some(column) = number(column)
            && is_file(file)
        {
            return Some((file, line, Some(column), message));
        }
        if is_source(file) {
            return Some((file, line, None, rest));
        }
    }
    None
}

fn is_file(file: &str) -> bool {
    if file.contains("://") || file.contains(['"', '\'', '`', '=', '(', ')']) {
        return false;
    }
    let rooted = ["./", "../", "/"].iter().any(|start| file.starts_with(start));
    if file.contains(char::is_whitespace) && !rooted {
        return false;
    }
    let name = file.rsplit('/').next().unwrap_or(file);
    NAMES.contains(&name) || extension(name).is_some_and(|ext| ext.starts_with(|c: char| c.is_ascii_alphabetic()))
}

fn is_source(file: &str) -> bool {
    let name = file.rsplit('/').next().unwrap_or(file);
    let known = |ext: &str| SOURCES.split_whitespace().any(|source| source.eq_ignore_ascii_case(ext));
    is_file(file) && (NAMES.contains(&name) || extension(name).is_some_and(known))
}

fn extension(name: &str) -> Option<&str> {
    let (stem, ext) = name.rsplit_once('.')?;
    let short = !ext.is_empty() && ext.len() <= 10 && ext.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (short && !stem.is_empty()).then_some(ext)
}

/// None as weight: a note.
fn weigh(message: &str) -> (Option<Weight>, &str) {
    let message = message.trim_start();
    let rest = |word: &str| message.strip_prefix(word).map(str::trim_start);
    for word in ["fatal error:", "error:", "Error:", "ERROR:"] {
        if let Some(message) = rest(word) {
            return (Some(Weight::Error), message);
        }
    }
    for word in ["warning:", "Warning:", "WARNING:"] {
        if let Some(message) = rest(word) {
            return (Some(Weight::Warning), message);
        }
    }
    match rest("note:") {
        Some(message) => (None, message),
        None => (Some(Weight::Error), message),
    }
}

/// Go writes what it has and what it wants into lines of their own, behind a tab.
fn with_details(file: &str, message: &str, rest: &[&str]) -> (String, usize) {
    let detail = |line: &&&str| file.ends_with(".go") && (line.starts_with("\thave ") || line.starts_with("\twant "));
    let details: Vec<&str> = rest.iter().take_while(detail).map(|line| line.trim()).collect();
    let more = details.len();
    let parts: Vec<&str> = std::iter::once(message).chain(details).collect();
    (parts.join("; "), more)
}

/// A whole text that is nothing but a place.
pub(super) fn bare(text: &str) -> Option<(&str, u32, Option<u32>)> {
    location(text).filter(|(file, ..)| is_file(file))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Place;

    fn one(text: &str) -> Option<(Place, usize)> {
        let lines: Vec<&str> = text.lines().collect();
        let hit = line(&lines)?;
        Some((hit.place?, hit.lines))
    }

    #[test]
    fn files_with_lines_and_columns_are_found() {
        let cases = [
            ("./main.go:12:3: undefined: x", ("./main.go", 12, Some(3), "undefined: x")),
            ("vet: ./main.go:1:2: x", ("./main.go", 1, Some(2), "x")),
            (
                "wire: /work/cmd/api/wire.go:8:1: inject X: no provider",
                ("/work/cmd/api/wire.go", 8, Some(1), "inject X: no provider"),
            ),
            ("    main_test.go:8: got 1, want 2", ("main_test.go", 8, None, "got 1, want 2")),
            ("Makefile:3: *** missing separator.  Stop.", ("Makefile", 3, None, "*** missing separator.  Stop.")),
            ("src/x.c:1:1: fatal error: a.h: no such file", ("src/x.c", 1, Some(1), "a.h: no such file")),
            ("./my folder/a b.go:1:2: x", ("./my folder/a b.go", 1, Some(2), "x")),
            ("Main.java:5: error: ';' expected", ("Main.java", 5, None, "';' expected")),
            ("app.rb:3:in 'run': no (RuntimeError)", ("app.rb", 3, None, "in 'run': no (RuntimeError)")),
            ("x.unknown:3:4: hm", ("x.unknown", 3, Some(4), "hm")),
        ];
        for (text, (file, line, column, message)) in cases {
            let (found, _) = one(text).expect(text);
            assert_eq!(
                (found.file.as_str(), found.line, found.column, found.message.as_str()),
                (file, line, column, message)
            );
        }
    }

    #[test]
    fn host_names_times_and_log_lines_are_no_files() {
        for text in [
            "example.com:443: connection refused",
            "dial tcp db.internal:5432: refused",
            "10:20:30: tick",
            "2026/11/22 10:00:00 main.go:12: served",
            "key=value.go:1:1: x",
            "http://x.go:80:1: x",
        ] {
            assert_eq!(one(text), None, "{text}");
        }
    }

    #[test]
    fn what_go_has_and_wants_belongs_to_the_message() {
        let (found, lines) = one("./a.go:3:4: not enough arguments\n\thave ()\n\twant (int)\nnext").expect("a place");
        assert_eq!((found.message.as_str(), lines), ("not enough arguments; have (); want (int)", 3));
    }
}
