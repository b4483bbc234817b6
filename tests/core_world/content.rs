//! What stands in files, what programs make of it, and what becomes of them: known beforehand, so that the expected
//! outcome is a function of the sources.

/// What stands in a file: a version, or the middle of a write.
pub type Content = u64;
/// The middle of a write. No program makes anything good of this.
pub const GARBAGE: Content = u64::MAX;
/// A file that is not there.
pub const MISSING: Content = 0;

/// Mixes contents into a new one; garbage stays garbage.
pub fn mix(parts: impl IntoIterator<Item = Content>) -> Content {
    let mut all = 0xcbf2_9ce4_8422_2325_u64;
    for part in parts {
        if part == GARBAGE {
            return GARBAGE;
        }
        for byte in part.to_le_bytes() {
            all = (all ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    all >> 8
}

pub fn text(text: &str) -> Content {
    mix(text.bytes().map(u64::from))
}

/// What steps see of a source: a comment more or less changes nothing.
pub fn coarse(content: Content) -> Content {
    if content == GARBAGE { GARBAGE } else { content / 2 * 2 }
}

/// What a formatter makes of a source; again: the same.
pub fn formatted(content: Content) -> Content {
    if content != GARBAGE && content.is_multiple_of(3) { content + 1 } else { content }
}

/// What becomes of a step's run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Good,
    Fails,
    /// It goes on until it is stopped.
    Hangs,
}

/// `has_limit`: only what has a timeout hangs.
pub fn fate(name: &str, result: Content, has_limit: bool) -> Fate {
    match mix([text(name), result]) % 12 {
        _ if result == GARBAGE => Fate::Fails,
        0 => Fate::Fails,
        1 if has_limit => Fate::Hangs,
        _ => Fate::Good,
    }
}

/// What becomes of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    Ready,
    Exits,
    Unhealthy,
    /// Its health is never answered.
    Silent,
}

pub fn arrival(name: &str, result: Content) -> Arrival {
    match mix([text(name), result]) % 30 {
        _ if result == GARBAGE => Arrival::Exits,
        0 | 1 => Arrival::Exits,
        2 | 3 => Arrival::Unhealthy,
        4 => Arrival::Silent,
        _ => Arrival::Ready,
    }
}
