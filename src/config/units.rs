//! Values with a form of their own: times with units, addresses to listen on, names of signals.

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::{error::did_you_mean, plan::Listen};

/// What is wrong with a value, and what to do about it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

impl Wrong {
    pub(super) fn new(message: impl Into<String>, hint: impl Into<String>) -> Wrong {
        Wrong { message: message.into(), hint: Some(hint.into()) }
    }
}

const TIME_HINT: &str = "times are written like `\"250ms\"`, `\"5s\"` or `\"1m30s\"`";

/// `250ms`, `5s`, `1.5s`, `1m30s`: numbers with units, at most a year in all.
pub(super) fn time(text: &str) -> Result<Duration, Wrong> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(Wrong::new("a time is missing", TIME_HINT));
    }
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let (number, after) = split_at_end_of(rest, |letter| letter.is_ascii_digit() || letter == '.');
        let (unit, after) = split_at_end_of(after, |letter| !letter.is_ascii_digit());
        let unit = unit.trim();
        let amount: f64 = number.parse().map_err(|_| Wrong::new(format!("`{text}` is not a time"), TIME_HINT))?;
        if unit.is_empty() {
            return Err(Wrong::new(format!("the time `{text}` has no unit"), TIME_HINT));
        }
        seconds += amount * unit_in_seconds(unit)?;
        rest = after;
    }
    const YEAR: f64 = 365.0 * 24.0 * 3600.0;
    if seconds > YEAR {
        return Err(Wrong::new(format!("the time `{text}` is longer than a year"), TIME_HINT));
    }
    // Whole microseconds: what `0.1` is not in binary must not show.
    Ok(Duration::from_micros((seconds * 1e6).round() as u64))
}

fn split_at_end_of(text: &str, belongs: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|letter| !belongs(letter)).unwrap_or(text.len()))
}

fn unit_in_seconds(unit: &str) -> Result<f64, Wrong> {
    match unit {
        "ms" => Ok(0.001),
        "s" => Ok(1.0),
        "m" => Ok(60.0),
        "h" => Ok(3600.0),
        other => {
            let meant = match other.to_lowercase().as_str() {
                "msec" | "msecs" | "millis" | "millisecond" | "milliseconds" => Some("ms"),
                "sec" | "secs" | "second" | "seconds" => Some("s"),
                "min" | "mins" | "minute" | "minutes" => Some("m"),
                "hr" | "hrs" | "hour" | "hours" => Some("h"),
                _ => None,
            };
            let hint = meant.map_or_else(
                || "the units are `ms`, `s`, `m` and `h`".to_owned(),
                |unit| format!("write `{unit}`; the units are `ms`, `s`, `m` and `h`"),
            );
            Err(Wrong::new(format!("`{other}` is not a unit of time"), hint))
        }
    }
}

/// `512B`, `64KiB`, `1.5MiB`, `10MB`, `1GiB`: at least one byte.
pub(super) fn size(text: &str) -> Result<u64, Wrong> {
    const HINT: &str = "sizes are written like `\"64KiB\"` or `\"10MiB\"`";
    let (number, unit) = split_at_end_of(text.trim(), |letter| letter.is_ascii_digit() || letter == '.');
    let unit = match unit.trim() {
        "B" => 1.0,
        "kB" | "KB" => 1e3,
        "MB" => 1e6,
        "GB" => 1e9,
        "KiB" => 1024.0,
        "MiB" => 1024.0 * 1024.0,
        "GiB" => 1024.0 * 1024.0 * 1024.0,
        "" => return Err(Wrong::new(format!("the size `{text}` has no unit"), HINT)),
        other => {
            let hint = "the units are `B`, `KiB`, `MiB`, `GiB`, `KB`, `MB` and `GB`";
            return Err(Wrong::new(format!("`{other}` is not a unit of size"), hint));
        }
    };
    let bytes = number.parse::<f64>().map_err(|_| Wrong::new(format!("`{text}` is not a size"), HINT))? * unit;
    // Whole numbers up to here are exact.
    if !(1.0..=9e15).contains(&bytes) {
        return Err(Wrong::new(format!("the size `{text}` is not one that a message can have"), HINT));
    }
    Ok(bytes as u64)
}

const LISTEN_HINT: &str = "write a port like `3000`, or an address like `\"127.0.0.1:3000\"` or `\"[::1]:3000\"`";

