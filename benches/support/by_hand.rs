//! The same build and the same program without devloop: what the work itself costs.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use super::{
    client::until_it_answers,
    project::{Kind, Project},
};

/// What one edit cost.
#[derive(Clone, Copy)]
pub struct Cost {
    pub build: Duration,
    /// From the end of the build to the first answer.
    pub start: Duration,
    pub total: Duration,
}

/// Writes this version, builds it, starts it and waits for its answer. Ends it after that.
pub fn edit(kind: Kind, project: &Project, version: &str) -> Cost {
    let out = project.path(format!("out-{version}"));
    let content = kind.content(version);
    let addr = free_port();
    std::fs::write(project.path(kind.source()), content).expect("the file can be written");
    let begin = Instant::now();
    let words = kind.build(&out.to_string_lossy());
    let built = command(&words[0]).args(&words[1..]).current_dir(project.root()).status().expect("the build starts");
    assert!(built.success(), "the build fails");
    let build = begin.elapsed();
    let child =
        command(&out.to_string_lossy()).current_dir(project.root()).env("PORT", addr.port().to_string()).spawn();
    let program = Running(child.expect("the program starts"));
    until_it_answers(addr, version);
    let total = begin.elapsed();
    drop(program);
    _ = std::fs::remove_file(out);
    Cost { build, start: total.saturating_sub(build), total }
}

/// A port that nobody has now.
pub fn free_port() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|socket| socket.local_addr()).expect("a free port")
}

fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Ended when it is dropped.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}
