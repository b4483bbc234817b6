//! What went through, for whoever looks: the recorded requests as JSON, and sending one of them again. That is the only
//! thing that can be done here, and it does nothing that a program on this machine could not do by itself: it sends the
//! developer's own program a request that it has had before. It must come from our own page: same origin, the token,
//! and a header that no page of another origin can send without asking first, which is never granted.

use std::sync::Arc;

use hyper::{HeaderMap, Method, Response, StatusCode, Uri};
use serde_json::json;

use super::{
    download::Answer,
    own::{is_token, same_origin, token_is_right},
    records::{
        Record, Records,
        replay::{self, Cannot},
        shown::{detail, row},
    },
    refusal::{Refusal, text},
    shared::Shared,
};

/// Carries the token of an action.
const TOKEN: &str = "x-devloop-token";
/// The kind of every answer here.
const JSON: &str = "application/json";

/// What can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    /// `requests`
    List,
    /// `requests/N`
    One(u64),
    /// `requests/N/ACTION`
    Act(u64, Act),
}

/// What can be done with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    /// `replay`: sent once more.
    Replay,
    /// `replay-until-success`: and after every swap.
    UntilSuccess,
    /// `replay-stop`: no more.
    Stop,
}

/// Answers a request for `path`, below `/.devloop/`.
pub(super) fn answer(
    shared: &Arc<Shared>,
    method: &Method,
    path: &str,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<Response<Answer>, Refusal> {
    let asked = read(path).ok_or(Refusal::Unknown)?;
    match asked {
        Asked::Act(number, act) => {
            if *method != Method::POST {
                return Err(Refusal::PostOnly);
            }
            let token = headers.get(TOKEN).and_then(|value| value.to_str().ok()).unwrap_or_default();
            if !same_origin(headers) || !is_token(token, &shared.token) {
                return Err(Refusal::Forbidden);
            }
            let record = shared.records.get(number).ok_or(Refusal::Unknown)?;
            Ok(done(act_on(shared, &record, act)))
        }
        Asked::List | Asked::One(_) => {
            if !matches!(*method, Method::GET | Method::HEAD) {
                return Err(Refusal::Method);
            }
            let token = headers.get(TOKEN).and_then(|value| value.to_str().ok()).unwrap_or_default();
            if !same_origin(headers) || !(token_is_right(uri, &shared.token) || is_token(token, &shared.token)) {
                return Err(Refusal::Forbidden);
            }
            let found = match asked {
                Asked::One(number) => detail(&shared.records, &*shared.records.get(number).ok_or(Refusal::Unknown)?),
                _ => list(&shared.records, after(uri)),
            };
            Ok(text(JSON, format!("{found:#}\n")))
        }
    }
}

fn read(path: &str) -> Option<Asked> {
    let rest = path.strip_prefix("requests")?;
    if rest.is_empty() {
        return Some(Asked::List);
    }
    let mut parts = rest.strip_prefix('/')?.splitn(2, '/');
    let number = parts.next()?.parse().ok()?;
    match parts.next() {
        None => Some(Asked::One(number)),
        Some("replay") => Some(Asked::Act(number, Act::Replay)),
        Some("replay-until-success") => Some(Asked::Act(number, Act::UntilSuccess)),
        Some("replay-stop") => Some(Asked::Act(number, Act::Stop)),
        Some(_) => None,
    }
}

/// The records that have changed after this version of all of them, newest first; those before `oldest` are forgotten.
pub(super) fn list(records: &Records, after: u64) -> serde_json::Value {
    // First the version: what changes meanwhile is told again.
    let version = records.version();
    let rows: Vec<_> = records.since(after).iter().rev().map(|record| row(records, record)).collect();
    json!({ "version": version, "oldest": records.oldest(), "requests": rows })
}

/// `after` in the query.
pub(super) fn after(uri: &Uri) -> u64 {
    let mut pairs = uri.query().unwrap_or_default().split('&');
    pairs.find_map(|pair| pair.strip_prefix("after=")?.parse().ok()).unwrap_or(0)
}

fn act_on(shared: &Arc<Shared>, record: &Arc<Record>, act: Act) -> Result<(), Cannot> {
    match act {
        Act::Replay => replay::once(shared, record),
        Act::UntilSuccess => replay::until_success(shared, record),
        Act::Stop => {
            replay::stop(&shared.records, record);
            Ok(())
        }
    }
}

fn done(result: Result<(), Cannot>) -> Response<Answer> {
    match result {
        Ok(()) => {
            let mut response = text(JSON, format!("{}\n", json!({ "ok": true })));
            *response.status_mut() = StatusCode::ACCEPTED;
            response
        }
        Err(cannot) => {
            let mut response = text(JSON, format!("{}\n", json!({ "ok": false, "why": cannot.why() })));
            *response.status_mut() = StatusCode::CONFLICT;
            response
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_exists_can_be_asked_for() {
        assert_eq!(read("requests"), Some(Asked::List));
        assert_eq!(read("requests/12"), Some(Asked::One(12)));
        assert_eq!(read("requests/12/replay"), Some(Asked::Act(12, Act::Replay)));
        assert_eq!(read("requests/12/replay-until-success"), Some(Asked::Act(12, Act::UntilSuccess)));
        for wrong in ["", "requestsx", "requests/", "requests/x", "requests/1/", "requests/1/delete", "requests/-1"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
