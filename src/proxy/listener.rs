//! Where the proxy listens: both loopback addresses on one port, or what dev.toml says; and whom a taken port belongs
//! to.
#![expect(clippy::disallowed_methods, reason = "the door to the clients: listening sockets")]

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    net::{TcpListener, lookup_host},
    task::JoinSet,
};

use super::{connection::serve, host::Reach, shared::Shared};
use crate::{
    error::Problem,
    plan::Listen,
    sys::{command_line, listeners_on},
};

/// How many ports are tried when the one wanted is taken and nobody wrote it down.
const TRIES: u16 = 100;
/// A pause after an accept that failed, so that a lack of file descriptors does not become a lack of CPU.
const BREATHER: Duration = Duration::from_millis(50);

/// Sockets that listen but are not served yet.
#[derive(Debug)]
pub(super) struct Bound {
    pub(super) listeners: Vec<TcpListener>,
    pub(super) reach: Reach,
    /// What a person should know.
    pub(super) notes: Vec<String>,
}

/// Binds what `listen` says.
///
/// # Errors
///
/// The port is taken and was written down, or none of the next ones is free; the address is not of this machine.
pub(super) async fn bind(listen: &Listen) -> Result<Bound, Problem> {
    let hosts = addresses(listen).await?;
    let reach = reach(hosts.iter().copied());
    let mut notes = Vec::new();
    let mut port = listen.port;
    let mut left = if listen.written || port == 0 { 0 } else { TRIES };
    let listeners = loop {
        match bind_all(&hosts, port).await {
            Ok(listeners) => break listeners,
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && left > 0 && port < u16::MAX => {
                left -= 1;
                port += 1;
            }
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Err(taken(listen.port)),
            Err(error) => return Err(Problem::new(format!("cannot listen on port {port}")).caused_by(error)),
        }
    };
    if port != listen.port {
        notes.push(format!("{}; listening on port {port} instead", owner(listen.port)));
    }
    if reach == Reach::Network {
        notes.push("other machines can reach this proxy: everything it serves is open to the network".to_owned());
    }
    Ok(Bound { listeners, reach, notes })
}

/// Binds exactly these again, which were bound a moment ago.
///
/// # Errors
///
/// Somebody else was quicker.
pub(super) async fn bind_again(addresses: &[SocketAddr]) -> io::Result<Bound> {
    let mut listeners = Vec::new();
    for address in addresses {
        listeners.push(TcpListener::bind(address).await?);
    }
    Ok(Bound { listeners, reach: reach(addresses.iter().map(SocketAddr::ip)), notes: Vec::new() })
}

fn reach(mut hosts: impl Iterator<Item = IpAddr>) -> Reach {
    if hosts.all(|ip| ip.is_loopback()) { Reach::Loopback } else { Reach::Network }
}

async fn addresses(listen: &Listen) -> Result<Vec<IpAddr>, Problem> {
    let loopback = || vec![IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
    let Some(host) = listen.host.as_deref() else { return Ok(loopback()) };
    if host.eq_ignore_ascii_case("localhost") {
        return Ok(loopback());
    }
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(ip) = bare.parse() {
        return Ok(vec![ip]);
    }
    let unknown = || Problem::new(format!("`{host}` is not an address of this machine"));
    let found = lookup_host((bare, listen.port)).await.map_err(|error| unknown().caused_by(error))?;
    let mut ips: Vec<IpAddr> = found.map(|addr| addr.ip()).collect();
    ips.dedup();
    if ips.is_empty() { Err(unknown()) } else { Ok(ips) }
}

/// All addresses on one port. A machine without IPv6 is served on IPv4.
async fn bind_all(hosts: &[IpAddr], port: u16) -> io::Result<Vec<TcpListener>> {
    // With port 0 the OS chooses for the first address only; the second one may have it taken.
    for _ in 1..TRIES {
        match bind_on(hosts, port).await {
            Err(error) if port == 0 && error.kind() == io::ErrorKind::AddrInUse => {}
            result => return result,
        }
    }
    bind_on(hosts, port).await
}

async fn bind_on(hosts: &[IpAddr], port: u16) -> io::Result<Vec<TcpListener>> {
    let mut listeners: Vec<TcpListener> = Vec::new();
    for host in hosts {
        let port = match listeners.first() {
            Some(first) => first.local_addr()?.port(),
            None => port,
        };
        match TcpListener::bind(SocketAddr::new(*host, port)).await {
            Ok(listener) => listeners.push(listener),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Err(error),
            // No IPv6 here (or no IPv4): what there is must do.
            Err(error) if hosts.len() == 1 => return Err(error),
            Err(_) => {}
        }
    }
    if listeners.is_empty() {
        return Err(io::Error::new(io::ErrorKind::AddrNotAvailable, "no address to listen on"));
    }
    Ok(listeners)
}

fn taken(port: u16) -> Problem {
    Problem::new(owner(port)).hint("end that program, or choose another port: `[proxy] listen` or `--listen`")
}

/// Who has this port, as far as it can be known.
fn owner(port: u16) -> String {
    let owner = listeners_on(port).into_iter().find_map(|listener| listener.pid);
    match owner {
        None => format!("port {port} is taken"),
        Some(pid) => match command_line(pid) {
            Some(command) => format!("port {port} is taken by `{command}` (pid {pid})"),
            None => format!("port {port} is taken by pid {pid}"),
        },
    }
}

/// Accepts and serves until it is dropped. What was accepted goes on among `connections`.
pub(super) async fn accept(listener: TcpListener, shared: Arc<Shared>, reach: Reach, connections: Connections) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => connections.add(serve(Arc::clone(&shared), reach, stream)),
            Err(_) => tokio::time::sleep(BREATHER).await,
        }
    }
}

/// Every connection of a client, wherever it was accepted.
#[derive(Clone, Default)]
pub(super) struct Connections(Arc<Mutex<JoinSet<()>>>);

impl Connections {
    fn add(&self, connection: impl Future<Output = ()> + Send + 'static) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Those that are over are only kept until somebody looks.
        while all.try_join_next().is_some() {}
        all.spawn(connection);
    }

    /// Waits until all are over; after `limit` they are cut off.
    pub(super) async fn end(&self, limit: Duration) {
        let mut all = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let rest = async { while all.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(limit, rest).await;
    }
}
