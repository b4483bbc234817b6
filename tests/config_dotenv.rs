//! Files of variables: what is read, and what is said about lines that are none.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::Path;

use devloop::{
    config::dotenv,
    error::{Colour, render},
};

fn read(text: &str) -> Vec<(String, String)> {
    dotenv::parse(text, Path::new(".env")).unwrap_or_else(|problems| panic!("{}", render(&problems, Colour::Never)))
}

fn value(line: &str) -> String {
    read(line).pop().unwrap().1
}

fn problem(text: &str) -> Vec<String> {
    dotenv::parse(text, Path::new(".env")).unwrap_err().iter().map(|problem| problem.one_line()).collect()
}

#[test]
fn lines_are_names_and_values() {
    let text = "\u{feff}# a comment\n\nA=1\n  export B = two words  # comment\nC=\nD='# $A'\r\nexport=x\n";
    let wanted = [("A", "1"), ("B", "two words"), ("C", ""), ("D", "# $A"), ("export", "x")];
    assert_eq!(read(text), wanted.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[test]
fn quotes_keep_what_is_in_them() {
    assert_eq!(value("A=' a \"b\" \\n'"), " a \"b\" \\n");
    assert_eq!(value(r#"A="a\nb\t\"c\" \\ \$d \x""#), "a\nb\t\"c\" \\ $d \\x");
    assert_eq!(value("A=\"one\ntwo\nthree\" # end"), "one\ntwo\nthree");
    assert_eq!(value("A='one\ntwo'"), "one\ntwo");
    assert_eq!(value("A=a#b #c"), "a#b");
    assert_eq!(value("A=it's"), "it's");
    assert_eq!(value("A=#c"), "");
}

#[test]
fn other_variables_are_filled_in_where_a_shell_would() {
    let text = "HOST=db\nPORT=5432\n";
    let last = |line: &str| read(&format!("{text}{line}")).pop().unwrap().1;
    assert_eq!(last("A=postgres://${HOST}:$PORT/x"), "postgres://db:5432/x");
    assert_eq!(last("A=\"${HOST}\""), "db");
    assert_eq!(last("A='${HOST}'"), "${HOST}");
    assert_eq!(last("A=${NONE}|${NONE:-else}|${HOST:-else}"), "|else|db");
    assert_eq!(last("A=$ 5$"), "$ 5$");
    assert_eq!(last("A=$5"), "$5");
}

#[test]
fn the_environment_below_is_asked_last() {
    let outer = |name: &str| (name == "HOME" || name == "A").then(|| "/home/me".to_owned());
    let read = dotenv::parse_over("A=1\nB=$A:$HOME", Path::new(".env"), &outer).unwrap();
    assert_eq!(read[1].1, "1:/home/me");
}

#[test]
fn every_bad_line_is_told_with_its_place() {
    assert_eq!(
        problem("A=1\nB\n9C=1\nD-E=1\nF='x' y\nG=${\nH=${a b}\n=x\nI=\"open\n"),
        [
            ".env:2:1: `B` has no `=`",
            ".env:3:1: a line must be `NAME=value`",
            ".env:4:2: `-` cannot be in the name of a variable",
            ".env:5:7: there is more after the closing quote",
            ".env:6:3: this `${` is not closed",
            ".env:7:3: `a b` is not the name of a variable",
            ".env:8:1: a line must be `NAME=value`",
            ".env:9:3: this quote is not closed",
        ]
    );
}

proptest::proptest! {
    #[test]
    fn no_text_makes_it_panic_or_hang(text in "[A-B=\"'$ {}\\\\\\n#é:-]{0,40}") {
        _ = dotenv::parse(&text, Path::new(".env"));
    }

    #[test]
    fn what_is_in_single_quotes_arrives(text in "[^'\\r]{0,20}") {
        proptest::prop_assert_eq!(value(&format!("A='{text}'")), text);
    }
}
