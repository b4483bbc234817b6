//! Where the proxy listens and what it speaks there, while dev.toml changes; and programs that speak HTTPS themselves.

use std::{net::TcpListener, process::Command};

use serde_json::Value;

use crate::{
    have::have,
    support::{Devloop, Project, app_toml, free_port, get},
};

const WORKER: &str = "[[service]]\nname = \"worker\"\nrun = \"sleep 1000\"\nport = \"none\"\ninputs = []\n\n";

fn listening_on(devloop: &mut Devloop, port: u16) -> Value {
    devloop.wait("it listens there", |event| {
        let url = event["url"].as_str().unwrap_or_default();
        event["event"] == "listening" && url.ends_with(&format!(":{port}"))
    })
}

#[test]
fn the_proxy_begins_with_the_first_service_that_has_a_port_and_ends_with_the_last() {
    let project = Project::with_app("");
    project.write("dev.toml", format!("[proxy]\nlisten = 0\n\n{WORKER}"));
    let mut devloop = Devloop::start(project.command(&["up", "--json"]));
    devloop.rest();
    assert_eq!(devloop.count("listening"), 0);
    project.write("dev.toml", format!("[proxy]\nlisten = 0\n\n{WORKER}{}", app_toml("after = [\"build\"]")));
    let said = devloop.event("listening");
    devloop.wait("app is live", |event| event["event"] == "live" && event["service"] == "app");
    assert_eq!(devloop.get("/").body, "1\n");
    // Whoever steers devloop is told, too.
    let status = project.command(&["status", "--json"]).output().expect("devloop starts");
    assert!(String::from_utf8_lossy(&status.stdout).contains(said["url"].as_str().expect("a url")), "{status:?}");
    project.write("version", "2");
    devloop.answers("2");
    let address = devloop.address();
    project.write("dev.toml", format!("[proxy]\nlisten = 0\n\n{WORKER}"));
    devloop.wait("it says so", |event| event["text"] == "the proxy listens nowhere any more");
    assert!(std::net::TcpStream::connect(&address).is_err());
}

#[test]
fn the_first_route_is_enough_for_a_proxy() {
    let project = Project::new();
    project.write("public/index.html", "hello");
    project.write("dev.toml", format!("[proxy]\nlisten = 0\n\n{WORKER}"));
    let mut devloop = Devloop::start(project.command(&["up", "--json"]));
    devloop.rest();
    project.write("dev.toml", format!("[proxy]\nlisten = 0\n\n{WORKER}[[route]]\nfiles = \"public\"\n"));
    devloop.event("listening");
    assert_eq!(devloop.get("/").body, "hello");
}

#[test]
fn another_port_is_moved_to_and_one_that_is_taken_is_told_while_the_old_one_stays() {
    let project = Project::with_app("");
    let (first, second) = (free_port(), free_port());
    let toml = |listen: &str| format!("[proxy]\nlisten = {listen}\n\n{}", app_toml(""));
    project.write("dev.toml", toml(&first.to_string()));
    let mut devloop = Devloop::start(project.command(&["up", "--json"]));
    devloop.rest();
    project.write("dev.toml", toml(&second.to_string()));
    listening_on(&mut devloop, second);
    assert_eq!(get(&format!("127.0.0.1:{second}"), "/").body, "1\n");
    assert!(std::net::TcpStream::connect(("127.0.0.1", first)).is_err());
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("it is bound").port();
    project.write("dev.toml", toml(&port.to_string()));
    let note =
        devloop.wait("it is told", |event| event["event"] == "note" && event["text"].to_string().contains("stays at"));
    assert!(note["text"].to_string().contains(&format!("port {port} is taken")), "{note}");
    assert_eq!(get(&format!("127.0.0.1:{second}"), "/").body, "1\n");
    // The same port at another address is had by letting go of it first.
    project.write("dev.toml", toml(&format!("\"127.0.0.1:{second}\"")));
    let said = listening_on(&mut devloop, second);
    assert_eq!(said["addresses"], serde_json::json!([format!("127.0.0.1:{second}")]));
    assert_eq!(get(&format!("127.0.0.1:{second}"), "/").body, "1\n");
}

