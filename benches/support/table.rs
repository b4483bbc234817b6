//! A Markdown table, printed and kept under `target/bench/`.

use std::fmt::Write;

pub struct Table {
    text: String,
}

impl Table {
    /// The first column holds names, the others numbers.
    pub fn new(columns: &[&str]) -> Table {
        let lines: Vec<&str> = columns.iter().enumerate().map(|(at, _)| if at == 0 { "---" } else { "---:" }).collect();
        Table { text: format!("| {} |\n| {} |\n", columns.join(" | "), lines.join(" | ")) }
    }

    pub fn row(&mut self, cells: &[String]) {
        _ = writeln!(self.text, "| {} |", cells.join(" | "));
    }

    /// Prints it, and writes it to `target/bench/NAME.md`.
    pub fn done(self, name: &str) {
        println!("\n{}", self.text);
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench");
        std::fs::create_dir_all(&folder).expect("`target` can be written to");
        std::fs::write(folder.join(format!("{name}.md")), &self.text).expect("`target` can be written to");
    }
}
