//! `devloop up -- CMD`: a plan without a dev.toml.

use std::{path::Path, sync::Arc};

use super::{
    check::{program, project_name},
    defaults, language,
};
use crate::{
    error::Problem,
    plan::{Command, Globs, Plan, Port, Protocol, Restart, Service, Swap},
};

/// The plan that runs `words` as its one service `app` in `root` (absolute, no symlinks), restarted by its language's
/// sources. `{port}` in a word is the port it is given.
///
/// # Errors
/// The words are no command.
pub fn from_words(words: Vec<String>, root: &Path) -> Result<Plan, Vec<Problem>> {
    let run = Command::from_words(words, &["port"]).map_err(|why| {
        vec![Problem::new(why).hint("write the command after `--`, such as `devloop up -- go run ./cmd/api`")]
    })?;
    let service = Service {
        name: "app".into(),
        program: program(root, root, &run),
        inputs: language::inputs(&run),
        run,
        cwd: root.to_path_buf(),
        env: Default::default(),
        env_files: Vec::new(),
        after: Vec::new(),
        needs: Vec::new(),
        uses: Vec::new(),
        port: Port::Auto,
        listen_fds: false,
        protocol: Protocol::Http,
        tls: None,
        swap: Swap::Auto,
        health: defaults::health(),
        stop: defaults::stop(),
        drain: defaults::DRAIN,
        restart: Restart::OnExit,
        pty: None,
        problems: None,
        assets: Globs::default(),
        debug: Default::default(),
        debugging: None,
    };
    Ok(Plan {
        root: root.to_path_buf(),
        name: project_name(root),
        file: None,
        watch: defaults::watch(),
        proxy: defaults::proxy(),
        routes: Vec::new(),
        hooks: Vec::new(),
        notify: crate::plan::Notify::default(),
        steps: Vec::new(),
        services: vec![Arc::new(service)],
    })
}
