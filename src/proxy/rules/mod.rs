//! What is decided about a request and its answer on their way, by what dev.toml says: one noun a file, and pure. What
//! is decided is done elsewhere (`passage`, `outgoing`).
//!
//! The order is fixed, and docs/proxy.md tells it: what is refused comes first, then what is slow or fails on purpose;
//! the head of an answer is changed by `cors`, `security`, `fields`, and at last it is compressed.

pub(super) mod access;
mod auth;
mod chance;
pub(super) mod coding;
pub(super) mod cors;
mod fields;
mod limit;
pub(super) mod redirect;
mod security;

use std::{net::IpAddr, sync::Arc, time::Duration};

use hyper::{
    HeaderMap, Method, Request, Response, StatusCode,
    body::{Body, SizeHint},
    header::{self, HeaderValue},
    http::request::Parts,
};
use xxhash_rust::xxh3::xxh3_64;

pub(super) use self::fields::Fields;
use self::{auth::Guests, chance::Dice, coding::Coding, cors::Program, limit::Limiter};
use super::{browser::POLICIES, headers::Local, refusal::Refusal};
use crate::{
    model::Time,
    plan::{HostHeader, Middleware, Route},
};

/// Whoever proves here that a name is his must not be held up.
const ACME: &str = "/.well-known/acme-challenge/";

/// What holds on a route, ready to be used.
#[derive(Debug)]
pub(super) struct Ruleset {
    written: Arc<Middleware>,
    to: String,
    request: Fields,
    response: Fields,
    /// The content security policies among the fields of answers.
    policies: Option<Arc<Fields>>,
    guests: Option<Guests>,
    limiter: Option<Limiter>,
    dice: Dice,
}

/// What has to be known of a request when its answer is there.
#[derive(Debug)]
pub(super) struct Asked {
    origin: Option<HeaderValue>,
    turn: Turn,
    accepts: Option<Coding>,
    method: Method,
    local: Local,
    /// For the log.
    pub(super) entry: Option<access::Asked>,
}

/// Marks an answer whose policies are those of dev.toml already, and let devloop's tag pass.
#[derive(Clone, Copy, Debug)]
pub(super) struct Widened;

/// Whether a browser asks, or asks whether it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Request,
    Preflight,
}

/// What a request gets before anything answers it.
#[derive(Debug, PartialEq)]
pub(super) enum Entry {
    /// It goes on, after this time.
    After(Duration),
    /// It is refused, after this time.
    FailsAfter(Duration, Refusal),
    /// It is refused.
    Refused(Refusal),
    /// It is a preflight, and this is the head of its answer.
    Preflight(HeaderMap),
}

impl Ruleset {
    /// Of a route; none if nothing is to be done on it.
    pub(super) fn new(route: &Route) -> Option<Ruleset> {
        let written = Arc::clone(&route.middleware);
        if *written == Middleware::default() {
            return None;
        }
        let (policies, response) = Fields::new(&written.response_headers).split(&POLICIES);
        Some(Ruleset {
            to: route.target.to_string(),
            request: Fields::new(&written.request_headers),
            response,
            policies: (!policies.is_empty()).then(|| Arc::new(policies)),
            guests: Guests::new(&written.basic_auth),
            limiter: written.rate_limit.map(Limiter::new),
            dice: Dice::new(xxh3_64(route.to_string().as_bytes())),
            written,
        })
    }

    /// Whether it holds for this path.
    pub(super) fn holds_for(&self, path: &str) -> bool {
        !path.starts_with(ACME)
    }

    /// What the answer will depend on.
    pub(super) fn ask<B>(&self, request: &Request<B>, local: Local) -> Asked {
        let (method, headers) = (request.method(), request.headers());
        let entry = || access::Asked::new(method, request.uri(), headers, self.to.clone());
        Asked {
            origin: headers.get(header::ORIGIN).cloned(),
            turn: if cors::is_preflight(method, headers) { Turn::Preflight } else { Turn::Request },
            accepts: coding::accepted(headers),
            method: method.clone(),
            local,
            entry: self.written.access_log.then(entry),
        }
    }

