//! The parts of the picture above and below the log, as lines.

use std::sync::Arc;

use ratatui::{
    style::Style,
    text::{Line, Span},
};

use super::{
    doing::{spent, time},
    log::{Least, Record},
    logview::{Form, Wrap},
    theme::{Sign, Theme},
    view::{Mode, Seat, View},
};
use crate::{
    core::status::{GateState, ServiceStatus, StepState, StepStatus},
    model::Report,
    ui::wording::{Tone, place},
};

/// A line, and where in it names stand: from which column, how wide.
pub(super) struct Named {
    pub(super) line: Line<'static>,
    pub(super) names: Vec<(usize, usize, Arc<str>)>,
}

/// The steps in a row, or in several where the row is too short.
pub(super) fn steps(view: &View, width: u16, most: usize) -> Vec<Named> {
    let width = usize::from(width);
    let mut rows = vec![Named { line: Line::default(), names: Vec::new() }];
    let mut before: Option<&StepStatus> = None;
    for (nth, step) in view.status.steps.iter().enumerate() {
        let spans = self::step(view, step);
        let own: usize = spans.iter().map(Span::width).sum();
        let follows = before.is_some_and(|before| step.after.contains(&before.name));
        let gap = match before {
            None => String::new(),
            Some(_) if follows => format!(" {} ", view.theme.sign(Sign::Next)),
            Some(_) => "   ".to_owned(),
        };
        before = Some(step);
        let is_full = rows.len() >= most;
        let Some(row) = rows.last_mut() else { break };
        let used = row.line.width();
        if used > 0 && used + Span::raw(&gap).width() + own > width {
            if is_full {
                let left = view.status.steps.len() - nth;
                row.line.spans.push(Span::styled(format!("  {left} more"), view.theme.dim()));
                break;
            }
            let names = vec![(0, own, step.name.clone())];
            rows.push(Named { line: Line::from(spans), names });
            continue;
        }
        row.line.spans.push(Span::styled(gap, view.theme.dim()));
        row.names.push((row.line.width(), own, step.name.clone()));
        row.line.spans.extend(spans);
    }
    rows.retain(|row| row.line.width() > 0);
    rows.into_iter().map(|row| Named { line: fit(row.line, width, view.theme), ..row }).collect()
}

/// `✓ build 2.1 s`
fn step(view: &View, step: &StepStatus) -> Vec<Span<'static>> {
    let theme = view.theme;
    let (sign, tone, more) = match step.state {
        StepState::Clean => (Sign::Clean, Tone::Good, step.took_ms.map(took).unwrap_or_default()),
        StepState::Waiting => (Sign::Waiting, Tone::Attention, "waits".to_owned()),
        StepState::Running => {
            let so_far = step.began_ms.map(|began| time(spent(view.now, began)));
            (Sign::Running, Tone::Attention, so_far.unwrap_or_default())
        }
        StepState::Stopping => (Sign::Stopping, Tone::Attention, "stops".to_owned()),
        StepState::Failed => (Sign::Failed, Tone::Bad, "failed".to_owned()),
    };
    let style = match step.state {
        StepState::Running | StepState::Failed => theme.strong(),
        _ => theme.plain(),
    };
    let more_style = if step.state == StepState::Clean { theme.dim() } else { theme.tone(tone) };
    let mut spans = vec![
        Span::styled(format!("{} ", theme.sign(sign)), theme.tone(tone)),
        Span::styled(step.name.to_string(), style),
    ];
    if !more.is_empty() {
        spans.push(Span::styled(format!(" {more}"), more_style));
    }
    spans
}

/// A time that is over.
fn took(millis: f64) -> String {
    match millis {
        short if short < 1_000.0 => format!("{short:.0} ms"),
        some if some < 9_950.0 => format!("{:.1} s", some / 1_000.0),
        long => time(long),
    }
}

/// One line for each service.
pub(super) fn services(view: &View, width: u16, most: usize) -> Vec<Named> {
    let width = usize::from(width);
    let all = &view.status.services;
    let shown = if all.len() > most { most.saturating_sub(1) } else { all.len() };
    let name_width =
        all.iter().map(|service| Span::raw(&*service.name).width()).max().unwrap_or_default().min(width / 3);
    let mut rows: Vec<Named> =
        all.iter().take(shown).map(|service| self::service(view, service, name_width, width)).collect();
    if shown < all.len() {
        let down = all.iter().skip(shown).filter(|service| service.live.is_none()).count();
        let down = if down > 0 { format!(", {down} of them not live") } else { String::new() };
        let line = Line::styled(format!("{} more services{down}", all.len() - shown), view.theme.dim());
        rows.push(Named { line: fit(line, width, view.theme), names: Vec::new() });
    }
    rows
}

