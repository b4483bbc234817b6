//! Go's panics: the message and the first frame of the stack that is neither Go's own nor a dependency's.

use super::{Hit, Weight, error, location, place};

/// How far behind the message the stack may begin: `[recovered]` lines and signals stand between.
const NEAR: usize = 12;

/// The folders of Go's standard library, as the first part of a package's path.
const STANDARD: &str = "archive bufio builtin bytes cmp compress container context crypto database debug embed encoding \
    errors expvar flag fmt go hash html image index internal io iter log maps math mime net os path plugin reflect \
    regexp runtime slices sort strconv strings structs sync syscall testing text time unicode unique unsafe vendor weak";

/// `panic: …`, `fatal error: …` or a server's `panic serving …`, and the stack below it.
pub(super) fn panic(lines: &[&str]) -> Option<Hit> {
    let message = message(lines[0])?;
    let stack = lines.iter().take(NEAR).position(|line| line.starts_with("goroutine ") && line.contains('['))?;
    let frames = &lines[stack + 1..];
    let end = frames.iter().position(|line| line.is_empty()).unwrap_or(frames.len());
    let used = stack + 1 + end;
    let found = frames[..end].windows(2).find_map(|pair| users(pair[0], pair[1]));
    match found {
        Some((file, line)) => Some(error(place(file, line, None, message), used)),
        None => Some(Hit { weight: Weight::Error, place: None, lines: used }),
    }
}

fn message(line: &str) -> Option<&str> {
    if line.starts_with("panic: ") || line.starts_with("fatal error: ") {
        return Some(line);
    }
    // "2026/11/22 10:00:00 http: panic serving 127.0.0.1:1234: reason"
    line.find("panic serving ").map(|at| &line[at..])
}

/// `main.main()` and, behind a tab, `/work/main.go:8 +0x1d`.
fn users<'a>(function: &str, frame: &'a str) -> Option<(&'a str, u32)> {
    let frame = frame.strip_prefix('\t')?;
    let frame = frame.rsplit_once(" +0x").map_or(frame, |(frame, _)| frame);
    let (file, line, _) = location(frame)?;
    (!is_foreign(function, file)).then_some((file, line))
}

fn is_foreign(function: &str, file: &str) -> bool {
    let function = function.strip_prefix("created by ").unwrap_or(function);
    if file.contains("/pkg/mod/") || file.contains("/vendor/") || file.contains('@') {
        return true;
    }
    if function.starts_with("panic(") || function.starts_with("main.") {
        return !function.starts_with("main.");
    }
    let first = function.split(['/', '.', '(']).next().unwrap_or(function);
    let known = STANDARD.split_whitespace().any(|standard| standard == first);
    // "net/http.(*conn).serve": an own module may be called `net`, but then its file is not below `src/net`
    known && (file.contains(&format!("/src/{first}/")) || file.starts_with(&format!("{first}/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Option<(String, u32, String)>, usize) {
        let lines: Vec<&str> = text.lines().collect();
        let hit = panic(&lines).expect("a panic");
        (hit.place.map(|place| (place.file, place.line, place.message)), hit.lines)
    }

    #[test]
    fn frames_of_go_itself_and_of_dependencies_are_passed_over() {
        let text = "2026/01/02 03:04:05 http: panic serving 127.0.0.1:4: boom\ngoroutine 7 [running]:\n\
            net/http.(*conn).serve.func1()\n\t/usr/local/go/src/net/http/server.go:1947 +0xbe\n\
            panic({0x1?, 0x2?})\n\t/usr/local/go/src/runtime/panic.go:791 +0x132\n\
            github.com/x/y.F()\n\t/home/u/go/pkg/mod/github.com/x/y@v1.0.0/y.go:3 +0x1\n\
            example.com/app/web.handle()\n\t/work/web/web.go:9 +0x25\n\nafter";
        let found = ("/work/web/web.go".to_owned(), 9, "panic serving 127.0.0.1:4: boom".to_owned());
        assert_eq!(read(text), (Some(found), 10));
    }

    #[test]
    fn a_stack_without_a_frame_of_the_users_is_about_no_place() {
        let text = "fatal error: all goroutines are asleep - deadlock!\n\ngoroutine 1 [select (no cases)]:\n\
            runtime.main()\n\t/usr/local/go/src/runtime/proc.go:283 +0x1";
        assert_eq!(read(text), (None, 5));
    }
}
