//! HTTPS on the proxy's port: real handshakes, with certificates of devloop's own authority.
#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests are outside the house")]

#[path = "support/have.rs"]
mod have;
mod proxy_support;

use std::{path::Path, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use devloop::{
    certificates::{Authority, Leaves, Places},
    plan::{Cors, Demand, HostPattern, Middleware, Origins, Prefix, RateLimit, Route, Target},
    proxy::{Certify, Clients, Https, Rules},
};
use have::have;
use http_body_util::{BodyExt, Empty};
use hyper::{Request, header::HeaderName};
use hyper_util::rt::{TokioExecutor, TokioIo};
use proxy_support::{App, Rest, Stage, files_in, get, until, within};
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// A proxy that speaks HTTPS, and the folder with its authority.
struct Secure {
    stage: Stage,
    folder: tempfile::TempDir,
}

fn places(folder: &Path) -> Places {
    Places { own: folder.join("devloop"), mkcert: folder.join("mkcert"), home: folder.to_owned() }
}

async fn secure(hosts: &[&str]) -> Secure {
    secure_for(hosts, None).await
}

async fn secure_for(hosts: &[&str], clients: Option<Clients>) -> Secure {
    let folder = tempfile::tempdir().unwrap();
    let leaves = Leaves::of(Authority::find_or_make(&places(folder.path())).unwrap());
    let stage = Stage::with(|settings| {
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let certify = Certify(Arc::new(move |name| leaves.certificate(name)));
        settings.rules.tls = Some(Https::new(certify, &hosts, clients).unwrap());
        settings.rules.hosts = hosts;
    })
    .await;
    Secure { stage, folder }
}

impl Secure {
    /// Trusts the authority and nothing else.
    fn config(&self, alpn: &[&str]) -> ClientConfig {
        self.config_of(alpn, None)
    }

    /// The same of a client that shows these certificates.
    fn config_of(&self, alpn: &[&str], shown: Option<&Person>) -> ClientConfig {
        let pem = std::fs::read(self.folder.path().join("devloop/ca.pem")).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(&pem).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let builder = builder.with_root_certificates(roots);
        let mut config = match shown {
            None => builder.with_no_client_auth(),
            Some(person) => builder.with_client_auth_cert(person.chain.clone(), person.key.clone_key()).unwrap(),
        };
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        config
    }

    async fn connect(&self, name: &str, alpn: &[&str]) -> std::io::Result<TlsStream<TcpStream>> {
        let stream = within(TcpStream::connect(self.stage.addr)).await.unwrap();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        within(TlsConnector::from(Arc::new(self.config(alpn))).connect(name, stream)).await
    }
}

/// Somebody with a certificate.
struct Person {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

/// An authority for clients; somebody whom it vouches for, by way of another one; and somebody whom nobody knows.
fn people() -> (Arc<RootCertStore>, Person, Person) {
    let authority = || {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        (params, key)
    };
    let person = |chain: Vec<&CertificateDer<'static>>, issuer: &Issuer<'_, KeyPair>| {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["ann.test".to_owned()]).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let leaf = params.signed_by(&key, issuer).unwrap();
        let chain = std::iter::once(leaf.der()).chain(chain).map(|der| der.clone().into_owned()).collect();
        Person { chain, key: PrivateKeyDer::try_from(key.serialize_der()).unwrap() }
    };
    let (params, key) = authority();
    let mut roots = RootCertStore::empty();
    roots.add(params.self_signed(&key).unwrap().der().clone()).unwrap();
    let root = Issuer::new(params, key);
    let (params, key) = authority();
    let between = params.signed_by(&key, &root).unwrap().der().clone().into_owned();
    let ann = person(vec![&between], &Issuer::new(params, key));
    let (params, key) = authority();
    let stranger = person(Vec::new(), &Issuer::new(params, key));
    (Arc::new(roots), ann, stranger)
}

impl Secure {
    /// What a client that shows this gets; with forged fields of its own.
    async fn ask_as(&self, person: Option<&Person>) -> std::io::Result<String> {
        let stream = within(TcpStream::connect(self.stage.addr)).await?;
        let connector = TlsConnector::from(Arc::new(self.config_of(&["http/1.1"], person)));
        let mut stream = within(connector.connect(ServerName::try_from("localhost").unwrap(), stream)).await?;
        let forged = "Client-Cert: :forged:\r\nclient_cert: :forged:\r\nClient-Cert-Chain: :forged:\r\nCLIENT-CERT_CHAIN: :forged:";
        let request = format!("GET / HTTP/1.1\r\nHost: localhost\r\n{forged}\r\nConnection: close\r\n\r\n");
        within(stream.write_all(request.as_bytes())).await?;
        let mut answer = Vec::new();
        within(stream.read_to_end(&mut answer)).await?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }
}

/// Every field with a certificate in a request that arrived.
fn certificates_in(request: &proxy_support::Message) -> Vec<(String, String)> {
    let fields = request.headers.iter().map(|(name, value)| (name.to_lowercase(), value.clone()));
    fields.filter(|(name, _)| name.replace('_', "-").starts_with("client-cert")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_shows_a_certificate_is_told_of_to_the_program_and_nobody_can_pretend_to() {
    let (roots, ann, stranger) = people();
    let header = HeaderName::from_static("client-cert");
    let secure = secure_for(&[], Some(Clients { roots, demand: Demand::Optional, header })).await;
    let app = App::named("api").await;
    secure.stage.open(app.addr);
    assert!(secure.ask_as(None).await.unwrap().ends_with("api"));
    assert!(secure.ask_as(Some(&ann)).await.unwrap().ends_with("api"));
    assert!(secure.ask_as(Some(&stranger)).await.is_err(), "anybody can sign");
    let seen = app.seen.lock().unwrap().clone();
    assert_eq!(seen.len(), 2);
    assert_eq!(certificates_in(&seen[0]), []);
    let item = |der: &CertificateDer<'_>| format!(":{}:", STANDARD.encode(der));
    let told = [("client-cert".to_owned(), item(&ann.chain[0])), ("client-cert-chain".to_owned(), item(&ann.chain[1]))];
    assert_eq!(certificates_in(&seen[1]), told);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_no_certificate_does_not_get_in_where_one_is_required() {
    let (roots, ann, stranger) = people();
    let header = HeaderName::from_static("x-client");
    let secure = secure_for(&[], Some(Clients { roots, demand: Demand::Required, header })).await;
    let app = App::named("api").await;
    secure.stage.open(app.addr);
    assert!(secure.ask_as(None).await.is_err() && secure.ask_as(Some(&stranger)).await.is_err());
    assert!(secure.ask_as(Some(&ann)).await.unwrap().ends_with("api"));
    let seen = app.seen.lock().unwrap().clone();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].header("x-client"), Some(&*format!(":{}:", STANDARD.encode(&ann.chain[0]))));
    assert!(seen[0].header("x-client-chain").is_some());
}

/// As `Proxy::configure` has it: new connections get what holds, old ones stay.
#[tokio::test(flavor = "multi_thread")]
async fn https_comes_and_goes_while_the_proxy_runs() {
    let secure = secure(&[]).await;
    let app = App::named("api").await;
    secure.stage.open(app.addr);
    let mut old = secure.connect("localhost", &["http/1.1"]).await.unwrap();
    secure.stage.proxy.configure(proxy_support::rules(&["api"]));
    assert_eq!(secure.stage.get("/").await.text(), "api");
    assert!(secure.connect("localhost", &[]).await.is_err());
    assert!(ask(&mut old, CLOSING).await.ends_with("api"));
    let leaves = Leaves::of(Authority::find_or_make(&places(secure.folder.path())).unwrap());
    let certify = Certify(Arc::new(move |name| leaves.certificate(name)));
    let mut plain = secure.stage.connect().await;
    let tls = Some(Https::new(certify, &[], None).unwrap());
    secure.stage.proxy.configure(Rules { tls, ..proxy_support::rules(&["api"]) });
    let mut stream = secure.connect("localhost", &[]).await.unwrap();
    assert!(ask(&mut stream, CLOSING).await.ends_with("api"));
    // Also one that was open before is led to HTTPS.
    assert_eq!(plain.ask(&get("/")).await.status(), 308);
}

async fn ask(stream: &mut TlsStream<TcpStream>, request: &str) -> String {
    within(stream.write_all(request.as_bytes())).await.unwrap();
    let mut bytes = Vec::new();
    // Some clients do not say goodbye; what came before counts.
    let _ = within(stream.read_to_end(&mut bytes)).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

const CLOSING: &str = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn http_1_and_http_2_are_spoken_inside_tls_and_the_program_is_told() {
    let secure = secure(&[]).await;
    let app = App::named("api").await;
    secure.stage.open(app.addr);
    let mut stream = secure.connect("localhost", &["http/1.1"]).await.unwrap();
    assert!(ask(&mut stream, CLOSING).await.ends_with("api"));
    // Without a choice it is HTTP/1.1.
    let mut stream = secure.connect("localhost", &[]).await.unwrap();
    assert!(ask(&mut stream, CLOSING).await.ends_with("api"));
    let stream = secure.connect("app.localhost", &["h2", "http/1.1"]).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get("https://app.localhost:3000/x").body(Empty::<Bytes>::new()).unwrap();
    let response = within(sender.send_request(request)).await.unwrap();
    assert_eq!(within(response.into_body().collect()).await.unwrap().to_bytes(), "api");
    let seen = app.seen.lock().unwrap().clone();
    assert!(seen.iter().all(|request| request.header("x-forwarded-proto") == Some("https")), "{seen:?}");
    assert_eq!(seen[2].header("host"), Some("app.localhost:3000"));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_name_that_is_answered_has_a_certificate_and_no_other_has() {
    let secure = secure(&["shop.test", "*.app.test", "example.com"]).await;
    let app = App::named("api").await;
    secure.stage.open(app.addr);
    for name in ["localhost", "LOCALHOST", "a.b.localhost", "shop.test", "x.app.test", "127.0.0.1", "::1"] {
        assert!(secure.connect(name, &[]).await.is_ok(), "{name}");
    }
    // Not one of ours; and one that is, but that devloop's authority may not sign for.
    for name in ["evil.test", "localhost.evil.test", "app.test", "example.com"] {
        assert!(secure.connect(name, &[]).await.is_err(), "{name}");
    }
    // The name of the handshake is no way around the one of the request.
    let mut stream = secure.connect("localhost", &[]).await.unwrap();
    let answer = ask(&mut stream, "GET / HTTP/1.1\r\nHost: evil.test\r\nConnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_in_the_clear_are_led_to_https_on_the_same_port() {
    let secure = secure(&[]).await;
    let app = App::named("api").await;
    secure.stage.open(app.addr);
    for method in ["GET", "HEAD"] {
        let mut wire = secure.stage.connect().await;
        wire.send(format!("{method} /a?b=%2F HTTP/1.1\r\nHost: app.localhost:3000\r\n\r\n")).await;
        let head = wire.head().await;
        assert_eq!((head.status(), head.header("location")), (308, Some("https://app.localhost:3000/a?b=%2F")));
    }
    let reply = secure.stage.ask("POST /a HTTP/1.1\r\nHost: localhost:3000\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!((reply.status(), reply.header("x-devloop")), (400, Some("https-only")));
    assert!(reply.text().contains("use https://localhost:3000/a"), "{}", reply.text());
    // Nobody is led to a host that is not ours.
    let reply = secure.stage.ask("GET / HTTP/1.1\r\nHost: evil.test\r\n\r\n").await;
    assert_eq!(reply.status(), 403);
    assert_eq!(secure.stage.get("/.devloop/status").await.status(), 308);
    assert_eq!(app.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_lives_inside_tls_and_is_told_of_a_swap() {
    let secure = secure(&[]).await;
    let old = App::raw(|mut wire, _| async move {
        let asked = wire.message(Rest::None).await.unwrap();
        assert_eq!(asked.header("upgrade"), Some("websocket"));
        wire.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n").await;
        let frame = wire.exactly(8).await.unwrap();
        wire.send(frame).await;
        let _ = wire.rest().await;
    })
    .await;
    let run = secure.stage.open(old.addr);
    let mut stream = secure.connect("localhost", &["http/1.1"]).await.unwrap();
    let handshake = "GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    within(stream.write_all(handshake.as_bytes())).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(within(stream.read_u8()).await.unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "));
    within(stream.write_all(b"\x81\x82\0\0\0\0hi")).await.unwrap();
    let mut echo = [0; 8];
    within(stream.read_exact(&mut echo)).await.unwrap();
    assert_eq!(&echo, b"\x81\x82\0\0\0\0hi");
    let new = App::named("new").await;
    secure.stage.open(new.addr);
    within(secure.stage.proxy.drain(run, proxy_support::DEADLINE)).await;
    let mut rest = Vec::new();
    // The end is one of TLS, too: not cut off.
    within(stream.read_to_end(&mut rest)).await.unwrap();
    assert_eq!(rest, b"\x88\x11\x03\xf4service restart");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_while_it_is_held_never_reaches_the_program() {
    let secure = secure(&[]).await;
    let app = App::named("api").await;
    let run = secure.stage.add(app.addr);
    secure.stage.gate(proxy_support::holding());
    let mut stream = secure.connect("localhost", &["http/1.1"]).await.unwrap();
    within(stream.write_all(get("/").as_bytes())).await.unwrap();
    secure.stage.held(1).await;
    drop(stream);
    secure.stage.held(0).await;
    secure.stage.gate(proxy_support::open(run));
    let mut stream = secure.connect("localhost", &[]).await.unwrap();
    assert!(ask(&mut stream, CLOSING).await.ends_with("api"));
    assert_eq!(app.count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn handshakes_that_fail_leave_nothing_behind() {
    let secure = secure(&[]).await;
    let app = App::named("api").await;
    secure.stage.open(app.addr);
    // Garbage that begins as TLS does, half a handshake, and one that knows another authority.
    let mut wire = secure.stage.connect().await;
    wire.send(b"\x16garbage garbage garbage").await;
    let _ = wire.rest().await;
    let mut wire = secure.stage.connect().await;
    wire.send(b"\x16\x03\x01\x02\0\x01").await;
    drop(wire);
    let stranger = self::secure(&[]).await;
    let connector = TlsConnector::from(Arc::new(stranger.config(&[])));
    let stream = TcpStream::connect(secure.stage.addr).await.unwrap();
    assert!(within(connector.connect(ServerName::try_from("localhost").unwrap(), stream)).await.is_err());
    until(|| secure.stage.proxy.stats().connections == 0).await;
    let mut stream = secure.connect("localhost", &[]).await.unwrap();
    assert!(ask(&mut stream, CLOSING).await.ends_with("api"));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_tls_a_client_that_tries_it_is_answered_in_http() {
    let stage = Stage::new().await;
    let app = App::named("api").await;
    stage.open(app.addr);
    let mut wire = stage.connect().await;
    wire.send(b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03 and so on\r\n\r\n").await;
    assert_eq!(wire.reply().await.unwrap().status(), 400);
}

/// OpenSSL reads name constraints differently from others, and curl is what people try first.
#[tokio::test(flavor = "multi_thread")]
async fn curl_is_content_with_the_certificate() {
    if !have("curl") {
        return;
    }
    let secure = secure(&[]).await;
    let app = App::named("api").await;
    secure.stage.open(app.addr);
    let ca = secure.folder.path().join("devloop/ca.pem");
    for (name, version) in [("localhost", "--http1.1"), ("app.localhost", "--http2"), ("127.0.0.1", "--http2")] {
        let address = secure.stage.addr;
        let mut curl = std::process::Command::new("curl");
        curl.args(["-sS", "--max-time", "30", version, "--resolve"]);
        curl.arg(format!("{name}:{}:127.0.0.1", address.port())).arg("--cacert").arg(&ca);
        curl.arg(format!("https://{name}:{}/", address.port()));
        let output = within(tokio::task::spawn_blocking(move || curl.output())).await.unwrap().unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((String::from_utf8_lossy(&output.stdout), &*error), ("api".into(), ""), "{name}");
    }
}

/// Routes and what is done on them, as a client of HTTP/2 inside TLS meets them.
#[tokio::test(flavor = "multi_thread")]
async fn routes_and_rules_hold_in_http_2_inside_tls() {
    if !have("curl") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.txt"), "0123456789").unwrap();
    let cors = Cors {
        origins: Origins::ThisMachine,
        credentials: true,
        methods: vec![],
        headers: vec![],
        expose: vec![],
        max_age: None,
    };
    let strict = Middleware { basic_auth: [("ann".to_owned(), "secret".to_owned())].into(), ..Middleware::default() };
    let once = RateLimit { requests: 1, per: std::time::Duration::from_secs(600), burst: 1 };
    let limited = Middleware { rate_limit: Some(once), ..Middleware::default() };
    let small = Middleware { compress: true, cors: Some(cors), security_headers: true, ..Middleware::default() };
    let service = |name: &str, prefix| Target::Service { name: name.into(), prefix };
    let route = |host: Option<&str>, path: &str, target, middleware| {
        let host = host.map(|host| HostPattern::new(host).unwrap());
        Arc::new(Route { host, path: path.to_owned(), target, middleware: Arc::new(middleware) })
    };
    let secure = secure(&["*.app.test"]).await;
    let known = proxy_support::rules(&["web", "api"]);
    let leaves = Leaves::of(Authority::find_or_make(&places(secure.folder.path())).unwrap());
    let hosts = vec!["*.app.test".to_owned()];
    let tls = Some(Https::new(Certify(Arc::new(move |name| leaves.certificate(name))), &hosts, None).unwrap());
    let routes = vec![
        route(None, "", service("web", Prefix::Kept), Middleware::default()),
        route(Some("*.app.test"), "", service("api", Prefix::Kept), Middleware::default()),
        route(None, "/api", service("api", Prefix::Stripped), small),
        route(None, "/strict", service("api", Prefix::Kept), strict),
        route(None, "/limited", service("api", Prefix::Kept), limited),
        route(None, "/old", Target::Redirect { to: "/new/{path}".to_owned(), status: 308 }, Middleware::default()),
        route(None, "/files", files_in(folder.path(), None), Middleware::default()),
    ];
    secure.stage.proxy.configure(Rules { tls, hosts, routes, ..known });
    let echo = |name: &'static str| {
        App::http(move |request| async move {
            let said = format!("{name} {} {}", request.target(), request.header("host").unwrap_or("-"));
            let body = format!("{said}{}", " ".repeat(2_000));
            let head = format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n", body.len());
            [head, body].concat().into_bytes()
        })
    };
    let (web, api) = (echo("web").await, echo("api").await);
    for (service, app) in [("web", &web), ("api", &api)] {
        let run = secure.stage.add(app.addr);
        secure.stage.gate_of(service, proxy_support::open(run));
    }
    let port = secure.stage.addr.port();
    let at = |path: &str| format!("https://localhost:{port}{path}");
    for (arguments, wanted) in [
        (vec![at("/x?a=1")], vec!["HTTP/2 200", &*format!("web /x?a=1 localhost:{port}")]),
        (vec![format!("https://x.app.test:{port}/y")], vec!["HTTP/2 200", &*format!("api /y x.app.test:{port}")]),
        (vec![at("/api/z")], vec!["HTTP/2 200", "api /z ", "x-content-type-options: nosniff"]),
        (vec!["--compressed".to_owned(), at("/api/z")], vec!["content-encoding: ", "api /z "]),
        (
            vec!["-HOrigin: http://localhost:5173".to_owned(), at("/api/z")],
            vec!["access-control-allow-origin: http://localhost:5173"],
        ),
        (
            ["-XOPTIONS", "-HOrigin: http://localhost:5173", "-HAccess-Control-Request-Method: PUT", &at("/api/z")]
                .map(str::to_owned)
                .to_vec(),
            vec!["HTTP/2 204", "access-control-allow-methods: PUT", "x-devloop: cors"],
        ),
        (vec![at("/strict")], vec!["HTTP/2 401", "www-authenticate: Basic", "x-devloop: not-let-in"]),
        (vec!["-uann:secret".to_owned(), at("/strict")], vec!["HTTP/2 200", "api /strict "]),
        (vec![at("/limited")], vec!["HTTP/2 200"]),
        (vec![at("/limited")], vec!["HTTP/2 429", "retry-after: ", "x-devloop: rate-limit"]),
        (vec![at("/old/x?y=1")], vec!["HTTP/2 308", "location: /new/x?y=1"]),
        (
            vec!["-r2-4".to_owned(), at("/files/a.txt")],
            vec!["HTTP/2 206", "content-range: bytes 2-4/10", "\r\n\r\n234"],
        ),
        (vec!["-HHost: evil.test".to_owned(), at("/")], vec!["HTTP/2 403", "x-devloop: host-not-allowed"]),
    ] {
        let mut curl = std::process::Command::new("curl");
        curl.args(["-sS", "-i", "--http2", "--max-time", "60", "--cacert"]);
        curl.arg(secure.folder.path().join("devloop/ca.pem"));
        curl.args(["--resolve", &format!("*:{port}:127.0.0.1")]).args(&arguments);
        let output = within(tokio::task::spawn_blocking(move || curl.output())).await.unwrap().unwrap();
        let answer = String::from_utf8_lossy(&output.stdout).into_owned();
        for wanted in wanted {
            assert!(answer.contains(wanted), "{arguments:?}: no {wanted:?} in {answer}{output:?}");
        }
    }
}
