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

/// The processes that hold the other ends of these connections (`(local, peer)`, as in `pid_of_peer`), in one look.
pub fn pids_of_peers(connections: &[(SocketAddr, SocketAddr)]) -> Vec<Option<u32>> {
    imp::pids_of_peers(connections)
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
        io::{BufRead, BufReader},
        net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    };

    use super::Listener;

    const ESTABLISHED: &str = "01";
    const LISTEN: &str = "0A";
    /// FIN_WAIT1, FIN_WAIT2, CLOSING, LAST_ACK: the states of a socket whose owner has closed it.
    const LEFT: [&str; 4] = ["04", "05", "0B", "09"];

    struct Row {
        local: SocketAddr,
        remote: SocketAddr,
        state: String,
        inode: u64,
    }

    pub(super) fn listeners(wanted: impl Fn(SocketAddr) -> bool, near: &[u32]) -> Vec<Listener> {
        let rows: Vec<Row> = listening_rows().into_iter().filter(|row| wanted(row.local)).collect();
        let mut left: HashSet<u64> = rows.iter().map(|row| row.inode).collect();
        let mut found = HashMap::new();
        for pid in near {
            let own = socket_inodes(*pid).into_iter().filter(|inode| left.remove(inode));
            found.extend(own.map(|inode| (inode, *pid)).collect::<Vec<_>>());
        }
        if !left.is_empty() {
            found.extend(owners(&left));
        }
        rows.iter().map(|row| Listener { addr: row.local, pid: found.get(&row.inode).copied() }).collect()
    }

    pub(super) fn listening(pids: &[u32]) -> Vec<SocketAddr> {
        let inodes: HashSet<u64> = pids.iter().flat_map(|pid| socket_inodes(*pid)).collect();
        listening_rows().into_iter().filter(|row| inodes.contains(&row.inode)).map(|row| row.local).collect()
    }

    /// The kernel lists listening sockets before all others, which may be thousands: the rest is not read.
    fn listening_rows() -> Vec<Row> {
        let mut rows = Vec::new();
        for file in ["/proc/net/tcp", "/proc/net/tcp6"] {
            let Ok(file) = std::fs::File::open(file) else { continue };
            // small reads: the kernel makes no more lines than are asked for
            let lines = BufReader::with_capacity(256, file).lines().skip(1).map_while(Result::ok);
            rows.extend(lines.map_while(|line| row(&line)).take_while(|row| row.state == LISTEN));
        }
        rows
    }

    pub(super) fn pid_of_peer(local: SocketAddr, peer: SocketAddr) -> Option<u32> {
        let row = table()
            .into_iter()
            .find(|row| row.state == ESTABLISHED && same(row.local, peer) && same(row.remote, local))?;
        owners(&HashSet::from([row.inode])).into_values().next()
    }

    pub(super) fn pids_of_peers(connections: &[(SocketAddr, SocketAddr)]) -> Vec<Option<u32>> {
        let table = table();
        let rows = by_ends(&table);
        let inodes: Vec<Option<u64>> = connections
            .iter()
            .map(|(local, peer)| rows.get(&(end(*peer), end(*local))).filter(|row| row.state == ESTABLISHED))
            .map(|row| row.map(|row| row.inode))
            .collect();
        let wanted: HashSet<u64> = inodes.iter().flatten().copied().collect();
        if wanted.is_empty() {
            return vec![None; connections.len()];
        }
        let owners = owners(&wanted);
        inodes.iter().map(|inode| owners.get(&(*inode)?).copied()).collect()
    }

    pub(super) fn have_left(connections: &[(SocketAddr, SocketAddr)]) -> Vec<bool> {
        let table = table();
        let rows = by_ends(&table);
        let left = |row: &&Row| LEFT.contains(&row.state.as_str());
        connections.iter().map(|(local, peer)| rows.get(&(end(*peer), end(*local))).is_some_and(left)).collect()
    }

    fn by_ends(table: &[Row]) -> HashMap<(End, End), &Row> {
        table.iter().map(|row| ((end(row.local), end(row.remote)), row)).collect()
    }

    type End = (IpAddr, u16);

    fn end(addr: SocketAddr) -> End {
        (addr.ip().to_canonical(), addr.port())
    }

    fn same(a: SocketAddr, b: SocketAddr) -> bool {
        a.port() == b.port() && a.ip().to_canonical() == b.ip().to_canonical()
    }

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
            state: (*words.get(3)?).to_owned(),
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
        let mut found = HashMap::new();
        let Ok(entries) = std::fs::read_dir("/proc") else { return found };
        let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        for pid in pids {
            for inode in socket_inodes(pid) {
                if inodes.contains(&inode) {
                    found.entry(inode).or_insert(pid);
                }
            }
            if found.len() == inodes.len() {
                break;
            }
        }
        found
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

    pub(super) fn pids_of_peers(connections: &[(SocketAddr, SocketAddr)]) -> Vec<Option<u32>> {
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
        assert_eq!(pids_of_peers(&[(local, peer), (peer, peer)]), [Some(std::process::id()), None]);
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
