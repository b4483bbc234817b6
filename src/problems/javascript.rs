//! JavaScript and TypeScript: tsc, esbuild, vite, rollup, and the stacks of Node, Deno and Bun.

use super::{Hit, Weight, error, generic, location, number, place};

/// How far below a headline its place may stand.
const NEAR: usize = 8;

/// `src/a.ts(1,5): error TS2322: …` and, pretty, `src/a.ts:1:5 - error TS2322: …`; rollup's `src/a.js (1:5): …`.
pub(super) fn typescript(lines: &[&str]) -> Option<Hit> {
    let line = lines[0];
    if let Some((target, rest)) = line.split_once(" - ")
        && let Some((weight, message)) = graded(rest)
        && let Some((file, number, column)) = generic::bare(target)
    {
        return Some(Hit { weight, place: Some(place(file, number, column, message)), lines: 1 });
    }
    let (target, rest) = line.split_once("): ")?;
    let (file, at) = target.rsplit_once('(')?;
    if let Some((row, column)) = at.split_once(',') {
        let (weight, message) = graded(rest)?;
        return Some(Hit { weight, place: Some(place(file, number(row)?, number(column), message)), lines: 1 });
    }
    let (row, column) = at.split_once(':')?;
    let file = file.trim_end();
    let file = file.rsplit_once(": ").map_or(file, |(_, file)| file);
    Some(error(place(file, number(row)?, number(column), rest), 1))
}

/// `error TS2322: message`
fn graded(text: &str) -> Option<(Weight, &str)> {
    let (weight, rest) = match text.strip_prefix("error ") {
        Some(rest) => (Weight::Error, rest),
        None => (Weight::Warning, text.strip_prefix("warning ")?),
    };
    let (code, message) = rest.split_once(": ")?;
    (!code.contains(' ')).then_some((weight, message))
}

/// `✘ [ERROR] message`, an empty line, `    src/main.ts:1:7:`
pub(super) fn esbuild(lines: &[&str]) -> Option<Hit> {
    let line = lines[0].trim_start().trim_start_matches(['✘', '▲', 'X', '>', ' ']);
    let (weight, message) = match line.strip_prefix("[ERROR] ") {
        Some(message) => (Weight::Error, message),
        None => (Weight::Warning, line.strip_prefix("[WARNING] ")?),
    };
    let below = lines.iter().enumerate().take(NEAR).skip(1);
    let (at, (file, number, column)) = below
        .filter_map(|(at, line)| Some((at, line.trim().strip_suffix(':')?)))
        .find_map(|(at, target)| Some((at, generic::bare(target)?)))?;
    Some(Hit { weight, place: Some(place(file, number, column, message)), lines: at + 1 })
}

/// vite's `Internal server error: message` (or `error during build:`), with a `File: src/App.tsx:12:3` below it.
pub(super) fn vite(lines: &[&str]) -> Option<Hit> {
    let line = lines[0].trim();
    let message = match line.split_once("Internal server error: ") {
        Some((_, message)) => message,
        None if line.ends_with("error during build:") => lines.get(1)?.trim(),
        None => return None,
    };
    let message = message.strip_prefix("[vite]").unwrap_or(message).trim();
    let below = lines.iter().enumerate().take(NEAR).skip(1);
    let (at, (file, number, column)) = below
        .filter_map(|(at, line)| {
            Some((at, line.trim_start().strip_prefix("File: ").or(line.trim_start().strip_prefix("file: "))?))
        })
        .find_map(|(at, target)| Some((at, located(target).or_else(|| whole(target))?)))?;
    Some(error(place(file, number, column, message), at + 1))
}

/// A file of which no line is named: what it imports is not there. Its beginning is a place to go to.
fn whole(target: &str) -> Option<(&str, u32, Option<u32>)> {
    let target = target.trim();
    (target.contains('/') && !target.contains(char::is_whitespace)).then_some((target, 1, None))
}

/// A place that may have a URL's query behind the file.
fn located(target: &str) -> Option<(&str, u32, Option<u32>)> {
    let target = target.trim();
    let (file, line, column) = location(target)?;
    let file = file.split('?').next().unwrap_or(file);
    (!file.is_empty()).then_some((file, line, column))
}

/// An uncaught error: perhaps `file:line` with the source and a caret, then `Error: message`, then `    at …` frames.
pub(super) fn stack(lines: &[&str]) -> Option<Hit> {
    let shown = excerpt(lines);
    let headline = shown.as_ref().map_or(0, |shown| shown.headline);
    let message = lines.get(headline)?.trim_start();
    let frames = &lines[headline + 1..];
    let first = frames.iter().position(|line| is_frame(line)).filter(|at| *at == 0 || shown.is_some() && *at < NEAR);
    if first.is_some_and(|first| frames[..first].iter().any(|line| typescript(&[line]).is_some())) {
        // ts-node: what the compiler said stands between the error and its frames, which are all ts-node's own.
        return Some(Hit { weight: Weight::Error, place: None, lines: headline + 1 });
    }
    let (own, used) = match first {
        Some(first) => {
            let stack = frames[first..].iter().take_while(|line| is_frame(line));
            let used = headline + 1 + first + stack.clone().count();
            (stack.filter_map(|line| frame(line)).find(|(file, ..)| !is_foreign(file)), used)
        }
        None if shown.is_some() => (None, headline + 1),
        None => return None,
    };
    let message = message.strip_prefix("Uncaught ").unwrap_or(message);
    let found = own.or(shown.map(|shown| (shown.file, shown.line, shown.column)));
    let found = found.map(|(file, line, column)| place(file, line, column, message));
    Some(Hit { weight: Weight::Error, place: found, lines: used })
}