fn service(view: &View, service: &ServiceStatus, name_width: usize, width: usize) -> Named {
    let theme = view.theme;
    let (sign, tone, word) = health(service);
    let name: String = service.name.chars().take(name_width).collect();
    let pad = " ".repeat(name_width.saturating_sub(Span::raw(&name).width()));
    let mut spans = vec![
        Span::styled(format!("{} ", theme.sign(sign)), theme.tone(tone)),
        Span::styled(name, theme.source(Theme::place_of(&view.sources, &service.name))),
        Span::raw(pad),
        Span::styled(format!("  {word}"), theme.tone(tone)),
    ];
    if let Some(load) = view.load.iter().find(|load| *load.service == *service.name)
        && load.held > 0
    {
        spans.push(Span::styled(format!("  {} held", load.held), theme.tone(Tone::Attention)));
    }
    if let Some(starting) = &service.starting {
        let began = time(spent(view.now, starting.since_ms));
        spans.push(Span::styled(
            format!("  starts revision {}, {began}", starting.revision),
            theme.tone(Tone::Attention),
        ));
    }
    if let Some(live) = &service.live {
        if let Some(debugging) = &service.debugging {
            let words = format!("  {} {}", debugging.debugger, debugging.address);
            spans.push(Span::styled(words, theme.tone(Tone::Attention)));
        }
        let port = live.port.map(|port| format!("  port {port}")).unwrap_or_default();
        spans.push(Span::raw(format!("  revision {}  run {}{port}", live.revision, live.run)));
    }
    if let Some(load) = view.load.iter().find(|load| *load.service == *service.name)
        && load.per_second > 0
    {
        spans.push(Span::raw(format!("  {}/s", load.per_second)));
    }
    if service.draining + service.stopping > 0 {
        spans.push(Span::styled(format!("  {} leaving", service.draining + service.stopping), theme.dim()));
    }
    let why = service.stale.as_ref().map(|why| format!("  {why}"));
    let why = why.or_else(|| service.waiting_for.as_ref().map(|what| format!("  waits for: {what}")));
    spans.extend(why.map(|why| Span::styled(why, theme.tone(Tone::Attention))));
    let own = 2 + name_width;
    Named { line: fit(Line::from(spans), width, theme), names: vec![(0, own, service.name.clone())] }
}

fn health(service: &ServiceStatus) -> (Sign, Tone, &'static str) {
    match (service.gate, &service.live) {
        (_, Some(_)) if service.stale.is_some() => (Sign::Live, Tone::Attention, "stale"),
        (_, Some(_)) => (Sign::Live, Tone::Good, "live"),
        (GateState::Failed, None) => (Sign::Failed, Tone::Bad, "down"),
        (GateState::Open | GateState::Awaiting | GateState::Holding, None) => {
            (Sign::Down, Tone::Attention, "not live yet")
        }
    }
}

/// What is wrong: its title, its places or its last words, a hint.
pub(super) fn problem(view: &View, width: u16, most: usize) -> Vec<Line<'static>> {
    let Some(report) = view.problem() else { return Vec::new() };
    let theme = view.theme;
    let title = format!("{} {}", theme.sign(Sign::Failed), report.title);
    let mut lines = vec![Line::styled(title, theme.tone(Tone::Bad))];
    // A place is worth more than a hint.
    let has_room = most > 2 || report.places.is_empty();
    let hint = report
        .hint
        .as_ref()
        .filter(|_| has_room)
        .map(|hint| format!("  hint: {}", hint.lines().next().unwrap_or_default()));
    let room = most.saturating_sub(1 + usize::from(hint.is_some()));
    lines.extend(about(view, report, room));
    lines.extend(hint.map(Line::from));
    lines.truncate(most.max(1));
    lines.into_iter().map(|line| fit(line, usize::from(width), theme)).collect()
}

/// The places; without any, the last lines of output.
fn about(view: &View, report: &Report, room: usize) -> Vec<Line<'static>> {
    if report.places.is_empty() {
        let words: Vec<&String> = report.output.iter().filter(|line| !line.trim().is_empty()).collect();
        let skipped = words.len().saturating_sub(room);
        let readable =
            |line: &str| Record::read(line).map_or_else(|| line.to_owned(), |record| record.text().replace('\n', " "));
        let shown = |line: &&String| Line::from(format!("  {}", readable(line).replace('\t', "    ")));
        return words[skipped..].iter().map(shown).collect();
    }
    let mut lines: Vec<Line<'static>> =
        report.places.iter().take(room).map(|known| Line::from(format!("  {}", place(known)))).collect();
    let more = report.places.len().saturating_sub(room);
    if more > 0
        && let Some(last) = lines.last_mut()
    {
        last.spans.push(Span::styled(format!("  ({more} more)"), view.theme.dim()));
    }
    lines
}

