//! Free ports for services, each given to one instance at a time. It does not keep others from taking them.
#![expect(clippy::disallowed_methods, reason = "the door to trying whether a port is free")]

use std::{
    collections::HashSet,
    io::{self, ErrorKind},
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener},
    ops::RangeInclusive,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Below the range that systems hand out to outgoing connections.
const RANGE: RangeInclusive<u16> = 20_000..=29_999;

/// Gives out ports from 20000 to 29999. Clones give from the same stock.
#[derive(Clone, Debug)]
pub struct Ports(Arc<Mutex<Stock>>);

#[derive(Debug)]
struct Stock {
    next: u16,
    taken: HashSet<u16>,
    never: HashSet<u16>,
}

/// A port that no other instance is given until this is dropped.
#[derive(Debug)]
pub struct Lease {
    port: u16,
    ports: Ports,
}

impl Default for Ports {
    fn default() -> Ports {
        Ports::new()
    }
}

impl Ports {
    /// A stock that begins somewhere else for each devloop, so that two of them seldom try the same ports.
    pub fn new() -> Ports {
        let span = u32::from(RANGE.end() - RANGE.start()) + 1;
        let offset = std::process::id().wrapping_mul(2_654_435_761) % span;
        let next = RANGE.start() + u16::try_from(offset).unwrap_or(0);
        Ports(Arc::new(Mutex::new(Stock { next, taken: HashSet::new(), never: HashSet::new() })))
    }

    /// From now on, this port is never given out: the proxy's, and those that services have fixed.
    pub fn never(&self, port: u16) {
        self.lock().never.insert(port);
    }

    /// Whether nothing listens on this port, on neither loopback family.
    pub fn is_free(port: u16) -> bool {
        is_free(port)
    }

    /// The next port that nothing listens on, on neither loopback family. None if all 10,000 are taken. One that was
    /// given back is given out again as late as possible.
    pub fn lease(&self) -> Option<Lease> {
        let mut stock = self.lock();
        for _ in RANGE {
            let port = stock.next;
            stock.next = if port == *RANGE.end() { *RANGE.start() } else { port + 1 };
            if !stock.never.contains(&port) && !stock.taken.contains(&port) && is_free(port) {
                stock.taken.insert(port);
                return Some(Lease { port, ports: self.clone() });
            }
        }
        None
    }

    fn lock(&self) -> MutexGuard<'_, Stock> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lease {
    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.ports.lock().taken.remove(&self.port);
    }
}

/// Listens on a port of the IPv4 loopback for a program that is handed the socket.
///
/// # Errors
///
/// The port is taken, or devloop may not open it.
pub fn listen_on(port: u16) -> io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))
}

fn is_free(port: u16) -> bool {
    let addresses = [SocketAddr::from((Ipv4Addr::LOCALHOST, port)), SocketAddr::from((Ipv6Addr::LOCALHOST, port))];
    addresses.into_iter().all(|address| match TcpListener::bind(address) {
        Ok(_) => true,
        // A machine without IPv6 has nobody on it either.
        Err(error) => address.is_ipv6() && error.kind() != ErrorKind::AddrInUse,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_port_is_given_to_two_instances_and_a_returned_one_comes_late() {
        let ports = Ports::new();
        let leases: Vec<Lease> = std::iter::from_fn(|| ports.lease()).take(50).collect();
        let different: HashSet<u16> = leases.iter().map(Lease::port).collect();
        assert_eq!(different.len(), 50);
        assert!(different.iter().all(|port| RANGE.contains(port)));
        let first = leases[0].port();
        drop(leases);
        assert_ne!(ports.lease().unwrap().port(), first);
    }

    #[test]
    fn a_port_that_is_taken_on_either_family_or_forbidden_is_not_given_out() {
        for host in ["127.0.0.1", "::1", "0.0.0.0", "::"] {
            let ports = Ports::new();
            let port = ports.lease().unwrap().port();
            let Ok(_holder) = TcpListener::bind((host, port)) else { continue };
            ports.lock().next = port;
            assert_ne!(ports.lease().unwrap().port(), port, "{host}");
        }
        let ports = Ports::new();
        let port = ports.lease().unwrap().port();
        ports.never(port);
        ports.lock().next = port;
        assert_ne!(ports.lease().unwrap().port(), port);
    }
}
