//! The way of one request: through the gate, over a connection, and again if that is safe. PROXY.md calls the three acts
//! hold, re-dispatch and replay.

use std::{
    future::{Future, poll_fn},
    io,
    sync::{Arc, atomic::Ordering},
    task::Context,
    time::Duration,
};

use hyper::{
    Request, Response, StatusCode, Version,
    body::{Body, Incoming},
    header,
    http::request::Parts,
    upgrade::OnUpgrade,
};
use tokio::{sync::OwnedSemaphorePermit, task::unconstrained};

use super::{
    body::Upload,
    browser::{Asks, Opening, Served, fresh_nonce, inject, origin},
    client::{Client, Sight},
    desk::{Admission, Desk, Verdict, Visit},
    download::{Answer, Coding, Lease},
    gate::Kind,
    headers::{
        FORWARDED_PROTO, Local, Upgrade, for_client, for_upgraded_client, in_background, is_of, poolable, replayable,
    },
    instance::draining,
    pool::Upstream,
    queue::Permit,
    records::Trail,
    refusal::Refusal,
    shared::Shared,
    tunnel::{Protocol, Tunnel},
};
use crate::{
    core::gate::{Gate, Gates},
    model::{Revision, RunId, Time},
    plan::Reload,
};

/// A released request gives its share back after this time even if it is not answered: it may be a long poll.
const LONGEST_SHARE: Duration = Duration::from_millis(500);

/// A request on its way.
pub(super) struct Journey {
    /// Its head, fit for the program.
    pub(super) head: Parts,
    /// Its body.
    pub(super) upload: Upload,
    /// What it wants to become, and the client's side of that.
    pub(super) upgrade: (Upgrade, Option<OnUpgrade>),
    /// How the client named this machine.
    pub(super) local: Local,
    /// Who sent it.
    pub(super) client: Arc<Client>,
    /// Whether its answer may be a page for devloop's tag.
    pub(super) asks: Asks,
    /// A person looks at an empty page, who is shown another one after this time at the gate.
    pub(super) patience: Option<Duration>,
    /// The newest change of assets when it came.
    pub(super) assets: u64,
    /// When it came.
    pub(super) came: Time,
    /// How long it then waited until it was let in for the first time.
    pub(super) held: Option<Duration>,
    /// What it leaves behind.
    pub(super) trail: Trail,
}

/// How it ended: with a program's answer, or without.
pub(super) type Arrival = Result<Response<Answer>, Unanswered>;

/// Why no program answers.
pub(super) enum Unanswered {
    /// devloop answers.
    Refused(Refusal),
    /// Nobody is there to be answered.
    Left,
}

/// Whether a connection may have been used before.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reuse {
    Allowed,
    Fresh,
}

/// What came of asking for a connection.
enum Way {
    Open(Upstream, Option<OwnedSemaphorePermit>),
    /// The instance drains: back to the gate.
    Draining,
    /// It takes no connection.
    Refused(io::Error),
}

/// What came of sending.
enum Sent {
    /// An answer has begun.
    Answered(Response<Incoming>),
    /// Not a byte reached the program.
    Untouched(String),
    /// Bytes reached it, none came back.
    Unanswered(String),
    /// Part of an answer's head came back.
    Begun(String),
    /// What came back is no HTTP.
    Garbled(String),
}

