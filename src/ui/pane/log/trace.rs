//! Which lines go on with what a line before them began: the frames below a panic, the rest of a message.

/// Words that further lines of a trace begin with, where they are not set in.
const BEGINNINGS: [&str; 8] = [
    "goroutine ",
    "created by ",
    "[signal ",
    "exit status ",
    "stack backtrace:",
    "note: run with `RUST_BACKTRACE",
    "Caused by:",
    "During handling of the above exception",
];

/// Whether a line without escape sequences goes on with the one before. A line that begins anew is set in by nothing
/// and looks like no frame.
pub(super) fn goes_on(text: &str) -> bool {
    text.trim().is_empty()
        || text.starts_with([' ', '\t'])
        || BEGINNINGS.iter().any(|beginning| text.starts_with(beginning))
        || is_frame(text)
}

/// A call as Go writes it in a trace: `main.(*server).serve(0xc000010000, {0x1, 0x2})`.
fn is_frame(text: &str) -> bool {
    let Some(call) = text.trim_end().strip_suffix(')') else { return false };
    let Some((name, arguments)) = call.rsplit_once('(') else { return false };
    let is_name = name.contains('.') && !name.contains(char::is_whitespace);
    is_name && arguments.chars().all(|letter| letter.is_ascii_hexdigit() || "x, {}?.".contains(letter))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_goes_on_and_a_new_line_begins_anew() {
        for line in [
            "",
            "\t/home/me/shop/main.go:12 +0x1d",
            "    at handler (/app/server.js:3:9)",
            "  File \"app.py\", line 3, in <module>",
            "goroutine 1 [running]:",
            "main.main()",
            "net/http.(*conn).serve(0xc000010000, {0x7f11, 0xc0001})",
            "runtime.gopanic({0x46b0a0?, 0xc0000140d8?})",
            "created by net/http.(*Server).Serve in goroutine 1",
            "[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x1]",
            "exit status 2",
            "stack backtrace:",
        ] {
            assert!(goes_on(line), "{line}");
        }
        for line in [
            "panic: runtime error: index out of range [5] with length 3",
            "listening on port 8080",
            "GET /a (200)",
            "done (took 1.2s)",
            "main.go:12: something (again)",
            "2026/11/26 12:00:00 served (3)",
        ] {
            assert!(!goes_on(line), "{line}");
        }
    }
}
