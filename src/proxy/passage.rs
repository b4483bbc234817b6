//! What happens to one request on its route: a service answers it, a folder, or a redirect. The route has been found, the
//! host and the head have been judged.

use std::sync::{Arc, atomic::Ordering};

use hyper::{
    HeaderMap, Request, Response, StatusCode, Uri, Version,
    body::Incoming,
    header::{self, HeaderName, HeaderValue},
    http::{request::Parts, uri::PathAndQuery},
};

use super::{
    body::Upload,
    client::Client,
    desk::Desk,
    download::Answer,
    files::{self, Wanted},
    forward::{Journey, Unanswered, forward},
    headers::{self, Local, Origin, REASON, Upgrade, for_app, origin_form},
    refusal::Refusal,
    route::Lane,
    rules::redirect::location,
    shared::Shared,
};
use crate::plan::{Prefix, Target, strip};

const FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");

/// A request that nothing on its route has answered.
pub(super) struct Stopped {
    pub(super) why: Unanswered,
    /// Its fields, for the form of devloop's answer.
    pub(super) asking: HeaderMap,
}

/// Takes a request along its route.
pub(super) async fn take(
    shared: &Arc<Shared>,
    client: &Arc<Client>,
    lane: &Lane,
    local: Local,
    request: Request<Incoming>,
) -> Result<Response<Answer>, Stopped> {
    let stopped = |why: Unanswered, asking: &HeaderMap| Stopped { why, asking: asking.clone() };
    let refused = |refusal: Refusal| stopped(Unanswered::Refused(refusal), request.headers());
    match (&lane.route.target, &lane.desk) {
        (Target::Service { prefix, .. }, Some(desk)) => {
            let cut = match prefix {
                Prefix::Kept => None,
                Prefix::Stripped => Some(below(request.uri(), &lane.route.path).map_err(refused)?.to_owned()),
            };
            let cut = cut.as_deref().map(|rest| Cut { prefix: &lane.route.path, rest });
            pass(shared, client, desk, local, request, cut).await
        }
        // A service that has been left out of this run of devloop.
        (Target::Service { .. }, None) => Err(refused(Refusal::NoService)),
        (Target::Redirect { to, status }, _) => {
            let rest = below(request.uri(), &lane.route.path).map_err(refused)?;
            Ok(redirect(&location(to, rest, request.uri().query()), *status))
        }
        (Target::Files(folder), _) => {
            let below = below(request.uri(), &lane.route.path).map_err(refused)?;
            let (method, uri, headers) = (request.method(), request.uri(), request.headers());
            files::answer(folder, Wanted { method, uri, headers, below }).await.map_err(refused)
        }
    }
}

/// A path without that of its route.
#[derive(Clone, Copy)]
struct Cut<'a> {
    prefix: &'a str,
    rest: &'a str,
}

/// What follows the route's path.
fn below<'a>(uri: &'a Uri, prefix: &str) -> Result<&'a str, Refusal> {
    strip(uri.path(), prefix)
        .ok_or(Refusal::Malformed("the path goes up again with `..`, so the path of its route cannot be cut off it"))
}

async fn pass(
    shared: &Arc<Shared>,
    client: &Arc<Client>,
    desk: &Arc<Desk>,
    local: Local,
    mut request: Request<Incoming>,
    cut: Option<Cut<'_>>,
) -> Result<Response<Answer>, Stopped> {
    desk.tally.requests.fetch_add(1, Ordering::Relaxed);
    let asked = headers::upgrade(request.headers());
    let client_side = (asked != Upgrade::None).then(|| hyper::upgrade::on(&mut request));
    let (mut head, body) = request.into_parts();
    prepare(client, &mut head, &asked);
    if let Some(cut) = cut {
        cut_off(&mut head, cut);
    }
    let upload = Upload::new(body, &shared.budget);
    let mut journey = Journey { head, upload, upgrade: (asked, client_side), local, client: Arc::clone(client) };
    let arrival = forward(shared, desk, &mut journey).await;
    if matches!(arrival, Err(Unanswered::Refused(_))) {
        desk.tally.refused.fetch_add(1, Ordering::Relaxed);
    }
    arrival.map_err(|why| Stopped { why, asking: journey.head.headers })
}

/// Makes the head fit for the program.
fn prepare(client: &Client, head: &mut Parts, asked: &Upgrade) {
    if let Some(uri) = origin_form(&head.uri) {
        head.uri = uri;
    }
    // HTTP/1.0 allows to leave it out; the program is spoken to in HTTP/1.1, which does not.
    let host = head.headers.entry(header::HOST).or_insert_with(|| {
        HeaderValue::from_str(&client.local.to_string()).unwrap_or(HeaderValue::from_static("localhost"))
    });
    let host = host.clone();
    for_app(&mut head.headers, asked, Origin { peer: client.peer.ip(), port: client.local.port(), host: &host });
    head.version = Version::HTTP_11;
}

/// Takes the path of the route off the target; the program is told in `X-Forwarded-Prefix`.
fn cut_off(head: &mut Parts, cut: Cut<'_>) {
    let target = match head.uri.query() {
        Some(query) => format!("{}?{query}", cut.rest),
        None => cut.rest.to_owned(),
    };
    if let Ok(target) = PathAndQuery::try_from(target) {
        head.uri = Uri::from(target);
    }
    if let Ok(prefix) = HeaderValue::from_str(cut.prefix) {
        head.headers.insert(FORWARDED_PREFIX, prefix);
    }
}

fn redirect(to: &str, status: u16) -> Response<Answer> {
    let mut response = Response::new(Answer::Own(None));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::TEMPORARY_REDIRECT);
    if let Ok(to) = HeaderValue::from_bytes(to.as_bytes()) {
        response.headers_mut().insert(header::LOCATION, to);
    }
    response.headers_mut().insert(REASON, HeaderValue::from_static("redirect"));
    response
}
