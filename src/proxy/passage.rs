//! What happens to one request on its route: a service answers it, a folder, or a redirect. The route has been found,
//! the host and the head have been judged.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use hyper::{
    HeaderMap, Request, Response, StatusCode, Uri, Version,
    body::Incoming,
    header::{self, HeaderValue},
    http::{request::Parts, uri::PathAndQuery},
};

use super::{
    body::Upload,
    browser::Asks,
    client::Client,
    deliver::{Asking, tag_file},
    desk::Desk,
    download::Answer,
    events::key,
    files::{self, Wanted},
    forward::{Unanswered, forward},
    forwarded,
    headers::{self, Local, REASON, Upgrade, for_app, origin_form},
    journey::{Journey, Naming},
    outgoing::{self, Outgoing},
    records::{Seen, To, What},
    refusal::{Refusal, Setting},
    route::Lane,
    rules::{Entry, Ruleset, cors::collapse, redirect::location},
    settings::{Forwarded, Recording},
    shared::Shared,
};
use crate::{
    model::Time,
    plan::{Prefix, Target, strip},
};

/// The route of a request, and what held when it came.
#[derive(Clone, Copy)]
pub(super) struct Way<'a> {
    pub(super) lane: &'a Lane,
    pub(super) local: Local,
    pub(super) recording: Recording,
    pub(super) server_timing: bool,
    /// What becomes of what the client says about its way.
    pub(super) said: Forwarded,
    pub(super) asks: Asks,
    pub(super) patience: Option<Duration>,
}

/// Takes a request along its route, as its rules say. None: the connection is to be dropped without an answer.
pub(super) async fn take(
    shared: &Arc<Shared>,
    client: &Arc<Client>,
    way: Way<'_>,
    request: Request<Incoming>,
) -> Option<Response<Outgoing>> {
    let rules = way.lane.rules.as_ref().filter(|rules| rules.holds_for(request.uri().path()));
    let Some(rules) = rules else {
        return along(shared, client, way, None, request).await.map(|response| response.map(Outgoing::new));
    };
    let came = shared.clock.now();
    let mut asked = rules.ask(&request, way.local);
    let entry = rules.enter(&request, client.peer.ip(), came);
    // Boxed, as what follows: a request should not carry the room for what most never need.
    let mut response = Box::pin(enter(shared, client, way, rules, (entry, came), request)).await?;
    let (coding, overruled) = rules.change_answer(&asked, &mut response);
    if let Some(overruled) = overruled {
        way.lane.warn(&shared.tell, || overruled, "leave it to one of them");
    }
    let status = response.status();
    let (clock, tell) = (shared.clock, Arc::clone(&shared.tell));
    let entry = asked.entry.take().map(|asked| outgoing::Entry { asked, status, came, clock, tell, bytes: 0 });
    Some(Outgoing::of(response, coding, entry))
}

/// What came of asking to be let in.
async fn enter(
    shared: &Arc<Shared>,
    client: &Arc<Client>,
    way: Way<'_>,
    rules: &Ruleset,
    (entry, came): (Entry, Time),
    request: Request<Incoming>,
) -> Option<Response<Seen>> {
    let asked = |request| Asked { came, request, lane: Some(way.lane) };
    let refusal = match entry {
        Entry::After(wait) => {
            pause(wait).await;
            return along(shared, client, way, Some(rules), request).await;
        }
        Entry::FailsAfter(wait, refusal) => {
            pause(wait).await;
            refusal
        }
        Entry::Refused(refusal) => refusal,
        Entry::Preflight(head) => return remember(shared, way.recording, asked(&request), Some(preflight(head))),
    };
    let answer = refuse(shared, &refusal, request.headers(), None);
    remember(shared, way.recording, asked(&request), answer)
}

/// A request that no program gets.
pub(super) struct Asked<'a> {
    /// When it came.
    pub(super) came: Time,
    pub(super) request: &'a Request<Incoming>,
    /// Its route; none: there is none.
    pub(super) lane: Option<&'a Lane>,
}

