//! One connection: a wish a line, an answer a line, in order. What only the loop can do is handed on to it.

use std::{os::fd::AsFd, sync::Arc, time::Duration};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::oneshot,
};

use super::{
    Ask, Done, Feeds, LogsAsk, Refused, Request, Until, WaitAsk, Wish,
    ask::{Format, answer},
    chronicle::Entry,
    story,
};
use crate::{
    core::status::{OutcomeState, Status, StepState, WatchingState},
    error::{Colour, did_you_mean},
    model::Revision,
    sys,
};

/// No wish is longer.
const LONGEST: u64 = 64 * 1024;
/// So long a wait waits for the watcher to tell of the saves before it, and for the loop to tell what it has done.
const LOOK: Duration = Duration::from_secs(2);
/// So much of the log is written at a time.
pub(super) const BATCH: usize = 1_000;

/// Answers until the other side has gone.
pub(super) async fn serve(stream: UnixStream, feeds: Feeds) {
    let (reading, writing) = stream.into_split();
    let mut connection = Connection { reading: BufReader::new(reading), writing, feeds };
    while let Some(line) = connection.next().await {
        let written = match Request::read(&line) {
            Ok(Ask::Logs(asked)) => connection.logs(&asked).await,
            Ok(Ask::Attach(asked)) => connection.attach(&asked).await,
            Ok(ask) => {
                let Some(result) = connection.answer(ask).await else { return };
                connection.write(&answer(result)).await
            }
            Err(refused) => connection.write(&answer(Err(refused))).await,
        };
        if written.is_err() {
            return;
        }
    }
}

pub(super) struct Connection {
    pub(super) reading: BufReader<OwnedReadHalf>,
    writing: OwnedWriteHalf,
    pub(super) feeds: Feeds,
}

impl Connection {
    /// The next line; none when there will be none, or it has no end.
    async fn next(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = (&mut self.reading).take(LONGEST).read_line(&mut line).await.ok()?;
        if read as u64 == LONGEST && !line.ends_with('\n') {
            _ = self.write(&answer(Err(Refused::new("this line is too long")))).await;
            return None;
        }
        (read > 0).then_some(line)
    }

    pub(super) async fn write(&mut self, line: &str) -> std::io::Result<()> {
        self.writing.write_all(format!("{line}\n").as_bytes()).await
    }

    /// None if nobody is there any more to hear it.
    async fn answer(&mut self, ask: Ask) -> Option<Result<Done, Refused>> {
        match ask {
            Ask::Status => Some(Ok(self.status())),
            Ask::Wait(asked) => self.wait(&asked).await,
            Ask::WhyRevision { revision } => Some(self.why_revision(revision)),
            Ask::WhyFile { file } => Some(self.why_file(file).await),
            ask => Some(self.wish(ask).await),
        }
    }

    fn status(&self) -> Done {
        let status = self.feeds.status.borrow().clone();
        json!({ "devloop": **self.feeds.about.borrow(), "status": *status })
    }

    async fn wish(&self, ask: Ask) -> Result<Done, Refused> {
        let (answer, answered) = oneshot::channel();
        (self.feeds.wish)(Wish { ask, answer });
        answered.await.unwrap_or_else(|_| Err(Refused::new("devloop is ending")))
    }

    async fn wait(&mut self, asked: &WaitAsk) -> Option<Result<Done, Refused>> {
        // A watcher that does not answer keeps nobody.
        _ = tokio::time::timeout(LOOK, (self.feeds.look)()).await;
        let mut news = self.feeds.status.clone();
        loop {
            let status = news.borrow_and_update().clone();
            if let Some(result) = settled(&status, asked) {
                // The status comes before the facts: who is answered finds those, too.
                _ = tokio::time::timeout(LOOK, (self.feeds.turn)()).await;
                return Some(result);
            }
            tokio::select! {
                changed = news.changed() => if changed.is_err() {
                    return Some(Err(Refused::new("devloop is ending")));
                },
                () = gone(&mut self.reading) => return None,
            }
        }
    }

