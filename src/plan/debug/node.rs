//! Node and its inspector: by a flag where node itself is started, by its environment where a package manager or a tool
//! does that.

use super::{
    super::{Command, line::Line},
    Begin, Certainty, No, Told, Under, Wish, file_name,
};

/// Programs that are scripts of Node, or start one.
const SCRIPTS: &[&str] = &[
    "npm",
    "npx",
    "pnpm",
    "pnpx",
    "yarn",
    "tsx",
    "ts-node",
    "ts-node-dev",
    "nodemon",
    "next",
    "nest",
    "nuxt",
    "remix",
    "vite-node",
    "fastify",
    "babel-node",
    "react-router-serve",
    "express",
];

pub(super) fn under(run: &Command, line: Option<Line<'_>>, certainty: Certainty, wish: Wish) -> Result<Under, No> {
    let by_options = || Under { run: run.clone(), told: Told::ByNodeOptions };
    let Some(line) = line else {
        // The environment reaches node through any script.
        return if certainty == Certainty::Told { Ok(by_options()) } else { Err(No::Other) };
    };
    let words = line.words();
    let program = words.first().and_then(|word| word.plain()).map(file_name).unwrap_or_default();
    if matches!(program, "node" | "nodejs") {
        let flag = match wish.begin {
            Begin::Run => "--inspect",
            Begin::Wait => "--inspect-brk",
        };
        let flag = format!("{flag}=127.0.0.1:{}", wish.port);
        return Ok(Under { run: line.replace(1..1, &[flag]), told: Told::ByCommand });
    }
    if certainty == Certainty::Told || SCRIPTS.contains(&program) {
        return Ok(by_options());
    }
    Err(No::Other)
}
