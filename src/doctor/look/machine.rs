//! The machine: who has which port, what `localhost` is, how many files may be watched.

use std::net::{IpAddr, ToSocketAddrs};

use crate::{
    doctor::scene::{Holder, Inotify, Scene, Whose},
    plan::Port,
    sys,
};

pub(super) fn look(scene: &mut Scene, named: &[u16]) {
    scene.localhost = localhost();
    scene.inotify = sys::inotify().map(|limits| Inotify {
        max_watches: limits.max_watches,
        max_instances: limits.max_instances,
        watches: limits.watches,
        instances: limits.instances,
    });
    let own = devloop_here(scene);
    let mut ports = named.to_vec();
    if let Some(plan) = &scene.plan {
        ports.push(plan.proxy.listen.port);
        ports.extend(plan.services.iter().filter_map(|service| match service.port {
            Port::Fixed(port) => Some(port),
            _ => None,
        }));
    }
    for port in ports.into_iter().filter(|port| *port != 0) {
        let listeners = sys::listeners_on(port).into_iter();
        let holders = listeners.map(|listener| Holder {
            addr: listener.addr,
            who: listener.pid.map_or_else(
                || "a program of another user".to_owned(),
                |pid| {
                    let command = sys::command_line(pid).unwrap_or_else(|| "a program".to_owned());
                    format!("`{command}` (pid {pid})")
                },
            ),
            whose: match (own, listener.pid) {
                (Some(own), Some(pid)) if is_of(pid, own) => Whose::ThisProjects,
                _ => Whose::Foreign,
            },
        });
        scene.held.insert(port, holders.collect());
    }
}

fn localhost() -> Vec<IpAddr> {
    let mut found = Vec::new();
    for address in ("localhost", 0_u16).to_socket_addrs().into_iter().flatten() {
        if !found.contains(&address.ip()) {
            found.push(address.ip());
        }
    }
    found
}

/// The devloop that runs in this project, if one does: its lock holds its pid while it lives.
fn devloop_here(scene: &Scene) -> Option<u32> {
    std::fs::read_to_string(scene.root.join(".devloop/lock")).ok()?.trim().parse().ok()
}

/// Whether `pid` is that process, or was started by it.
fn is_of(pid: u32, own: u32) -> bool {
    let mut at = Some(pid);
    // A chain of parents is short; a process that has just ended could make it a ring.
    for _ in 0..64 {
        match at {
            Some(pid) if pid == own => return true,
            Some(pid) => at = sys::parent(pid),
            None => return false,
        }
    }
    false
}
