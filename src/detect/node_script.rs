//! What a script of package.json starts, and whether that looks for changes itself.

use super::node::{Manager, Package};

/// What is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Started {
    /// The script that is run; none if `run` is the command itself.
    pub(super) script: Option<String>,
    /// The command.
    pub(super) run: String,
    /// What says its port on the command line.
    pub(super) port: Option<&'static str>,
    /// Whether it takes `$PORT` by itself.
    pub(super) reads_port: bool,
    /// The server that looks for changes itself.
    pub(super) reloads: Option<String>,
    /// What the script really says, where that would restart the program.
    pub(super) instead_of: Option<String>,
}

/// Servers that look for changes themselves: their first word, the word after it if that matters, what says the port
/// (none: they take `$PORT`).
pub(super) const RELOADING: &[(&str, Option<&str>, Option<&str>)] = &[
    ("vite", None, Some("--port {port} --strictPort")),
    ("next", Some("dev"), Some("--port {port}")),
    ("nuxt", Some("dev"), Some("--port {port}")),
    ("nuxi", Some("dev"), Some("--port {port}")),
    ("astro", Some("dev"), Some("--port {port}")),
    ("remix", Some("vite:dev"), Some("--port {port}")),
    ("remix", Some("dev"), None),
    ("react-router", Some("dev"), Some("--port {port}")),
    ("react-scripts", Some("start"), None),
    ("vue-cli-service", Some("serve"), Some("--port {port}")),
    ("ng", Some("serve"), Some("--port {port}")),
    ("webpack", Some("serve"), Some("--port {port}")),
    ("webpack-dev-server", None, Some("--port {port}")),
    ("parcel", None, Some("--port {port}")),
    ("gatsby", Some("develop"), Some("--port {port}")),
    ("rsbuild", Some("dev"), Some("--port {port}")),
    ("wrangler", Some("dev"), Some("--port {port}")),
    ("docusaurus", Some("start"), Some("--port {port} --no-open")),
    ("vitepress", Some("dev"), Some("--port {port}")),
    ("eleventy", None, Some("--port={port}")),
    ("@11ty/eleventy", None, Some("--port={port}")),
    ("storybook", Some("dev"), Some("--port {port} --ci")),
    ("solid-start", Some("dev"), Some("--port {port}")),
    ("vinxi", Some("dev"), Some("--port {port}")),
    ("ember", Some("serve"), Some("--port {port}")),
    ("strapi", Some("develop"), None),
    ("medusa", Some("develop"), None),
];

/// Programs that restart another one.
const RESTARTING: &[&str] = &["nodemon", "node-dev", "ts-node-dev", "tsnd", "supervisor", "pm2-dev"];

impl Started {
    /// A command that does nothing on its own.
    pub(super) fn plain(run: String) -> Started {
        Started { script: None, run, port: None, reads_port: false, reloads: None, instead_of: None }
    }

    fn script(name: &str, text: &str) -> Started {
        Started { script: Some(name.to_owned()), ..Started::plain(text.to_owned()) }
    }
}

/// Whether a script only starts others: those of a workspace, or several at once.
pub(super) fn runs_several(text: &str) -> bool {
    let words: Vec<&str> = text.split_whitespace().collect();
    let first = words
        .iter()
        .find(|word| !matches!(**word, "npx" | "pnpm" | "yarn" | "exec" | "dotenv" | "--"))
        .copied()
        .unwrap_or_default();
    matches!(
        first,
        "turbo"
            | "lerna"
            | "nx"
            | "concurrently"
            | "run-p"
            | "npm-run-all"
            | "wsrun"
            | "moon"
            | "-r"
            | "--recursive"
            | "--filter"
            | "-F"
            | "workspaces"
            | "workspace"
    ) || ["--workspaces", "--filter", "--prefix", "--cwd"].iter().any(|flag| words.contains(flag))
}

