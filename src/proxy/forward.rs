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
    call::is_parted,
    client::{Client, Sight},
    desk::{Admission, Desk, Verdict, Visit},
    download::{Answer, Coding, Lease},
    gate::Kind,
    grpc::timeout,
    headers::{
        FORWARDED_PROTO, Local, Upgrade, for_client, for_upgraded_client, in_background, is_grpc, is_of, poolable,
        replayable, to_http2,
    },
    instance::{Instance, draining},
    queue::Permit,
    records::Trail,
    refusal::Refusal,
    shared::Shared,
    speech::{Speech, to_app},
    tunnel::{Protocol, Tunnel},
    upstream::Upstream,
    wire::Counts,
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
    /// What it came in.
    pub(super) came_in: Version,
    /// Its body.
    pub(super) upload: Upload,
    /// What it wants to become, and the client's side of that.
    pub(super) upgrade: (Upgrade, Option<OnUpgrade>),
    /// How the client named this machine.
    pub(super) local: Local,
    /// What the program gets for `Host`.
    pub(super) naming: Naming,
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

/// What stands in `Host`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Naming {
    /// What is in the head.
    AsItIs,
    /// The address of the instance.
    Instance,
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
    /// The program does not want to answer on this stream; with its reason.
    Reset(h2::Reason),
    /// It is a stream that a swap has ended.
    Parted,
}

