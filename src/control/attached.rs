//! What an attached pane is told, out of the lines that come over the socket. What a newer devloop says and this one
//! does not know is skipped.

use std::{path::PathBuf, sync::Arc, time::Duration};

use serde::Deserialize;
use serde_json::Value;

use super::Count;
use crate::{
    core::{fact::Fact, status::Status},
    model::{Line, RunId, Stream, Time},
    plan::WindowSigns,
};

/// The first line.
#[derive(Clone, Debug)]
pub struct Hello {
    /// Its version.
    pub version: String,
    /// What to open in a browser.
    pub url: Option<String>,
    /// What the terminal's window is to show.
    pub window: WindowSigns,
    /// Where files that a program names may lie.
    pub folders: Vec<PathBuf>,
    /// What is going on.
    pub status: Arc<Status>,
    /// When, on devloop's clock.
    pub at: Time,
}

/// A later line.
#[derive(Clone, Debug)]
pub enum Piece {
    /// What is going on.
    Status(Time, Arc<Status>),
    /// How many requests came.
    Requests(Time, Vec<Count>),
    /// devloop says something.
    Fact(Time, Box<Fact>),
    /// A program writes something.
    Line(Time, Line),
    /// So many lines came too fast.
    Lost(u64),
    /// The bell rings.
    Bell,
}

/// A line of a program, as docs/json.md describes it.
#[derive(Deserialize)]
struct Output {
    source: Arc<str>,
    run: RunId,
    stream: Stream,
    text: String,
}

/// The first line's first field.
#[derive(Deserialize)]
struct About {
    version: String,
    url: Option<String>,
    #[serde(default)]
    window: WindowSigns,
    #[serde(default)]
    folders: Vec<PathBuf>,
}

impl Hello {
    /// Reads the first line.
    ///
    /// # Errors
    /// It is not what this devloop understands: why.
    pub fn read(line: &Value) -> Result<Hello, String> {
        let About { version, url, window, folders } =
            About::deserialize(&line["devloop"]).map_err(|error| error.to_string())?;
        let status =
            Status::deserialize(&line["status"]).map_err(|error| format!("{error}; it is version {version}"))?;
        Ok(Hello { version, url, window, folders, status: Arc::new(status), at: at(line) })
    }
}

impl Piece {
    /// Reads a line; none if it is nothing that is known.
    pub fn read(line: &Value) -> Option<Piece> {
        let Value::Object(fields) = line else { return None };
        if let Some(said) = fields.get("line") {
            return Piece::said(said);
        }
        if let Some(status) = fields.get("status") {
            return Some(Piece::Status(at(line), Arc::new(Status::deserialize(status).ok()?)));
        }
        if let Some(counts) = fields.get("requests") {
            return Some(Piece::Requests(at(line), Vec::deserialize(counts).ok()?));
        }
        if fields.contains_key("bell") {
            return Some(Piece::Bell);
        }
        fields.get("lost").and_then(|_| fields.get("lines")?.as_u64()).map(Piece::Lost)
    }

    fn said(said: &Value) -> Option<Piece> {
        if said["event"] == "output" {
            let Output { source, run, stream, text } = Output::deserialize(said).ok()?;
            return Some(Piece::Line(at(said), Line { source, run, stream, text }));
        }
        Some(Piece::Fact(at(said), Box::new(Fact::deserialize(said).ok()?)))
    }
}

fn at(value: &Value) -> Time {
    let millis = value["at_ms"].as_f64().unwrap_or_default();
    Time::from_start(Duration::try_from_secs_f64(millis / 1_000.0).unwrap_or_default())
}