/// Whether a script only builds: a library's.
pub(super) fn only_builds(text: &str) -> bool {
    let words: Vec<&str> = text.split_whitespace().filter(|word| !is_wrapper(word)).collect();
    matches!(
        words.first(),
        Some(&("tsc" | "tsup" | "rollup" | "tsdown" | "unbuild" | "babel" | "microbundle" | "esbuild" | "tailwindcss"))
    ) && !text.contains("&&")
}

/// What the script `name` of a package starts.
pub(super) fn started(package: &Package, name: &str, text: &str) -> Started {
    let compound = text.contains("&&") || text.contains('|') || text.contains(';') || text.contains(" & ");
    let mut words = text.split_whitespace().peekable();
    while words.peek().is_some_and(|word| is_wrapper(word)) {
        words.next();
    }
    let words: Vec<&str> = words.collect();
    let Some((first, rest)) = words.split_first() else { return Started::script(name, text) };
    if runs_several(text) {
        return Started { reloads: Some(format!("what `{text}` starts")), ..Started::script(name, text) };
    }
    let program = first.rsplit('/').next().unwrap_or(first).trim_end_matches(".js");
    let known = RELOADING
        .iter()
        .find(|(known, second, _)| *known == program && second.is_none_or(|second| rest.first() == Some(&second)));
    if let Some((program, _, port)) = known {
        let builds = matches!(rest.first(), Some(&"build" | &"preview"));
        if !builds {
            let port = port.filter(|_| !compound);
            return Started {
                reloads: Some((*program).to_owned()),
                port,
                reads_port: port.is_none(),
                ..Started::script(name, text)
            };
        }
    }
    match (compound, restarted(package.manager, program, rest)) {
        (_, None) => Started::script(name, text),
        (false, Some(Some(run))) => {
            let run = assigned(text) + &run;
            Started { instead_of: Some(text.to_owned()), ..Started::plain(run) }
        }
        (_, Some(_)) => Started { reloads: Some(program.to_owned()), ..Started::script(name, text) },
    }
}

/// The variables that a script sets before its program, as a command line does: `env A=b `.
fn assigned(text: &str) -> String {
    let before = text.split_whitespace().take_while(|word| is_wrapper(word));
    let set: Vec<&str> = before.filter(|word| word.contains('=')).collect();
    if set.is_empty() { String::new() } else { format!("env {} ", set.join(" ")) }
}

/// Words before the program: `cross-env A=b`, `npx`.
fn is_wrapper(word: &str) -> bool {
    matches!(word, "cross-env" | "env" | "npx" | "dotenv" | "--" | "bunx" | "cross-env-shell")
        || (word.contains('=') && !word.starts_with('-') && !word.contains('/'))
}

/// None if the program restarts nothing; else what it would start, if that can be said.
fn restarted(manager: Manager, program: &str, rest: &[&str]) -> Option<Option<String>> {
    let without = |flags: &[&str]| -> String {
        rest.iter()
            .filter(|word| !flags.contains(word) && !word.starts_with("--watch-"))
            .copied()
            .collect::<Vec<_>>()
            .join(" ")
    };
    match program {
        "node" if rest.contains(&"--watch") => Some(Some(format!("node {}", without(&["--watch"])))),
        "bun" if rest.iter().any(|word| matches!(*word, "--watch" | "--hot")) => {
            Some(Some(format!("bun {}", without(&["--watch", "--hot"]))))
        }
        "tsx" if rest.first() == Some(&"watch") => Some(Some(manager.exec(&format!("tsx {}", rest[1..].join(" "))))),
        "nest" if rest.first() == Some(&"start") && rest.iter().any(|word| matches!(*word, "--watch" | "-w")) => {
            Some(Some(manager.exec(&format!("nest {}", without(&["--watch", "-w"])))))
        }
        // Only a file: whatever else it is told has its meaning.
        "nodemon" => match rest {
            [file] if file.ends_with(".js") || file.ends_with(".mjs") || file.ends_with(".cjs") => {
                Some(Some(format!("node {file}")))
            }
            _ => Some(None),
        },
        program if RESTARTING.contains(&program) => Some(None),
        _ => None,
    }
}
