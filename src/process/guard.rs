//! The guard: devloop's own binary, executed again as a tiny process between devloop and each program it starts.
//!
//! It starts the program, says how it ended, adopts whatever the program leaves behind, and ends all of it when it is
//! asked to, or when devloop is gone: its control socket is the lifeline. It has one thread and no runtime, sleeps
//! without a wake-up until something happens, and decides nothing that devloop can decide.
//!
//! This is the one file of the house with `unsafe` code: fork, signal handlers, terminal ioctls, closing inherited
//! descriptors. All of it runs in the guard, which is single-threaded, but for `hand_over`.
#![expect(unsafe_code, reason = "fork, sigaction and terminal ioctls have no safe interface")]

use std::{
    fs::File,
    io::{self, Read, Write},
    mem,
    os::{
        fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd},
        unix::{net::UnixStream, process::CommandExt},
    },
    process::{Command, ExitCode},
    sync::atomic::{AtomicI32, Ordering},
};

use nix::{
    errno::Errno,
    fcntl::{FcntlArg, FdFlag, fcntl},
    libc,
    sys::{
        signal::{SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, sigaction},
        wait::waitpid,
    },
    unistd::{ForkResult, Pid, chdir, dup2_raw, dup2_stderr, dup2_stdin, dup2_stdout, fork, getpid, setpgid, setsid},
};

use super::{
    Terminal, WindowSize, search,
    vigil::{Lifeline, Vigil},
    wire::{Order, Stage, Start, Word},
};
use crate::{model::Exit, sys::lower_open_files};

/// The hidden first argument. After it: a name for `ps`, and the number of a listening socket to be handed on, if any.
pub(super) const MARK: &str = "--guard-of";
/// Where a program finds a socket that is handed to it.
const LISTEN_FD: RawFd = 3;

/// Is this process to be a guard? Then it is one until its end, and its exit code is the answer. To be called first
/// thing in `main`, before any thread or runtime exists.
pub fn maybe_run() -> Option<ExitCode> {
    let mut args = std::env::args_os().skip(1);
    if args.next()? != MARK {
        return None;
    }
    let listen = args.nth(1).and_then(|number| number.to_str()?.parse().ok());
    Some(run(listen).map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS))
}

/// Lets the guard that `command` starts have `socket`, under the number it has here.
pub(super) fn hand_over(command: &mut Command, socket: OwnedFd) {
    // SAFETY: between fork and exec only `fcntl` is called, which is async-signal-safe.
    unsafe {
        command.pre_exec(move || match libc::fcntl(socket.as_raw_fd(), libc::F_SETFD, 0) {
            -1 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        });
    }
}

/// Sends a signal by its number; real-time ones have no name. A process that is gone is no error.
pub(super) fn send_signal(pid: i32, signal: i32) {
    // SAFETY: `kill` has no preconditions.
    unsafe { libc::kill(pid, signal) };
}

/// Collects one child that has ended, and how; none if all of them run.
pub(super) fn collect_child() -> nix::Result<Option<(Pid, Exit)>> {
    let mut status = 0;
    // SAFETY: the kernel writes one int to the pointer. (nix's own `waitpid` fails for real-time signals.)
    let pid = Errno::result(unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) })?;
    let exit = if libc::WIFSIGNALED(status) {
        Exit::Signal(libc::WTERMSIG(status))
    } else {
        Exit::Code(libc::WEXITSTATUS(status))
    };
    Ok((pid != 0).then(|| (Pid::from_raw(pid), exit)))
}

