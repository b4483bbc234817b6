//! A real client and a real server of gRPC, in Go. Needs Go 1.23 and its module proxy.

use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
};

use devloop::plan::Protocol;

use crate::have::have;
use crate::proxy_support::{self, Stage, until, within};

/// The Go program, or none if there is no Go that can build it.
fn build(folder: &Path) -> Option<PathBuf> {
    let version = Command::new("go").arg("version").output().ok();
    let version = version.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let minor = version.split("go1.").nth(1).and_then(|rest| rest.split(['.', ' ']).next()?.parse::<u32>().ok());
    if minor.is_none_or(|minor| minor < 23) {
        if have("go") {
            eprintln!("skipped: it needs Go 1.23 or newer, and there is: {version:?}");
        }
        return None;
    }
    let program = folder.join("calls");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/proxy_http2/go");
    let built = Command::new("go").args(["build", "-o"]).arg(&program).arg(".").current_dir(source).output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    Some(program)
}

/// A run of it, ended with the test.
struct Run {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Run {
    fn start(program: &Path, words: [&str; 2]) -> Run {
        let mut child = Command::new(program).args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Run { child, lines }
    }

    fn line(&mut self) -> String {
        self.lines.next().expect("one more line").unwrap()
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn server(program: &Path, name: &'static str) -> (Run, std::net::SocketAddr) {
    let program = program.to_owned();
    let started = tokio::task::spawn_blocking(move || {
        let mut run = Run::start(&program, ["serve", name]);
        let port: u16 = run.line().parse().unwrap();
        (run, port)
    });
    let (run, port) = within(started).await.unwrap();
    (run, ([127, 0, 0, 1], port).into())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_go_client_sees_a_swap_of_go_servers_as_grpc_expects() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().to_owned();
    let Some(program) = tokio::task::spawn_blocking(move || build(&at)).await.unwrap() else { return };
    for protocol in [Protocol::Http, Protocol::H2c] {
        let mut stage = Stage::new().await;
        stage.protocol = protocol;
        let (_old, addr) = server(&program, "old").await;
        let run = stage.open(addr);
        let (program_of_client, target) = (program.clone(), stage.addr.to_string());
        let opened = tokio::task::spawn_blocking(move || {
            let mut client = Run::start(&program_of_client, ["ask", &target]);
            let first = [client.line(), client.line()];
            (client, first)
        });
        let (mut client, first) = within(opened).await.unwrap();
        assert_eq!(first, ["not there: Unimplemented", "open"]);
        // Three streams and the slow call.
        until(|| stage.proxy.in_flight(run) == 4).await;
        let (_new, addr) = server(&program, "new").await;
        stage.open(addr);
        within(stage.proxy.drain(run, proxy_support::DEADLINE)).await;
        let rest = tokio::task::spawn_blocking(move || {
            client.child.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
            [(); 5].map(|()| client.line())
        });
        assert_eq!(
            within(rest).await.unwrap(),
            [
                "from the server: Unavailable",
                "to the server: Unavailable",
                "both ways: Unavailable",
                "unary: old [old]",
                "next: new [new]",
            ]
        );
    }
}