/// Brings a request to an instance of the service and its answer back.
pub(super) async fn forward(shared: &Arc<Shared>, desk: &Arc<Desk>, journey: &mut Journey) -> Arrival {
    let kind = if in_background(&journey.head.headers) { Kind::Background } else { Kind::Foreground };
    let mut visit = Visit::new(Arc::clone(&journey.client), kind);
    let mut reuse = if poolable(&journey.head.method) { Reuse::Allowed } else { Reuse::Fresh };
    let mut replay_left = replayable(&journey.head.method, &journey.head.headers);
    loop {
        let sight = if journey.upload.hides_the_end() { Sight::Blocked } else { Sight::Clear };
        let admitted = desk.admit(shared, &mut visit, sight);
        let verdict = match journey.patience {
            None => admitted.await,
            Some(patience) => {
                let left = patience.saturating_sub(shared.clock.now().since(journey.came));
                match tokio::time::timeout(left, admitted).await {
                    Ok(verdict) => verdict,
                    Err(_) => return Err(Unanswered::Refused(Refusal::Waits(waited_for(shared, desk)))),
                }
            }
        };
        let mut admission = match verdict {
            Verdict::Go(admission) => admission,
            verdict => return turned_away(verdict),
        };
        let run = admission.instance.run;
        let permit = admission.permit.take();
        let released = shared.clock.now();
        journey.held.get_or_insert(released.since(journey.came));
        journey.trail.let_in(released, run, || revision(shared, desk, run), admission.stale.as_ref());
        if let Some(permit) = &permit {
            visit.keep_place(permit);
        }
        let (mut upstream, slot) = match way(shared, &admission, reuse).await {
            Way::Open(upstream, slot) => (upstream, slot),
            Way::Draining => continue,
            Way::Refused(error) => {
                desk.slow_down();
                visit.refused(shared.clock.now(), run, Arc::from(error.to_string()));
                continue;
            }
        };
        let sent = match request(journey) {
            Some(request) => send(shared, &mut upstream, request, permit.map(|permit| (permit, released))).await,
            None => Sent::Unanswered("its body was too large to be kept".to_owned()),
        };
        match sent {
            Sent::Answered(response) => {
                journey.upload.settle();
                if !journey.upload.is_read() {
                    upstream.set_free();
                }
                return deliver(shared, journey, response, Lease::new(admission, upstream, slot));
            }
            _ if journey.upload.client_broke_off() => return Err(Unanswered::Left),
            Sent::Begun(why) => {
                let why = format!("its answer had begun, so the request is not sent again ({why})");
                return Err(Unanswered::Refused(Refusal::Died(why)));
            }
            Sent::Garbled(why) => return Err(Unanswered::Refused(Refusal::Garbled(why))),
            Sent::Untouched(why) => {
                if reuse == Reuse::Fresh {
                    visit.refused(shared.clock.now(), run, Arc::from(why));
                }
            }
            Sent::Unanswered(why) if replay_left && journey.upload.attempt().is_some() => {
                replay_left = false;
                desk.tally.replayed.fetch_add(1, Ordering::Relaxed);
                // What ended the connection may be the end of the program: the gate gets time to notice.
                visit.refused(shared.clock.now(), run, Arc::from(why));
            }
            Sent::Unanswered(why) => return Err(Unanswered::Refused(Refusal::Died(cannot_repeat(journey, &why)))),
        }
        reuse = Reuse::Fresh;
    }
}

/// What this instance was made from, as the gate says.
fn revision(shared: &Shared, desk: &Desk, wanted: RunId) -> Option<Revision> {
    match shared.gates.borrow().of(&desk.name) {
        Some(Gate::Open { run, revision, .. }) if *run == wanted => Some(*revision),
        _ => None,
    }
}

/// What is being done while requests are held.
fn waited_for(shared: &Shared, desk: &Desk) -> Arc<str> {
    match shared.gates.borrow().of(&desk.name) {
        Some(Gate::Holding { why, .. }) => Arc::clone(why),
        Some(Gate::Open { awaiting: Some(awaiting), .. }) => Arc::clone(&awaiting.why),
        _ => Arc::from("the service to answer"),
    }
}

fn turned_away(verdict: Verdict) -> Arrival {
    Err(Unanswered::Refused(match verdict {
        Verdict::Failed(report) => Refusal::Failed(report),
        Verdict::Limit(why) => Refusal::Limit(why),
        Verdict::TooMany => Refusal::TooMany,
        Verdict::Itself => Refusal::Itself,
        Verdict::Refused(why) => Refusal::Refused(why),
        Verdict::Closing => Refusal::Closing,
        Verdict::Gone | Verdict::Go(_) => return Err(Unanswered::Left),
    }))
}

fn cannot_repeat(journey: &Journey, why: &str) -> String {
    let method = &journey.head.method;
    if !replayable(method, &journey.head.headers) {
        return format!(
            "a {method} request is not sent twice, because the first one may have been carried out ({why})"
        );
    }
    match journey.upload.attempt() {
        None => format!("its body is too large to be kept for a second try ({why})"),
        Some(_) => format!("it had been sent twice ({why})"),
    }
}

async fn way(shared: &Shared, admission: &Admission, reuse: Reuse) -> Way {
    let instance = &admission.instance;
    let slots = Arc::clone(&instance.slots);
    let slot = match Arc::clone(&slots).try_acquire_owned() {
        Ok(slot) => Some(slot),
        Err(_) => tokio::select! {
            slot = slots.acquire_owned() => slot.ok(),
            () = draining(instance.phase()) => return Way::Draining,
            () = tokio::time::sleep(shared.limits.upstream_wait) => None,
        },
    };
    if reuse == Reuse::Allowed
        && let Some(upstream) = instance.pool.take()
    {
        return Way::Open(upstream, slot);
    }
    let (connect, silence) = (shared.limits.connect, shared.limits.silence);
    match Box::pin(instance.pool.connect(connect, silence, instance.phase())).await {
        Ok(upstream) => Way::Open(upstream, slot),
        Err(error) => Way::Refused(error),
    }
}

/// The request for one attempt; none if its body cannot be sent again.
fn request(journey: &Journey) -> Option<Request<super::body::UploadBody>> {
    Some(Request::from_parts(journey.head.clone(), journey.upload.attempt()?))
}

