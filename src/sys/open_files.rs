//! How many files this process may have open (man 2 setrlimit). A connection is a file, and the usual limit is 1,024,
//! or 256 on macOS: fewer than the requests that may be held.

use std::sync::OnceLock;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// More than devloop ever needs. macOS refuses more than 10,240 for some kernels.
const ENOUGH: [u64; 2] = [65_536, 10_240];

static BEFORE: OnceLock<u64> = OnceLock::new();

/// Raises the limit as far as it goes without rights, at most to what is enough. Where that fails it stays as it is.
pub fn raise_open_files() {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return };
    BEFORE.get_or_init(|| soft);
    let raise = |enough: u64| {
        let raised = enough.min(hard);
        raised > soft && setrlimit(Resource::RLIMIT_NOFILE, raised, hard).is_ok()
    };
    let _ = ENOUGH.into_iter().any(raise);
}

/// The limit from before: what programs that devloop starts should have, as some go wrong with files above 1,024. None:
/// it has not been raised.
pub fn open_files_before() -> Option<u64> {
    BEFORE.get().copied()
}

/// Takes the limit of this process back to that.
pub fn lower_open_files(to: u64) {
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, to.min(hard), hard);
    }
}
