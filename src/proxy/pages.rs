//! Reports as text and as a page. The page is complete in itself, works without scripts, and escapes everything. Pure.

use std::fmt::Write;

use super::browser::CLIENT;
use crate::model::Report;

/// What a page shows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Page<'a> {
    /// What happened.
    pub(super) report: &'a Report,
    /// Where.
    pub(super) project: &'a str,
    /// The status of the answer.
    pub(super) status: u16,
    /// Names this page's own style and script, and opens the events to it. Letters, digits, `-` and `_`.
    pub(super) token: &'a str,
    /// The service and the state of its gate that this page speaks of; it reloads when the state is another one.
    pub(super) watched: Option<(&'a str, &'a str)>,
    /// What it is for.
    pub(super) kind: Kind,
}

/// What a page is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It says why nothing answers.
    Reports,
    /// It stands in for a page that will come, and shows what is being done for that.
    Waits,
}

const STYLE: &str = "
:root{color-scheme:light dark;--paper:#fbfaf8;--ink:#22201d;--soft:#6d6861;--rule:#e3dfd8;--sheet:#fff;--mark:#b3261e;--hint:#2b5c8a}
@media(prefers-color-scheme:dark){:root{--paper:#181715;--ink:#ece8e1;--soft:#a09a90;--rule:#35322d;--sheet:#201e1b;--mark:#ff8a80;--hint:#8fc1f0}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
main{max-width:60rem;margin:0 auto;padding:8vh 1.5rem 3rem}
header{display:flex;gap:.75rem;align-items:baseline;color:var(--soft);font-size:.875rem}
header b{color:var(--mark);font-variant-numeric:tabular-nums}
h1{font-size:1.5rem;line-height:1.3;font-weight:600;margin:.5rem 0 1.5rem;overflow-wrap:anywhere}
ol{list-style:none;margin:0 0 1.5rem;padding:0;border-top:1px solid var(--rule)}
li{padding:.6rem 0;border-bottom:1px solid var(--rule);overflow-wrap:anywhere}
code,pre{font:.875rem/1.55 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
li code,li a{display:block;color:var(--mark);font-weight:600}
a{font:.875rem/1.55 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;color:inherit;text-underline-offset:3px}
pre a{font:inherit}
pre{margin:0 0 1.5rem;padding:1rem 1.25rem;background:var(--sheet);border:1px solid var(--rule);border-left:3px solid var(--mark);overflow:auto;max-height:60vh;white-space:pre-wrap;overflow-wrap:anywhere}
.live{border-left-color:var(--hint)}
.live i{font-style:normal;color:var(--soft);user-select:none}
.hint{color:var(--hint)}
footer{color:var(--soft);font-size:.875rem}
";

/// The report as a whole HTML page.
pub(super) fn page(page: Page<'_>) -> String {
    let (token, report) = (escape(page.token), page.report);
    let mut html = String::with_capacity(8 * 1024);
    html.push_str("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    html.push_str("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    let (pause, waits) = match page.kind {
        Kind::Reports => (5, ""),
        Kind::Waits => (2, " data-waits"),
    };
    if page.watched.is_some() {
        push(&mut html, format_args!("<noscript><meta http-equiv=\"refresh\" content=\"{pause}\"></noscript>\n"));
    }
    push(&mut html, format_args!("<title>{} - {}</title>\n", escape(&report.title), escape(page.project)));
    push(&mut html, format_args!("<style nonce=\"{token}\">{STYLE}</style>\n</head>\n"));
    html.push_str("<body>\n");
    let project = escape(page.project);
    // Nothing is wrong while it is being waited.
    let status = match page.kind {
        Kind::Reports => format!("<b>{}</b>", page.status),
        Kind::Waits => String::new(),
    };
    push(&mut html, format_args!("<main>\n<header>{status}<span>{project}, answered by devloop</span></header>\n"));
    push(&mut html, format_args!("<h1>{}</h1>\n", escape(&report.title)));
    push_details(&mut html, report);
    if page.kind == Kind::Waits {
        html.push_str("<pre id=\"output\" class=\"live\" hidden></pre>\n");
    }
    if let Some((service, key)) = page.watched {
        html.push_str("<footer id=\"note\">This page reloads by itself.</footer>\n");
        let (service, key) = (escape(service), escape(key));
        push(
            &mut html,
            format_args!(
                "<script async src=\"{CLIENT}\" nonce=\"{token}\" data-token=\"{token}\" data-service=\"{service}\" \
                 data-key=\"{key}\"{waits}></script>\n"
            ),
        );
    }
    html.push_str("</main>\n</body>\n</html>\n");
    html
}

fn push_details(html: &mut String, report: &Report) {
    if !report.places.is_empty() {
        html.push_str("<ol>\n");
        for place in &report.places {
            let column = place.column.map_or(String::new(), |column| format!(":{column}"));
            let file = escape(&place.file);
            push(html, format_args!("<li><code>{file}:{}{column}</code>{}</li>\n", place.line, escape(&place.message)));
        }
        html.push_str("</ol>\n");
    }
    if !report.output.is_empty() {
        push(html, format_args!("<pre>{}</pre>\n", escape(&report.output.join("\n"))));
    }
    if let Some(hint) = &report.hint {
        push(html, format_args!("<p class=\"hint\">hint: {}</p>\n", escape(hint)));
    }
}

/// The report as text.
pub(super) fn plain(report: &Report) -> String {
    let mut text = format!("devloop: {}\n", report.title);
    for place in &report.places {
        let column = place.column.map_or(String::new(), |column| format!(":{column}"));
        push(&mut text, format_args!("{}:{}{column}: {}\n", place.file, place.line, place.message));
    }
    if !report.output.is_empty() {
        push(&mut text, format_args!("\n{}\n", report.output.join("\n")));
    }
    if let Some(hint) = &report.hint {
        push(&mut text, format_args!("\nhint: {hint}\n"));
    }
    text
}

fn push(to: &mut String, what: std::fmt::Arguments<'_>) {
    to.write_fmt(what).expect("writing to a string cannot fail");
}

/// Harmless between tags and in quoted attributes; control characters that HTML forbids are shown as such.
pub(super) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            '\n' | '\t' => safe.push(c),
            c if c.is_control() => safe.push('\u{fffd}'),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Place;

    fn hostile() -> Report {
        let text = "</pre></script><script>alert('x')</script>\"&\0";
        Report {
            title: text.into(),
            output: vec![text.into(), "line 2".into()],
            coloured: Vec::new(),
            places: vec![Place { file: text.into(), line: 3, column: Some(7), message: text.into() }],
            hint: Some(text.into()),
        }
    }

    #[test]
    fn nothing_of_a_report_becomes_markup() {
        let report = hostile();
        let watched = Some(("\"><script>", "failed:1"));
        let html =
            page(Page { report: &report, project: "<b>", status: 503, token: "abc", watched, kind: Kind::Reports });
        assert_eq!(html.matches("<script").count(), 1);
        assert_eq!(html.matches("</script").count(), 1);
        assert!(!html.contains("alert('x')") && !html.contains('\0') && !html.contains("<b>,"));
        assert!(html.contains("x&#39;)&lt;/script&gt;&quot;&amp;\u{fffd}:3:7</code>"));
    }

    #[test]
    fn a_page_that_watches_nothing_has_no_script() {
        let html = page(Page {
            report: &hostile(),
            project: "p",
            status: 403,
            token: "abc",
            watched: None,
            kind: Kind::Reports,
        });
        assert!(!html.contains("<script") && !html.contains("refresh"));
    }

    #[test]
    fn plain_text_has_places_output_and_hint() {
        let place = Place { file: "main.go".into(), line: 3, column: None, message: "undefined: x".into() };
        let report = Report {
            title: "t".into(),
            output: vec!["o".into()],
            coloured: Vec::new(),
            places: vec![place],
            hint: Some("h".into()),
        };
        assert_eq!(plain(&report), "devloop: t\nmain.go:3: undefined: x\n\no\n\nhint: h\n");
    }
}