struct Excerpt<'a> {
    file: &'a str,
    line: u32,
    column: Option<u32>,
    /// Where the error itself stands.
    headline: usize,
}

/// What Node prints above an error: the place, the line of source, a caret below it, an empty line.
fn excerpt<'a>(lines: &[&'a str]) -> Option<Excerpt<'a>> {
    let (file, line, None) = generic::bare(lines[0].strip_prefix("file://").unwrap_or(lines[0]))? else { return None };
    let caret =
        lines.iter().take(NEAR).position(|line| !line.is_empty() && line.trim_matches([' ', '\t', '^']).is_empty())?;
    let column = lines[caret].chars().position(|character| character == '^');
    let headline = (caret + 1..lines.len().min(caret + 4)).find(|at| lines[*at].contains("Error"))?;
    let column = column.and_then(|column| u32::try_from(column + 1).ok());
    Some(Excerpt { file, line, column, headline })
}

fn is_frame(line: &str) -> bool {
    line.starts_with(' ') && line.trim_start().starts_with("at ")
}

/// `    at name (file:line:column)` or `    at file:line:column`
fn frame(line: &str) -> Option<(&str, u32, Option<u32>)> {
    let text = line.trim_start().strip_prefix("at ")?;
    let target = match text.strip_suffix(')') {
        Some(inner) => inner.rsplit_once('(')?.1,
        None => text.strip_prefix("async ").unwrap_or(text),
    };
    let (file, line, column) = location(target)?;
    Some((file.strip_prefix("file://").unwrap_or(file), line, column))
}

fn is_foreign(file: &str) -> bool {
    file.starts_with("node:") || file.contains("node_modules/") || file.starts_with("internal/") || file.contains("://")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(reader: super::super::Reader, text: &str) -> Option<(String, u32, Option<u32>, String)> {
        let lines: Vec<&str> = text.lines().collect();
        let place = reader(&lines)?.place?;
        Some((place.file, place.line, place.column, place.message))
    }

    fn is(file: &str, line: u32, column: u32, message: &str) -> Option<(String, u32, Option<u32>, String)> {
        Some((file.to_owned(), line, Some(column), message.to_owned()))
    }

    #[test]
    fn both_forms_of_tsc_are_read() {
        let plain = "src/a.ts(1,5): error TS2322: Type 'string' is not assignable to type 'number'.";
        let pretty = "src/a.ts:1:5 - error TS2322: Type 'string' is not assignable to type 'number'.";
        let wanted = is("src/a.ts", 1, 5, "Type 'string' is not assignable to type 'number'.");
        assert_eq!(with(typescript, plain), wanted);
        assert_eq!(with(typescript, pretty), wanted);
    }

    #[test]
    fn what_ts_node_repeats_of_the_compiler_is_the_place_and_not_ts_node_itself() {
        let text = "/x/node_modules/ts-node/src/index.ts:434\n    return new TSError(text, codes)\n           ^\nTSError: ⨯ Unable to compile TypeScript:\nsrc/user.ts(2,24): error TS2307: Cannot find module '../config'.\n\n    at createTSError (/x/node_modules/ts-node/src/index.ts:434:12)\n    at reportTSError (/x/node_modules/ts-node/src/index.ts:438:19)";
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let places: Vec<String> =
            super::super::read(&lines).iter().map(|place| format!("{}:{}", place.file, place.line)).collect();
        assert_eq!(places, ["src/user.ts:2"]);
    }

    #[test]
    fn rollup_names_the_file_before_brackets() {
        let text = "RollupError: src/main.js (2:9): \"x\" is not exported by \"src/y.js\".";
        assert_eq!(with(typescript, text), is("src/main.js", 2, 9, "\"x\" is not exported by \"src/y.js\"."));
    }

    #[test]
    fn esbuild_puts_the_place_below() {
        let text = "✘ [ERROR] Could not resolve \"./x\"\n\n    src/main.ts:1:7:\n      1 │ import './x'";
        assert_eq!(with(esbuild, text), is("src/main.ts", 1, 7, "Could not resolve \"./x\""));
    }

    #[test]
    fn vite_names_the_file_in_a_field() {
        let text = "3:04:05 PM [vite] Internal server error: Unexpected token (2:3)\n  Plugin: vite:esbuild\n  File: /app/src/App.tsx:2:3";
        assert_eq!(with(vite, text), is("/app/src/App.tsx", 2, 3, "Unexpected token (2:3)"));
    }

    #[test]
    fn frames_of_node_and_of_packages_are_passed_over() {
        let text = "TypeError: x is not a function\n    at Layer.handle (/app/node_modules/express/lib/layer.js:95:5)\n    \
            at node:internal/timers:1:2\n    at async file:///app/src/index.mjs:3:7\nafter";
        assert_eq!(with(stack, text), is("/app/src/index.mjs", 3, 7, "TypeError: x is not a function"));
    }

    #[test]
    fn a_syntax_error_is_at_its_excerpt() {
        let text = "/app/a.js:3\nlet x = ;\n        ^\n\nSyntaxError: Unexpected token ';'\n    at wrapSafe (node:internal/a:1:2)";
        assert_eq!(with(stack, text), is("/app/a.js", 3, 9, "SyntaxError: Unexpected token ';'"));
    }
}
