//! TCP sockets: who listens on a port, and which process is at the other end of a loopback connection.

use std::net::SocketAddr;

/// A listening socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Where it listens.
    pub addr: SocketAddr,
    /// The process that has it open; none if that is not ours to see (another user, a container).
    pub pid: Option<u32>,
}

/// Everything that listens on `port`. Empty where the OS does not tell.
pub fn listeners_on(port: u16) -> Vec<Listener> {
    listeners_on_near(port, &[])
}

/// The same, quickly if they are among these processes: the others are only looked through for what is left.
pub fn listeners_on_near(port: u16, near: &[u32]) -> Vec<Listener> {
    imp::listeners(|addr| addr.port() == port, near)
}

/// Where any of these processes listens. Empty where the OS does not tell.
pub fn listening(pids: &[u32]) -> Vec<SocketAddr> {
    let mut found = imp::listening(pids);
    found.sort();
    found.dedup();
    found
}

/// The process that holds the other end of a connection from this machine: `peer` is its address, `local` ours.
pub fn pid_of_peer(local: SocketAddr, peer: SocketAddr) -> Option<u32> {
    imp::pid_of_peer(local, peer)
}

/// Which of the processes `among` hold the other ends of these connections (`(local, peer)`, as in `pid_of_peer`), in
/// one look.
pub fn pids_of_peers(connections: &[(SocketAddr, SocketAddr)], among: &[u32]) -> Vec<Option<u32>> {
    imp::pids_of_peers(connections, among)
}

/// Which of these connections (`(local, peer)`) the other side has closed although its end cannot be read yet, because
/// unread data stands before it. Only known for peers on this machine; false where the OS does not tell.
pub fn have_left(connections: &[(SocketAddr, SocketAddr)]) -> Vec<bool> {
    imp::have_left(connections)
}

#[cfg(target_os = "linux")]
mod imp {
    use std::{
        collections::{HashMap, HashSet},
        net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    };

    use super::{
        super::diag::{Diag, LISTEN, Row},
        Listener,
    };

    const ESTABLISHED: u8 = 1;
    /// FIN_WAIT1, FIN_WAIT2, CLOSING, LAST_ACK: the states of a socket whose owner has closed it.
    const LEFT: [u8; 4] = [4, 5, 11, 9];

    pub(super) fn listeners(wanted: impl Fn(SocketAddr) -> bool, near: &[u32]) -> Vec<Listener> {
        let rows: Vec<Row> = listening_rows().into_iter().filter(|row| wanted(row.local)).collect();
        let mut left: HashSet<u64> = rows.iter().map(|row| row.inode).collect();
        let mut found = owners_among(near.iter().copied(), &left);
        left.retain(|inode| !found.contains_key(inode));
        if !left.is_empty() {
            found.extend(owners(&left));
        }
        rows.iter().map(|row| Listener { addr: row.local, pid: found.get(&row.inode).copied() }).collect()
    }

    pub(super) fn listening(pids: &[u32]) -> Vec<SocketAddr> {
        let inodes: HashSet<u64> = pids.iter().flat_map(|pid| socket_inodes(*pid)).collect();
        listening_rows().into_iter().filter(|row| inodes.contains(&row.inode)).map(|row| row.local).collect()
    }

    pub(super) fn pid_of_peer(local: SocketAddr, peer: SocketAddr) -> Option<u32> {
        let inode = inodes(&[(local, peer)]).pop()??;
        owners(&HashSet::from([inode])).into_values().next()
    }

    pub(super) fn pids_of_peers(connections: &[(SocketAddr, SocketAddr)], among: &[u32]) -> Vec<Option<u32>> {
        let inodes = inodes(connections);
        let wanted: HashSet<u64> = inodes.iter().flatten().copied().collect();
        if wanted.is_empty() {
            return vec![None; connections.len()];
        }
        let owners = owners_among(among.iter().copied(), &wanted);
        inodes.iter().map(|inode| owners.get(&(*inode)?).copied()).collect()
    }

    fn inodes(connections: &[(SocketAddr, SocketAddr)]) -> Vec<Option<u64>> {
        let rows = other_ends(connections).into_iter();
        rows.map(|row| row.filter(|row| row.state == ESTABLISHED).map(|row| row.inode)).collect()
    }

