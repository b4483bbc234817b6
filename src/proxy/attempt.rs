//! One attempt to bring a request to an instance: a connection, the request on it, and what its end says about how far
//! it came.

use std::{
    future::{Future, poll_fn},
    io,
    sync::Arc,
    time::Duration,
};

use hyper::{Request, Response, body::Incoming, header};
use tokio::{sync::OwnedSemaphorePermit, task::unconstrained};

use super::{
    body::UploadBody,
    desk::Admission,
    headers::to_http2,
    instance::{Instance, draining},
    journey::{Journey, Naming},
    queue::Permit,
    shared::Shared,
    speech::Speech,
    upstream::Upstream,
    wire::Counts,
};
use crate::model::Time;

/// A released request gives its share back after this time even if it is not answered: it may be a long poll.
const LONGEST_SHARE: Duration = Duration::from_millis(500);

/// Whether a connection may have been used before.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Reuse {
    Allowed,
    Fresh,
}

/// What came of asking for a connection.
pub(super) enum Way {
    Open(Upstream, Option<OwnedSemaphorePermit>),
    /// The instance drains: back to the gate.
    Draining,
    /// It takes no connection.
    Refused(io::Error),
}

/// What came of sending.
pub(super) enum Sent {
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

pub(super) async fn way(shared: &Shared, admission: &Admission, speech: Speech, reuse: Reuse) -> Way {
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
        Err(_) => {
            let waiting = async {
                tokio::select! {
                    slot = slots.acquire_owned() => Some(slot.ok()),
                    () = draining(instance.phase()) => None,
                    () = tokio::time::sleep(shared.limits.upstream_wait) => Some(None),
                }
            };
            let Some(slot) = Box::pin(waiting).await else { return Way::Draining };
            slot
        }
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
pub(super) fn request(journey: &Journey, instance: &Instance, speech: Speech) -> Option<Request<UploadBody>> {
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

pub(super) async fn send(
    shared: &Shared,
    upstream: &mut Upstream,
    request: Request<UploadBody>,
    permit: Option<(Permit, Time)>,
) -> Sent {
    let mark = upstream.counts.mark();
    // Without a budget of its own: a look that was put off would be lost where nobody is woken for it.
    let mut answer = std::pin::pin!(unconstrained(upstream.send(request)));
    let counts = Arc::clone(&upstream.counts);
    let mut answer = std::pin::pin!(poll_fn(|cx| upstream.pursue(cx, |cx| answer.as_mut().poll(cx))));
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
    causes(error).find_map(|cause| cause.downcast_ref())
}

/// What an error was caused by, and that in turn.
fn causes(error: &hyper::Error) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    std::iter::successors(std::error::Error::source(error), |cause| cause.source())
}

/// The error and what it was caused by, in one line.
fn describe(error: &hyper::Error) -> String {
    let texts = std::iter::once(error.to_string()).chain(causes(error).map(ToString::to_string));
    texts.collect::<Vec<_>>().join(": ")
}
