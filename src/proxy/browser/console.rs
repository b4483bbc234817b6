//! What pages write to their console, on its way to devloop's output: bounded in size and in number.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::{HeaderMap, Method, Response, StatusCode, Uri, body::Incoming};

use super::super::{
    download::Answer,
    own::is_of_a_page,
    refusal::Refusal,
    settings::{Heard, Level},
    shared::Shared,
};
use crate::model::Time;

/// So much may come at once.
const LARGEST: usize = 64 * 1024;
/// So many lines may come at once ...
const BURST: u32 = 200;
/// ... and one more after each of these times.
const EACH: Duration = Duration::from_millis(20);
/// So long may one line be, in characters.
const LONGEST: usize = 2_000;

/// How many more lines may come.
#[derive(Debug)]
pub(in super::super) struct Allowance(Mutex<Left>);

#[derive(Debug)]
struct Left {
    lines: u32,
    since: Time,
    dropped: u64,
}

impl Default for Allowance {
    fn default() -> Allowance {
        Allowance(Mutex::new(Left { lines: BURST, since: Time::ZERO, dropped: 0 }))
    }
}

impl Allowance {
    /// Of these lines those that may pass, with a word about what was lost before.
    fn admit(&self, now: Time, lines: Vec<Heard>) -> Vec<Heard> {
        let mut left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let earned = now.since(left.since).as_millis() / EACH.as_millis();
        let earned = u32::try_from(earned).unwrap_or(BURST);
        if earned > 0 {
            left.lines = left.lines.saturating_add(earned).min(BURST);
            left.since = now;
        }
        let count = lines.len().min(left.lines as usize);
        let mut admitted = Vec::with_capacity(count + 1);
        if count > 0 && left.dropped > 0 {
            let text = format!("({} lines before this one are left out: the page writes too many)", left.dropped);
            admitted.push(Heard { level: Level::Warning, text });
            left.dropped = 0;
        }
        left.dropped += (lines.len() - count) as u64;
        left.lines -= u32::try_from(count).unwrap_or(BURST);
        admitted.extend(lines.into_iter().take(count));
        admitted
    }
}

/// Takes what a page sends.
pub(in super::super) async fn take(
    shared: &Shared,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    body: Incoming,
) -> Result<Response<Answer>, Refusal> {
    if !shared.known().browser.console {
        return Err(Refusal::Unknown);
    }
    if *method != Method::POST {
        return Err(Refusal::PostOnly);
    }
    if !is_of_a_page(shared, uri, headers) {
        return Err(Refusal::Forbidden);
    }
    let Ok(body) = Limited::new(body, LARGEST).collect().await else {
        return Err(Refusal::Malformed("more comes from the console than 64 KiB at once"));
    };
    let Some(lines) = parse(&body.to_bytes()) else {
        return Err(Refusal::Malformed("not what devloop's script sends"));
    };
    for heard in shared.allowance.admit(shared.clock.now(), lines) {
        (shared.hear)(heard);
    }
    let mut response = Response::new(Answer::Own(None));
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}

/// `[["error", "text"], …]`
fn parse(body: &Bytes) -> Option<Vec<Heard>> {
    let pairs: Vec<(String, String)> = serde_json::from_slice(body).ok()?;
    let line = |(level, text): (String, String)| {
        let level = match level.as_str() {
            "error" => Level::Error,
            "warn" => Level::Warning,
            _ => Level::Info,
        };
        Heard { level, text: text.chars().take(LONGEST).collect() }
    };
    Some(pairs.into_iter().map(line).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(count: usize) -> Vec<Heard> {
        (0..count).map(|number| Heard { level: Level::Info, text: number.to_string() }).collect()
    }

    fn at(millis: u64) -> Time {
        Time::from_start(Duration::from_millis(millis))
    }

    #[test]
    fn a_page_that_writes_without_end_is_bounded_and_what_is_lost_is_said() {
        let allowance = Allowance::default();
        assert_eq!(allowance.admit(at(0), heard(150)).len(), 150);
        assert_eq!(allowance.admit(at(1), heard(150)).len(), 50);
        assert_eq!(allowance.admit(at(2), heard(10)).len(), 0);
        let next = allowance.admit(at(1_001), heard(1));
        assert_eq!(next.len(), 2);
        assert!(next[0].text.starts_with("(110 lines"), "{next:?}");
        assert_eq!(allowance.admit(at(100_000), heard(1_000)).len(), BURST as usize);
    }

    #[test]
    fn only_what_the_script_sends_is_understood() {
        let parsed = parse(&Bytes::from_static(b"[[\"error\",\"x\"],[\"log\",\"y\"]]")).unwrap();
        assert_eq!(parsed[0], Heard { level: Level::Error, text: "x".into() });
        assert_eq!(parsed[1].level, Level::Info);
        for bad in ["", "{}", "[1]", "[[\"a\"]]", "[[\"a\",1]]"] {
            assert_eq!(parse(&Bytes::from(bad)), None, "{bad}");
        }
    }
}
