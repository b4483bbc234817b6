//! Programs that speak HTTPS: real handshakes with servers of rustls, by the proxy and by probes.
#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests are outside the house")]

mod proxy_support;

use std::{
    convert::Infallible,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use devloop::{
    health::{Front, Outcome, Rules, Socket, Target, probe},
    model::{RunId, Scheme},
    plan::{Health, Port, Protocol},
    proxy::Speaks,
    tls::{Handshake, Roots},
};
use http_body_util::Full;
use hyper::{Request, Response, Version, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use proxy_support::{DEADLINE, Stage, get, open, within};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

/// Two files: a certificate, and its key beside it in memory.
struct Identity {
    certificate: String,
    key: String,
}

/// An authority of our own, and what it has signed for these names.
fn signed(names: &[&str]) -> (String, Identity) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().unwrap();
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let leaf = CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
    (authority, Identity { certificate: leaf.pem(), key: key.serialize_pem() })
}

/// As `openssl req -x509` makes them: signed by itself, and an authority at once.
fn self_signed(name: &str) -> Identity {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    Identity { certificate: params.self_signed(&key).unwrap().pem(), key: key.serialize_pem() }
}

fn acceptor(identity: &Identity, alpn: &[&str]) -> TlsAcceptor {
    let chain = vec![CertificateDer::from_pem_slice(identity.certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
    let builder = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let mut config = builder.with_single_cert(chain, key).unwrap();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    TlsAcceptor::from(Arc::new(config))
}

/// What a program was asked, and how.
#[derive(Clone, Debug)]
struct Asked {
    version: Version,
    scheme: Option<String>,
    sni: Option<String>,
    forwarded: Option<String>,
}

/// A program that answers everything with `secret`, in what the client has chosen.
struct Program {
    addr: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    connections: Arc<AtomicUsize>,
}

async fn program(identity: &Identity, alpn: &[&str]) -> Program {
    let (listener, acceptor) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), acceptor(identity, alpn));
    let addr = listener.local_addr().unwrap();
    let (asked, connections) = (Arc::<Mutex<Vec<Asked>>>::default(), Arc::<AtomicUsize>::default());
    let program = Program { addr, asked: Arc::clone(&asked), connections: Arc::clone(&connections) };
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, asked) = (acceptor.clone(), Arc::clone(&asked));
            connections.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let sni = stream.get_ref().1.server_name().map(str::to_owned);
                let service = service_fn(move |request: Request<Incoming>| {
                    asked.lock().unwrap().push(Asked {
                        version: request.version(),
                        scheme: request.uri().scheme_str().map(str::to_owned),
                        sni: sni.clone(),
                        forwarded: request.headers().get("x-forwarded-proto").map(|it| it.to_str().unwrap().to_owned()),
                    });
                    async { Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"secret")))) }
                });
                let builder = auto::Builder::new(TokioExecutor::new());
                let _ = builder.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    program
}

fn roots(folder: &Path, pem: &str) -> Roots {
    let path: PathBuf = folder.join("ca.pem");
    std::fs::write(&path, pem).unwrap();
    Roots::File { path, shown: "certs/ca.pem".to_owned() }
}

fn handshake(roots: &Roots, name: Option<&str>) -> Handshake {
    Handshake::new(roots, name).unwrap()
}

