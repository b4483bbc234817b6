//! What devloop costs, measured from outside on real files, processes and sockets. It asserts nothing: every figure is
//! printed, and written as a Markdown table to `target/bench/`. How to repeat it: `docs/benchmarks.md`.
#![expect(clippy::disallowed_methods, reason = "benchmarks are outside the house")]

mod checkout;
#[path = "../tests/support/ending.rs"]
mod ending;
mod held;
mod log;
mod pane;
mod proxy;
mod save_to_live;
mod soak;
mod support;
mod swaps;
#[path = "../tests/support/terminal.rs"]
#[expect(dead_code, reason = "the tests of panes use the rest of it")]
mod terminal;
mod tree;

/// `cargo bench -- NAME …` runs some of them: those of this name, and those whose name goes on behind it (`proxy`:
/// `proxy_h2`, too).
const ALL: [(&str, fn()); 12] = [
    ("save_to_live", save_to_live::run),
    ("swaps", swaps::run),
    ("proxy_h1", proxy::run_h1),
    ("proxy_h2", proxy::run_h2),
    ("proxy_large", proxy::large::run),
    ("proxy_pages", proxy::pages::run),
    ("held", held::run),
    ("soak", soak::run),
    ("log", log::run),
    ("pane", pane::run),
    ("tree", tree::run),
    ("checkout", checkout::run),
];

fn main() {
    support::program::be_it_if_asked();
    let words: Vec<String> = std::env::args().skip(1).collect();
    // `cargo test --all-targets` runs this too, and measures nothing.
    if !words.iter().any(|word| word == "--bench") {
        return;
    }
    let wanted: Vec<&String> = words.iter().filter(|word| !word.starts_with('-')).collect();
    let is_meant =
        |name: &str, word: &str| name.strip_prefix(word).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'));
    for (name, run) in ALL {
        if wanted.is_empty() || wanted.iter().any(|word| is_meant(name, word)) {
            println!("\n# {name}\n");
            run();
        }
    }
}
