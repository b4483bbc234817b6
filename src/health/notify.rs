//! A socket on which an instance may say `READY=1`, as systemd's services do (`sd_notify`).

use std::{
    ffi::OsString,
    io,
    os::unix::net::UnixDatagram,
    sync::atomic::{AtomicU64, Ordering},
};

/// One such socket, for one instance.
#[derive(Debug)]
pub struct Notify {
    socket: tokio::net::UnixDatagram,
    address: OsString,
    #[cfg(not(target_os = "linux"))]
    folder: std::path::PathBuf,
}

/// Messages are short; more than this of one is not read.
const LONGEST: usize = 4096;

impl Notify {
    /// Makes one. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// The system's, if there are no more sockets or no folder for one.
    pub fn bind() -> io::Result<Notify> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let time = crate::sys::unix_time().as_nanos();
        let name = format!("devloop-{}-{count}-{time:x}", std::process::id());
        bind(&name)
    }

    /// What the instance is to find in `NOTIFY_SOCKET`.
    pub fn address(&self) -> &OsString {
        &self.address
    }

    /// Returns once the instance has said `READY=1`. Can be dropped and called again.
    pub(super) async fn ready(&mut self) {
        let mut message = vec![0; LONGEST];
        loop {
            match self.socket.recv(&mut message).await {
                Ok(length) if says_ready(&message[..length]) => return,
                Ok(_) => {}
                Err(_) => std::future::pending::<()>().await,
            }
        }
    }
}

fn says_ready(message: &[u8]) -> bool {
    message.split(|byte| *byte == b'\n').any(|line| line == b"READY=1")
}

/// An abstract address: nothing is left in the file system.
#[cfg(target_os = "linux")]
fn bind(name: &str) -> io::Result<Notify> {
    use std::os::{linux::net::SocketAddrExt, unix::net::SocketAddr};
    let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(name)?)?;
    socket.set_nonblocking(true)?;
    let socket = tokio::net::UnixDatagram::from_std(socket)?;
    Ok(Notify { socket, address: OsString::from(format!("@{name}")) })
}

/// A file in a folder of its own that only this user can enter; removed with the socket.
#[cfg(not(target_os = "linux"))]
fn bind(name: &str) -> io::Result<Notify> {
    use std::os::unix::fs::DirBuilderExt;
    let folder = std::env::temp_dir().join(name);
    std::fs::DirBuilder::new().mode(0o700).create(&folder)?;
    let path = folder.join("n");
    let socket = UnixDatagram::bind(&path)?;
    socket.set_nonblocking(true)?;
    let socket = tokio::net::UnixDatagram::from_std(socket)?;
    Ok(Notify { socket, address: path.into_os_string(), folder })
}

#[cfg(not(target_os = "linux"))]
#[expect(clippy::disallowed_methods, reason = "the door to removing a socket's own folder")]
impl Drop for Notify {
    fn drop(&mut self) {
        // left to the system's cleaning of temporary files if it cannot be removed
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_line_of_its_own_says_ready() {
        assert!(says_ready(b"READY=1"));
        assert!(says_ready(b"STATUS=up\nREADY=1\n"));
        assert!(!says_ready(b"STATUS=READY=1"));
        assert!(!says_ready(b"READY=0"));
        assert!(!says_ready(b""));
    }
}
