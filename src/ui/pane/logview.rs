//! How the log is looked at: where in it, and how much of it.

use ratatui::text::Line;

use super::{
    log::{Entry, Filter, Search, Store},
    row::Look,
};

/// Where somebody looks, and how.
#[derive(Clone, Debug, Default)]
pub(super) struct LogView {
    pub(super) anchor: Anchor,
    pub(super) filter: Filter,
    pub(super) search: Option<Search>,
    pub(super) wrap: Wrap,
    pub(super) form: Form,
    pub(super) times: Times,
    /// So many cells of each line are left of the screen; only without wrapping.
    pub(super) across: usize,
    /// The line that a search or a jump has led to.
    pub(super) mark: Option<u64>,
    /// What is the lines' room on the screen, since it was drawn last.
    pub(super) room: (usize, usize),
}

/// What is at the lower edge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Anchor {
    /// The newest line, whatever comes.
    #[default]
    Newest,
    /// This line, without so many of its last rows.
    At { number: u64, below: usize },
}

/// What happens to lines that are too long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Wrap {
    #[default]
    On,
    Off,
}

/// What lines in JSON look like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Form {
    #[default]
    Readable,
    Raw,
}

/// Whether the time stands before each line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Times {
    #[default]
    Hidden,
    Shown,
}

impl LogView {
    /// The rows to show, top to bottom; at most `height`.
    pub(super) fn rows(&self, store: &Store, look: &Look<'_>, height: usize) -> Vec<Line<'static>> {
        let mut rows: Vec<Line<'static>> = Vec::new();
        let (end, mut below) = self.end(store);
        for (number, entry) in store.before(end, &self.filter) {
            let mut of_entry = look.rows(entry);
            if self.mark == Some(number)
                && let Some(first) = of_entry.first_mut()
            {
                *first = std::mem::take(first).patch_style(look.theme.strong());
            }
            let kept = of_entry.len().saturating_sub(std::mem::take(&mut below));
            rows.extend(of_entry.into_iter().take(kept).rev());
            if rows.len() >= height {
                break;
            }
        }
        if rows.len() < height && self.anchor != Anchor::Newest {
            let from_top = store.from(store.first(), &self.filter).flat_map(|(_, entry)| look.rows(entry));
            return from_top.take(height).collect();
        }
        rows.truncate(height);
        rows.reverse();
        rows
    }

    /// The number after the last line that is shown, and how many rows of that are not.
    pub(super) fn end(&self, store: &Store) -> (u64, usize) {
        match self.anchor {
            Anchor::At { number, below } if number >= store.first() => (number + 1, below),
            // What was looked at is gone: the oldest lines are next to it.
            Anchor::At { .. } => (store.first() + 1, 0),
            Anchor::Newest => (store.end(), 0),
        }
    }

    /// Towards older lines.
    pub(super) fn up(&mut self, store: &Store, look: &Look<'_>, rows: usize) {
        let (end, below) = self.end(store);
        let mut below = below + rows;
        let mut last = None;
        for (number, entry) in store.before(end, &self.filter) {
            let count = look.rows(entry).len();
            if below < count {
                self.anchor = Anchor::At { number, below };
                return;
            }
            below -= count;
            last = Some(number);
        }
        if let Some(number) = last {
            self.anchor = Anchor::At { number, below: 0 };
            self.fill(store, look);
        }
    }

    /// Towards newer lines; at the end of them the newest is followed again.
    pub(super) fn down(&mut self, store: &Store, look: &Look<'_>, rows: usize) {
        let Anchor::At { .. } = self.anchor else { return };
        let (end, below) = self.end(store);
        if below >= rows {
            self.anchor = Anchor::At { number: end.saturating_sub(1), below: below - rows };
            return;
        }
        let mut left = rows - below;
        for (number, entry) in store.from(end, &self.filter) {
            let count = look.rows(entry).len();
            if left <= count {
                self.anchor = Anchor::At { number, below: count - left };
                return;
            }
            left -= count;
        }
        self.anchor = Anchor::Newest;
    }

    /// The oldest line at the upper edge.
    pub(super) fn top(&mut self, store: &Store, look: &Look<'_>) {
        let oldest = store.from(store.first(), &self.filter).next().map(|(number, _)| number);
        if let Some(number) = oldest {
            self.anchor = Anchor::At { number, below: 0 };
            self.fill(store, look);
        }
    }

    /// After the oldest line came to the lower edge: as many more as there is room for.
    fn fill(&mut self, store: &Store, look: &Look<'_>) {
        let Anchor::At { number, .. } = self.anchor else { return };
        let mut left = self.room.1.max(1);
        for (number, entry) in store.from(number, &self.filter) {
            let count = look.rows(entry).len();
            if left <= count {
                self.anchor = Anchor::At { number, below: count - left };
                return;
            }
            left -= count;
        }
        self.anchor = Anchor::Newest;
    }

    /// Brings the nearest older line that is `wanted` into the middle.
    pub(super) fn back_to(&mut self, store: &Store, look: &Look<'_>, wanted: impl Fn(&Entry) -> bool) -> Found {
        let end = self.mark.unwrap_or_else(|| self.end(store).0);
        let found = store.before(end, &self.filter).find(|(_, entry)| wanted(entry)).map(|(number, _)| number);
        match found {
            Some(number) => self.settle_on(store, look, number),
            None => Found::Nothing,
        }
    }

    /// Brings the nearest newer line that is `wanted` into the middle.
    pub(super) fn on_to(&mut self, store: &Store, look: &Look<'_>, wanted: impl Fn(&Entry) -> bool) -> Found {
        let start = self.mark.map_or_else(|| self.end(store).0, |mark| mark + 1);
        let found = store.from(start, &self.filter).find(|(_, entry)| wanted(entry)).map(|(number, _)| number);
        match found {
            Some(number) => self.settle_on(store, look, number),
            None => Found::Nothing,
        }
    }

    /// The line comes into the middle, and stays where it is on the screen, whatever comes after it.
    fn settle_on(&mut self, store: &Store, look: &Look<'_>, number: u64) -> Found {
        self.mark = Some(number);
        self.anchor = Anchor::At { number, below: 0 };
        let (room, count) =
            (self.room.1, store.from(number, &self.filter).next().map(|(_, entry)| look.rows(entry).len()));
        // Of what is too tall for that, the first row is what one wants to see.
        match count.is_some_and(|count| count + room / 2 > room) {
            true => self.fill(store, look),
            false => self.down(store, look, room / 2),
        }
        if self.anchor == Anchor::Newest {
            let newest = store.before(store.end(), &self.filter).next();
            self.anchor = Anchor::At { number: newest.map_or(number, |(newest, _)| newest), below: 0 };
        }
        Found::There
    }

    /// Follows the newest line again.
    pub(super) fn follow(&mut self) {
        self.anchor = Anchor::Newest;
        self.mark = None;
    }
}

/// Whether there was what somebody looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    There,
    Nothing,
}
