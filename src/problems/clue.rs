//! What a program that did not come up says about the reason, in the words of many languages.

use crate::escapes::strip_escapes;
use crate::model::Clue;

/// Any of these means that an address is taken. Lower case.
const ADDRESS: [&str; 13] = [
    "address already in use", // the C library's words: Go, Python, Rust, Ruby, PHP, nginx, .NET
    "eaddrinuse",             // Node, Ruby, Erlang
    "addrinuse",              // Rust's kind
    "address in use",
    "addressinuse",                 // Deno, Zig
    "already in use: bind",         // Java on some systems
    "that port is already in use",  // Django
    "was already in use",           // Spring
    "connection in use: (",         // gunicorn
    "is in use by another program", // Flask
    "failed to bind to address",    // .NET
    "port already in use",          // Java's RMI, Jetty
    "java.net.bindexception",
];

/// Any of these means that a lock is held. Lower case.
const LOCK: [&str; 22] = [
    "database is locked",       // SQLite
    "database table is locked", // SQLite
    "sqlite_busy",
    "could not get lock",
    "could not acquire lock",        // sled
    "cannot acquire lock",           // redb
    "cannot acquire directory lock", // badger
    "unable to acquire lock",        // Next
    "dev server is already running", // Next from 16.1 on
    "failed to acquire lock",
    "failed to lock",
    "could not set lock on file", // DuckDB
    "could not lock",
    "unable to lock",
    "already locked",
    "lock is held by",
    "lock held by",                   // leveldb in one process
    "lock obtain timed out",          // Lucene
    "database may be already in use", // H2
    "another instance is already running",
    "another instance of",
    "a server is already running", // Rails
];

/// What the last lines of a program that ended too early say about the reason; none if they say nothing known. An
/// address in use is told before a lock. Escape sequences may still be in the lines.
pub fn clue(lines: &[String]) -> Option<Clue> {
    let plain: Vec<String> = lines.iter().map(|line| strip_escapes(line).to_lowercase()).collect();
    if plain.iter().any(|line| is_address(line)) {
        return Some(Clue::AddressInUse);
    }
    plain.iter().any(|line| is_lock(line)).then_some(Clue::Locked)
}

fn is_address(line: &str) -> bool {
    // "Port 5173 is in use", "port 3000 is already in use": Vite, Next, Nuxt, Angular
    let names_port = line.contains("port ") && (line.contains(" is in use") || line.contains(" is already in use"));
    names_port || ADDRESS.iter().any(|words| line.contains(words))
}

fn is_lock(line: &str) -> bool {
    // the C library's words for a lock that is held: leveldb, rocksdb, badger, bolt
    let would_block = line.contains("resource temporarily unavailable") && line.contains("lock");
    let exists = line.contains("already exists") && (line.contains("lock file") || line.contains("lockfile"));
    would_block || exists || LOCK.iter().any(|words| line.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Option<Clue> {
        clue(&[line.to_owned()])
    }

    #[test]
    fn an_address_in_use_is_understood_in_many_languages() {
        let said = [
            "2026/11/22 listen tcp :8080: bind: address already in use",
            "OSError: [Errno 98] Address already in use",
            "OSError: [Errno 48] error while attempting to bind on address ('::1', 8000): address already in use",
            "Error: listen EADDRINUSE: address already in use :::3000",
            "Os { code: 98, kind: AddrInUse, message: \"Address already in use\" }",
            "java.net.BindException: Address already in use",
            "Web server failed to start. Port 8080 was already in use.",
            "Errno::EADDRINUSE: Address already in use - bind(2) for \"127.0.0.1\" port 3000",
            "nginx: [emerg] bind() to 0.0.0.0:80 failed (98: Address already in use)",
            "Error: That port is already in use.",
            "[ERROR] Connection in use: ('127.0.0.1', 8000)",
            "\x1b[31mError: Port 5173 is already in use\x1b[0m",
        ];
        for line in said {
            assert_eq!(of(line), Some(Clue::AddressInUse), "{line}");
        }
    }

    #[test]
    fn a_held_lock_is_understood_in_many_words() {
        let said = [
            "sqlite3.OperationalError: database is locked",
            "Error: SQLITE_BUSY: database is locked",
            "IO error: lock /data/LOCK: Resource temporarily unavailable",
            "Cannot acquire directory lock on \"/data\".  Another process is using this Badger database.",
            "E: Could not get lock /var/lib/dpkg/lock-frontend",
            "Another instance is already running (pid 12)",
            "DatabaseAlreadyOpen: Database already open. Cannot acquire lock.",
            "A server is already running (pid: 12, file: tmp/pids/server.pid).",
            "\u{2a2f} Another next dev server is already running.",
        ];
        for line in said {
            assert_eq!(of(line), Some(Clue::Locked), "{line}");
        }
    }

    #[test]
    fn other_words_are_no_clue() {
        for line in ["", "panic: nil pointer", "port 3000", "unlocked", "resource temporarily unavailable", "blocked"] {
            assert_eq!(of(line), None, "{line}");
        }
    }

    #[test]
    fn an_address_in_use_is_told_before_a_lock() {
        let both = ["database is locked".to_owned(), "bind: address already in use".to_owned()];
        assert_eq!(clue(&both), Some(Clue::AddressInUse));
    }
}
