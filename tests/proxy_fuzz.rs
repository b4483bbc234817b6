//! The fuzzers of fuzz/ without a fuzzer: their corpora, and random changes of them.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use devloop::proxy::attack;
use proptest::prelude::*;

type Target = (&'static str, fn(&[u8]));

const TARGETS: [Target; 8] = [
    ("head", attack::head),
    ("chunked", attack::chunked),
    ("frames", attack::frames),
    ("host", attack::host),
    ("origin", attack::origin),
    ("insertion", attack::insertion),
    ("coding", attack::coding),
    ("policy", attack::policy),
];

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

fn corpus(name: &str) -> Vec<Vec<u8>> {
    let files = fs::read_dir(fuzz().join("corpus").join(name)).unwrap();
    let mut paths: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

#[test]
fn every_fuzzer_has_a_target_here_and_a_corpus_that_it_survives() {
    let mut files: Vec<String> = fs::read_dir(fuzz().join("fuzz_targets"))
        .unwrap()
        .map(|file| file.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    files.sort();
    let mut names: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    assert_eq!(files, names);
    for (name, attack) in TARGETS {
        let corpus = corpus(name);
        assert!(corpus.len() >= 4, "{name}");
        corpus.iter().for_each(|bytes| attack(bytes));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// A piece of one entry, some bytes of any kind, a piece of another one.
    #[test]
    fn no_change_of_the_corpora_breaks_a_rule(
        target in 0..TARGETS.len(),
        (first, second) in (any::<prop::sample::Index>(), any::<prop::sample::Index>()),
        (end, begin) in (any::<prop::sample::Index>(), any::<prop::sample::Index>()),
        between in proptest::collection::vec(any::<u8>(), 0..12),
    ) {
        let (name, attack) = TARGETS[target];
        let corpus = corpus(name);
        let (first, second) = (first.get(&corpus), second.get(&corpus));
        let head = &first[..end.index(first.len() + 1)];
        let tail = &second[begin.index(second.len() + 1)..];
        attack(&[head, &between[..], tail].concat());
    }
}