/// Records what devloop answers itself.
pub(super) fn remember(
    shared: &Shared,
    rule: Recording,
    asked: Asked<'_>,
    answer: Option<Response<Answer>>,
) -> Option<Response<Seen>> {
    if rule.keep == 0 {
        return answer.map(|response| response.map(Seen::unrecorded));
    }
    let Asked { came, request, lane } = asked;
    let target = origin_form(request.uri());
    let what = What {
        to: To::Devloop { route: lane.map(|lane| lane.route.target.to_string()) },
        method: request.method(),
        target: target.as_ref().unwrap_or(request.uri()),
    };
    let (trail, head) = (shared.records.begin(rule, came, what, None), request.headers());
    match answer {
        Some(response) => Some(trail.answered(shared.clock, head, response)),
        None => {
            trail.unanswered(shared.clock, head);
            None
        }
    }
}

async fn pause(wait: Duration) {
    if !wait.is_zero() {
        tokio::time::sleep(wait).await;
    }
}

fn preflight(head: HeaderMap) -> Response<Answer> {
    let mut response = Response::new(Answer::Own(None));
    *response.status_mut() = StatusCode::NO_CONTENT;
    *response.headers_mut() = head;
    response.headers_mut().insert(REASON, HeaderValue::from_static("cors"));
    response
}

/// To whatever its route leads to.
async fn along(
    shared: &Arc<Shared>,
    client: &Arc<Client>,
    way: Way<'_>,
    rules: Option<&Ruleset>,
    request: Request<Incoming>,
) -> Option<Response<Seen>> {
    let (route, desk, came) = (&way.lane.route, way.lane.desk.as_ref(), shared.clock.now());
    let refused = |refusal: Refusal| refuse(shared, &refusal, request.headers(), desk);
    let answered = match (&route.target, desk) {
        (Target::Service { prefix: Prefix::Kept, .. }, Some(desk)) => {
            return pass(shared, client, desk, way, rules, request, None).await;
        }
        (Target::Service { prefix: Prefix::Stripped, .. }, Some(desk)) => match below(request.uri(), &route.path) {
            Ok(rest) => {
                let rest = rest.to_owned();
                let cut = Cut { prefix: &route.path, rest };
                return pass(shared, client, desk, way, rules, request, Some(cut)).await;
            }
            Err(refusal) => refused(refusal),
        },
        // A service that has been left out of this run of devloop.
        (Target::Service { .. }, None) => refused(Refusal::NoService),
        (Target::Redirect { to, status }, _) => match below(request.uri(), &route.path) {
            Ok(rest) => Some(redirect(&location(to, rest, request.uri().query()), *status)),
            Err(refusal) => refused(refusal),
        },
        (Target::Files(folder), _) => match below(request.uri(), &route.path) {
            Ok(below) => {
                let (method, uri) = (request.method(), request.uri());
                let (mut headers, assets) = (request.headers().clone(), shared.assets.borrow().newest());
                let host = named(client, &mut headers);
                client.origin.tell(&mut headers, host, way.said);
                way.asks.prepare(&mut headers);
                let answer = files::answer(folder, Wanted { method, uri, headers: &headers, below });
                let answer = Box::pin(answer).await;
                let asking = Asking { asks: way.asks, headers: &headers, assets };
                let policies = rules.and_then(Ruleset::policies);
                answer.map_or_else(refused, |response| {
                    Some(tag_file(shared, &folder.shown, asking, policies.as_deref(), response))
                })
            }
            Err(refusal) => refused(refusal),
        },
    };
    remember(shared, way.recording, Asked { came, request: &request, lane: Some(way.lane) }, answered)
}