#[test]
fn https_is_turned_on_and_off_in_dev_toml() {
    if !have("curl") {
        return;
    }
    let project = Project::with_app("");
    let home = project.path("home");
    let project = project.env("HOME", &home.display().to_string()).env("XDG_DATA_HOME", &home.display().to_string());
    let toml = |tls: &str| format!("[proxy]\n{tls}\n\n{}", app_toml(""));
    project.write("dev.toml", toml(""));
    let mut devloop = project.up();
    devloop.rest();
    let address = devloop.address();
    let port = address.rsplit(':').next().expect("a port").to_owned();
    project.write("dev.toml", toml("tls = true"));
    devloop.wait("it says so", |event| event["url"] == format!("https://localhost:{port}"));
    let ca = home.join("devloop/ca.pem");
    let mut curl = Command::new("curl");
    curl.args(["-sS", "--http2", "--max-time", "30", "-w", " %{http_version}", "--cacert"]).arg(ca);
    let output = curl.arg(format!("https://localhost:{port}/")).output().expect("curl runs");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "1\n 2", "{output:?}");
    assert_eq!(get(&address, "/").status, 308);
    // What cannot be had changes nothing, and is told.
    project.write("dev.toml", toml("tls = true\nclient_certs = { ca = \"missing.pem\" }"));
    let note = devloop.wait("it is told", |event| event["text"].to_string().contains("goes on speaking as it did"));
    assert!(note["text"].to_string().contains("cannot read `missing.pem`"), "{note}");
    assert_eq!(get(&address, "/").status, 308);
    project.write("dev.toml", toml(""));
    devloop.wait("it says so", |event| event["url"] == format!("http://localhost:{port}"));
    assert_eq!(get(&address, "/").body, "1\n");
}

/// What people have: a certificate of `openssl req -x509`, and Python's `ssl`.
#[test]
fn a_python_program_with_a_self_signed_certificate_is_served_once_dev_toml_trusts_it() {
    if !have("python3") || Command::new("openssl").arg("version").output().is_err() {
        return eprintln!("skipped: python3 or openssl is not installed");
    }
    let project = Project::new();
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "cert.pem", "-days", "2"])
        .args(["-subj", "/CN=dev.example"])
        .current_dir(project.root())
        .output()
        .expect("openssl runs");
    assert!(made.status.success(), "{made:?}");
    project.write(
        "app.py",
        "import http.server, os, ssl\n\
         class App(http.server.BaseHTTPRequestHandler):\n\
         \x20   protocol_version = 'HTTP/1.1'\n\
         \x20   def do_GET(self):\n\
         \x20       self.send_response(200)\n\
         \x20       self.send_header('Content-Length', '6')\n\
         \x20       self.end_headers()\n\
         \x20       self.wfile.write(b'secret')\n\
         server = http.server.ThreadingHTTPServer(('127.0.0.1', int(os.environ['PORT'])), App)\n\
         context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)\n\
         context.load_cert_chain('cert.pem', 'key.pem')\n\
         server.socket = context.wrap_socket(server.socket, server_side=True)\n\
         server.serve_forever()\n",
    );
    let toml =
        |tls: &str| format!("[[service]]\nname = \"api\"\nrun = \"python3 app.py\"\nhealth = \"/\"\ntls = {tls}\n");
    project.write("dev.toml", toml("true"));
    let mut devloop = project.up();
    let failed = devloop.wait("it is not trusted", |event| event["event"] == "start_failed");
    let report = failed.to_string();
    assert!(report.contains("signed by nobody that this machine trusts"), "{report}");
    assert!(report.contains("cert.pem"), "{report}");
    project.write("dev.toml", toml("{ ca = \"cert.pem\" }"));
    devloop.wait("it is live", |event| event["event"] == "live");
    assert_eq!(devloop.get("/").body, "secret");
    project.write("dev.toml", toml("{ insecure = true }"));
    devloop.wait("it is live", |event| event["event"] == "live");
    assert_eq!(devloop.get("/").body, "secret");
}
