//! Sockets by question to the kernel (`sock_diag`): one connection, or all listeners, without the walk through every
//! connection of the machine that its tables in `/proc/net` need. It does not know whose they are.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    os::fd::{AsRawFd, OwnedFd},
};

use nix::{
    errno::Errno,
    sys::socket::{AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto, socket},
};

/// What the kernel says of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) local: SocketAddr,
    pub(super) remote: SocketAddr,
    /// As in `/proc/net/tcp`: 1 is established, 10 listens.
    pub(super) state: u8,
    /// Zero if no process has it open any more.
    pub(super) inode: u64,
}

/// The state of a socket that listens.
pub(super) const LISTEN: u8 = 10;

const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const TCP: u8 = 6;
/// Message types.
const BY_FAMILY: u16 = 20;
const ERROR: u16 = 2;
const DONE: u16 = 3;
/// Flags of a message.
const REQUEST: u16 = 1;
const DUMP: u16 = 0x300;
/// The lengths of a message's head, of an address pair, of a question and of an answer, in bytes.
const HEAD: usize = 16;
const PAIR: usize = 48;
const QUESTION: usize = 8 + PAIR;
const ANSWER: usize = 4 + PAIR + 20;

/// A way to ask.
#[derive(Debug)]
pub(super) struct Diag {
    socket: OwnedFd,
}

impl Diag {
    /// Where the kernel has none (or a sandbox forbids it), an error.
    pub(super) fn open() -> io::Result<Diag> {
        let flags = SockFlag::SOCK_CLOEXEC;
        let socket = socket(AddressFamily::Netlink, SockType::Datagram, flags, SockProtocol::NetlinkSockDiag)?;
        Ok(Diag { socket })
    }

    /// The socket with these ends; none if there is none.
    pub(super) fn connection(&self, local: SocketAddr, remote: SocketAddr) -> io::Result<Option<Row>> {
        let (local, remote) = (canonical(local), canonical(remote));
        let family = if local.is_ipv4() { AF_INET } else { AF_INET6 };
        self.ask(family, REQUEST, u32::MAX, Some((local, remote)))?;
        let mut rows = Vec::new();
        match self.read(&mut rows) {
            Err(error) if error.raw_os_error() == Some(Errno::ENOENT as i32) => return Ok(None),
            result => result?,
        };
        // Where no connection is found the kernel answers with a listener that might take it.
        Ok(rows.into_iter().find(|row| row.local == local && row.remote == remote))
    }

    /// Everything that listens.
    pub(super) fn listeners(&self) -> io::Result<Vec<Row>> {
        let mut rows = Vec::new();
        for family in [AF_INET, AF_INET6] {
            self.ask(family, REQUEST | DUMP, 1 << LISTEN, None)?;
            while self.read(&mut rows)? == Part::More {}
        }
        Ok(rows)
    }

    fn ask(&self, family: u8, flags: u16, states: u32, ends: Option<(SocketAddr, SocketAddr)>) -> io::Result<()> {
        let mut message = Vec::with_capacity(HEAD + QUESTION);
        message.extend(((HEAD + QUESTION) as u32).to_ne_bytes());
        message.extend(BY_FAMILY.to_ne_bytes());
        message.extend(flags.to_ne_bytes());
        message.extend([0; 8]);
        message.extend([family, TCP, 0, 0]);
        message.extend(states.to_ne_bytes());
        message.extend(pair(ends));
        sendto(self.socket.as_raw_fd(), &message, &NetlinkAddr::new(0, 0), MsgFlags::empty())?;
        Ok(())
    }

    /// Reads one datagram. The kernel has it ready: it never waits.
    fn read(&self, rows: &mut Vec<Row>) -> io::Result<Part> {
        let mut bytes = vec![0; 32 * 1024];
        let length = recv(self.socket.as_raw_fd(), &mut bytes, MsgFlags::MSG_DONTWAIT)?;
        let mut rest = &bytes[..length];
        let mut part = Part::Last;
        while let Some(head) = rest.first_chunk::<HEAD>() {
            let size = u32::from_ne_bytes([head[0], head[1], head[2], head[3]]) as usize;
            let Some(message) = rest.get(HEAD..size) else { break };
            match u16::from_ne_bytes([head[4], head[5]]) {
                DONE => return Ok(Part::Last),
                ERROR => return Err(error(message)),
                BY_FAMILY => {
                    rows.extend(row(message));
                    part = Part::More;
                }
                _ => {}
            }
            rest = rest.get(size.next_multiple_of(4)..).unwrap_or_default();
        }
        Ok(part)
    }
}

/// Whether more follows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    More,
    Last,
}

fn error(message: &[u8]) -> io::Error {
    let code = message.first_chunk().map_or(0, |code| i32::from_ne_bytes(*code));
    io::Error::from_raw_os_error(-code)
}

fn canonical(addr: SocketAddr) -> SocketAddr {
    SocketAddr::new(addr.ip().to_canonical(), addr.port())
}

/// Both ends as the kernel writes them: ports, addresses, any interface, any cookie.
fn pair(ends: Option<(SocketAddr, SocketAddr)>) -> [u8; PAIR] {
    let mut pair = [0; PAIR];
    if let Some((local, remote)) = ends {
        for (addr, port, host) in [(local, 0, 4), (remote, 2, 20)] {
            pair[port..port + 2].copy_from_slice(&addr.port().to_be_bytes());
            match addr.ip() {
                IpAddr::V4(ip) => pair[host..host + 4].copy_from_slice(&ip.octets()),
                IpAddr::V6(ip) => pair[host..host + 16].copy_from_slice(&ip.octets()),
            }
        }
    }
    pair[40..].fill(0xff);
    pair
}

fn row(message: &[u8]) -> Option<Row> {
    let message = message.first_chunk::<ANSWER>()?;
    let end = |port: usize, host: usize| {
        let ip = match message[0] {
            AF_INET => IpAddr::V4(Ipv4Addr::from(*message[host..].first_chunk::<4>()?)),
            _ => IpAddr::V6(Ipv6Addr::from(*message[host..].first_chunk::<16>()?)),
        };
        let port = u16::from_be_bytes(*message[port..].first_chunk()?);
        Some(SocketAddr::new(ip.to_canonical(), port))
    };
    let inode = u32::from_ne_bytes(*message[ANSWER - 4..].first_chunk()?);
    Some(Row { local: end(4, 8)?, remote: end(6, 24)?, state: message[1], inode: inode.into() })
}