/// A path without that of its route.
struct Cut<'a> {
    prefix: &'a str,
    rest: String,
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
    way: Way<'_>,
    rules: Option<&Ruleset>,
    mut request: Request<Incoming>,
    cut: Option<Cut<'_>>,
) -> Option<Response<Seen>> {
    desk.tally.requests.fetch_add(1, Ordering::Relaxed);
    let asked = headers::upgrade(request.headers());
    let came_in = request.version();
    let client_side = (asked != Upgrade::None).then(|| hyper::upgrade::on(&mut request));
    let (mut head, body) = request.into_parts();
    prepare(client, &mut head, &asked, way.said);
    way.asks.prepare(&mut head.headers);
    if let Some(cut) = cut {
        cut_off(&mut head, &cut);
    }
    if let Some(rules) = rules {
        rules.change_request(&mut head);
    }
    let came = shared.clock.now();
    let what = What { to: To::Gate(&desk.name), method: &head.method, target: &head.uri };
    let mut trail = shared.records.begin(way.recording, came, what, None);
    let assets = shared.assets.borrow().newest();
    let upload = Upload::new(body, &shared.budget, rules.and_then(Ruleset::longest_body), || trail.tap());
    let naming = if rules.is_some_and(Ruleset::names_upstream) { Naming::Instance } else { Naming::AsItIs };
    let (upgrade, asks) = ((asked, client_side), way.asks);
    let (local, client, patience) = (way.local, Arc::clone(client), way.patience);
    let mut journey = Journey {
        head,
        came_in,
        upload,
        upgrade,
        local,
        naming,
        client,
        came,
        held: None,
        trail,
        asks,
        policies: rules.and_then(Ruleset::policies),
        patience,
        assets,
    };
    let arrival = match forward(shared, desk, &mut journey).await {
        Ok(response) => Some(response),
        Err(Unanswered::Left) => None,
        Err(Unanswered::Refused(refusal)) => {
            desk.tally.refused.fetch_add(1, Ordering::Relaxed);
            refuse(shared, &refusal, &journey.head.headers, Some(desk))
        }
    };
    let Journey { head, held, trail, .. } = journey;
    let Some(mut response) = arrival else {
        trail.unanswered(shared.clock, &head.headers);
        return None;
    };
    if !rules.is_some_and(Ruleset::shares)
        && let Some([first, second]) = collapse(response.headers_mut())
    {
        let text = || {
            format!(
                "service {} sets `Access-Control-Allow-Origin` twice, to `{first}` and to `{second}`: `{first}` was passed on",
                desk.name
            )
        };
        let hint =
            "two places in the program set it; browsers refuse that. `cors = true` in dev.toml can answer instead";
        way.lane.warn(&shared.tell, text, hint);
    }
    if way.server_timing {
        headers::time(response.headers_mut(), held, shared.clock.now().since(came));
    }
    Some(trail.answered(shared.clock, &head.headers, response))
}

/// Makes the head fit for the program.
fn prepare(client: &Client, head: &mut Parts, asked: &Upgrade, said: Forwarded) {
    if let Some(uri) = origin_form(&head.uri) {
        head.uri = uri;
    }
    let host = named(client, &mut head.headers);
    for_app(&mut head.headers, asked, &client.origin, host, said);
    if let Some(shown) = &client.shown {
        shown.tell(&mut head.headers);
    }
    head.version = Version::HTTP_11;
}

/// How the client has named this machine. HTTP/1.0 allows to leave it out; the program is spoken to in HTTP/1.1, which
/// does not.
fn named(client: &Client, headers: &mut HeaderMap) -> HeaderValue {
    let host = headers.entry(header::HOST).or_insert_with(|| {
        HeaderValue::from_str(&client.local.to_string()).unwrap_or(HeaderValue::from_static("localhost"))
    });
    host.clone()
}

/// Takes the path of the route off the target; the program is told in `X-Forwarded-Prefix`.
fn cut_off(head: &mut Parts, cut: &Cut<'_>) {
    let target = match head.uri.query() {
        Some(query) => format!("{}?{query}", cut.rest),
        None => cut.rest.clone(),
    };
    if let Ok(target) = PathAndQuery::try_from(target) {
        head.uri = Uri::from(target);
    }
    forwarded::cut_off(&mut head.headers, cut.prefix);
}

/// Leads the client elsewhere.
pub(super) fn redirect(to: &str, status: u16) -> Response<Answer> {
    let mut response = Response::new(Answer::Own(None));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::TEMPORARY_REDIRECT);
    if let Ok(to) = HeaderValue::from_bytes(to.as_bytes()) {
        response.headers_mut().insert(header::LOCATION, to);
    }
    response.headers_mut().insert(REASON, HeaderValue::from_static("redirect"));
    response
}

/// devloop's own answer. None: the connection is to be dropped without one.
pub(super) fn refuse(
    shared: &Shared,
    refusal: &Refusal,
    asking: &HeaderMap,
    desk: Option<&Arc<Desk>>,
) -> Option<Response<Answer>> {
    let key = desk.map(|desk| key(shared.gates.borrow().of(&desk.name)));
    let watched = desk.zip(key.as_deref()).map(|(desk, key)| (&*desk.name, key));
    let (project, token) = (shared.project.as_str(), shared.token.as_str());
    refusal.response(Setting { headers: asking, project, token, watched })
}
