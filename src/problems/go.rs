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

/// `WARNING: DATA RACE`: the first place of the users' in each of the two accesses; the first one is the place.
pub(super) fn race(lines: &[&str]) -> Option<Hit> {
    if lines[0] != "WARNING: DATA RACE" {
        return None;
    }
    let end = lines.iter().position(|line| line.starts_with("======")).unwrap_or(lines.len());
    let mut accesses = Vec::new();
    let mut access = None;
    for pair in lines[1..end].windows(2) {
        if pair[0].contains(" at 0x") && pair[0].contains(" by ") {
            access = pair[0].split(" at 0x").next();
        } else if pair[0].is_empty() {
            access = None;
        } else if let Some(what) = access
            && let (Some(function), Some(frame)) = (pair[0].strip_prefix("  "), pair[1].strip_prefix("      "))
            && let Some((file, line)) = user_frame(function, frame)
        {
            accesses.push((what.to_lowercase(), file, line));
            access = None;
        }
    }
    let Some((what, file, line)) = accesses.first() else {
        return Some(Hit { weight: Weight::Error, place: None, lines: end });
    };
    let other = accesses.get(1).map(|(what, file, line)| format!(", {what} at {file}:{line}")).unwrap_or_default();
    Some(error(place(file, *line, None, &format!("data race: {what}{other}")), end.max(1)))
}

/// What a test says about a race has been said better above it.
pub(super) fn race_in_test(lines: &[&str]) -> Option<Hit> {
    let line = lines[0].trim_start();
    let told = line.starts_with("testing.go:") && line.ends_with(": race detected during execution of test");
    told.then_some(Hit { weight: Weight::Error, place: None, lines: 1 })
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
    user_frame(function, frame.strip_prefix('\t')?)
}

/// `main.main()` and `/work/main.go:8 +0x1d`.
fn user_frame<'a>(function: &str, frame: &'a str) -> Option<(&'a str, u32)> {
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
    fn a_race_is_where_the_first_access_is_and_names_the_other_one() {
        let text = "WARNING: DATA RACE\nRead at 0x00c000018248 by goroutine 8:\n  example.com/x/sub.F.func1()\n      \
            /w/sub/race.go:9 +0x33\n\nPrevious write at 0x00c000018248 by goroutine 7:\n  example.com/x/sub.F()\n      \
            /w/sub/race.go:12 +0x116\n  testing.tRunner()\n      /usr/local/go/src/testing/testing.go:2036 +0x21c\n\n\
            Goroutine 8 (running) created at:\n  example.com/x/sub.F()\n      /w/sub/race.go:8 +0xf9\n\
            ==================\nafter";
        let lines: Vec<&str> = text.lines().collect();
        let hit = race(&lines).expect("a race");
        let place = hit.place.expect("a place");
        assert_eq!((place.file.as_str(), place.line, hit.lines), ("/w/sub/race.go", 9, 14));
        assert_eq!(place.message, "data race: read, previous write at /w/sub/race.go:12");
    }

    #[test]
    fn a_stack_without_a_frame_of_the_users_is_about_no_place() {
        let text = "fatal error: all goroutines are asleep - deadlock!\n\ngoroutine 1 [select (no cases)]:\n\
            runtime.main()\n\t/usr/local/go/src/runtime/proc.go:283 +0x1";
        assert_eq!(read(text), (None, 5));
    }
}