    async fn logs(&mut self, asked: &LogsAsk) -> std::io::Result<()> {
        if let Some(refused) = self.unknown_source(asked) {
            return self.write(&answer(Err(refused))).await;
        }
        let mut news = self.feeds.chronicle.news();
        let (entries, mut number) = self.feeds.chronicle.last(asked, sys::unix_time());
        self.write_entries(&entries, asked.format).await?;
        if !asked.follow {
            return self.write(&answer(Ok(json!({})))).await;
        }
        loop {
            let (entries, next, lost) = self.feeds.chronicle.after(number, asked, BATCH);
            self.write_lost(lost).await?;
            if next == number {
                tokio::select! {
                    changed = news.changed() => if changed.is_err() {
                        return self.write(&answer(Ok(json!({})))).await;
                    },
                    () = gone(&mut self.reading) => return Err(std::io::ErrorKind::BrokenPipe.into()),
                }
                continue;
            }
            self.write_entries(&entries, asked.format).await?;
            number = next;
        }
    }

    /// Says how many lines are missing here, if any are.
    pub(super) async fn write_lost(&mut self, lines: u64) -> std::io::Result<()> {
        if lines == 0 {
            return Ok(());
        }
        let said = format!("{lines} lines came too fast and are not here");
        self.write(&json!({ "lost": said, "lines": lines }).to_string()).await
    }

    pub(super) async fn write_entries(&mut self, entries: &[Entry], format: Format) -> std::io::Result<()> {
        let render = self.feeds.render;
        let plain = |entry: &Entry, colour| Value::from((render.plain)(entry, colour)).to_string();
        let line = |entry: &Entry| match format {
            Format::Json => (render.json)(entry),
            Format::Plain => plain(entry, Colour::Never),
            Format::Coloured => plain(entry, Colour::Always),
        };
        for batch in entries.chunks(BATCH) {
            let text: String = batch.iter().map(|entry| format!("{{\"line\":{}}}\n", line(entry))).collect();
            self.writing.write_all(text.as_bytes()).await?;
        }
        Ok(())
    }

    fn unknown_source(&self, asked: &LogsAsk) -> Option<Refused> {
        let status = self.feeds.status.borrow();
        let steps = status.steps.iter().map(|step| &*step.name);
        let known: Vec<&str> = steps.chain(status.services.iter().map(|service| &*service.name)).collect();
        let unknown = asked.sources.iter().find(|source| *source != "devloop" && !known.contains(&source.as_str()))?;
        let refused = Refused::new(format!("no step or service is named `{unknown}`"));
        Some(match did_you_mean(unknown, known.iter().copied()) {
            Some(near) => refused.hint(format!("did you mean `{near}`?")),
            None => refused.hint(format!("there are `{}`, and `devloop` for its own facts", known.join("`, `"))),
        })
    }

    fn why_revision(&self, revision: Option<u64>) -> Result<Done, Refused> {
        let newest = self.feeds.revision();
        let revision = revision.map_or(newest, Revision);
        if revision > newest || revision.0 == 0 {
            return Err(Refused::new(format!("there is no revision {revision}"))
                .hint(format!("the newest one is {newest}; the first one, the start, is 1")));
        }
        let entries = story::of_revision(self.feeds.chronicle.facts(0), revision);
        if entries.is_empty() {
            return Err(Refused::new(format!("nothing is remembered of revision {revision}"))
                .hint("the log files in .devloop/log go further back"));
        }
        let mut done = story::summary(&entries, revision);
        done["events"] = entries.iter().map(|entry| parsed(&(self.feeds.render.json)(entry))).collect();
        let plain = |entry: &Entry| (self.feeds.render.plain)(entry, Colour::Never);
        done["text"] = entries.iter().map(|entry| Value::from(plain(entry))).collect();
        Ok(done)
    }

    async fn why_file(&self, file: String) -> Result<Done, Refused> {
        let mut done = self.wish(Ask::WhyFile { file }).await?;
        let saved = done["file"].as_str().and_then(|file| story::last_save(&self.feeds.chronicle.facts(0), file));
        done["last_revision"] = json!(saved);
        Ok(done)
    }
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}

