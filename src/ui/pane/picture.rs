//! The picture: a function of what is seen and of the room there is. Nothing here remembers anything.
//!
//! From top to bottom: the project and its address; the steps; the services; what is going on; what is wrong; the log;
//! what the keys do. Where there is little room the log keeps its share, and the rest is cut.

use std::sync::Arc;

use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
    text::{Line, Span},
};

use super::{
    doing::{doing, state},
    logview::Anchor,
    overlay,
    parts::{self, fit},
    row::Look,
    view::{Mode, View},
};

/// Where what was drawn, for the mouse and for the cursor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spots {
    pub(super) names: Vec<(Rect, Arc<str>)>,
    /// Where the cursor stands; none if nothing is typed.
    pub cursor: Option<Position>,
    /// The room of the log's lines: columns and rows.
    pub(super) room: (usize, usize),
}

impl Spots {
    /// The step or service that is drawn there.
    pub(super) fn at(&self, column: u16, row: u16) -> Option<Arc<str>> {
        let here = Position::new(column, row);
        self.names.iter().find(|(area, _)| area.contains(here)).map(|(_, name)| name.clone())
    }
}

/// Below this height there is no room for a line of keys, and one for what is going on only instead of a service.
const LOW: u16 = 12;

/// Draws everything into `area`.
pub fn draw(view: &View, area: Rect, buffer: &mut Buffer) -> Spots {
    let mut spots = Spots::default();
    if area.width < 2 || area.height == 0 {
        return spots;
    }
    let mut rest = area;
    if view.mode == Mode::Copying {
        draw_log(view, rest, buffer, &mut spots);
        return spots;
    }
    let foot = if area.height >= 4 { take_last(&mut rest) } else { None };
    if let Some(row) = take(&mut rest, 1) {
        put(buffer, row, header(view, row.width));
    }
    let most = usize::from((area.height / 6).max(1));
    let steps = parts::steps(view, area.width, most);
    for line in steps {
        let Some(row) = take(&mut rest, 1) else { break };
        spot(&mut spots, row, &line.names);
        put(buffer, row, line.line);
    }
    let most = usize::from((area.height / 4).max(1));
    for line in parts::services(view, area.width, most) {
        let Some(row) = take(&mut rest, 1) else { break };
        spot(&mut spots, row, &line.names);
        put(buffer, row, line.line);
    }
    if area.height >= 8
        && let Some(row) = take(&mut rest, 1)
    {
        put(buffer, row, going_on(view, row.width));
    }
    let most = usize::from(if area.height < LOW { 2 } else { area.height / 4 });
    for line in parts::problem(view, area.width, most) {
        if rest.height <= 3 {
            break;
        }
        if let Some(row) = take(&mut rest, 1) {
            put(buffer, row, line);
        }
    }
    if area.height >= 6
        && let Some(row) = take(&mut rest, 1)
    {
        put(buffer, row, parts::rule(view, row.width));
    }
    draw_log(view, rest, buffer, &mut spots);
    if let Some(row) = foot {
        let (line, cursor) = parts::foot(view, row.width);
        spots.cursor = cursor.map(|column| Position::new(row.x + column.min(row.width - 1), row.y));
        put(buffer, row, line);
    }
    overlay::draw(view, area, buffer, &mut spots);
    spots
}

fn draw_log(view: &View, area: Rect, buffer: &mut Buffer, spots: &mut Spots) {
    spots.room = (usize::from(area.width), usize::from(area.height));
    let look = Look {
        theme: view.theme,
        log: &view.log,
        sources: &view.sources,
        prefix: view.prefix(),
        width: usize::from(area.width),
    };
    let rows = view.log.rows(&view.store, &look, usize::from(area.height));
    for (row, line) in area.rows().zip(rows) {
        buffer.set_line(row.x, row.y, &line, row.width);
    }
}

/// The project and how it is; on the right, where to look at it.
fn header(view: &View, width: u16) -> Line<'static> {
    let theme = view.theme;
    let (tone, word) = state(view);
    let left = vec![
        Span::styled(view.status.project.clone(), theme.strong()),
        Span::raw(format!("  revision {}  ", view.status.revision)),
        Span::styled(word, theme.tone(tone).patch(theme.strong())),
    ];
    let url = view.url.clone().unwrap_or_default();
    let (room, used) = (usize::from(width), Line::from(left.clone()).width());
    let gap = room.saturating_sub(used + Span::raw(&url).width());
    let mut spans = left;
    if gap >= 2 {
        spans.push(Span::raw(" ".repeat(gap)));
        spans.push(Span::raw(url));
    }
    fit(Line::from(spans), room, theme)
}

/// What is going on, with a bar where it is known how long it takes.
fn going_on(view: &View, width: u16) -> Line<'static> {
    let theme = view.theme;
    let doing = doing(view);
    let room = usize::from(width);
    let mut spans = vec![Span::styled(doing.text, theme.tone(doing.tone))];
    if let Some(share) = doing.share {
        let bar = (room / 5).clamp(6, 24);
        let words = fit(Line::from(spans), room.saturating_sub(bar + 2), theme);
        let (full, empty) = theme.bar(bar, share);
        spans = words.spans;
        spans.extend([Span::raw("  "), Span::styled(full, theme.tone(doing.tone)), Span::styled(empty, theme.dim())]);
    }
    fit(Line::from(spans), room, theme)
}

fn spot(spots: &mut Spots, row: Rect, names: &[(usize, usize, Arc<str>)]) {
    for (at, width, name) in names {
        let x = row.x.saturating_add(u16::try_from(*at).unwrap_or(u16::MAX));
        let width = u16::try_from(*width).unwrap_or(u16::MAX);
        let area = Rect { x, y: row.y, width, height: 1 }.intersection(row);
        spots.names.push((area, name.clone()));
    }
}

fn put(buffer: &mut Buffer, row: Rect, line: Line<'_>) {
    buffer.set_line(row.x, row.y, &line, row.width);
}

/// The first rows of what is left.
fn take(rest: &mut Rect, height: u16) -> Option<Rect> {
    if rest.height < height {
        return None;
    }
    let taken = Rect { height, ..*rest };
    rest.y += height;
    rest.height -= height;
    Some(taken)
}

/// The last row of what is left.
fn take_last(rest: &mut Rect) -> Option<Rect> {
    rest.height = rest.height.checked_sub(1)?;
    Some(Rect { y: rest.y + rest.height, height: 1, ..*rest })
}

impl View {
    /// Remembers how much room the log had, for scrolling by pages.
    pub fn drawn(&mut self, spots: &Spots) {
        self.log.room = spots.room;
    }

    /// How many lines there are below the ones that are shown.
    pub(super) fn below(&self) -> u64 {
        match self.log.anchor {
            Anchor::Newest => 0,
            Anchor::At { .. } => self.store.end().saturating_sub(self.log.end(&self.store).0),
        }
    }
}
