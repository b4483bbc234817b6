//! Commands against a real `sh`: what devloop splits by itself, and what it hands over, mean what a shell says.
#![expect(clippy::disallowed_methods, reason = "tests are outside the house")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{ffi::OsString, os::unix::ffi::OsStringExt, path::Path, process};

use devloop::plan::{Command, Vars};
use proptest::prelude::*;

const PRINT: &str = r#"for word in "$@"; do printf '%s\0' "$word"; done"#;

/// The words that `sh` makes of `text`.
fn words_of_sh(text: &str, folder: &Path) -> Option<Vec<Vec<u8>>> {
    let script = format!("p() {{ {PRINT}; }}; p {text}");
    let output = process::Command::new("sh").arg("-c").arg(script).current_dir(folder).output().unwrap();
    output.status.success().then(|| words(&output.stdout))
}

fn words(output: &[u8]) -> Vec<Vec<u8>> {
    let mut words: Vec<Vec<u8>> = output.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect();
    words.pop();
    words
}

fn run(command: &Command, vars: &Vars) -> Vec<u8> {
    let resolved = command.resolve(vars);
    let output = process::Command::new(resolved.program).args(resolved.args).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    output.stdout
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn words_that_need_no_shell_are_those_a_shell_would_make(text in r#"[a '"\\{}=#\[\]!,^%$&|;\n-]{0,16}"#) {
        let folder = tempfile::tempdir().unwrap();
        // A first word, so that nothing reads as an assignment.
        let text = format!("x {text}");
        let Ok(command) = Command::parse(&text, &[], None) else { return Ok(()) };
        let resolved = command.resolve(&Vars::new());
        if resolved.program == "sh" {
            return Ok(());
        }
        let ours = [resolved.program].into_iter().chain(resolved.args).map(OsString::into_vec).collect::<Vec<_>>();
        prop_assert_eq!(words_of_sh(&text, folder.path()), Some(ours), "{}", text);
    }

    #[test]
    fn a_value_arrives_byte_for_byte_wherever_it_stands(
        mut value in proptest::collection::vec(prop_oneof![
            Just(b'\''), Just(b'"'), Just(b'\\'), Just(b'$'), Just(b'`'), Just(b' '), Just(b'a'), Just(b'('), Just(b'*'),
            Just(b'\n'), Just(b'!'), Just(b'#'), Just(0xff), Just(b'{'), Just(b';'),
        ], 0..12),
        script in prop_oneof![
            Just("printf %s {v} | cat"),
            Just("printf %s \"{v}\" | cat"),
            Just("printf %s '{v}' | cat"),
            Just("printf %s \"$(printf %s {v})\" | cat"),
            Just("printf %s \"$(printf %s \"{v}\")\" | cat"),
            Just("printf %s \"`printf %s {v}`\" | cat"),
            Just("printf %s `printf x | tr -d x`{v} | cat"),
            Just("(cd . && printf %s {v}) && true 'it'\\''s' \"it's\" # don't"),
            Just("printf %s \"${NOTHING_OF_THAT_NAME:-}{v}\" | cat"),
        ],
    ) {
        // A command substitution drops line ends at the end of what it reads.
        value.push(b'z');
        let command = Command::parse(script, &["v"], None).unwrap();
        let vars = Vars::from([("v".to_owned(), OsString::from_vec(value.clone()))]);
        prop_assert_eq!(run(&command, &vars), value, "{}", script);
    }
}

#[test]
fn a_single_command_takes_the_place_of_its_shell() {
    let shell = |text: &str| Command::parse(text, &[], None).unwrap();
    assert_eq!(run(&shell("env A=b sh -c 'echo \"$A\"' 2>&1"), &Vars::new()), b"b\n");
    // Whoever is asked for its process id has that of the process that was started.
    let resolved = shell("sh -c 'echo $$' 2>&1").resolve(&Vars::new());
    let mut child = process::Command::new(resolved.program);
    let child = child.args(resolved.args).stdout(process::Stdio::piped()).spawn().unwrap();
    let pid = child.id();
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), pid.to_string());
}
