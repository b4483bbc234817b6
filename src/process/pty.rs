//! Terminals for programs: a pair of ends, neither of which another program can inherit by accident.

use std::os::fd::OwnedFd;

use super::WindowSize;

impl Default for WindowSize {
    /// What terminals have had since the seventies.
    fn default() -> WindowSize {
        WindowSize { rows: 24, columns: 80 }
    }
}

/// Our end and the program's end.
#[cfg(target_os = "linux")]
pub(super) fn open() -> nix::Result<(OwnedFd, OwnedFd)> {
    use nix::{
        fcntl::{OFlag, open},
        pty::{grantpt, posix_openpt, ptsname_r, unlockpt},
        sys::stat::Mode,
    };
    let private = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let ours = posix_openpt(private)?;
    grantpt(&ours)?;
    unlockpt(&ours)?;
    let theirs = open(ptsname_r(&ours)?.as_str(), private, Mode::empty())?;
    Ok((ours.into(), theirs))
}

/// Our end and the program's end.
#[cfg(not(target_os = "linux"))]
pub(super) fn open() -> nix::Result<(OwnedFd, OwnedFd)> {
    use nix::fcntl::{FcntlArg, FdFlag, fcntl};
    let pair = nix::pty::openpty(None, None)?;
    fcntl(&pair.master, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    fcntl(&pair.slave, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    Ok((pair.master, pair.slave))
}
