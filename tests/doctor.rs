//! `devloop doctor`: each fault is planted in a small folder and found; where nothing is wrong, nothing is found. (What
//! needs Go says so and passes without it.)
#![expect(clippy::disallowed_methods, reason = "tests are outside the house")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "support/have.rs"]
mod have;

use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, ToSocketAddrs},
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::Arc,
    thread,
    time::{Duration, SystemTime},
};

use have::have;
use rustls::{
    ServerConfig, ServerConnection, Stream,
    crypto::ring,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use serde_json::Value;
use tempfile::TempDir;

/// A folder, and the variables that its owner has set.
struct Folder {
    folder: TempDir,
    env: Vec<(&'static str, String)>,
}

impl Folder {
    fn with(files: &[(&str, &str)]) -> Folder {
        let folder = Folder { folder: TempDir::with_prefix("devloop-doctor-").unwrap(), env: Vec::new() };
        files.iter().for_each(|(file, text)| folder.write(file, text));
        folder
    }

    fn env(mut self, name: &'static str, value: &str) -> Folder {
        self.env.push((name, value.to_owned()));
        self
    }

    fn path(&self) -> PathBuf {
        self.folder.path().canonicalize().unwrap()
    }

    fn write(&self, file: &str, text: &str) {
        let path = self.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn doctor(&self, arguments: &[&str]) -> Output {
        doctor(&self.path(), arguments, &self.env)
    }

    /// What was found: the names of the checks, and everything about them.
    fn findings(&self) -> Vec<Value> {
        let output = self.doctor(&["--json"]);
        let found: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
        let findings = found["findings"].as_array().unwrap().clone();
        let wrong = findings.iter().any(|finding| finding["weight"] == "wrong");
        assert_eq!(output.status.code(), Some(i32::from(wrong)), "{found}");
        assert_eq!(found["ok"], !wrong);
        findings
    }

    /// The only thing that was found.
    fn finding(&self, check: &str, seen: &str) -> Value {
        let findings = self.findings();
        assert_eq!(findings.len(), 1, "{findings:#?}");
        assert_eq!(findings[0]["check"], check, "{findings:#?}");
        assert!(findings[0]["seen"].as_str().unwrap().contains(seen), "no `{seen}` in {findings:#?}");
        for key in ["why", "mend"] {
            assert!(!findings[0][key].as_str().unwrap().is_empty(), "{findings:#?}");
        }
        findings[0].clone()
    }
}

/// `devloop doctor` in this folder, apart from what the person who runs the tests has set for himself.
fn doctor(folder: &Path, arguments: &[&str], env: &[(&'static str, String)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_devloop"));
    for name in ["GOFLAGS", "GOPRIVATE", "GONOPROXY", "GONOSUMDB", "GOSUMDB", "GOWORK", "CGO_ENABLED", "GODEBUG"] {
        command.env_remove(name);
    }
    command.env("GOENV", "off").env("GOTOOLCHAIN", "local").env("GOPROXY", "https://proxy.golang.org,direct");
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    command.arg("doctor").args(arguments).current_dir(folder);
    command.envs(env.iter().map(|(name, value)| (name, value))).output().unwrap()
}

const MOD: &str = "module example.com/shop\n\ngo 1.21\n";
const MAIN: &str = "package main\n\nfunc main() {}\n";
const NOTHING: [Value; 0] = [];

/// A service on a fixed port.
fn service(port: u16, more: &str) -> String {
    format!("[proxy]\nlisten = 0\n\n[[service]]\nname = \"api\"\nrun = \"./api\"\nport = {port}\n{more}\n")
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn where_nothing_is_wrong_nothing_is_found() {
    let empty = Folder::with(&[("dev.toml", &service(free_port(), "health = \"/health\""))]);
    assert_eq!(empty.findings(), NOTHING);
    let text = String::from_utf8(empty.doctor(&[]).stdout).unwrap();
    assert_eq!(text, "12 checks, nothing found\n");
    if have("go") {
        let compose = "services:\n  shop:\n    build: .\n    image: traefik:v3.1\n";
        let docker = "FROM golang:1.26\nHEALTHCHECK CMD wget -q http://localhost:8080/health\n";
        let files = [("go.mod", MOD), ("main.go", MAIN), ("compose.yaml", compose), ("Dockerfile", docker)];
        assert_eq!(Folder::with(&files).findings(), NOTHING);
    }
}

#[test]
fn nothing_is_wrong_with_the_examples() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    for folder in fs::read_dir(examples).unwrap().map(|folder| folder.unwrap().path()) {
        let output = doctor(&folder, &["--json"], &[]);
        let found: Value = serde_json::from_slice(&output.stdout).unwrap();
        // A machine may have an older Go, or somebody's program on one of their ports.
        let wrong = found["findings"].as_array().unwrap().iter();
        let wrong = wrong.filter(|finding| !["go-version", "port"].contains(&finding["check"].as_str().unwrap()));
        assert_eq!(wrong.count(), 0, "{}: {found:#}", folder.display());
    }
}

#[test]
fn a_private_module_that_is_asked_of_the_public_proxy_is_found() {
    if !have("go") {
        return;
    }
    let go_mod = format!("{MOD}\nrequire git.acme.internal/lib v1.0.0\n");
    let folder = Folder::with(&[("go.mod", &go_mod)]);
    let finding = folder.finding("go-proxy", "`git.acme.internal/lib` is private");
    assert_eq!(finding["mend"], "go env -w GOPRIVATE=git.acme.internal");
    assert_eq!((&finding["file"], &finding["line"]), (&Value::from("go.mod"), &Value::from(5)));
    let folder = folder.env("GOPRIVATE", "git.acme.internal");
    assert_eq!(folder.findings(), NOTHING);
    let folder = folder.env("GONOSUMDB", "other.internal");
    folder.finding("go-proxy", "`GONOSUMDB=other.internal` does not");
}

#[test]
fn a_proxy_that_is_off_is_found_where_modules_are_missing() {
    if !have("go") {
        return;
    }
    let go_mod = format!("{MOD}\nrequire github.com/acme/never v1.2.3\n");
    let folder = Folder::with(&[("go.mod", &go_mod)]).env("GOPROXY", "off");
    folder.finding("go-proxy", "`github.com/acme/never@v1.2.3` is not in the module cache");
}

#[test]
fn a_go_that_is_too_old_and_may_not_be_fetched_is_found() {
    if !have("go") {
        return;
    }
    let folder = Folder::with(&[("go.mod", "module example.com/shop\n\ngo 1.99\n")]);
    let finding = folder.finding("go-version", "go.mod needs Go 1.99");
    assert_eq!(finding["mend"], "go env -w GOTOOLCHAIN=auto");
    assert_eq!(folder.env("GOTOOLCHAIN", "auto").findings(), NOTHING);
    let folder = Folder::with(&[("go.mod", MOD), ("Dockerfile", "FROM golang:1.20-alpine AS build\n")]);
    folder.finding("go-version", "`golang:1.20-alpine` is older");
}

#[test]
fn a_workspace_that_is_behind_its_modules_is_found_and_mended() {
    if !have("go") {
        return;
    }
    let folder = Folder::with(&[
        ("go.work", "go 1.18\n\nuse ./api\n"),
        ("api/go.mod", "module example.com/api\n\ngo 1.21\n"),
        ("api/main.go", MAIN),
    ]);
    let finding = folder.finding("go-version", "go.work says go 1.18, and `./api` needs go 1.21");
    assert_eq!((&finding["fixable"], &finding["mend"]), (&Value::from(true), &Value::from("go work use")));
    let before = fs::read_to_string(folder.path().join("go.work")).unwrap();
    assert_eq!(before, "go 1.18\n\nuse ./api\n", "nothing is changed without --fix");
    let output = folder.doctor(&["--fix"]);
    assert!(String::from_utf8_lossy(&output.stdout).contains("  mended: go work use\n"), "{output:?}");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(folder.findings(), NOTHING);
    folder.write("go.work", "go 1.21\n\nuse (\n\t./api\n\t./gone\n)\n");
    folder.finding("go-version", "go.work uses `./gone`");
}

#[test]
fn a_vendor_folder_that_is_not_that_of_go_mod_is_found() {
    if !have("go") {
        return;
    }
    let go_mod = format!("{MOD}\nrequire github.com/acme/lib v1.1.0\n");
    let vendored = "# github.com/acme/lib v1.1.0\n## explicit\ngithub.com/acme/lib\n";
    let folder = Folder::with(&[("go.mod", &go_mod), ("vendor/modules.txt", vendored)]);
    assert_eq!(folder.findings(), NOTHING);
    folder.write("vendor/modules.txt", &vendored.replace("v1.1.0", "v1.0.0"));
    folder.finding("go-vendor", "`github.com/acme/lib` is v1.0.0 there, v1.1.0 in go.mod");
}

#[test]
fn c_in_a_program_that_is_built_without_cgo_is_found() {
    if !have("go") {
        return;
    }
    let toml = |run: &str| {
        format!(
            "[[step]]\nname = \"build\"\nrun = \"{run}\"\ninputs = \"go\"\n\n[[service]]\nname = \"api\"\nrun = \"{{build}}\"\n\n[proxy]\nlisten = 0\n"
        )
    };
    let folder = Folder::with(&[
        ("go.mod", MOD),
        ("main.go", "package main\n\nimport \"example.com/shop/sum\"\n\nfunc main() { println(sum.One()) }\n"),
        (
            "sum/sum.go",
            "package sum\n\n// int one(void) { return 1; }\nimport \"C\"\n\nfunc One() int { return int(C.one()) }\n",
        ),
        ("dev.toml", &toml("CGO_ENABLED=0 go build -o {out} .")),
    ]);
    folder.finding("cgo", "`example.com/shop/sum` is written in C in part");
    folder.write("dev.toml", &toml("CGO_ENABLED=1 go build -o {out} ."));
    assert_eq!(folder.findings(), NOTHING);
}

#[test]
fn an_image_of_another_version_than_go_mod_requires_is_found() {
    if !have("go") {
        return;
    }
    let go_mod = format!("{MOD}\nrequire github.com/traefik/traefik/v3 v3.1.2\n");
    let folder =
        Folder::with(&[("go.mod", &go_mod), ("compose.yaml", "services:\n  edge:\n    image: traefik:v2.11\n")]);
    let finding = folder.finding("versions", "`traefik:v2.11` runs");
    assert_eq!((&finding["file"], &finding["line"]), (&Value::from("compose.yaml"), &Value::from(3)));
}

#[test]
fn a_port_that_somebody_else_has_is_found() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let folder = Folder::with(&[("dev.toml", &service(port, "health = { tcp = true }"))]);
    if cfg!(target_os = "linux") {
        let finding = folder.finding("port", &format!("port {port} of service `api` is taken by"));
        assert!(finding["seen"].as_str().unwrap().contains(&format!("pid {}", std::process::id())), "{finding}");
        let folder = Folder::with(&[(
            "dev.toml",
            &format!("[proxy]\nlisten = {port}\n\n[[service]]\nname = \"a\"\nrun = \"a\"\n"),
        )]);
        folder.finding("port", "where the proxy listens");
    }
    drop(listener);
    assert_eq!(folder.findings(), NOTHING);
}

#[test]
fn a_database_that_listens_on_the_other_localhost_is_found() {
    let first = ("localhost", 0).to_socket_addrs().unwrap().next().unwrap().ip();
    let other = if first.is_ipv4() { "[::1]:0" } else { "127.0.0.1:0" };
    let Ok(listener) = TcpListener::bind(other) else {
        eprintln!("skipped: there is only one localhost here");
        return;
    };
    let port = listener.local_addr().unwrap().port();
    let env = format!("env = {{ DATABASE_URL = \"postgres://localhost:{port}/dev\" }}");
    let folder = Folder::with(&[("dev.toml", &service(free_port(), &env))]);
    if cfg!(target_os = "linux") {
        folder.finding("localhost", &format!("`localhost:{port}` is {first} first"));
    }
}

#[test]
fn a_file_from_the_future_is_found_and_touched() {
    let folder = Folder::with(&[("main.go", MAIN)]);
    let file = fs::File::options().write(true).open(folder.path().join("main.go")).unwrap();
    file.set_modified(SystemTime::now() + Duration::from_secs(3_600)).unwrap();
    let finding = folder.finding("clock", "`main.go` was written 59m");
    assert_eq!(finding["mend"], "touch -- main.go");
    folder.doctor(&["--fix"]);
    assert_eq!(folder.findings(), NOTHING);
}

#[test]
fn a_health_path_that_another_file_calls_otherwise_is_found() {
    let compose = "services:\n  api:\n    build: .\n    healthcheck:\n      test: curl -f http://localhost/healthz\n";
    let toml = service(free_port(), "health = \"/health\"");
    let folder = Folder::with(&[("dev.toml", &toml), ("compose.yaml", compose)]);
    let finding = folder.finding("health-path", "healthcheck asks for `/healthz`, and dev.toml for `/health`");
    assert_eq!((&finding["file"], &finding["line"]), (&Value::from("compose.yaml"), &Value::from(5)));
}

#[test]
fn probes_of_kubernetes_and_labels_of_traefik_are_read_wherever_they_lie() {
    let toml = service(free_port(), "health = \"/health\"");
    let probe = "spec:\n  containers:\n  - name: api\n    readinessProbe:\n      httpGet:\n        path: /readyz\n";
    let folder = Folder::with(&[("dev.toml", &toml), ("deploy/k8s/api.yaml", probe)]);
    let finding = folder.finding("health-path", "readinessProbe asks for `/readyz`, and dev.toml for `/health`");
    assert_eq!(finding["file"], "deploy/k8s/api.yaml");
    let labels = "services:\n  api:\n    image: x\n    labels:\n      traefik.http.services.api.loadbalancer.healthcheck.path: /ping\n";
    let folder = Folder::with(&[("dev.toml", &toml), ("docker-compose.yml", labels)]);
    folder.finding("health-path", "asks for `/ping`, and dev.toml for `/health`");
    let same = probe.replace("/readyz", "/health");
    assert_eq!(Folder::with(&[("dev.toml", &toml), ("deploy/k8s/api.yaml", &same)]).findings(), NOTHING);
}

#[test]
fn a_plugin_of_other_modules_than_go_mod_requires_is_found() {
    let has_cc = ["cc", "gcc"].iter().any(|cc| Command::new(cc).arg("--version").output().is_ok());
    if !have("go") || !has_cc {
        return;
    }
    let go_mod =
        "module example.com/shop\n\ngo 1.21\n\nrequire example.com/lib v1.0.0\n\nreplace example.com/lib => ./lib\n";
    let folder = Folder::with(&[
        ("go.mod", go_mod),
        ("main.go", MAIN),
        ("lib/go.mod", "module example.com/lib\n\ngo 1.21\n"),
        ("lib/lib.go", "package lib\n\nvar X = 1\n"),
        ("greet/greet.go", "package main\n\nimport \"example.com/lib\"\n\nvar Greeting = lib.X\n\nfunc main() {}\n"),
    ]);
    let mut go = Command::new("go");
    go.args(["build", "-buildvcs=false", "-buildmode=plugin", "-o", "greet.so", "./greet"]).current_dir(folder.path());
    let built = go.env("CGO_ENABLED", "1").env_remove("GOFLAGS").output().unwrap();
    if !built.status.success() {
        eprintln!("skipped: plugins cannot be built here: {}", String::from_utf8_lossy(&built.stderr));
        return;
    }
    assert_eq!(folder.findings(), NOTHING);
    // What a folder replaces has no version of its own: only without it can they differ.
    folder.write("go.mod", "module example.com/shop\n\ngo 1.21\n\nrequire example.com/lib v1.1.0\n");
    folder
        .finding("go-plugin", "the plugin `greet.so` was built with `example.com/lib` v1.0.0, and go.mod says v1.1.0");
}

/// Answers each connection with what `answer` makes of the first words, until the test is over.
fn server(answer: impl Fn(&mut std::net::TcpStream) + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || listener.incoming().map_while(Result::ok).for_each(|mut stream| answer(&mut stream)));
    port
}

#[test]
fn a_health_path_that_the_program_does_not_have_is_found() {
    let port = server(|stream| {
        let mut request = [0; 1024];
        let read = stream.read(&mut request).unwrap_or(0);
        let status = if request[..read].starts_with(b"GET / ") { "200 OK" } else { "404 Not Found" };
        _ = write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
    });
    let folder = Folder::with(&[("dev.toml", &service(port, "health = \"/health\""))]);
    let findings = folder.findings();
    let found =
        findings.iter().find(|finding| finding["check"] == "health-path").unwrap_or_else(|| panic!("{findings:?}"));
    assert_eq!(found["seen"], "`/health` of service `api` answers 404, and `/` answers 200");
    assert_eq!((&found["file"], &found["line"]), (&Value::from("dev.toml"), &Value::from(8)));
}

#[test]
fn a_promise_of_http_2_that_is_not_kept_is_found() {
    let signed = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signed.signing_key.serialize_der()));
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let mut config = builder.with_single_cert(vec![signed.cert.der().clone()], key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let config = Arc::new(config);
    let port = server(move |stream| {
        let mut connection = ServerConnection::new(Arc::clone(&config)).unwrap();
        let mut tls = Stream::new(&mut connection, stream);
        let mut request = [0; 24];
        _ = tls.read_exact(&mut request);
        _ = tls.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    });
    let folder = Folder::with(&[("dev.toml", &service(port, ""))]);
    let findings = folder.findings();
    let found = findings.iter().find(|finding| finding["check"] == "alpn").unwrap_or_else(|| panic!("{findings:?}"));
    assert!(found["seen"].as_str().unwrap().contains("agrees on `h2` in TLS, and does not speak HTTP/2"), "{found}");
}

#[test]
fn every_check_is_described() {
    let docs = include_str!("../docs/doctor.md");
    for check in devloop::doctor::Check::ALL {
        assert!(
            docs.contains(&format!("| `{}` |", check.name())),
            "docs/doctor.md does not describe `{}`",
            check.name()
        );
    }
}