fn run(listen: Option<RawFd>) -> io::Result<()> {
    close_inherited(listen);
    // SAFETY: devloop has put the socket there for us, and nobody else in this process knows of it.
    let listen = listen.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) });
    // Nothing else may get the number that the socket is to have in the program.
    let reserve = File::open("/dev/null")?;
    if let Some(socket) = &listen
        && socket.as_raw_fd() != LISTEN_FD
    {
        fcntl(socket, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    }
    let control = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    control.peer_addr()?;
    let streams = (io::stdout().as_fd().try_clone_to_owned()?, io::stderr().as_fd().try_clone_to_owned()?);
    let null = File::options().read(true).write(true).open("/dev/null")?;
    dup2_stdin(&null)?;
    dup2_stdout(&null)?;
    dup2_stderr(&null)?;
    let wakes = catch_signals()?;
    let _ = setsid();
    adopt_orphans();

    let mut line = Lifeline::new(control);
    let Some(Order::Start(start)) = line.first_order()? else { return Ok(()) };
    let (silence, keep_silent) = io::pipe()?;
    let files = Files { stdin: silence.into(), out: streams.0, err: streams.1, listen };
    let leader = match begin(&start, files) {
        Ok(leader) => leader,
        Err((stage, errno)) => return line.say(&Word::NotStarted { stage, errno: errno as i32 }),
    };
    drop(reserve);
    let _ = chdir("/");
    // Where nobody hears this, the vigil is over soon: the lifeline is broken.
    let _ = line.say(&Word::Started { pid: leader.as_raw().cast_unsigned() });
    Vigil::new(line, wakes, leader, *start).keep();
    drop(keep_silent);
    Ok(())
}

/// The program's side of its streams.
struct Files {
    stdin: OwnedFd,
    out: OwnedFd,
    err: OwnedFd,
    listen: Option<OwnedFd>,
}

/// Starts the program; returns once it is executed, or says what failed.
fn begin(start: &Start, files: Files) -> Result<Pid, (Stage, Errno)> {
    let setup = |error: Errno| (Stage::Setup, error);
    let broken = |error: io::Error| (Stage::Setup, Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO)));
    if start.terminal == Terminal::Pty {
        own_terminal(&files.out, start.window).map_err(setup)?;
    }
    let (mut outcome, mut failure) = io::pipe().map_err(broken)?;
    // Until it is itself, a signal must neither reach our handlers in the child, nor stop it when it takes the
    // terminal.
    let before = SigSet::all().thread_swap_mask(SigmaskHow::SIG_SETMASK).map_err(setup)?;
    // SAFETY: this process has one thread, so the child may do everything that we may.
    match unsafe { fork() } {
        Ok(ForkResult::Child) => {
            let (stage, errno) = become_program(start, files);
            let mut told = vec![u8::try_from(stage.code()).unwrap_or(0)];
            told.extend((errno as i32).to_le_bytes());
            let _ = failure.write_all(&told);
            // SAFETY: ends this copy of the guard without running anything that belongs to the original.
            unsafe { libc::_exit(127) }
        }
        Ok(ForkResult::Parent { child }) => {
            drop(failure);
            let _ = before.thread_set_mask();
            let mut told = Vec::new();
            let _ = outcome.read_to_end(&mut told);
            match told.split_first() {
                None => Ok(child),
                Some((stage, errno)) => {
                    let _ = waitpid(child, None);
                    let errno = errno.first_chunk().map_or(libc::EIO, |raw| i32::from_le_bytes(*raw));
                    Err((Stage::of(u64::from(*stage)).unwrap_or(Stage::Setup), Errno::from_raw(errno)))
                }
            }
        }
        Err(error) => Err((Stage::Setup, error)),
    }
}

/// In the child: everything between fork and exec. Comes back only if that fails.
fn become_program(start: &Start, files: Files) -> (Stage, Errno) {
    if let Err(error) = set_up_streams(start, &files) {
        return (Stage::Setup, error);
    }
    if let Err(error) = chdir(&start.cwd) {
        return (Stage::Folder, error);
    }
    if let Some(limit) = start.open_files {
        lower_open_files(limit);
    }
    let mut env = start.env.clone();
    if files.listen.is_some() {
        env.retain(|(name, _)| !matches!(name.to_str(), Some("LISTEN_PID" | "LISTEN_FDS" | "LISTEN_FDNAMES")));
        env.push(("LISTEN_PID".into(), getpid().to_string().into()));
        env.push(("LISTEN_FDS".into(), "1".into()));
    }
    for signal in ordinary_signals() {
        // SAFETY: no handler is installed.
        let _ = unsafe { sigaction(signal, &SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty())) };
    }
    let _ = SigSet::empty().thread_set_mask();
    (Stage::Program, search::exec(&start.program, &start.args, &env))
}