    pub(super) fn have_left(connections: &[(SocketAddr, SocketAddr)]) -> Vec<bool> {
        let rows = other_ends(connections).into_iter();
        rows.map(|row| row.is_some_and(|row| LEFT.contains(&row.state))).collect()
    }

    /// The sockets at the other ends of these connections.
    fn other_ends(connections: &[(SocketAddr, SocketAddr)]) -> Vec<Option<Row>> {
        let asked = Diag::open()
            .and_then(|diag| connections.iter().map(|(local, peer)| diag.connection(*peer, *local)).collect());
        asked.unwrap_or_else(|_| {
            let table = table();
            let rows: HashMap<(End, End), &Row> =
                table.iter().map(|row| ((end(row.local), end(row.remote)), row)).collect();
            connections.iter().map(|(local, peer)| rows.get(&(end(*peer), end(*local))).map(|row| **row)).collect()
        })
    }

    type End = (IpAddr, u16);

    fn end(addr: SocketAddr) -> End {
        (addr.ip().to_canonical(), addr.port())
    }

    fn listening_rows() -> Vec<Row> {
        let asked = Diag::open().and_then(|diag| diag.listeners());
        asked.unwrap_or_else(|_| table().into_iter().filter(|row| row.state == LISTEN).collect())
    }

    /// Every socket of the machine: what there is where the kernel cannot be asked for single ones. On a machine with
    /// much memory the kernel needs milliseconds for it.
    fn table() -> Vec<Row> {
        let mut rows = Vec::new();
        for file in ["/proc/net/tcp", "/proc/net/tcp6"] {
            let text = std::fs::read_to_string(file).unwrap_or_default();
            rows.extend(text.lines().skip(1).filter_map(row));
        }
        rows
    }

    fn row(line: &str) -> Option<Row> {
        let words: Vec<&str> = line.split_whitespace().collect();
        Some(Row {
            local: address(words.get(1)?)?,
            remote: address(words.get(2)?)?,
            state: u8::from_str_radix(words.get(3)?, 16).ok()?,
            inode: words.get(9)?.parse().ok()?,
        })
    }