/// Between the status and the log: what of the log is shown.
pub(super) fn rule(view: &View, width: u16) -> Line<'static> {
    let (theme, log) = (view.theme, &view.log);
    let line = theme.sign(Sign::Rule);
    let mut says = vec![match &log.filter.source {
        Some(source) => format!("log of {source}"),
        None => "log".to_owned(),
    }];
    if log.filter.least != Least::Everything {
        says.push(log.filter.least.words().to_owned());
    }
    says.extend(log.search.as_ref().map(|search| format!("/{}", search.words)));
    if log.wrap == Wrap::Off {
        says.push(match log.across {
            0 => "not wrapped".to_owned(),
            across => format!("not wrapped, from column {}", across + 1),
        });
    }
    if log.form == Form::Raw {
        says.push("JSON as written".to_owned());
    }
    let below = view.below();
    if view.log.anchor != super::logview::Anchor::Newest {
        says.push(match below {
            0 => "f follows".to_owned(),
            1 => "1 line below, f follows".to_owned(),
            more => format!("{more} lines below, f follows"),
        });
    }
    let words = says.join(", ");
    let rest = usize::from(width).saturating_sub(Span::raw(&words).width() + 4);
    let spans = vec![
        Span::styled(line.repeat(2), theme.dim()),
        Span::raw(format!(" {words} ")),
        Span::styled(line.repeat(rest), theme.dim()),
    ];
    fit(Line::from(spans), usize::from(width), theme)
}

/// What the keys do, or what is being typed, or what the pane has to say; and where the cursor stands.
pub(super) fn foot(view: &View, width: u16) -> (Line<'static>, Option<u16>) {
    let theme = view.theme;
    let room = usize::from(width);
    if let Mode::Searching { typed } = &view.mode {
        let words = format!("search: {typed}");
        let cursor = u16::try_from(Span::raw(&words).width()).unwrap_or(u16::MAX);
        return (fit(Line::from(words), room, theme), Some(cursor));
    }
    if let Some((words, _)) = &view.said {
        return (fit(Line::from(words.clone()), room, theme), None);
    }
    let mut spans: Vec<Span<'static>> = Vec::new();
    let mut used = 0;
    for (key, does) in keys(view) {
        let wide = key.len() + 1 + does.len();
        let gap = if used == 0 { 0 } else { 2 };
        if used + gap + wide > room {
            break;
        }
        used += gap + wide;
        spans.push(Span::raw(" ".repeat(gap)));
        spans.push(Span::styled(key, theme.strong()));
        spans.push(Span::styled(format!(" {does}"), theme.dim()));
    }
    (Line::from(spans), None)
}

/// The keys that matter now, the most useful ones first.
fn keys(view: &View) -> Vec<(&'static str, &'static str)> {
    let mut keys = Vec::new();
    match (view.seat, &view.ending) {
        (Seat::Own, Some(_)) => return vec![("q", "end at once")],
        (Seat::Attached, Some(_)) => return vec![("q", "leave")],
        (Seat::Own, None) => keys.extend([("?", "help"), ("q", "quit")]),
        (Seat::Attached, None) => keys.extend([("?", "help"), ("q", "leave")]),
    }
    if !view.places().is_empty() {
        keys.push(("e", "edit"));
    }
    keys.extend([("r", "rebuild"), ("o", "open"), ("/", "search"), ("l", "source"), ("x", "error"), (":", "all")]);
    keys
}

/// Cut to `width`, with a sign where something is missing.
pub(super) fn fit(line: Line<'static>, width: usize, theme: Theme) -> Line<'static> {
    if line.width() <= width {
        return line;
    }
    let room = width.saturating_sub(1);
    let (mut spans, mut used): (Vec<(String, Style)>, usize) = (Vec::new(), 0);
    'all: for span in line.spans {
        spans.push((String::new(), line.style.patch(span.style)));
        for grapheme in Span::raw(&*span.content).styled_graphemes(Style::new()) {
            let wide = Span::raw(grapheme.symbol).width();
            if used + wide > room {
                break 'all;
            }
            used += wide;
            if let Some((text, _)) = spans.last_mut() {
                text.push_str(grapheme.symbol);
            }
        }
    }
    let mut line = Line::from_iter(spans.into_iter().map(|(text, style)| Span::styled(text, style)));
    line.spans.push(Span::styled(theme.sign(Sign::Cut), theme.dim()));
    line
}