async fn send(
    shared: &Shared,
    upstream: &mut Upstream,
    request: Request<super::body::UploadBody>,
    permit: Option<(Permit, Time)>,
) -> Sent {
    let mark = upstream.counts.mark();
    // Without a budget of its own: a look that was put off would be lost where nobody is woken for it.
    let mut answer = std::pin::pin!(unconstrained(upstream.sender.try_send_request(request)));
    let counts = Arc::clone(&upstream.counts);
    let mut answer = std::pin::pin!(poll_fn(|cx| {
        upstream.drive(cx);
        answer.as_mut().poll(&mut Context::from_waker(upstream.waker(cx)))
    }));
    let result = match permit {
        None => answer.await,
        Some((permit, released)) => match tokio::time::timeout(LONGEST_SHARE, answer.as_mut()).await {
            Ok(result) => {
                if result.is_ok() {
                    permit.answered(shared.clock.now().since(released));
                }
                result
            }
            Err(_) => {
                drop(permit);
                answer.await
            }
        },
    };
    match result {
        Ok(response) => Sent::Answered(response),
        Err(mut error) => {
            let recovered = error.take_message().is_some();
            let why = describe(error.error());
            if recovered || counts.untouched_since(mark) {
                Sent::Untouched(why)
            } else if counts.unanswered_since(mark) {
                Sent::Unanswered(why)
            } else if error.error().is_parse() {
                Sent::Garbled(why)
            } else {
                Sent::Begun(why)
            }
        }
    }
}

/// The error and what it was caused by, in one line.
fn describe(error: &hyper::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}

fn deliver(shared: &Arc<Shared>, journey: &mut Journey, response: Response<Incoming>, lease: Lease) -> Arrival {
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return switch(shared, journey, response, lease);
    }
    let stale = lease.stale();
    let (mut head, incoming) = response.into_parts();
    for_client(&mut head.headers, journey.local, stale.as_deref());
    head.version = Version::HTTP_11;
    if !incoming.is_end_stream()
        && let Some(opening) = tagged(shared, journey, &mut head, &lease)
    {
        return Ok(Response::from_parts(head, Answer::page(incoming, lease, opening)));
    }
    if !is_of(&head.headers, "text/event-stream") {
        return Ok(Response::from_parts(head, Answer::download(incoming, lease)));
    }
    let announced = [header::CONTENT_LENGTH, header::CONTENT_ENCODING];
    let opaque = announced.iter().any(|name| head.headers.contains_key(name));
    let coding = if opaque { Coding::Opaque } else { Coding::Plain };
    let body = Answer::stream(incoming, lease, coding, shared.limits.parting);
    Ok(Response::from_parts(head, body))
}

/// Makes the head fit for a page with devloop's tag, if this is one.
fn tagged(
    shared: &Shared,
    journey: &Journey,
    head: &mut hyper::http::response::Parts,
    lease: &Lease,
) -> Option<Opening> {
    if journey.asks == Asks::Other {
        return None;
    }
    let admission = lease.admission();
    let browser = Arc::clone(&shared.known().browser);
    let asked = &journey.head.headers;
    let scheme = asked.get(FORWARDED_PROTO).and_then(|scheme| scheme.to_str().ok()).unwrap_or("http");
    let served = Served {
        service: &admission.desk().name,
        revision: admission.revision,
        run: admission.instance.run,
        assets: journey.assets,
        console: browser.console,
        all: match browser.reload {
            Reload::All => Some(live(&shared.gates.borrow())),
            Reload::Own | Reload::Never => None,
        },
        token: &shared.token,
        origin: origin(scheme, asked),
        nonce: fresh_nonce(),
    };
    inject(journey.asks, head.status, &mut head.headers, &served)
}

/// The live revisions of all services, as JSON.
fn live(gates: &Gates) -> String {
    let open = gates.services.iter().filter_map(|(service, gate)| match gate {
        Gate::Open { revision, .. } => Some((service.to_string(), revision.0.into())),
        Gate::Holding { .. } | Gate::Failed { .. } => None,
    });
    serde_json::Value::Object(open.collect()).to_string()
}

fn switch(shared: &Arc<Shared>, journey: &mut Journey, mut response: Response<Incoming>, lease: Lease) -> Arrival {
    let (asked, Some(client)) = (&journey.upgrade.0, journey.upgrade.1.take()) else {
        return Err(Unanswered::Refused(Refusal::Garbled("it switches protocols although nobody asked".to_owned())));
    };
    let protocol = match asked {
        Upgrade::None => {
            return Err(Unanswered::Refused(Refusal::Garbled(
                "it switches protocols although nobody asked".to_owned(),
            )));
        }
        Upgrade::WebSocket => Protocol::WebSocket,
        Upgrade::Other(_) => Protocol::Unknown,
    };
    let stale = lease.stale();
    let app = hyper::upgrade::on(&mut response);
    let tunnel = Tunnel { client, app, protocol, admission: lease.into_admission() };
    tokio::spawn(tunnel.run(Arc::clone(shared)));
    let (mut head, _) = response.into_parts();
    for_upgraded_client(&mut head.headers, journey.local, stale.as_deref());
    Ok(Response::from_parts(head, Answer::Own(None)))
}
