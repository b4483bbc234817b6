//! What devloop costs, measured from outside on real files, processes and sockets. It asserts nothing: every figure is
//! printed, and written as a Markdown table to `target/bench/`. How to repeat it: `docs/benchmarks.md`.
#![expect(clippy::disallowed_methods, reason = "benchmarks are outside the house")]

mod checkout;
mod proxy;
mod save_to_live;
mod support;
mod swaps;
mod tree;

/// `cargo bench -- NAME …` runs some of them.
const ALL: [(&str, fn()); 5] = [
    ("save_to_live", save_to_live::run),
    ("swaps", swaps::run),
    ("proxy", proxy::run),
    ("tree", tree::run),
    ("checkout", checkout::run),
];

fn main() {
    if support::program::is_asked_for() {
        support::program::serve();
    }
    let words: Vec<String> = std::env::args().skip(1).collect();
    // `cargo test --all-targets` runs this too, and measures nothing.
    if !words.iter().any(|word| word == "--bench") {
        return;
    }
    let wanted: Vec<&String> = words.iter().filter(|word| !word.starts_with('-')).collect();
    for (name, run) in ALL {
        if wanted.is_empty() || wanted.iter().any(|word| *word == name) {
            println!("\n# {name}\n");
            run();
        }
    }
}
