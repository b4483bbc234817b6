//! Procfile and Procfile.dev: each line a service.

use super::{
    draft::{Draft, Table, as_name},
    node_script::RELOADING,
    patterns::pattern,
    reading::{Doubt, Rank, Reading},
    tree::Tree,
};

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) name: String,
    pub(super) command: String,
}

/// The lines of a Procfile.
pub(super) fn lines(text: &str) -> Vec<Line> {
    let line = pattern(r"^([A-Za-z0-9_-]+):\s*(.+)$");
    let found = text.lines().filter_map(|text| {
        let found = line.captures(text.trim())?;
        Some(Line { name: found[1].to_owned(), command: found[2].trim().to_owned() })
    });
    found.collect()
}

/// What Procfile.dev starts; without one, what Procfile does.
pub(super) fn reading(tree: &Tree, file: &str) -> Option<Reading> {
    let lines = lines(&tree.text(file)?);
    let services: Vec<Table> = lines.iter().filter_map(service).collect();
    let first = services.first()?.name().to_owned();
    let mut doubts = Vec::new();
    if let Some(release) = lines.iter().find(|line| line.name == "release") {
        doubts.push(Doubt::new(format!(
            "`release: {}` of {file} is left out: it belongs to a deployment",
            release.command
        )));
    }
    let what = format!("what {file} says ({} of its lines)", services.len());
    Some(Reading { name: first, what, draft: Draft::new(services), doubts, rank: Rank::Likely })
}

/// The lines that stand beside the one that serves, as far as their programs are there; the others are named.
pub(super) fn beside(tree: &Tree) -> (Vec<Table>, Vec<Doubt>) {
    let lines = tree.text("Procfile").map(|text| lines(&text)).unwrap_or_default();
    let (mut services, mut doubts) = (Vec::new(), Vec::new());
    for mut line in lines.into_iter().filter(|line| line.name != "web" && line.name != "release") {
        let program = line.command.split_whitespace().next().unwrap_or_default().to_owned();
        let in_venv = format!(".venv/bin/{program}");
        if tree.has(&in_venv) {
            line.command = line.command.replacen(&program, &in_venv, 1);
        } else if !tree.program(&program) && (!program.contains('/') || !tree.has(&program)) {
            doubts.push(Doubt::new(format!("`{}` of Procfile is left out: `{program}` is not there", line.name)));
            continue;
        }
        services.extend(service(&line));
    }
    (services, doubts)
}

/// The service of one line; none for what a deployment does.
pub(super) fn service(line: &Line) -> Option<Table> {
    if line.name == "release" {
        return None;
    }
    let name = as_name(&line.name);
    let ported = with_port(&line.command);
    let serves = ported.is_some() || line.name == "web";
    let run = ported.unwrap_or_else(|| line.command.clone());
    let reloads = reloads(&run);
    let mut service = Table::service(&*name, run);
    if !serves {
        service = service.with("port", "none");
    }
    if let Some(reloads) = reloads {
        service = service.because("inputs", [] as [&str; 0], format!("{reloads} looks for changes itself"));
    }
    // What only builds may end.
    if !serves && service.text("run").is_some_and(|run| run.contains("build")) {
        service = service.with("restart", "no");
    }
    Some(service)
}

/// The command with `{port}` where it names a port; none if it names none.
pub(super) fn with_port(command: &str) -> Option<String> {
    if command.contains("$PORT") || command.contains("${PORT") {
        return Some(command.to_owned());
    }
    let flag =
        pattern(r"(\s(?:-p|--port|-P)[ =]|\b(?:0\.0\.0\.0|127\.0\.0\.1|localhost|\[::\]):|tcp://[\w.]+:)(\d{2,5})\b");
    let found = flag.captures(command)?;
    let mut run = command.to_owned();
    run.replace_range(found.get(0)?.range(), &format!("{}{{port}}", &found[1]));
    Some(run)
}

/// The program in a command that looks for changes itself.
pub(super) fn reloads(command: &str) -> Option<String> {
    let words: Vec<&str> = command.split_whitespace().collect();
    if let Some(flag) = words.iter().find(|word| matches!(**word, "--watch" | "--watch=always" | "--reload" | "-w")) {
        return Some(format!("`{flag}`"));
    }
    let name = |word: &str| word.rsplit('/').next().unwrap_or(word).to_owned();
    if words.windows(2).any(|pair| name(pair[0]) == "rails" && matches!(pair[1], "server" | "s")) {
        return Some("Rails".to_owned());
    }
    let known =
        RELOADING.iter().map(|(program, ..)| *program).find(|program| words.iter().any(|word| name(word) == *program));
    known.map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_becomes_a_service_and_a_written_port_a_given_one() {
        let lines = lines(
            "# all\nweb: bin/rails server -p 3000\nworker: python worker.py\ncss: npx tailwindcss -i a.css --watch\nrelease: ./migrate\n",
        );
        let toml = Draft::new(lines.iter().filter_map(service).collect()).toml();
        assert!(toml.contains("bin/rails server -p {port}") && !toml.contains("release"), "{toml}");
        assert!(toml.contains("run = \"python worker.py\"\nport = \"none\""), "{toml}");
        let ported = |command| with_port(command).unwrap_or_default();
        assert_eq!(ported("gunicorn -b 0.0.0.0:8000 app"), "gunicorn -b 0.0.0.0:{port} app");
        assert_eq!(ported("gunicorn app --port $PORT"), "gunicorn app --port $PORT");
        assert_eq!(with_port("node server.js"), None);
    }
}
