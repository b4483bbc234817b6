//! The stream for an attached pane: what is going on, what is said, and how many requests come, until devloop ends.
//!
//! Of the status and of the requests only the newest values are sent. What is said is sent whole; a reader who is so
//! slow that lines were forgotten meanwhile is told how many. Nobody but this connection waits for him.

use std::{io, sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::time::timeout;

use super::{
    AttachAsk, Count, LogsAsk,
    ask::{Format, answer},
    connection::{BATCH, Connection, gone},
    server::Stage,
};
use crate::{core::status::Status, sys};

/// How often it is looked how many requests came, ...
const COUNT: Duration = Duration::from_secs(1);
/// ... and while some may be held.
const COUNT_AT_WORK: Duration = Duration::from_millis(200);

impl Connection {
    /// Tells everything until devloop ends or the reader is gone.
    pub(super) async fn attach(&mut self, asked: &AttachAsk) -> io::Result<()> {
        let mut stage = self.feeds.stage.subscribe();
        let mut news = self.feeds.chronicle.news();
        let mut statuses = self.feeds.status.clone();
        let mut told = statuses.borrow_and_update().clone();
        let about = self.feeds.about.borrow().clone();
        self.write_now(json!({ "devloop": *about, "status": *told })).await?;
        let everything = LogsAsk { lines: asked.lines, ..LogsAsk::default() };
        let (entries, mut number) = self.feeds.chronicle.last(&everything, sys::unix_time());
        self.write_entries(&entries, Format::Json).await?;
        let mut rings = self.feeds.rings.clone();
        rings.mark_unchanged();
        let mut counts: Vec<Count> = Vec::new();
        let mut counted = None;
        loop {
            let ends = *stage.borrow_and_update() == Stage::Ending;
            let (entries, next, lost) = self.feeds.chronicle.after(number, &everything, BATCH);
            // After what was said: who reads of something finds it in the status before.
            let status: Arc<Status> = statuses.borrow_and_update().clone();
            if !Arc::ptr_eq(&status, &told) {
                self.write_now(json!({ "status": *status })).await?;
                told = status;
            }
            let (now, every) = ((self.feeds.now)(), if told.at_rest { COUNT } else { COUNT_AT_WORK });
            let wait = counted.map_or(Duration::ZERO, |counted| every.saturating_sub(now.since(counted)));
            if wait.is_zero() {
                counted = Some(now);
                self.write_counts(&mut counts).await?;
            }
            self.write_lost(lost).await?;
            self.write_entries(&entries, Format::Json).await?;
            if next > number {
                number = next;
                continue;
            }
            if rings.has_changed().unwrap_or(false) {
                rings.mark_unchanged();
                self.write_now(json!({ "bell": true })).await?;
            }
            if ends {
                return self.write(&answer(Ok(json!({})))).await;
            }
            let happened = async {
                tokio::select! {
                    _ = statuses.changed() => Ok(()),
                    _ = news.changed() => Ok(()),
                    _ = stage.changed() => Ok(()),
                    _ = rings.changed() => { rings.mark_changed(); Ok(()) }
                    () = gone(&mut self.reading) => Err(io::Error::from(io::ErrorKind::BrokenPipe)),
                }
            };
            // That the time is over is the usual case: nothing has happened.
            timeout(wait, happened).await.unwrap_or(Ok(()))?;
        }
    }

    /// How many requests came, if that is news.
    async fn write_counts(&mut self, known: &mut Vec<Count>) -> io::Result<()> {
        let counts = (self.feeds.count)();
        if counts == *known {
            return Ok(());
        }
        *known = counts;
        self.write_now(json!({ "requests": known })).await
    }

    /// Writes something that is so now.
    async fn write_now(&mut self, mut value: Value) -> io::Result<()> {
        let now = (self.feeds.now)().since_start();
        value["at_ms"] = json!(now.as_micros() as f64 / 1_000.0);
        self.write(&value.to_string()).await
    }
}
