//! The way of one request: through the gate, over a connection, and again if that is safe.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use hyper::Response;

use super::{
    attempt::{Reuse, Sent, Way, request, send, way},
    call::is_parted,
    deliver::deliver,
    desk::{Desk, Verdict, Visit},
    download::{Answer, Lease},
    gate::Kind,
    grpc::{shorter, timeout},
    headers::{in_background, poolable, replayable},
    journey::Journey,
    refusal::Refusal,
    shared::Shared,
    speech::to_app,
};
use crate::core::gate::Gate;

/// A call that waited less than this keeps its `grpc-timeout` to the byte.
const A_MOMENT: Duration = Duration::from_millis(1);

/// How it ended: with a program's answer, or without.
pub(super) type Arrival = Result<Response<Answer>, Unanswered>;

/// Why no program answers.
pub(super) enum Unanswered {
    /// devloop answers.
    Refused(Refusal),
    /// Nobody is there to be answered.
    Left,
}

/// Brings a request to an instance of the service and its answer back.
pub(super) async fn forward(shared: &Arc<Shared>, desk: &Arc<Desk>, journey: &mut Journey) -> Arrival {
    let kind = if in_background(&journey.head.headers) { Kind::Background } else { Kind::Foreground };
    let is_call = journey.is_call();
    let deadline = if is_call { timeout(&journey.head.headers) } else { None };
    let mut visit = Visit::new(Arc::clone(&journey.client), kind, deadline);
    if is_call {
        journey.upload.count_messages();
        // A server stream may have nothing to say for hours, and most servers send no head before.
        journey.trail.may_be_silent();
    }
    let mut reuse = if poolable(&journey.head.method) { Reuse::Allowed } else { Reuse::Fresh };
    let mut replay_left = replayable(&journey.head.method, &journey.head.headers);
    loop {
        let sight = journey.sight();
        let verdict = match journey.patience {
            None => desk.admit(shared, &mut visit, sight).await,
            Some(patience) => {
                let left = patience.saturating_sub(shared.clock.now().since(journey.came));
                // Most requests never get here: they should not carry the room for it.
                match Box::pin(tokio::time::timeout(left, desk.admit(shared, &mut visit, sight))).await {
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
        if let Some(deadline) = deadline.filter(|_| released.since(journey.came) >= A_MOMENT) {
            let (name, left) = shorter(deadline.saturating_sub(released.since(journey.came)));
            journey.head.headers.insert(name, left);
        }
        journey.trail.let_in(released, run, admission.revision, admission.stale.as_ref());
        if let Some(permit) = &permit {
            visit.keep_place(permit);
        }
        let (protocol, asked) = (admission.instance.protocol, &journey.upgrade.0);
        let speech = to_app(protocol, journey.came_in, &journey.head.headers, asked);
        let (mut upstream, slot) = match way(shared, &admission, speech, reuse).await {
            Way::Open(upstream, slot) => (upstream, slot),
            Way::Draining => {
                journey.trail.goes_back();
                continue;
            }
            Way::Refused(error) => {
                journey.trail.goes_back();
                desk.slow_down();
                visit.refused(shared.clock.now(), run, Arc::from(error.to_string()));
                continue;
            }
        };
        let sent = match request(journey, &admission.instance, speech) {
            Some(request) => {
                let permit = permit.map(|permit| (permit, released));
                if is_call {
                    let parted = is_parted(&journey.upload, admission.instance.phase(), shared.limits.parting);
                    let (sending, parted) = (Box::pin(send(shared, &mut upstream, request, permit)), Box::pin(parted));
                    tokio::select! {
                        sent = sending => sent,
                        () = parted => Sent::Parted,
                    }
                } else {
                    send(shared, &mut upstream, request, permit).await
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
        journey.trail.goes_back();
        reuse = Reuse::Fresh;
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