/// Brings a request to an instance of the service and its answer back.
pub(super) async fn forward(shared: &Arc<Shared>, desk: &Arc<Desk>, journey: &mut Journey) -> Arrival {
    let kind = if in_background(&journey.head.headers) { Kind::Background } else { Kind::Foreground };
    let is_call = is_call(journey);
    let deadline = if is_call { timeout(&journey.head.headers) } else { None };
    let mut visit = Visit::new(Arc::clone(&journey.client), kind, deadline);
    if is_call {
        journey.upload.count_messages();
    }
    let mut reuse = if poolable(&journey.head.method) { Reuse::Allowed } else { Reuse::Fresh };
    let mut replay_left = replayable(&journey.head.method, &journey.head.headers);
    loop {
        let sight = sight(journey);
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
        let (protocol, asked) = (admission.instance.protocol, &journey.upgrade.0);
        let speech = to_app(protocol, journey.came_in, &journey.head.headers, asked);
        let (mut upstream, slot) = match way(shared, &admission, speech, reuse).await {
            Way::Open(upstream, slot) => (upstream, slot),
            Way::Draining => continue,
            Way::Refused(error) => {
                desk.slow_down();
                visit.refused(shared.clock.now(), run, Arc::from(error.to_string()));
                continue;
            }
        };
        let sent = match request(journey, &admission.instance, speech) {
            Some(request) => {
                let sending = send(shared, &mut upstream, request, permit.map(|permit| (permit, released)));
                if is_call {
                    tokio::select! {
                        sent = sending => sent,
                        () = is_parted(&journey.upload, admission.instance.phase(), shared.limits.parting) => Sent::Parted,
                    }
                } else {
                    sending.await
                }
            }
            None => Sent::Unanswered("its body was too large to be kept".to_owned()),
        };
        if !matches!(sent, Sent::Answered(_) | Sent::Reset(_) | Sent::Parted) {
            admission.instance.pool.retire(&upstream);
        }
        match sent {
            Sent::Answered(response) => {
                journey.upload.settle();
                if !journey.upload.is_read() {
                    upstream.set_free();
                }
                return deliver(shared, journey, response, Lease::new(admission, upstream, slot));
            }
            _ if journey.upload.is_too_long() => return Err(Unanswered::Refused(Refusal::BodyTooLong)),
            _ if journey.upload.client_broke_off() => return Err(Unanswered::Left),
            Sent::Begun(why) => {
                let why = format!("its answer had begun, so the request is not sent again ({why})");
                return Err(Unanswered::Refused(Refusal::Died(why)));
            }
            Sent::Garbled(why) => return Err(Unanswered::Refused(Refusal::Garbled(why))),
            Sent::Parted => return Err(Unanswered::Refused(Refusal::Replaced)),
            Sent::Reset(reason) => return Err(Unanswered::Refused(Refusal::Reset(reason))),
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
        Verdict::Deadline(why) => Refusal::Deadline(why),
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

/// Whether this is a gRPC call: only HTTP/2 can bring its status back.
fn is_call(journey: &Journey) -> bool {
    journey.came_in == Version::HTTP_2 && journey.upgrade.0 == Upgrade::None && is_grpc(&journey.head.headers)
}

/// In HTTP/1.1 an end may stand behind a body that is not read yet; the frames of HTTP/2 are always read.
fn sight(journey: &Journey) -> Sight {
    match journey.client.speech {
        Speech::Http1 if journey.upload.hides_the_end() => Sight::Blocked,
        Speech::Http1 | Speech::Http2 => Sight::Clear,
    }
}

async fn way(shared: &Shared, admission: &Admission, speech: Speech, reuse: Reuse) -> Way {
    let instance = &admission.instance;
    let (connect, silence) = (shared.limits.connect, shared.limits.silence);
    if speech == Speech::Http2 {
        return match Box::pin(instance.pool.share(connect, silence, instance.phase())).await {
            Ok(upstream) => Way::Open(upstream, None),
            Err(error) => Way::Refused(error),
        };
    }
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
    match Box::pin(instance.pool.connect(connect, silence, instance.phase())).await {
        Ok(upstream) => Way::Open(upstream, slot),
        Err(error) => Way::Refused(error),
    }
}

/// The request for one attempt; none if its body cannot be sent again.
fn request(journey: &Journey, instance: &Instance, speech: Speech) -> Option<Request<super::body::UploadBody>> {
    let mut head = journey.head.clone();
    if journey.naming == Naming::Instance
        && let Some(host) = instance.pool.host()
    {
        head.headers.insert(header::HOST, host);
    }
    if speech == Speech::Http2 {
        to_http2(&mut head, instance.scheme);
    }
    Some(Request::from_parts(head, journey.upload.attempt()?))
}

async fn send(
    shared: &Shared,
    upstream: &mut Upstream,
    request: Request<super::body::UploadBody>,
    permit: Option<(Permit, Time)>,
) -> Sent {
    let mark = upstream.counts.mark();
    // Without a budget of its own: a look that was put off would be lost where nobody is woken for it.
    let mut answer = std::pin::pin!(unconstrained(upstream.send(request)));
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
            if upstream.shared().is_some() {
                return fate_of_stream(error.error(), recovered, &counts, why);
            }
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

/// What became of a request on a connection that others use, too: its bytes do not tell, but what ended the stream does
/// (RFC 9113 sections 6.8 and 8.7).
fn fate_of_stream(error: &hyper::Error, recovered: bool, counts: &Counts, why: String) -> Sent {
    if counts.began_in_http1() {
        return Sent::Garbled("it answers in HTTP/1, not in HTTP/2 without TLS".to_owned());
    }
    if recovered {
        return Sent::Untouched(why);
    }
    match h2_error(error) {
        Some(error) if error.is_remote() && error.is_go_away() => Sent::Untouched(why),
        Some(error) if error.is_remote() && error.is_reset() => match error.reason() {
            None | Some(h2::Reason::REFUSED_STREAM) => Sent::Untouched(why),
            Some(reason) => Sent::Reset(reason),
        },
        Some(error) if !error.is_io() => Sent::Garbled(why),
        _ => Sent::Unanswered(why),
    }
}

/// What HTTP/2 itself says about an error.
pub(super) fn h2_error(error: &hyper::Error) -> Option<&h2::Error> {
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        if let Some(found) = inner.downcast_ref() {
            return Some(found);
        }
        cause = inner.source();
    }
    None
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
    if stale.is_some() {
        lease.desk().tally.stale.fetch_add(1, Ordering::Relaxed);
    }
    let (mut head, incoming) = response.into_parts();
    for_client(&mut head.headers, journey.local, stale.as_deref());
    head.version = Version::HTTP_11;
    if is_call(journey) {
        let body = Answer::call(incoming, lease, journey.upload.clone(), shared.limits.parting);
        return Ok(Response::from_parts(head, body));
    }
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
