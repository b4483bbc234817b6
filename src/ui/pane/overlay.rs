//! What lies over the picture for a moment: the help, and the list of everything that can be done.

use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
    text::{Line, Span},
};

use super::{
    parts::fit,
    picture::Spots,
    theme::Sign,
    view::{Mode, Seat, View},
};

/// Keys and what they do; docs/pane.md has the same table.
pub(super) const KEYS: &[(&str, &str)] = &[
    ("r", "rebuild everything"),
    ("R", "restart a service"),
    ("b", "roll back to the program before"),
    ("p", "pause: saves start nothing; again: resume"),
    ("o", "open the browser"),
    ("e", "open the problem in $EDITOR"),
    (":, Ctrl-P", "list everything that can be done"),
    ("q", "quit; a second time: at once"),
    ("Ctrl-C, Ctrl-Z", "end, stand still: as without the pane"),
    ("l, L, a", "log: next source, previous, all"),
    ("s", "log: only more serious lines"),
    ("/, n, N", "log: search, match above, below"),
    ("x, X", "log: error above, below"),
    ("Up, PgUp, u, g", "log: older lines, the oldest"),
    ("Down, PgDn, d, f", "log: newer lines, follow the newest"),
    ("w, Left, Right", "log: wrap or not, move across"),
    ("v", "log: JSON as it was written"),
    ("t", "log: times"),
    ("c", "log: nothing else, to copy from it"),
    ("Ctrl-L", "log: clear"),
    ("Esc", "log: show everything again"),
];

pub(super) fn draw(view: &View, area: Rect, buffer: &mut Buffer, spots: &mut Spots) {
    match &view.mode {
        Mode::Help { skipped } => help(view, area, buffer, *skipped),
        Mode::Choosing { typed, chosen } => palette(view, area, buffer, spots, typed, *chosen),
        Mode::Watching | Mode::Searching { .. } | Mode::Copying => {}
    }
}

/// What the keys do in this pane.
fn keys(seat: Seat) -> impl Iterator<Item = (&'static str, &'static str)> {
    KEYS.iter().map(move |(keys, does)| match (seat, *keys) {
        (Seat::Attached, "q") => ("q", "leave this pane; devloop goes on"),
        (Seat::Attached, "Ctrl-C, Ctrl-Z") => ("Ctrl-C, Ctrl-Z", "leave, stand still: only this pane"),
        _ => (*keys, *does),
    })
}

fn help(view: &View, area: Rect, buffer: &mut Buffer, skipped: usize) {
    let widest = KEYS.iter().map(|(keys, _)| keys.len()).max().unwrap_or_default();
    let lines: Vec<Line<'static>> = keys(view.seat)
        .map(|(keys, does)| {
            Line::from(vec![Span::styled(format!("{keys:widest$}  "), view.theme.strong()), Span::raw(does)])
        })
        .collect();
    let width = lines.iter().map(Line::width).max().unwrap_or_default();
    let inner = frame(view, area, buffer, "keys", width, lines.len());
    // The last ones are never further down than at the lower edge.
    let skipped = skipped.min(lines.len().saturating_sub(usize::from(inner.height)));
    for (row, line) in inner.rows().zip(lines.into_iter().skip(skipped)) {
        buffer.set_line(row.x, row.y, &fit(line, usize::from(row.width), view.theme), row.width);
    }
}

fn palette(view: &View, area: Rect, buffer: &mut Buffer, spots: &mut Spots, typed: &str, chosen: usize) {
    let found = view.found(typed);
    let inner = frame(view, area, buffer, "do", 52, 16);
    let mut rows = inner.rows();
    let Some(first) = rows.next() else { return };
    let prompt = format!("> {typed}");
    let column = u16::try_from(Span::raw(&prompt).width()).unwrap_or(u16::MAX).min(first.width.saturating_sub(1));
    spots.cursor = Some(Position::new(first.x + column, first.y));
    buffer.set_line(first.x, first.y, &fit(Line::from(prompt), usize::from(first.width), view.theme), first.width);
    let height = usize::from(inner.height).saturating_sub(1);
    let skipped = (chosen + 1).saturating_sub(height);
    for (nth, (row, command)) in rows.zip(found.iter().skip(skipped)).enumerate() {
        let words = command.words();
        let key = command.key(view.seat);
        let gap = usize::from(row.width).saturating_sub(Span::raw(&words).width() + key.len());
        let line =
            Line::from(vec![Span::raw(words), Span::raw(" ".repeat(gap.max(1))), Span::styled(key, view.theme.dim())]);
        let line = if nth + skipped == chosen { line.style(view.theme.marked()) } else { line };
        buffer.set_line(row.x, row.y, &fit(line.clone(), usize::from(row.width), view.theme), row.width);
        if nth + skipped == chosen {
            buffer.set_style(row, line.style);
        }
    }
    if found.is_empty()
        && let Some(row) = inner.rows().nth(1)
    {
        buffer.set_line(row.x, row.y, &Line::styled("nothing is called that", view.theme.dim()), row.width);
    }
}

/// Clears the middle and draws a border around it; what is inside is the room for so much.
fn frame(view: &View, area: Rect, buffer: &mut Buffer, title: &str, width: usize, height: usize) -> Rect {
    let fitting = |wanted: usize, there: u16| u16::try_from(wanted + 2).unwrap_or(u16::MAX).min(there);
    let (width, height) = (fitting(width + 2, area.width), fitting(height, area.height));
    let outer = Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2, width, height };
    for row in outer.rows() {
        for position in row.positions() {
            buffer[position].reset();
        }
    }
    let theme = view.theme;
    let (across, down) = (theme.sign(Sign::Rule), theme.sign(Sign::Bar));
    let edge = |line: &str| Line::styled(line.to_owned(), theme.dim());
    let across = across.repeat(usize::from(width));
    buffer.set_line(outer.x, outer.y, &edge(&across), width);
    buffer.set_line(outer.x, outer.bottom() - 1, &edge(&across), width);
    for row in outer.rows().skip(1).take(usize::from(height).saturating_sub(2)) {
        buffer.set_line(row.x, row.y, &edge(down), 1);
        buffer.set_line(row.right() - 1, row.y, &edge(down), 1);
    }
    buffer.set_line(outer.x + 2, outer.y, &Line::styled(format!(" {title} "), theme.strong()), width.saturating_sub(4));
    Rect { x: outer.x + 2, y: outer.y + 1, width: width.saturating_sub(4), height: height.saturating_sub(2) }
}