/// How a wait is over, if it is.
fn settled(status: &Arc<Status>, asked: &WaitAsk) -> Option<Result<Done, Refused>> {
    let outcome = outcome(status)?;
    let paused = status.watching == WatchingState::Paused;
    let early = asked.revision.is_some_and(|revision| status.revision.0 < revision);
    if early && !paused {
        return None;
    }
    if paused && (early || outcome == "paused") {
        let refused = Refused::new("watching is paused, so saves start nothing");
        return Some(Err(refused.hint("`devloop resume` lets them count again")));
    }
    let healthy = matches!(outcome, "live" | "rolled_back");
    (asked.until == Until::Known || healthy).then(|| Ok(json!({ "outcome": outcome, "status": **status })))
}

/// What has become of the newest save; none if that is not known yet.
fn outcome(status: &Status) -> Option<&'static str> {
    if status.services.is_empty() {
        let clean = status.steps.iter().all(|step| step.state == StepState::Clean);
        let good = clean && status.invalid_plan.is_none();
        return status.at_rest.then_some(if good { "live" } else { "failed" });
    }
    let is = |wanted: OutcomeState| status.services.iter().any(|service| service.outcome == wanted);
    match () {
        () if is(OutcomeState::Pending) => None,
        () if is(OutcomeState::Failed) || status.invalid_plan.is_some() => Some("failed"),
        () if is(OutcomeState::Paused) => Some("paused"),
        () if is(OutcomeState::Pinned) => Some("rolled_back"),
        () => Some("live"),
    }
}

/// Ends when the other side has closed its socket, not only its writing half.
pub(super) async fn gone(reading: &mut BufReader<OwnedReadHalf>) {
    loop {
        match reading.fill_buf().await.map(<[u8]>::len) {
            Err(_) => return,
            Ok(0) if is_hung_up(reading) => return,
            Ok(0) => {}
            // The next wish waits its turn.
            Ok(_) => return std::future::pending().await,
        }
        // It has said all that it will say, and listens. There is no event for the end of that.
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn is_hung_up(reading: &BufReader<OwnedReadHalf>) -> bool {
    let stream: &UnixStream = reading.get_ref().as_ref();
    let mut fds = [PollFd::new(stream.as_fd(), PollFlags::empty())];
    let polled = poll(&mut fds, PollTimeout::ZERO);
    polled.is_err() || fds[0].revents().is_some_and(|events| events.intersects(PollFlags::POLLHUP | PollFlags::POLLERR))
}

#[cfg(test)]
mod tests {
    use tokio::sync::watch;

    use super::*;
    use crate::{
        control::{About, Chronicle, Moment, Render, Stage},
        core::fact::Fact,
        model::Time,
    };

    #[tokio::test]
    async fn who_waits_is_answered_when_the_outcome_has_been_told_too() {
        let at_rest = Status {
            project: "shop".to_owned(),
            revision: Revision(1),
            steps: Vec::new(),
            services: Vec::new(),
            settling: Vec::new(),
            at_rest: true,
            watching: WatchingState::On,
            invalid_plan: None,
        };
        let (_status, status) = watch::channel(Arc::new(at_rest));
        let (_about, about) = watch::channel(Arc::new(About::default()));
        let (_rings, rings) = watch::channel(0);
        let chronicle = Chronicle::default();
        let told = chronicle.clone();
        let turn: Moment = Arc::new(move || {
            told.fact(Time::ZERO, Duration::ZERO, &Fact::AtRest { ok: true, revision: Revision(1) });
            Box::pin(std::future::ready(()))
        });
        let feeds = Feeds {
            status,
            chronicle: chronicle.clone(),
            render: Render { json: |_| String::new(), plain: |_, _| String::new() },
            about,
            rings,
            now: Arc::new(|| Time::ZERO),
            count: Arc::new(Vec::new),
            stage: watch::Sender::new(Stage::Alive),
            wish: Arc::new(drop),
            look: Arc::new(|| Box::pin(std::future::ready(()))),
            turn,
        };
        let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
        let serving = tokio::spawn(serve(theirs, feeds));
        let mut ours = BufReader::new(ours);
        ours.get_mut().write_all(b"{\"v\":1,\"ask\":\"wait\"}\n").await.expect("it reads");
        let mut line = String::new();
        ours.read_line(&mut line).await.expect("it answers");
        assert!(line.contains(r#""outcome":"live""#), "{line}");
        assert_eq!(chronicle.facts(0).len(), 1);
        drop(ours);
        serving.await.expect("it ends with its connection");
    }
}