/// `3000`, `:3000`, `127.0.0.1:3000`, `[::1]:3000`, `localhost:3000`. The host is kept without brackets.
pub(super) fn listen(text: &str) -> Result<Listen, Wrong> {
    let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
    let wrong = |message: String| Wrong::new(message, LISTEN_HINT);
    if text.contains("://") {
        return Err(wrong(format!("`{text}` is a URL, not an address to listen on")));
    }
    let number: u32 = match port.parse() {
        Ok(number) if port.starts_with(|first: char| first.is_ascii_digit()) => number,
        _ => return Err(wrong(format!("`{text}` has no port"))),
    };
    let port =
        u16::try_from(number).map_err(|_| wrong(format!("port {number} is out of range: ports end at 65535")))?;
    let host = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(inner) if inner.parse::<std::net::Ipv6Addr>().is_ok() => inner,
        Some(inner) => return Err(wrong(format!("`{inner}` is not an IPv6 address"))),
        None if host.contains(':') => return Err(wrong(format!("the IPv6 address in `{text}` needs brackets"))),
        None => host,
    };
    if !is_host(host) && !host.contains(':') && !host.is_empty() {
        return Err(wrong(format!("`{host}` is not a host name or an address")));
    }
    Ok(Listen { host: (!host.is_empty()).then(|| host.to_owned()), port, written: true })
}

/// What is not a host that requests can name.
pub(super) fn no_host(text: &str) -> Wrong {
    let hint =
        "write the name alone, such as `\"app.test\"`, or `\"*.app.test\"` for every name below it: no scheme, no port";
    Wrong::new(format!("`{text}` is not a host name"), hint)
}

/// Letters, digits, `-`, `.` and `_`, as in host names and IPv4 addresses.
pub(super) fn is_host(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|letter| letter.is_ascii_alphanumeric() || "-._".contains(letter))
}

/// `SIGTERM` or `TERM`, in any case.
pub(super) fn signal(text: &str) -> Result<i32, Wrong> {
    let upper = text.trim().to_uppercase();
    let full = if upper.starts_with("SIG") { upper } else { format!("SIG{upper}") };
    if let Ok(signal) = full.parse::<Signal>() {
        return match signal {
            Signal::SIGSTOP | Signal::SIGCONT => Err(Wrong::new(
                format!("`{text}` does not end a program"),
                "`stop.signal` is the signal that asks it to end, such as `\"SIGTERM\"` or `\"SIGINT\"`",
            )),
            other => Ok(other as i32),
        };
    }
    let hint = match did_you_mean(&full, Signal::iterator().map(Signal::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "such as `\"SIGTERM\"` or `\"SIGINT\"`".to_owned(),
    };
    Err(Wrong::new(format!("`{text}` is not a signal"), hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_numbers_with_units() {
        for (text, millis) in [
            ("250ms", 250),
            ("5s", 5_000),
            ("1m", 60_000),
            ("1m30s", 90_000),
            ("1h", 3_600_000),
            ("1.5s", 1_500),
            ("0s", 0),
            (" 2s ", 2_000),
            ("1 s", 1_000),
            ("0.1s", 100),
        ] {
            assert_eq!(time(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn sizes_are_numbers_with_units() {
        for (text, bytes) in
            [("1B", 1), ("64KiB", 65_536), (" 1.5 MiB ", 1_572_864), ("10MB", 10_000_000), ("2GiB", 1 << 31)]
        {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "5", "B", "0B", "1.2.3KiB", "-1B", "1kib", "1TB", "9999999999GiB"] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn other_times_say_what_is_wrong() {
        for (text, message) in [
            ("", "a time is missing"),
            ("5", "the time `5` has no unit"),
            ("1m30", "the time `1m30` has no unit"),
            ("s", "`s` is not a time"),
            ("-5s", "`-5s` is not a time"),
            ("1.2.3s", "`1.2.3s` is not a time"),
            ("5 minutes", "`minutes` is not a unit of time"),
            ("5d", "`d` is not a unit of time"),
            ("1e9s", "`e` is not a unit of time"),
            ("99999999999h", "the time `99999999999h` is longer than a year"),
            ("5µs", "`µs` is not a unit of time"),
        ] {
            assert_eq!(time(text).map_err(|wrong| wrong.message), Err(message.to_owned()), "{text}");
        }
    }

    #[test]
    fn addresses_have_a_port_and_perhaps_a_host() {
        for (text, host, port) in [
            ("3000", None, 3000),
            (":3000", None, 3000),
            ("127.0.0.1:3000", Some("127.0.0.1"), 3000),
            ("0.0.0.0:80", Some("0.0.0.0"), 80),
            ("[::1]:3000", Some("::1"), 3000),
            ("localhost:0", Some("localhost"), 0),
        ] {
            let listen = listen(text).unwrap();
            assert_eq!((listen.host.as_deref(), listen.port, listen.written), (host, port, true), "{text}");
        }
        for text in
            ["", ":", "localhost", "::1:3000", "[::1]", "[x]:1", "http://localhost:3000", "a b:1", ":65536", ":+1"]
        {
            assert!(listen(text).is_err(), "{text}");
        }
    }

    #[test]
    fn signals_are_known_by_name() {
        assert_eq!(signal("SIGTERM"), Ok(15));
        assert_eq!(signal("int"), Ok(2));
        assert_eq!(signal("SIGTREM").unwrap_err().hint.as_deref(), Some("did you mean `SIGTERM`?"));
        assert!(signal("SIGSTOP").is_err());
        assert!(signal("9").is_err());
    }
}
