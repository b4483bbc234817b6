//! Commands, word for word.

use super::*;

fn parse(text: &str) -> Command {
    Command::parse(text, &["out", "port", "build"], None).unwrap()
}

fn vars() -> Vars {
    let value = |name: &str, value: &str| (name.to_owned(), OsString::from(value));
    Vars::from([value("out", "/p/a b/out"), value("port", "20001"), value("build", "/p/it's")])
}

fn argv(text: &str) -> Vec<String> {
    let resolved = parse(text).resolve(&vars());
    let words = [resolved.program].into_iter().chain(resolved.args);
    words.map(|word| word.into_string().unwrap()).collect()
}

#[test]
fn words_are_split_as_a_shell_splits_them_and_then_filled() {
    for (text, words) in [
        ("go build -o {out} ./cmd/api", &["go", "build", "-o", "/p/a b/out", "./cmd/api"][..]),
        ("{build} --port={port}", &["/p/it's", "--port=20001"]),
        ("go list -f '{{.Dir}}' ./...", &["go", "list", "-f", "{{.Dir}}", "./..."]),
        ("x '{{out}}' {unknown} {} { out }", &["x", "{{out}}", "{unknown}", "{}", "{", "out", "}"]),
        ("x \"a b\" 'c|d' e\\ f \"\"", &["x", "a b", "c|d", "e f", ""]),
        ("x '$HOME' '`id`' '*'", &["x", "$HOME", "`id`", "*"]),
        ("x a\\\n  b", &["x", "a", "b"]),
        ("  x y \n", &["x", "y"]),
        ("x '${out}'", &["x", "${out}"]),
        ("x a=b", &["x", "a=b"]),
    ] {
        assert_eq!(argv(text), words, "{text}");
    }
}

#[test]
fn a_shell_runs_what_only_a_shell_understands() {
    for (text, script) in [
        ("a | b", "a | b"),
        ("a && b", "a && b"),
        ("a; b", "a; b"),
        ("a &", "a &"),
        ("(a)", "(a)"),
        ("cd web && npm start", "cd web && npm start"),
        ("FOO=1 x", "FOO=1 x"),
        ("export A=1", "export A=1"),
        (". ./env", ". ./env"),
        ("exec x", "exec x"),
        ("a\nb", "a\nb"),
        ("a > out.txt", "exec a > out.txt"),
        ("a 2>&1", "exec a 2>&1"),
        ("a $HOME", "exec a $HOME"),
        ("a \"$HOME\"", "exec a \"$HOME\""),
        ("a \"`id`\"", "exec a \"`id`\""),
        ("a *.go", "exec a *.go"),
        ("a file?", "exec a file?"),
        ("a ~/x", "exec a ~/x"),
        ("a $(b; c)", "exec a $(b; c)"),
        ("a ${B:-;}", "exec a ${B:-;}"),
        ("a \"x;y\" > b", "exec a \"x;y\" > b"),
        ("a <<E\nx\nE", "a <<E\nx\nE"),
        ("echo *", "echo *"),
        ("if a; then b; fi", "if a; then b; fi"),
        ("! a *", "! a *"),
        ("\"a b\" *", "\"a b\" *"),
        ("$CMD x", "$CMD x"),
        ("> x a", "> x a"),
        ("a * # b", "a * # b"),
        ("{ a; }", "{ a; }"),
        ("a *)", "a *)"),
    ] {
        assert_eq!(argv(text), ["sh", "-c", script], "{text}");
    }
}

#[test]
fn a_shell_that_is_named_gets_the_text_with_its_options() {
    let run = |text, shell| Command::parse(text, &["out"], Some(shell)).unwrap().resolve(&vars());
    assert_eq!(run("a b", "bash").program, "bash");
    assert_eq!(run("a b", "bash").args, ["-c", "exec a b"]);
    assert_eq!(run("a b", "/bin/bash -eu").args, ["-eu", "-c", "exec a b"]);
    assert_eq!(run("a b", "fish").args, ["-c", "a b"]);
    assert_eq!(run("a {out}", "nu").args, ["-c", "a '/p/a b/out'"]);
}

#[test]
fn values_are_quoted_for_their_place_in_a_script() {
    for (text, script) in [
        ("x {out} | y", "x '/p/a b/out' | y"),
        ("x \"{out}\" | y", "x \"/p/a b/out\" | y"),
        ("x '{build}' | y", "x '/p/it'\\''s' | y"),
        ("x {build} | y", "x '/p/it'\\''s' | y"),
        ("x {port} | y", "x 20001 | y"),
        ("x ${port} | y", "x ${port} | y"),
        ("{build} > log", "exec '/p/it'\\''s' > log"),
    ] {
        assert_eq!(argv(text)[2], script, "{text}");
    }
}

#[test]
fn an_array_is_never_given_to_a_shell() {
    let words = ["echo", "a | b", "$HOME", "{out}", "{{out}}"].map(str::to_owned).to_vec();
    let command = Command::from_words(words, &["out"]).unwrap();
    let resolved = command.resolve(&vars());
    assert_eq!(resolved.program, "echo");
    assert_eq!(resolved.args, ["a | b", "$HOME", "/p/a b/out", "{{out}}"]);
}

#[test]
fn placeholders_are_known_and_the_program_is_the_first_plain_word() {
    assert_eq!(Vec::from_iter(parse("{build} --port {port} {x}").names()), ["build", "port"]);
    assert_eq!(Vec::from_iter(parse("x '{port}' | y \"{out}\"").names()), ["out", "port"]);
    assert_eq!(parse("./server -v").program(), Some("./server"));
    assert_eq!(parse("{build} -v").program(), None);
    assert_eq!(parse("a | b").program(), None);
}

#[test]
fn a_placeholder_without_a_value_stays() {
    assert_eq!(parse("x {out}").resolve(&Vars::new()).args, ["{out}"]);
}

#[test]
fn what_is_no_command_is_refused() {
    for text in ["", "  \n ", "x 'a", "x \"a", "x $(a", "a\0b", "'' x"] {
        assert!(Command::parse(text, &[], None).is_err(), "{text:?}");
    }
    for shell in ["", "'"] {
        assert!(Command::parse("x", &[], Some(shell)).is_err());
    }
    assert!(Command::from_words(Vec::new(), &[]).is_err());
    assert!(Command::from_words(vec![String::new()], &[]).is_err());
}
