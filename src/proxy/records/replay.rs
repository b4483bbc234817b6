//! A recorded request, sent again: once, or after every swap until it succeeds. It goes the way of every request:
//! through the gate, held where others are held, and it is recorded itself.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::{HeaderMap, Request, Version, header::HeaderValue};

use super::{
    Records, Seen,
    record::{Record, To, What},
};
use crate::{
    core::gate::Gate,
    model::RunId,
    proxy::{
        body::Upload,
        browser::Asks,
        client::Client,
        forward::{Unanswered, forward},
        headers::{Local, Upgrade},
        journey::{Journey, Naming},
        refusal::Setting,
        shared::Shared,
    },
};

/// So many records may be sent again after every swap.
const MOST: usize = 16;
/// So much of an answer is read, and for so long; what comes after that is not waited for.
const READ: u64 = 16 * 1024 * 1024;
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);
/// Tells the program that a request is a repetition, and of which record.
const REPLAY: &str = "x-devloop-replay";

/// How many records are sent again after every swap.
#[derive(Debug, Default)]
pub(in crate::proxy) struct Armed(AtomicUsize);

/// Why a record is not sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::proxy) enum Cannot {
    /// What is missing.
    Because(&'static str),
    /// There are `MOST` already.
    TooMany,
}

impl Cannot {
    /// In words.
    pub(in crate::proxy) fn why(self) -> &'static str {
        match self {
            Cannot::Because(why) => why,
            Cannot::TooMany => "16 requests are sent again after every swap already: stop one of them first",
        }
    }
}

/// Sends it now. Resolves at once; what becomes of it is in the records.
pub(in crate::proxy) fn once(shared: &Arc<Shared>, record: &Arc<Record>) -> Result<(), Cannot> {
    fit(record)?;
    tokio::spawn(send(Arc::clone(shared), Arc::clone(record)));
    Ok(())
}

/// Sends it to every instance that becomes live from now on, until one answers it below 400.
pub(in crate::proxy) fn until_success(shared: &Arc<Shared>, record: &Arc<Record>) -> Result<(), Cannot> {
    fit(record)?;
    let mut task = record.again();
    if task.as_ref().is_some_and(|task| !task.is_finished()) {
        return Ok(());
    }
    let Some(place) = Place::take(shared) else { return Err(Cannot::TooMany) };
    let (of_task, again) = (Arc::clone(shared), Arc::clone(record));
    let repeating = tokio::spawn(async move {
        tokio::select! {
            () = after_every_swap(&of_task, &again) => {}
            () = of_task.closing() => {}
        }
        drop(place);
        of_task.records.touch(&again);
    });
    *task = Some(repeating.abort_handle());
    drop(task);
    shared.records.touch(record);
    Ok(())
}

/// Ends that.
pub(in crate::proxy) fn stop(records: &Records, record: &Record) {
    if let Some(task) = record.again().take() {
        task.abort();
    }
    records.touch(record);
}

fn fit(record: &Record) -> Result<(), Cannot> {
    record.cannot_be_sent_again().map_or(Ok(()), |why| Err(Cannot::Because(why)))
}

/// One of the `MOST`.
struct Place(Arc<Shared>);

impl Place {
    fn take(shared: &Arc<Shared>) -> Option<Place> {
        let within = |used: usize| (used < MOST).then_some(used + 1);
        let taken = shared.armed.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, within);
        taken.is_ok().then(|| Place(Arc::clone(shared)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.armed.0.fetch_sub(1, Ordering::AcqRel);
    }
}

async fn after_every_swap(shared: &Arc<Shared>, record: &Arc<Record>) {
    let Some(service) = &record.service else { return };
    let mut gates = shared.gates.clone();
    let mut tried = record.progress().run;
    loop {
        let live = gates.borrow_and_update().of(service).and_then(live);
        if live.is_some() && live != tried {
            tried = live;
            if send(Arc::clone(shared), Arc::clone(record)).await == Outcome::Good {
                return;
            }
            continue;
        }
        if gates.changed().await.is_err() {
            return;
        }
    }
}

/// The instance that answers, if no newer one is awaited.
fn live(gate: &Gate) -> Option<RunId> {
    match gate {
        Gate::Open { run, awaiting: None, .. } => Some(*run),
        Gate::Open { .. } | Gate::Holding { .. } | Gate::Failed { .. } => None,
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// Answered below 400.
    Good,
    /// Not.
    Bad,
}

/// The way of a request, without a client at its end.
async fn send(shared: Arc<Shared>, record: Arc<Record>) -> Outcome {
    let known = shared.known();
    let Some(desk) = known.desks.iter().find(|desk| Some(&desk.name) == record.service.as_ref()).cloned() else {
        return Outcome::Bad;
    };
    let recording = known.recording;
    drop(known);
    let (mut head, body) = of(&record);
    head.headers.insert(REPLAY, HeaderValue::from(record.number));
    let what = What { to: To::Gate(&desk.name), method: &head.method, target: &head.uri };
    let came = shared.clock.now();
    let mut trail = shared.records.begin(recording, came, what, Some(record.number));
    if let Some(tap) = trail.tap() {
        tap.see(&body);
    }
    desk.tally.requests.fetch_add(1, Ordering::Relaxed);
    let mut journey = Journey {
        head,
        // A gRPC call goes in HTTP/2 again; for everything else it makes no difference.
        came_in: Version::HTTP_2,
        upload: Upload::given(body),
        upgrade: (Upgrade::None, None),
        local: Local::Loopback,
        naming: Naming::AsItIs,
        client: Arc::new(Client::nobody()),
        came,
        held: None,
        trail,
        asks: Asks::Other,
        policies: None,
        patience: None,
        assets: 0,
    };
    let arrival = forward(&shared, &desk, &mut journey).await;
    let asked = std::mem::take(&mut journey.head.headers);
    let response = match arrival {
        Ok(response) => Some(response),
        Err(Unanswered::Left) => None,
        Err(Unanswered::Refused(refusal)) => {
            desk.tally.refused.fetch_add(1, Ordering::Relaxed);
            refusal.response(setting(&shared, &asked))
        }
    };
    let Some(response) = response else {
        journey.trail.unanswered(shared.clock, &asked);
        return Outcome::Bad;
    };
    let status = response.status();
    let mut body = journey.trail.answered(shared.clock, &asked, response).into_body();
    let reading = read(&mut body);
    _ = tokio::time::timeout(PATIENCE, reading).await;
    if status.as_u16() < 400 { Outcome::Good } else { Outcome::Bad }
}

fn of(record: &Record) -> (hyper::http::request::Parts, Bytes) {
    let (mut head, ()) = Request::new(()).into_parts();
    let progress = record.progress();
    head.method = record.method.clone();
    // It was one.
    head.uri = record.target.parse().unwrap_or_default();
    head.headers = progress.asked.to_map();
    (head, Bytes::from(progress.asked_body.start.clone()))
}

/// Nobody shows the page, so it need not reload.
fn setting<'a>(shared: &'a Shared, asked: &'a HeaderMap) -> Setting<'a> {
    Setting { headers: asked, project: &shared.project, token: &shared.token, watched: None }
}

async fn read(body: &mut Seen) {
    let mut read = 0;
    while let Some(Ok(frame)) = body.frame().await {
        read += frame.data_ref().map_or(0, |piece| piece.len() as u64);
        if read > READ {
            return;
        }
    }
}
