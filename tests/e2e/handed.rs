//! A listening socket that devloop opens and hands over (`listen_fds`): to programs that take it, late or at once, and
//! to those that do not.

use crate::{
    have::have,
    support::{Project, free_port, until},
};

/// A server that takes descriptor 3 as `sd_listen_fds(3)` says, `late` seconds after it was started. Its one answer is
/// `version`, and its `pid` was that of the program that was meant.
fn server(version: &str, late: &str) -> String {
    format!(
        "import http.server, os, socket, time
assert int(os.environ['LISTEN_PID']) == os.getpid() and os.environ['LISTEN_FDS'] == '1'
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b'{version}'
        self.send_response(200)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
time.sleep({late})
server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler, bind_and_activate=False)
server.socket = socket.socket(fileno=3)
assert server.socket.getsockname()[1] == int(os.environ['PORT'])
server.serve_forever()
"
    )
}

fn project(more: &str) -> Project {
    let project = Project::new();
    let service = "[[service]]\nname = \"app\"\nrun = \"python3 -S server.py\"\nlisten_fds = true\n";
    project.write("dev.toml", format!("{service}{more}\n"));
    project
}

#[test]
fn a_program_that_takes_its_socket_late_loses_no_request() {
    if !have("python3") {
        return;
    }
    let project = project("");
    project.write("server.py", server("1", "0.7"));
    let mut devloop = project.up();
    // Sent while the socket is open and nobody has taken it.
    devloop.event("probing");
    assert_eq!((devloop.get("/").status, devloop.get("/").body.as_str()), (200, "1"));
    for version in 2..=4 {
        project.write("server.py", server(&version.to_string(), "0.2"));
        devloop.answers(&version.to_string());
    }
    let events = devloop.events();
    assert!(!events.iter().any(|event| event["event"] == "start_failed" || event["event"] == "crashed"));
    // A free port for each: they overlap.
    let swaps: Vec<_> = events.iter().filter(|event| event["event"] == "live").collect();
    assert_eq!(swaps.len(), 4, "{swaps:#?}");
    assert_eq!(devloop.stop().code(), Some(130));
}

#[test]
fn a_fixed_port_is_opened_anew_for_every_instance() {
    if !have("python3") {
        return;
    }
    let port = free_port();
    let project = project(&format!("port = {port}"));
    project.write("server.py", server("1", "0"));
    let mut devloop = project.up();
    devloop.answers("1");
    for version in ["2", "3"] {
        project.write("server.py", server(version, "0.1"));
        devloop.answers(version);
    }
    assert_eq!(devloop.stop().code(), Some(130));
    let free = || std::net::TcpListener::bind(("127.0.0.1", port)).is_ok();
    until("nobody has the socket any more", free);
}

#[test]
fn a_program_that_listens_by_itself_is_told_that_devloop_does() {
    let project = Project::with_app("listen_fds = true");
    let mut devloop = project.up();
    let failed = devloop.event("start_failed");
    let hint = failed["report"]["hint"].as_str().unwrap_or_default();
    assert!(hint.contains("(`listen_fds`)") && hint.contains("descriptor 3"), "{failed:#}");
    // Tried once: no old instance has the port.
    devloop.rest();
    assert_eq!(devloop.count("start_failed"), 1);
    let text = project.read("dev.toml").replace("listen_fds = true", "");
    project.write("dev.toml", text);
    devloop.event("live");
    assert_eq!(devloop.get("/").status, 200);
}

#[test]
fn a_program_that_leaves_its_socket_alone_is_told_what_is_missing() {
    let project = Project::new();
    let service = "run = [\"sleep\", \"1000\"]\nlisten_fds = true\nhealth = { timeout = \"1s\" }";
    project.write("dev.toml", format!("[[service]]\nname = \"app\"\n{service}\n"));
    let mut devloop = project.up();
    let failed = devloop.event("start_failed");
    let title = failed["report"]["title"].as_str().unwrap_or_default();
    assert!(title.contains("not ready after 1s") && title.contains("descriptor 3"), "{failed:#}");
}

#[test]
fn a_port_that_another_program_has_is_said() {
    let holder = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = holder.local_addr().expect("it has one").port();
    let project = project(&format!("port = {port}"));
    project.write("server.py", "");
    let mut devloop = project.up();
    let failed = devloop.event("start_failed");
    assert!(failed["report"].to_string().contains(&format!("127.0.0.1:{port}")), "{failed:#}");
}
