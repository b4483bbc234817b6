//! The other proxies, with the settings that their handbooks give for this: kept connections on both sides, no log.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::super::support::{
    by_hand::{Running, free_port},
    installed,
    project::Project,
};

/// All that are installed, until this is dropped.
pub struct Others(Vec<Other>);

/// One of them.
pub struct Other {
    pub name: &'static str,
    pub http1: SocketAddr,
    /// Where it speaks HTTP/2 without TLS.
    pub http2: SocketAddr,
    program: Running,
}

/// How one of them is started: its addresses for HTTP/1.1 and HTTP/2, the program's, and a folder for its files.
struct Place<'a> {
    http1: SocketAddr,
    http2: SocketAddr,
    program: SocketAddr,
    folder: &'a Path,
}

impl Other {
    pub fn pid(&self) -> u32 {
        self.program.0.id()
    }
}

impl Others {
    pub fn start(project: &Project, program: SocketAddr) -> Others {
        type Prepare = fn(&Place<'_>, PathBuf) -> Option<Command>;
        let known: [(&str, &str, Prepare); 5] = [
            ("haproxy", "haproxy", haproxy),
            ("nginx", "nginx", nginx),
            ("caddy", "caddy", caddy),
            ("traefik", "traefik", traefik),
            ("Go's ReverseProxy", "go", reverse_proxy),
        ];
        let started = known.into_iter().filter_map(|(name, needs, prepare)| {
            let found = installed(needs)?;
            let folder = project.path(format!("node_modules/{needs}"));
            std::fs::create_dir_all(&folder).expect("folders can be made");
            let (http1, http2) = (free_port(), free_port());
            let place = Place { http1, http2, program, folder: &folder };
            let mut command = prepare(&place, found)?;
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            let program = Running(command.spawn().expect("it is installed"));
            // HAProxy and nginx have a door for each; the others tell them apart behind one.
            let http2 = if matches!(needs, "haproxy" | "nginx") { http2 } else { http1 };
            Some(Other { name, http1, http2, program })
        });
        Others(started.collect())
    }

    pub fn all(&self) -> &[Other] {
        &self.0
    }
}

/// Writes its settings and gives the path of the file.
fn write(place: &Place<'_>, name: &str, text: &str) -> PathBuf {
    let file = place.folder.join(name);
    std::fs::write(&file, text).expect("the folder can be written to");
    file
}

fn haproxy(place: &Place<'_>, found: PathBuf) -> Option<Command> {
    let Place { http1, http2, program, .. } = place;
    let text = format!(
        "global\n  maxconn 4096\ndefaults\n  mode http\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n  \
         option http-keep-alive\nfrontend front\n  bind {http1}\n  bind {http2} proto h2\n  default_backend back\n\
         backend back\n  server one {program}\n"
    );
    let mut command = Command::new(found);
    command.args(["-db", "-q", "-f"]).arg(write(place, "haproxy.cfg", &text));
    Some(command)
}

fn nginx(place: &Place<'_>, found: PathBuf) -> Option<Command> {
    let Place { http1, http2, program, folder } = place;
    let folder = folder.display();
    let text = format!(
        "daemon off;\nmaster_process off;\npid {folder}/pid;\nevents {{ worker_connections 4096; }}\n\
         http {{\n  access_log off;\n  keepalive_requests 1000000000;\n  client_body_temp_path {folder}/b;\n  \
         proxy_temp_path {folder}/p;\n  fastcgi_temp_path {folder}/f;\n  uwsgi_temp_path {folder}/u;\n  \
         scgi_temp_path {folder}/s;\n  \
         upstream back {{ server {program}; keepalive 512; keepalive_requests 1000000000; }}\n  \
         server {{\n    listen {http1};\n    listen {http2} http2;\n    location / {{\n      proxy_pass http://back;\n      \
         proxy_http_version 1.1;\n      proxy_set_header Connection \"\";\n    }}\n  }}\n}}\n"
    );
    let mut command = Command::new(found);
    command.arg("-c").arg(write(place, "nginx.conf", &text)).args(["-e", "stderr"]);
    Some(command)
}

fn caddy(place: &Place<'_>, found: PathBuf) -> Option<Command> {
    let Place { http1, program, folder, .. } = place;
    let port = http1.port();
    let text = format!(
        "{{\n  admin off\n  auto_https off\n  servers {{\n    protocols h1 h2c\n  }}\n}}\n\
         http://:{port} {{\n  bind 127.0.0.1\n  reverse_proxy {program}\n}}\n"
    );
    let mut command = Command::new(found);
    command.args(["run", "--adapter", "caddyfile", "--config"]).arg(write(place, "Caddyfile", &text));
    command.env("XDG_DATA_HOME", folder).env("XDG_CONFIG_HOME", folder);
    Some(command)
}

fn traefik(place: &Place<'_>, found: PathBuf) -> Option<Command> {
    let Place { http1, program, .. } = place;
    let text = format!(
        "http:\n  routers:\n    all:\n      rule: \"PathPrefix(`/`)\"\n      service: one\n  services:\n    one:\n      \
         loadBalancer:\n        serversTransport: kept\n        servers:\n          - url: \"http://{program}\"\n  \
         serversTransports:\n    kept:\n      maxIdleConnsPerHost: 512\n"
    );
    let file = write(place, "routes.yml", &text);
    let mut command = Command::new(found);
    command.arg(format!("--entrypoints.web.address={http1}"));
    command.arg(format!("--providers.file.filename={}", file.display()));
    command.args(["--log.level=ERROR", "--global.checknewversion=false", "--global.sendanonymoususage=false"]);
    Some(command)
}

/// Built first; it stands beside this file.
fn reverse_proxy(place: &Place<'_>, go: PathBuf) -> Option<Command> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/proxy/reverse_proxy.go");
    let binary = place.folder.join("reverse_proxy");
    let built = Command::new(go).args(["build", "-o"]).arg(&binary).arg(source).output().expect("go starts");
    if !built.status.success() {
        println!("(Go's ReverseProxy cannot be built: {})", String::from_utf8_lossy(&built.stderr).trim());
        return None;
    }
    let mut command = Command::new(binary);
    command.args([place.http1.to_string(), place.program.to_string()]);
    Some(command)
}