fn speaks(protocol: Protocol, tls: Handshake) -> Speaks {
    Speaks { protocol, tls: Some(tls) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_is_spoken_to_in_tls_and_connections_are_used_again() {
    let folder = tempfile::tempdir().unwrap();
    let (authority, identity) = signed(&["localhost"]);
    let program = program(&identity, &["h2", "http/1.1"]).await;
    let stage = Stage::new().await;
    let tls = handshake(&roots(folder.path(), &authority), None);
    stage.gate(open(stage.add_speaking(program.addr, speaks(Protocol::Http, tls))));
    let mut wire = stage.connect().await;
    for _ in 0..5 {
        let reply = wire.ask(&get("/x")).await;
        assert_eq!((reply.status(), reply.text().as_str()), (200, "secret"));
    }
    let asked = program.asked.lock().unwrap().clone();
    assert_eq!(asked.len(), 5);
    // The client did not speak TLS, and that is what the program is told.
    assert!(asked.iter().all(|asked| asked.version == Version::HTTP_11), "{asked:?}");
    assert!(asked.iter().all(|asked| asked.forwarded.as_deref() == Some("http")), "{asked:?}");
    assert!(asked.iter().all(|asked| asked.sni.as_deref() == Some("localhost")), "{asked:?}");
    assert_eq!(program.connections.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn http_2_inside_tls_is_chosen_by_alpn_where_the_protocol_says_so_and_for_grpc() {
    let folder = tempfile::tempdir().unwrap();
    let (authority, identity) = signed(&["api.test"]);
    let program = program(&identity, &["h2", "http/1.1"]).await;
    let tls = handshake(&roots(folder.path(), &authority), Some("api.test"));
    let stage = Stage::new().await;
    stage.gate(open(stage.add_speaking(program.addr, speaks(Protocol::H2, tls.clone()))));
    assert_eq!(stage.get("/").await.text(), "secret");
    let grpc = "POST /a.B/C HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/grpc\r\nContent-Length: 0\r\n\r\n";
    stage.gate(open(stage.add_speaking(program.addr, speaks(Protocol::Http, tls))));
    // A gRPC call that came in HTTP/1.1 is none: nobody could be told its end.
    assert_eq!(stage.ask(grpc).await.status(), 200);
    let stream = within(TcpStream::connect(stage.addr)).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let call = Request::post("http://localhost/a.B/C").header("content-type", "application/grpc");
    let call = call.body(Full::new(Bytes::new())).unwrap();
    assert_eq!(within(sender.send_request(call)).await.unwrap().status(), 200);
    let asked = program.asked.lock().unwrap().clone();
    let versions: Vec<Version> = asked.iter().map(|asked| asked.version).collect();
    assert_eq!(versions, [Version::HTTP_2, Version::HTTP_11, Version::HTTP_2]);
    assert_eq!(asked[0].scheme.as_deref(), Some("https"));
    assert_eq!(asked[0].sni.as_deref(), Some("api.test"));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_trusted_gets_no_request_and_the_answer_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let (authority, identity) = signed(&["localhost", "www.shop.test"]);
    let (stranger, _) = signed(&["localhost"]);
    let program = program(&identity, &[]).await;
    let stage = Stage::with(|settings| settings.limits.refused = std::time::Duration::ZERO).await;
    let machine = Roots::Machine(Vec::new());
    let cases = [
        (handshake(&machine, None), "signed by nobody that this machine trusts"),
        (handshake(&roots(folder.path(), &stranger), None), "not signed by what is in `certs/ca.pem`"),
        (
            handshake(&roots(folder.path(), &authority), Some("api.test")),
            "is for `localhost`, `www.shop.test`, not for `api.test`",
        ),
    ];
    for (tls, why) in cases {
        stage.gate(open(stage.add_speaking(program.addr, speaks(Protocol::Http, tls))));
        let reply = stage.get("/").await;
        assert_eq!((reply.status(), reply.header("x-devloop")), (502, Some("connection-refused")));
        assert!(reply.text().contains(why), "{why}: {}", reply.text());
    }
    let tls = handshake(&roots(folder.path(), &authority), None);
    stage.gate(open(stage.add_speaking(program.addr, speaks(Protocol::H2, tls))));
    let reply = stage.get("/").await;
    assert!(reply.text().contains("does not offer `h2` in TLS"), "{}", reply.text());
    assert!(program.asked.lock().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_stands_in_the_file_itself_is_trusted_whatever_it_is_for() {
    let folder = tempfile::tempdir().unwrap();
    let identity = self_signed("dev.example");
    let program = program(&identity, &["http/1.1"]).await;
    let stage = Stage::with(|settings| settings.limits.refused = std::time::Duration::ZERO).await;
    for roots in [roots(folder.path(), &identity.certificate), Roots::Anybody] {
        stage.gate(open(stage.add_speaking(program.addr, speaks(Protocol::Http, handshake(&roots, None)))));
        assert_eq!(stage.get("/").await.text(), "secret");
    }
    let tls = handshake(&Roots::Machine(Vec::new()), Some("dev.example"));
    stage.gate(open(stage.add_speaking(program.addr, speaks(Protocol::Http, tls))));
    let reply = stage.get("/").await;
    assert!(reply.text().contains("signed by nobody that this machine trusts"), "{}", reply.text());
}

/// `talk` is run for each connection after its handshake, with its number.
async fn raw<F>(
    identity: &Identity,
    talk: impl Fn(TlsStream<TcpStream>, usize) -> F + Send + Sync + 'static,
) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let (listener, acceptor) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), acceptor(identity, &["http/1.1"]));
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        for number in 0.. {
            let Ok((stream, _)) = listener.accept().await else { return };
            if let Ok(stream) = acceptor.accept(stream).await {
                tokio::spawn(talk(stream, number));
            }
        }
    });
    addr
}

async fn read_head(stream: &mut TlsStream<TcpStream>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
}

/// The tickets that a server of TLS sends after the handshake are bytes that came back, but no answer.
#[tokio::test(flavor = "multi_thread")]
async fn a_get_that_a_program_dies_with_is_sent_again_inside_tls_too() {
    let identity = self_signed("localhost");
    let addr = raw(&identity, |mut stream, number| async move {
        read_head(&mut stream).await;
        if number > 0 {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond").await.unwrap();
            stream.flush().await.unwrap();
            let _ = stream.read_u8().await;
        }
    })
    .await;
    let stage = Stage::new().await;
    let tls = handshake(&Roots::Anybody, None);
    stage.gate(open(stage.add_speaking(addr, speaks(Protocol::Http, tls))));
    assert_eq!(stage.get("/").await.text(), "second");
    assert_eq!(stage.stats().replayed, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_cut_off_inside_tls_is_cut_off_for_the_client() {
    let identity = self_signed("localhost");
    let addr = raw(&identity, |mut stream, _| async move {
        read_head(&mut stream).await;
        // No farewell, as by a program that is killed: of 100 bytes 4 come.
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf").await.unwrap();
        stream.flush().await.unwrap();
    })
    .await;
    let stage = Stage::new().await;
    stage.gate(open(stage.add_speaking(addr, speaks(Protocol::Http, handshake(&Roots::Anybody, None)))));
    let mut wire = stage.connect().await;
    wire.send(get("/")).await;
    assert!(wire.reply().await.is_err(), "a short answer looks like a whole one");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_length_needs_no_farewell_of_tls() {
    let identity = self_signed("localhost");
    let addr = raw(&identity, |mut stream, _| async move {
        read_head(&mut stream).await;
        stream.write_all(b"HTTP/1.0 200 OK\r\n\r\nall of it").await.unwrap();
        stream.flush().await.unwrap();
    })
    .await;
    let stage = Stage::new().await;
    stage.gate(open(stage.add_speaking(addr, speaks(Protocol::Http, handshake(&Roots::Anybody, None)))));
    assert_eq!(stage.get("/").await.text(), "all of it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_goes_through_to_a_program_that_speaks_tls() {
    let identity = self_signed("localhost");
    let addr = raw(&identity, |mut stream, _| async move {
        read_head(&mut stream).await;
        let head = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
        stream.write_all(head).await.unwrap();
        stream.flush().await.unwrap();
        let mut frame = [0; 8];
        stream.read_exact(&mut frame).await.unwrap();
        stream.write_all(&frame).await.unwrap();
        stream.flush().await.unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
    })
    .await;
    let stage = Stage::new().await;
    // Upgrades are things of HTTP/1.1, whatever the program speaks beside.
    let tls = handshake(&Roots::Anybody, None);
    let run = stage.add_speaking(addr, speaks(Protocol::H2, tls));
    stage.gate(open(run));
    let mut wire = stage.connect().await;
    wire.send("GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n").await;
    assert_eq!(wire.head().await.status(), 101);
    wire.send(b"\x81\x82\0\0\0\0hi").await;
    assert_eq!(within(wire.exactly(8)).await.unwrap(), b"\x81\x82\0\0\0\0hi");
    within(stage.proxy.drain(run, DEADLINE)).await;
    assert_eq!(within(wire.rest()).await.unwrap(), b"\x88\x11\x03\xf4service restart");
}

fn target(addr: SocketAddr, protocol: Protocol, tls: Option<Handshake>, path: Option<&str>) -> Target {
    let path = path.map(str::to_owned);
    let health = Health { path, status: Vec::new(), log: None, tcp: false, timeout: DEADLINE, interval: None };
    Target {
        run: RunId(1),
        rules: Rules { name: "api".into(), port: Port::Auto, protocol, health },
        port: Some(addr.port()),
        leader: std::process::id(),
        front: Front { host: "localhost:3000".to_owned(), scheme: Scheme::Http },
        proxy_ports: Vec::new(),
        elsewhere: devloop::health::Elsewhere::Sought,
        socket: Socket::Own,
        tls,
        heard: None,
        notify: None,
        seen: Box::new(|_| {}),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_are_probed_inside_tls_in_both_versions() {
    let folder = tempfile::tempdir().unwrap();
    let (authority, identity) = signed(&["localhost"]);
    let program = program(&identity, &["h2", "http/1.1"]).await;
    let tls = handshake(&roots(folder.path(), &authority), None);
    for protocol in [Protocol::Http, Protocol::H2] {
        for path in [None, Some("/health")] {
            let outcome = within(probe(target(program.addr, protocol, Some(tls.clone()), path))).await;
            let ready = Outcome::Ready { addrs: vec![program.addr], warning: None, exclusive: false };
            assert_eq!(outcome, ready, "{protocol:?} {path:?}");
        }
    }
    let versions: Vec<Version> = program.asked.lock().unwrap().iter().map(|asked| asked.version).collect();
    assert_eq!(versions, [Version::HTTP_11, Version::HTTP_11, Version::HTTP_2, Version::HTTP_2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_not_trusted_is_a_failed_start_that_names_the_line_for_dev_toml() {
    let (_, identity) = signed(&["www.shop.test"]);
    let program = program(&identity, &["http/1.1"]).await;
    let port = program.addr.port();
    let tls = handshake(&Roots::Machine(Vec::new()), None);
    let outcome = within(probe(target(program.addr, Protocol::Http, Some(tls), None))).await;
    let Outcome::Unhealthy(report) = outcome else { panic!("{outcome:?}") };
    assert_eq!(
        report.title,
        format!("port {port} answers in TLS, but its certificate is signed by nobody that this machine trusts")
    );
    assert!(report.hint.unwrap().contains("`tls = { ca = \"cert.pem\" }`"));
    let folder = tempfile::tempdir().unwrap();
    let (authority, identity) = signed(&["www.shop.test"]);
    let program = self::program(&identity, &["http/1.1"]).await;
    let tls = handshake(&roots(folder.path(), &authority), None);
    let outcome = within(probe(target(program.addr, Protocol::Http, Some(tls), None))).await;
    let Outcome::Unhealthy(report) = outcome else { panic!("{outcome:?}") };
    assert!(report.title.ends_with("its certificate is for `www.shop.test`, not for `localhost`"), "{report:?}");
    assert_eq!(report.hint.as_deref(), Some("name it: `tls = { server_name = \"www.shop.test\" }`"));
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_where_there_is_none_and_none_where_there_is_tls_are_told_apart() {
    // As servers of HTTP do with what is none.
    let plain = proxy_support::App::raw(|mut wire, _| async move {
        let _ = wire.more().await;
        wire.send("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n").await;
    })
    .await;
    let outcome = within(probe(target(plain.addr, Protocol::Http, Some(handshake(&Roots::Anybody, None)), None))).await;
    let Outcome::Unhealthy(report) = outcome else { panic!("{outcome:?}") };
    assert!(report.title.ends_with("answers, but without TLS"), "{report:?}");
    assert_eq!(report.hint.as_deref(), Some("is `tls` right?"));
    let program = program(&self_signed("localhost"), &["http/1.1"]).await;
    let outcome = within(probe(target(program.addr, Protocol::Http, None, None))).await;
    let Outcome::Unhealthy(report) = outcome else { panic!("{outcome:?}") };
    assert!(report.hint.unwrap().contains("write `tls = true`"));
    let tls = handshake(&Roots::Anybody, None);
    let outcome = within(probe(target(program.addr, Protocol::H2, Some(tls), None))).await;
    let Outcome::Unhealthy(report) = outcome else { panic!("{outcome:?}") };
    assert!(report.title.contains("does not offer `h2`"), "{report:?}");
}
