//! A program's answer, on its way back to the client: as it is, as a page with devloop's tag, as a stream, or as a
//! tunnel.

use std::sync::{Arc, atomic::Ordering};

use hyper::{
    HeaderMap, Response, StatusCode, Version,
    body::{Body, Incoming},
    header,
};
use tokio::sync::oneshot;

use super::{
    browser::{Asks, By, Opening, Page, Served, fresh_nonce, inject},
    download::{Answer, Coding, Lease},
    forward::{Arrival, Unanswered},
    forwarded::origin,
    headers::{Upgrade, for_client, for_upgraded_client, is_of},
    journey::Journey,
    refusal::Refusal,
    rules::{Fields, Widened},
    shared::Shared,
    tunnel::{Protocol, Tunnel},
};
use crate::{
    core::gate::{Gate, Gates},
    plan::Reload,
};

/// The answer as it goes to the client.
pub(super) fn deliver(
    shared: &Arc<Shared>,
    journey: &mut Journey,
    response: Response<Incoming>,
    lease: Lease,
) -> Arrival {
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
    if journey.is_call() {
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
    let (revision, run) = (admission.revision, admission.instance.run);
    let by = By::Service { name: &admission.desk().name, revision, run };
    let asking = Asking { asks: journey.asks, headers: &journey.head.headers, assets: journey.assets };
    tag(shared, by, asking, journey.policies.as_deref(), head)
}

/// What is known of the request for a page.
pub(super) struct Asking<'a> {
    pub(super) asks: Asks,
    /// Its head, as a program gets it.
    pub(super) headers: &'a HeaderMap,
    /// The newest change of assets before it was answered.
    pub(super) assets: u64,
}

/// Makes a file fit to be sent as a page with devloop's tag, if it is one.
pub(super) fn tag_file(
    shared: &Shared,
    folder: &str,
    asking: Asking<'_>,
    policies: Option<&Fields>,
    response: Response<Answer>,
) -> Response<Answer> {
    let (mut head, body) = response.into_parts();
    let body = match body {
        Answer::File(file) => match tag(shared, By::Folder(folder), asking, policies, &mut head) {
            Some(opening) => Answer::Page(Box::new(Page::of_file(file, opening))),
            None => Answer::File(file),
        },
        other => other,
    };
    Response::from_parts(head, body)
}

/// Makes the head of a page fit for devloop's tag; none if it gets none.
fn tag(
    shared: &Shared,
    by: By<'_>,
    asking: Asking<'_>,
    policies: Option<&Fields>,
    head: &mut hyper::http::response::Parts,
) -> Option<Opening> {
    let Asking { asks, headers: asked, assets } = asking;
    let browser = Arc::clone(&shared.known().browser);
    let served = Served {
        by,
        assets,
        console: browser.console,
        all: match browser.reload {
            Reload::All => Some(live(&shared.gates.borrow())),
            Reload::Own | Reload::Never => None,
        },
        token: &shared.token,
        origin: origin(asked),
        nonce: fresh_nonce(),
    };
    let Some(policies) = policies else { return inject(asks, head.status, &mut head.headers, &served) };
    let mut headers = head.headers.clone();
    policies.apply(&mut headers);
    let opening = inject(asks, head.status, &mut headers, &served)?;
    head.headers = headers;
    head.extensions.insert(Widened);
    Some(opening)
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
    let (passed, told) = oneshot::channel();
    journey.trail.becomes_tunnel(told);
    let tunnel = Tunnel { client, app, protocol, admission: lease.into_admission(), passed };
    tokio::spawn(tunnel.run(Arc::clone(shared)));
    let (mut head, _) = response.into_parts();
    for_upgraded_client(&mut head.headers, journey.local, stale.as_deref());
    Ok(Response::from_parts(head, Answer::Own(None)))
}
