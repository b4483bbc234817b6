//! File systems whose files change without the kernel telling: another machine writes them.

use std::path::Path;

/// The name of the file system `folder` is on, if changes made elsewhere come without events.
pub(super) fn without_events(folder: &Path) -> Option<&'static str> {
    kind(folder)
}

#[cfg(target_os = "linux")]
fn kind(folder: &Path) -> Option<&'static str> {
    let found = nix::sys::statfs::statfs(folder).ok()?;
    // Its type differs from one C library to the next.
    by_magic(i128::from(found.filesystem_type().0) & 0xffff_ffff)
}

/// The numbers are those of `statfs(2)` and of the modules' own headers.
#[cfg(target_os = "linux")]
fn by_magic(magic: i128) -> Option<&'static str> {
    Some(match magic {
        0x6969 => "NFS",
        0x0102_1997 => "9p (WSL's /mnt, virtual machines)",
        0x6573_5546 => "FUSE (sshfs, virtiofs, shared folders)",
        0x517b | 0xff53_4d42 | 0xfe53_4d42 => "SMB",
        0x786f_4256 => "VirtualBox shared folders",
        0x7c7c_6673 => "Parallels shared folders",
        0xbacb_acbc => "VMware shared folders",
        0x5346_4846 => "WSL 1",
        0x5346_414f => "AFS",
        0x7375_7245 => "Coda",
        0x00c3_6400 => "Ceph",
        _ => return None,
    })
}

#[cfg(target_os = "macos")]
fn kind(folder: &Path) -> Option<&'static str> {
    let found = nix::sys::statfs::statfs(folder).ok()?;
    ["nfs", "smbfs", "afpfs", "webdav", "macfuse", "osxfuse"]
        .into_iter()
        .find(|name| *name == found.filesystem_type_name())
}

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
fn kind(_folder: &Path) -> Option<&'static str> {
    None
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn network_file_systems_are_known_and_local_ones_are_not() {
        assert_eq!(by_magic(0x6969), Some("NFS"));
        assert_eq!(by_magic(0xff53_4d42), Some("SMB"));
        for local in [0xef53, 0x0102_1994, 0x9123_683e, 0x5846_5342, 0x794c_7630] {
            assert_eq!(by_magic(local), None);
        }
        assert_eq!(without_events(Path::new("/proc")), None);
    }
}
