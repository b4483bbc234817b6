//! Asks the programs that listen on fixed ports: one TLS handshake, one HTTP/2 preface, one GET of the health path.
#![expect(clippy::disallowed_methods, reason = "the door to asking programs on fixed ports")]

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::Arc,
    time::Duration,
};

use rustls::{ClientConfig, ClientConnection, Stream, crypto::ring, pki_types::ServerName};

use crate::{
    doctor::scene::{Answer, Scene, Spoken},
    plan::{Port, Protocol, Service},
    tls::Anybody,
};

/// For each word of an answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// A client's first words in HTTP/2 (RFC 9113 section 3.4), and an empty SETTINGS frame.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

pub(super) fn look(scene: &mut Scene) {
    let Some(plan) = &scene.plan else { return };
    for service in &plan.services {
        let Port::Fixed(port) = service.port else { continue };
        // What is known by its log or its port alone is a database or a queue: it is not to be confused.
        let speaks_http = service.health.log.is_none() && !service.health.tcp;
        let address = scene.held.get(&port).and_then(|holders| Some(holders.first()?.addr)).filter(|_| speaks_http);
        let Some(address) = address else { continue };
        scene.spoken.push(ask(service, port, reachable(address)));
    }
}

/// Where one asks a socket that listens on every address.
fn reachable(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => ([127, 0, 0, 1], v4.port()).into(),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => ([127, 0, 0, 1], v6.port()).into(),
        address => address,
    }
}

fn ask(service: &Service, port: u16, address: SocketAddr) -> Spoken {
    let path = service.health.path.as_deref().unwrap_or("/");
    let declared = service.protocol;
    let (alpn, h2) = match (tls(address), declared) {
        (Some((alpn, h2)), _) => (Some(alpn), h2),
        (None, Protocol::H2c) => (None, connect(address).map_or(Answer::NotAsked, |mut stream| preface(&mut stream))),
        (None, Protocol::Http | Protocol::H2) => (None, Answer::NotAsked),
    };
    let health = match alpn {
        Some(_) => None,
        None => status(address, path).and_then(|health| Some((health, status(address, "/")?))),
    };
    Spoken { service: service.name.to_string(), port, health, alpn, h2, declared }
}

fn connect(address: SocketAddr) -> Option<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.set_write_timeout(Some(PATIENCE)).ok()?;
    Some(stream)
}

/// The status of a GET in HTTP/1.1.
fn status(address: SocketAddr, path: &str) -> Option<u16> {
    let mut stream = connect(address)?;
    let request =
        format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nuser-agent: devloop-doctor\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut line = [0; 12];
    stream.read_exact(&mut line).ok()?;
    std::str::from_utf8(&line).ok()?.strip_prefix("HTTP/1.")?.get(2..)?.parse().ok()
}

/// What TLS agrees on when `h2` and `http/1.1` are offered, and whether an HTTP/2 preface is then answered. None if it
/// speaks no TLS.
fn tls(address: SocketAddr) -> Option<(String, Answer)> {
    let provider = Arc::new(ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions().ok()?;
    // Nothing is told to the other side, and only its promises are looked at.
    let anybody = Arc::new(Anybody::new(provider));
    let mut config = builder.dangerous().with_custom_certificate_verifier(anybody).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let name = ServerName::try_from("localhost").ok()?;
    let mut connection = ClientConnection::new(Arc::new(config), name).ok()?;
    let mut socket = connect(address)?;
    while connection.is_handshaking() {
        connection.complete_io(&mut socket).ok()?;
    }
    let agreed = String::from_utf8_lossy(connection.alpn_protocol().unwrap_or_default()).into_owned();
    if agreed == "http/1.1" {
        return Some((agreed, Answer::NotAsked));
    }
    let h2 = preface(&mut Stream::new(&mut connection, &mut socket));
    Some((agreed, h2))
}

/// Whether an HTTP/2 preface is answered: the first frame must be SETTINGS (type 4).
fn preface(stream: &mut (impl Read + Write)) -> Answer {
    let mut head = [0; 9];
    let asked = stream.write_all(PREFACE).and_then(|()| stream.flush()).and_then(|()| stream.read_exact(&mut head));
    if asked.is_ok() && head[3] == 4 { Answer::Given } else { Answer::None }
}