/// A group of its own, which has the terminal if there is one; the streams in their places.
fn set_up_streams(start: &Start, files: &Files) -> nix::Result<()> {
    setpgid(Pid::from_raw(0), Pid::from_raw(0))?;
    match start.terminal {
        Terminal::Pty => {
            nix::unistd::tcsetpgrp(&files.out, getpid())?;
            dup2_stdin(&files.out)?;
        }
        Terminal::Pipes => dup2_stdin(&files.stdin)?,
    }
    dup2_stdout(&files.out)?;
    dup2_stderr(&files.err)?;
    if let Some(socket) = &files.listen
        && socket.as_raw_fd() != LISTEN_FD
    {
        // SAFETY: the number is reserved: whatever has it in this process is not used from here on.
        mem::forget(unsafe { dup2_raw(socket, LISTEN_FD) }?);
    }
    Ok(())
}

/// Closes what devloop was started with by accident, so that no program holds it open.
fn close_inherited(but: Option<RawFd>) {
    let Ok(entries) = std::fs::read_dir("/dev/fd") else { return };
    let open: Vec<RawFd> = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    for fd in open {
        if fd > libc::STDERR_FILENO && Some(fd) != but {
            // SAFETY: nothing in this process has opened anything yet (the folder just read is closed already).
            unsafe { libc::close(fd) };
        }
    }
}

/// Ordinary signals: those a process may catch and that do not tell of a fault in it.
fn ordinary_signals() -> impl Iterator<Item = Signal> {
    use Signal::{SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGKILL, SIGSEGV, SIGSTOP, SIGTRAP};
    let others = [SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGKILL, SIGSEGV, SIGSTOP, SIGTRAP];
    Signal::iterator().filter(move |signal| !others.contains(signal))
}

/// The end of a child makes the returned socket readable; every other signal is without effect.
fn catch_signals() -> io::Result<UnixStream> {
    let (wakes, wake) = UnixStream::pair()?;
    wakes.set_nonblocking(true)?;
    wake.set_nonblocking(true)?;
    WAKE.store(wake.as_raw_fd(), Ordering::Relaxed);
    mem::forget(wake); // the handler's, until the end of the process
    let flags = SaFlags::SA_RESTART | SaFlags::SA_NOCLDSTOP;
    for signal in ordinary_signals() {
        let action = SigAction::new(SigHandler::Handler(on_signal), flags, SigSet::empty());
        // SAFETY: the handler only reads an atomic and calls `write`, which is async-signal-safe.
        let _ = unsafe { sigaction(signal, &action) };
    }
    let _ = SigSet::empty().thread_set_mask();
    Ok(wakes)
}

static WAKE: AtomicI32 = AtomicI32::new(-1);

extern "C" fn on_signal(signal: libc::c_int) {
    if signal == libc::SIGCHLD {
        let before = Errno::last_raw();
        // SAFETY: one byte of a constant is written to a descriptor that stays open.
        unsafe { libc::write(WAKE.load(Ordering::Relaxed), c"c".as_ptr().cast(), 1) };
        Errno::set_raw(before);
    }
}

#[cfg(target_os = "linux")]
fn adopt_orphans() {
    let _ = nix::sys::prctl::set_child_subreaper(true);
    let _ = nix::sys::prctl::set_name(c"devloop-guard");
}

/// There is no such thing elsewhere: what leaves the group is lost to us.
#[cfg(not(target_os = "linux"))]
fn adopt_orphans() {}

/// Makes `terminal` the one of this session. The guard leads the session, not the program: so that the program's end
/// does not hang up on what it leaves running.
fn own_terminal(terminal: &OwnedFd, window: WindowSize) -> nix::Result<()> {
    set_window(terminal.as_raw_fd(), window)?;
    // SAFETY: takes no pointer.
    Errno::result(unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCSCTTY as _, 0) }).map(drop)
}

fn set_window(terminal: RawFd, window: WindowSize) -> nix::Result<()> {
    let size = libc::winsize { ws_row: window.rows, ws_col: window.columns, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: the kernel reads one `winsize` from the pointer.
    Errno::result(unsafe { libc::ioctl(terminal, libc::TIOCSWINSZ, &raw const size) }).map(drop)
}

/// This session's terminal, if it has one, gets another size.
pub(super) fn resize(window: WindowSize) {
    if let Ok(terminal) = File::open("/dev/tty") {
        let _ = set_window(terminal.as_raw_fd(), window);
    }
}
