//! Other tools that rebuild and restart, as their users have them: with their own defaults.

use std::{
    net::SocketAddr,
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};

use super::{
    by_hand::free_port,
    client::{answers_within, until_it_answers},
    installed,
    project::{Kind, Project},
};

/// A running tool and its project.
pub struct Peer {
    pub name: &'static str,
    child: Child,
    project: Project,
    kind: Kind,
    addr: SocketAddr,
}

/// Every one that is installed, each with a project of its own, its first program live.
pub fn all(kind: Kind) -> Vec<Peer> {
    let air = |command: &mut Command, project: &Project| {
        let build = kind.build("./tmp/main").join(" ");
        let (extension, file) = match kind {
            Kind::Script => ("txt", "version.txt"),
            Kind::Go => ("go", "main.go"),
        };
        project.write(
            ".air.toml",
            &format!("[build]\ncmd = \"{build}\"\nbin = \"./tmp/main\"\ninclude_ext = [\"{extension}\"]\ninclude_file = [\"{file}\"]\n"),
        );
        std::fs::create_dir_all(project.path("tmp")).expect("folders can be made");
        command.args(["-c", ".air.toml"]);
    };
    let one_line = format!("{} && exec ./main", kind.build("./main").join(" "));
    let wgo_line = one_line.clone();
    let wgo = move |command: &mut Command, _: &Project| {
        command.args(["-file", &kind.source().replace('.', "\\."), "sh", "-c", &wgo_line]);
    };
    let watchexec = move |command: &mut Command, _: &Project| {
        command.args(["--restart", "--watch", kind.source(), "--", &one_line]);
    };
    let peers = [start("air", kind, air), start("wgo", kind, wgo), start("watchexec", kind, watchexec)];
    peers.into_iter().flatten().collect()
}

fn start(name: &'static str, kind: Kind, prepare: impl FnOnce(&mut Command, &Project)) -> Option<Peer> {
    let program = installed(name)?;
    let project = Project::new(kind, "");
    let addr = free_port();
    let mut command = Command::new(program);
    prepare(&mut command, &project);
    command.current_dir(project.root()).env("PORT", addr.port().to_string()).process_group(0);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let child = command.spawn().expect("it is installed");
    until_it_answers(addr, "first");
    Some(Peer { name, child, project, kind, addr })
}

impl Peer {
    /// From the end of the write to the first new answer; none if there is none in ten seconds.
    pub fn edit(&self, version: &str) -> Option<Duration> {
        let content = self.kind.content(version);
        let path = self.project.path(self.kind.source());
        write(&path, &content);
        answers_within(Duration::from_secs(10), self.addr, version)
    }
}

fn write(path: &Path, content: &str) {
    std::fs::write(path, content).expect("the file can be written");
}

impl Drop for Peer {
    fn drop(&mut self) {
        let group = Pid::from_raw(self.child.id() as i32);
        _ = killpg(group, Signal::SIGTERM);
        let end = Instant::now() + Duration::from_secs(5);
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(5));
        }
        _ = killpg(group, Signal::SIGKILL);
        _ = self.child.wait();
    }
}