    /// `0100007F:0BB8`: the address in the machine's byte order, word by word; the port in hexadecimal.
    fn address(text: &str) -> Option<SocketAddr> {
        let (host, port) = text.split_once(':')?;
        let port = u16::from_str_radix(port, 16).ok()?;
        let mut bytes = Vec::new();
        for start in (0..host.len()).step_by(8) {
            bytes.extend(u32::from_str_radix(host.get(start..start + 8)?, 16).ok()?.to_ne_bytes());
        }
        let ip = match bytes.len() {
            4 => IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?)),
            16 => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?)).to_canonical(),
            _ => return None,
        };
        Some(SocketAddr::new(ip, port))
    }

    fn socket_inodes(pid: u32) -> Vec<u64> {
        let Ok(entries) = std::fs::read_dir(format!("/proc/{pid}/fd")) else { return Vec::new() };
        let links = entries.flatten().filter_map(|entry| std::fs::read_link(entry.path()).ok());
        links.filter_map(|link| link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()).collect()
    }

    fn owners(inodes: &HashSet<u64>) -> HashMap<u64, u32> {
        let Ok(entries) = std::fs::read_dir("/proc") else { return HashMap::new() };
        owners_among(entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()), inodes)
    }

    /// Who of these processes has which of these sockets open: the first that does.
    fn owners_among(pids: impl Iterator<Item = u32>, inodes: &HashSet<u64>) -> HashMap<u64, u32> {
        let mut found = HashMap::new();
        for pid in pids {
            if found.len() == inodes.len() {
                break;
            }
            for inode in socket_inodes(pid) {
                if inodes.contains(&inode) {
                    found.entry(inode).or_insert(pid);
                }
            }
        }
        found
    }

    #[cfg(test)]
    mod tests {
        use std::net::{TcpListener, TcpStream};

        use super::*;

        #[test]
        #[expect(clippy::disallowed_methods, reason = "a test's own sockets")]
        fn the_kernel_answers_as_its_tables_do() {
            for host in ["127.0.0.1:0", "[::1]:0", "[::]:0"] {
                let Ok(listener) = TcpListener::bind(host) else { continue };
                let port = listener.local_addr().unwrap().port();
                let to = if host.contains("::1") { "[::1]" } else { "127.0.0.1" };
                let client = TcpStream::connect(format!("{to}:{port}")).unwrap();
                let (_server, peer) = listener.accept().unwrap();
                let ends = (canonical(client.local_addr().unwrap()), canonical(client.peer_addr().unwrap()));
                assert_eq!(ends.0, canonical(peer));
                let Ok(diag) = Diag::open() else { return };
                let by_table = |row: &&Row| row.local == ends.0 && row.remote == ends.1;
                let row = diag.connection(ends.0, ends.1).unwrap();
                assert!(row.is_some());
                assert_eq!(row, table().iter().find(by_table).copied());
                let gone = SocketAddr::new(ends.1.ip(), 1);
                assert_eq!(diag.connection(ends.0, gone).unwrap(), None);
                let listens = |row: &Row| row.state == LISTEN && row.local.port() == port;
                let listeners: Vec<Row> = diag.listeners().unwrap().into_iter().filter(listens).collect();
                assert_eq!(listeners, table().into_iter().filter(listens).collect::<Vec<_>>());
                assert_eq!(listeners.len(), 1);
            }
        }

        fn canonical(addr: SocketAddr) -> SocketAddr {
            SocketAddr::new(addr.ip().to_canonical(), addr.port())
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod imp {
    use std::net::SocketAddr;

    use super::Listener;

    pub(super) fn listeners(_wanted: impl Fn(SocketAddr) -> bool, _near: &[u32]) -> Vec<Listener> {
        Vec::new()
    }

    pub(super) fn listening(_pids: &[u32]) -> Vec<SocketAddr> {
        Vec::new()
    }

    pub(super) fn pid_of_peer(_local: SocketAddr, _peer: SocketAddr) -> Option<u32> {
        None
    }

    pub(super) fn pids_of_peers(connections: &[(SocketAddr, SocketAddr)], _among: &[u32]) -> Vec<Option<u32>> {
        vec![None; connections.len()]
    }

    pub(super) fn have_left(connections: &[(SocketAddr, SocketAddr)]) -> Vec<bool> {
        vec![false; connections.len()]
    }
}

#[cfg(all(test, target_os = "linux"))]
#[expect(clippy::disallowed_methods, reason = "a test's own sockets")]
mod tests {
    use super::*;

    #[test]
    fn a_listener_is_found_with_its_process_on_both_families() {
        for host in ["127.0.0.1:0", "[::1]:0"] {
            let listener = std::net::TcpListener::bind(host).unwrap();
            let addr = listener.local_addr().unwrap();
            let found = listeners_on(addr.port());
            assert!(found.contains(&Listener { addr, pid: Some(std::process::id()) }), "{found:?}");
            assert_eq!(listeners_on_near(addr.port(), &[std::process::id()]), found);
            assert!(listening(&[std::process::id()]).contains(&addr));
        }
    }

    #[test]
    fn the_process_at_the_other_end_of_a_connection_is_found() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, peer) = listener.accept().unwrap();
        let local = server.local_addr().unwrap();
        assert_eq!(pid_of_peer(local, peer), Some(std::process::id()));
        let me = std::process::id();
        assert_eq!(pids_of_peers(&[(local, peer), (peer, peer)], &[me]), [Some(me), None]);
        assert_eq!(pids_of_peers(&[(local, peer)], &[]), [None]);
        assert_eq!(have_left(&[(local, peer)]), [false]);
        drop(client);
    }

    #[test]
    fn a_peer_that_closed_behind_unread_data_has_left() {
        use std::io::Write;
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, peer) = listener.accept().unwrap();
        client.set_nonblocking(true).unwrap();
        while client.write(&[0; 65536]).is_ok() {}
        drop(client);
        assert_eq!(have_left(&[(server.local_addr().unwrap(), peer)]), [true]);
    }
}
