//! Whose listener is it? What the operating system knows, weighed: ours, not known, or another program's.

use std::net::{IpAddr, SocketAddr};

use tokio::task::JoinHandle;

use crate::sys::{self, Listener};

/// Who answers on the port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// The instance, at these addresses.
    Instance(Vec<SocketAddr>),
    /// Perhaps the instance, at these addresses: the owner is another user's process or in a container.
    Unknown(Vec<SocketAddr>),
    /// Another program.
    Other {
        pid: u32,
        /// None if that is not ours to see.
        command: Option<String>,
    },
}

/// Programs that listen in place of a container or a virtual machine, and are nobody's descendants.
const STAND_INS: [&str; 9] = [
    "docker-proxy",
    "rootlessport",
    "rootlesskit",
    "conmon",
    "pasta",
    "slirp4netns",
    "gvproxy",
    "com.docker",
    "limactl",
];

/// Ports of debuggers and profilers, which open long before the one that counts.
const DEBUGGERS: [u16; 8] = [2345, 5005, 5678, 5858, 6060, 9229, 9230, 40000];

/// Finds out who listens where `open` could be connected to.
pub(super) async fn of(open: Vec<SocketAddr>, leader: u32) -> Owner {
    let fallback = Owner::Instance(open.clone());
    let look = move || {
        let Some(port) = open.first().map(SocketAddr::port) else { return Owner::Instance(open) };
        let family = sys::descendants(leader);
        let listeners = sys::listeners_on_near(port, &family);
        weigh(&open, &listeners, &family, sys::command_line)
    };
    tokio::task::spawn_blocking(look).await.unwrap_or(fallback)
}

/// Begins to find out where the instance listens, without devloop's own ports and those of debuggers.
pub(super) fn elsewhere(leader: u32, proxy_ports: Vec<u16>) -> JoinHandle<Vec<SocketAddr>> {
    tokio::task::spawn_blocking(move || {
        let mut found = sys::listening(&sys::descendants(leader));
        found.retain(|addr| !proxy_ports.contains(&addr.port()) && !DEBUGGERS.contains(&addr.port()));
        found
    })
}

/// The addresses that the instance itself answers at. An address that it shares with another program is the other
/// program's: connections may go to either.
fn weigh(
    open: &[SocketAddr],
    listeners: &[Listener],
    family: &[u32],
    command: impl Fn(u32) -> Option<String>,
) -> Owner {
    let (mut ours, mut unknown, mut others) = (Vec::new(), Vec::new(), Vec::new());
    for addr in open {
        let behind = behind(*addr, listeners);
        let stranger = behind.iter().filter_map(|listener| listener.pid).find(|pid| !family.contains(pid));
        match stranger {
            Some(pid) if is_stand_in(command(pid)) => unknown.push(*addr),
            Some(pid) => others.push(pid),
            None if behind.iter().any(|listener| listener.pid.is_none()) => unknown.push(*addr),
            // nothing was found: the OS does not tell
            None => ours.push(*addr),
        }
    }
    match others.first() {
        _ if !ours.is_empty() => Owner::Instance(ours),
        Some(pid) if unknown.is_empty() => Owner::Other { pid: *pid, command: command(*pid) },
        _ => Owner::Unknown(unknown),
    }
}

/// The listeners that a connection to `addr` may reach: those of just this address, else those of all addresses.
fn behind(addr: SocketAddr, listeners: &[Listener]) -> Vec<&Listener> {
    let at = |wanted: &dyn Fn(IpAddr) -> bool| -> Vec<&Listener> {
        listeners.iter().filter(|listener| wanted(listener.addr.ip().to_canonical())).collect()
    };
    let exact = at(&|ip| ip == addr.ip().to_canonical());
    if !exact.is_empty() {
        return exact;
    }
    let family = at(&|ip| ip.is_unspecified() && ip.is_ipv4() == addr.is_ipv4());
    if !family.is_empty() {
        return family;
    }
    at(&|ip| ip.is_unspecified())
}

fn is_stand_in(command: Option<String>) -> bool {
    let command = command.unwrap_or_default();
    let program = command.split(' ').next().unwrap_or("");
    let name = program.rsplit('/').next().unwrap_or(program);
    STAND_INS.iter().any(|stand_in| name.starts_with(stand_in))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    fn listener(at: &str, pid: Option<u32>) -> Listener {
        Listener { addr: addr(at), pid }
    }

    fn who(open: &[&str], listeners: &[Listener]) -> Owner {
        let open: Vec<SocketAddr> = open.iter().map(|at| addr(at)).collect();
        let command =
            |pid| Some(if pid == 99 { "/usr/bin/docker-proxy -x".to_owned() } else { format!("program {pid}") });
        weigh(&open, listeners, &[10, 11], command)
    }

    #[test]
    fn a_child_of_the_leader_counts_as_the_instance() {
        let both = ["127.0.0.1:80", "[::1]:80"];
        let dual = [listener("[::]:80", Some(11))];
        assert_eq!(who(&both, &dual), Owner::Instance(both.map(addr).to_vec()));
    }

    #[test]
    fn another_program_is_named() {
        let other = Owner::Other { pid: 7, command: Some("program 7".to_owned()) };
        assert_eq!(who(&["127.0.0.1:80"], &[listener("0.0.0.0:80", Some(7))]), other);
    }

    #[test]
    fn an_address_of_another_program_is_left_out_where_the_instance_has_its_own() {
        let listeners = [listener("127.0.0.1:80", Some(7)), listener("[::1]:80", Some(10))];
        assert_eq!(who(&["127.0.0.1:80", "[::1]:80"], &listeners), Owner::Instance(vec![addr("[::1]:80")]));
    }

    #[test]
    fn an_address_shared_with_another_program_is_not_the_instances() {
        let listeners = [listener("127.0.0.1:80", Some(10)), listener("127.0.0.1:80", Some(7))];
        assert!(matches!(who(&["127.0.0.1:80"], &listeners), Owner::Other { pid: 7, .. }));
    }

    #[test]
    fn the_more_exact_listener_is_the_one_reached() {
        let listeners = [listener("0.0.0.0:80", Some(7)), listener("127.0.0.1:80", Some(10))];
        assert_eq!(who(&["127.0.0.1:80"], &listeners), Owner::Instance(vec![addr("127.0.0.1:80")]));
    }

    #[test]
    fn containers_and_other_users_are_unknown_and_no_answer_of_the_system_is_trusted() {
        let at = vec![addr("127.0.0.1:80")];
        assert_eq!(who(&["127.0.0.1:80"], &[listener("0.0.0.0:80", Some(99))]), Owner::Unknown(at.clone()));
        assert_eq!(who(&["127.0.0.1:80"], &[listener("0.0.0.0:80", None)]), Owner::Unknown(at.clone()));
        assert_eq!(who(&["127.0.0.1:80"], &[]), Owner::Instance(at));
    }
}
