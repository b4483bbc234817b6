//! Starting guards, and talking to them. What a guard does is told in `guard`.
#![expect(clippy::disallowed_methods, reason = "the door to starting programs")]

use std::{
    fs::File,
    io,
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::{net::UnixStream as StdUnixStream, process::CommandExt},
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{io::AsyncWriteExt, net::UnixStream, sync::oneshot};

use super::{
    SESSION_MARK, Terminal, guard, pty,
    wire::{Order, Word},
};

/// devloop's own program file, kept open: guards are started from it even when an upgrade has replaced it on disk.
#[derive(Clone, Debug)]
pub struct GuardBinary {
    path: PathBuf,
    /// `path` names this descriptor, where the OS can execute one.
    _open: Arc<File>,
}

impl GuardBinary {
    /// The program that runs now. To be called at the start.
    ///
    /// # Errors
    /// If the OS does not tell where it is.
    pub fn this() -> io::Result<GuardBinary> {
        let own = if cfg!(target_os = "linux") { PathBuf::from("/proc/self/exe") } else { std::env::current_exe()? };
        GuardBinary::at(&own)
    }

    /// This program file, whose `main` begins with `guard::maybe_run`.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub fn at(path: &Path) -> io::Result<GuardBinary> {
        let open = Arc::new(File::open(path)?);
        let path = if cfg!(target_os = "linux") {
            PathBuf::from(format!("/proc/self/fd/{}", open.as_raw_fd()))
        } else {
            path.to_owned()
        };
        Ok(GuardBinary { path, _open: open })
    }
}

/// A guard that waits for its first order, and our ends of its program's streams.
pub(super) struct Spawned {
    child: Child,
    control: StdUnixStream,
    pub(super) out: OwnedFd,
    /// None on a pty, where both are one.
    pub(super) err: Option<OwnedFd>,
}

/// Where the OS cannot make descriptors that are private from birth, only one guard is started at a time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

impl Spawned {
    /// Starts a guard; takes about a millisecond, in which it blocks.
    pub(super) fn new(
        binary: &GuardBinary,
        session: &str,
        name: &str,
        terminal: Terminal,
        listen: Option<OwnedFd>,
    ) -> io::Result<Spawned> {
        let _turn = (!cfg!(target_os = "linux")).then(|| ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner));
        let (control, theirs) = StdUnixStream::pair()?;
        let mut command = Command::new(&binary.path);
        command.arg0("devloop").arg(guard::MARK).arg(name.replace('\0', "")).env_clear().env(SESSION_MARK, session);
        command.stdin(OwnedFd::from(theirs));
        let (out, err) = match terminal {
            Terminal::Pty => {
                let (master, slave) = pty::open()?;
                command.stdout(slave.try_clone()?).stderr(Stdio::from(slave));
                (master, None)
            }
            Terminal::Pipes => {
                let (out, their_out) = io::pipe()?;
                let (err, their_err) = io::pipe()?;
                command.stdout(their_out).stderr(their_err);
                (out.into(), Some(err.into()))
            }
        };
        if let Some(socket) = listen {
            command.arg(socket.as_raw_fd().to_string());
            guard::hand_over(&mut command, socket);
        }
        let child = command.spawn()?;
        Ok(Spawned { child, control, out, err })
    }

    /// To be called inside the runtime.
    pub(super) fn line(self) -> io::Result<(Line, OwnedFd, Option<OwnedFd>)> {
        self.control.set_nonblocking(true)?;
        let control = UnixStream::from_std(self.control)?;
        Ok((Line { child: Some(self.child), control, heard: Vec::new() }, self.out, self.err))
    }
}

/// The line to a guard, and its lifeline: dropping it ends the guard's program.
pub(super) struct Line {
    child: Option<Child>,
    control: UnixStream,
    heard: Vec<u8>,
}

impl Line {
    /// The guard's process id.
    pub(super) fn guard(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Sends an order. That the guard is gone is noticed when listening.
    pub(super) async fn order(&mut self, order: &Order) {
        let _ = self.control.write_all(&order.frame()).await;
    }

    /// The next word; none if the guard is gone. May be dropped while it waits.
    pub(super) async fn listen(&mut self) -> Option<Word> {
        loop {
            if let Some(word) = Word::take(&mut self.heard) {
                return Some(word);
            }
            self.control.readable().await.ok()?;
            let mut part = [0; 1024];
            match self.control.try_read(&mut part) {
                Ok(0) => return None,
                Ok(count) => self.heard.extend_from_slice(&part[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return None,
            }
        }
    }

    /// Hangs up (which ends whatever is left) and waits until the guard has left.
    pub(super) async fn close(mut self) {
        let (left, has_left) = oneshot::channel();
        if let Some(child) = self.child.take() {
            drop(self);
            collect(child, move || {
                let _ = left.send(());
            });
        }
        let _ = has_left.await;
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if let Some(child) = self.child.take() {
            collect(child, || {});
        }
    }
}

/// Waits for a guard's end, on a thread of its own, not the runtime's: a guard that cannot leave must not keep devloop
/// from leaving.
fn collect(mut child: Child, then: impl FnOnce() + Send + 'static) {
    let wait = move || {
        let _ = child.wait();
        then();
    };
    // Without the thread it stays a zombie until devloop ends: that does no harm.
    let _ = std::thread::Builder::new().name("guard's end".to_owned()).spawn(wait);
}