    /// Whether a request goes on. `client`: its address.
    pub(super) fn enter<B: Body>(&self, request: &Request<B>, client: IpAddr, now: Time) -> Entry {
        let (method, headers) = (request.method(), request.headers());
        if let Some(most) = self.written.max_headers.filter(|most| size_of(headers) > *most) {
            return Entry::Refused(Refusal::HeadTooLarge(most));
        }
        if let Some(cors) = self.written.cors.as_ref().filter(|_| cors::is_preflight(method, headers)) {
            return match cors::preflight(cors, headers) {
                Some(head) => Entry::Preflight(head),
                None => Entry::Refused(Refusal::Origin(shown(headers.get(header::ORIGIN)))),
            };
        }
        if let Some(Err(wait)) = self.limiter.as_ref().map(|limiter| limiter.take(now, client)) {
            return Entry::Refused(Refusal::TooFast(wait));
        }
        if self.guests.as_ref().is_some_and(|guests| !guests.admit(headers)) {
            return Entry::Refused(Refusal::NotLetIn);
        }
        if self.written.max_body.is_some_and(|most| request.body().size_hint().lower() > most) {
            return Entry::Refused(Refusal::BodyTooLong);
        }
        let wait = self.written.latency.map_or(Duration::ZERO, |latency| self.dice.wait(latency));
        match self.written.fail.filter(|fail| self.dice.fails(*fail)) {
            Some(fail) => Entry::FailsAfter(wait, Refusal::MadeToFail(fail.status)),
            None => Entry::After(wait),
        }
    }

    /// The content security policies that dev.toml sets: a page with devloop's tag has to have them before the tag.
    pub(super) fn policies(&self) -> Option<Arc<Fields>> {
        self.policies.clone()
    }

    /// Whether devloop says whose pages may read the answers.
    pub(super) fn shares(&self) -> bool {
        self.written.cors.is_some()
    }

    /// The longest body that may pass.
    pub(super) fn longest_body(&self) -> Option<u64> {
        self.written.max_body
    }

    /// Changes the head of a request that goes to a program.
    pub(super) fn change_request(&self, head: &mut Parts) {
        self.request.apply(&mut head.headers);
        // Who was let in here has shown a password that is not for the program.
        if self.guests.is_some() {
            head.headers.remove(header::AUTHORIZATION);
        }
        if let HostHeader::Name(name) = &self.written.host_header
            && let Ok(name) = HeaderValue::from_str(name)
        {
            head.headers.insert(header::HOST, name);
        }
    }

    /// Whether `Host` is to be the address of the instance.
    pub(super) fn names_upstream(&self) -> bool {
        self.written.host_header == HostHeader::Upstream
    }

    /// Changes the head of an answer. Returns how its body is to be compressed, and a warning for whoever should know.
    pub(super) fn change_answer<B: Body>(
        &self,
        asked: &Asked,
        response: &mut Response<B>,
    ) -> (Option<Coding>, Option<String>) {
        let (status, length) = (response.status(), response.body().size_hint());
        let widened = response.extensions_mut().remove::<Widened>().is_some();
        let headers = response.headers_mut();
        let program = match (&self.written.cors, asked.turn) {
            (Some(cors), Turn::Request) => cors::answer(cors, asked.origin.as_ref(), headers),
            // A preflight has been answered by devloop, and its answer is complete.
            (Some(_), Turn::Preflight) | (None, _) => Program::Silent,
        };
        if self.written.security_headers {
            security::add(headers, asked.local);
        }
        self.response.apply(headers);
        if let Some(policies) = self.policies.as_ref().filter(|_| !widened) {
            policies.apply(headers);
        }
        let overruled = (program == Program::Overruled).then(|| {
            format!(
                "{} sets `Access-Control-*` fields itself; `cors` of dev.toml answers instead, so they are dropped",
                self.to
            )
        });
        (self.compress(asked, status, response.headers_mut(), &length), overruled)
    }

    fn compress(
        &self,
        asked: &Asked,
        status: StatusCode,
        headers: &mut HeaderMap,
        length: &SizeHint,
    ) -> Option<Coding> {
        if !self.written.compress {
            return None;
        }
        coding::choose(asked.accepts, &asked.method, status, headers, length)
    }
}

/// As it was sent, roughly: `name: value` and the end of the line.
fn size_of(headers: &HeaderMap) -> u64 {
    headers.iter().map(|(name, value)| (name.as_str().len() + value.len() + 4) as u64).sum()
}

fn shown(value: Option<&HeaderValue>) -> String {
    value.map(|value| value.as_bytes().escape_ascii().to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
