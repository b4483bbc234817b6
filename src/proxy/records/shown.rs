//! Records as JSON. What a head says in confidence (cookies, credentials) is never shown: only that it was there.

use std::time::Duration;

use hyper::header::{self, HeaderName};
use serde_json::{Value, json};

use super::{
    Records,
    head::Head,
    record::{Kept, Progress, Record, Stage},
};
use crate::proxy::headers::REASON;

/// The row of a list.
pub(in crate::proxy) fn row(records: &Records, record: &Record) -> Value {
    let progress = record.progress();
    let (state, why) = state(&progress.stage);
    let text = |head: &Head, name: HeaderName| head.get(&name).map(of_value);
    json!({
        "number": record.number,
        "time": millis(records.zero + record.came.since_start()).round(),
        "service": record.service.as_deref(),
        "route": record.route,
        "method": record.method.as_str(),
        "target": &*record.target,
        "state": state,
        "why": why,
        "status": progress.status.map(|status| status.as_u16()),
        "reason": text(&progress.answered, REASON),
        "type": text(&progress.answered, header::CONTENT_TYPE),
        "held_ms": progress.held.map(millis),
        "first_ms": progress.first.map(millis),
        "took_ms": progress.took.map(millis),
        "run": progress.run,
        "revision": progress.revision,
        "stale": progress.stale.as_deref(),
        "attempts": progress.attempts,
        "close": progress.close,
        "request_bytes": progress.asked_body.bytes,
        "response_bytes": progress.answered_body.bytes,
        "replays": record.replays,
        "replaying": record.is_armed(),
    })
}

/// Everything that may be shown of a record.
pub(in crate::proxy) fn detail(records: &Records, record: &Record) -> Value {
    let mut detail = row(records, record);
    let again = record.cannot_be_sent_again();
    let progress = record.progress();
    detail["request_headers"] = head(&progress.asked);
    detail["response_headers"] = head(&progress.answered);
    detail["request_body"] = body(&progress.asked_body, &progress.asked);
    detail["response_body"] = body(&progress.answered_body, &progress.answered);
    detail["cannot_replay"] = json!(again);
    detail
}

impl Record {
    /// Why it cannot be sent again; none: it can.
    pub(in crate::proxy) fn cannot_be_sent_again(&self) -> Option<&'static str> {
        if self.service.is_none() {
            return Some("devloop answers it itself, so no program can get it again");
        }
        let progress = self.progress();
        can_be_sent_again(&progress)
    }
}

fn can_be_sent_again(progress: &Progress) -> Option<&'static str> {
    match progress.stage {
        Stage::Waiting | Stage::Working { .. } => Some("it is still on its way"),
        Stage::Answering if !progress.asked_body.is_whole() => Some("it is still on its way"),
        _ if progress.asked.is_empty() => Some("the client left before its head was kept"),
        _ if progress.asked.get(&header::UPGRADE).is_some() => Some("it became another protocol"),
        _ if !progress.asked_body.is_whole() => {
            Some("its body was not kept: set `record_bodies = true` in `[proxy]`; bodies above 64 KiB never are")
        }
        _ => None,
    }
}

fn state(stage: &Stage) -> (&'static str, Option<&'static str>) {
    match stage {
        Stage::Waiting => ("held", None),
        Stage::Working { .. } => ("working", None),
        Stage::Answering => ("answering", None),
        Stage::Open => ("open", None),
        Stage::Done => ("done", None),
        Stage::BrokenOff(why) => ("broken_off", Some(why)),
    }
}

fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 1_000_000.0).round() / 1_000.0
}

fn head(head: &Head) -> Value {
    head.fields().map(|(name, value)| json!([name, shown(name, value)])).collect()
}

/// A value as it may be shown.
fn shown(name: &str, value: &[u8]) -> String {
    let text = of_value(value);
    match name {
        "cookie" => text.split(';').map(named).collect::<Vec<_>>().join("; "),
        "set-cookie" => {
            let (cookie, attributes) = text.split_once(';').unwrap_or((&text, ""));
            let attributes = attributes.trim();
            format!("{}{}{attributes}", named(cookie), if attributes.is_empty() { "" } else { "; " })
        }
        "authorization" | "proxy-authorization" => match text.split_once(' ') {
            Some((scheme, rest)) => format!("{scheme} {}", hidden(rest)),
            None => hidden(&text),
        },
        _ if ["token", "secret", "api-key", "apikey", "password"].iter().any(|word| name.contains(word)) => {
            hidden(&text)
        }
        _ => text,
    }
}

/// `name=value` without the value.
fn named(pair: &str) -> String {
    match pair.trim().split_once('=') {
        Some((name, value)) => format!("{name}={}", hidden(value)),
        None => hidden(pair.trim()),
    }
}

fn hidden(secret: &str) -> String {
    format!("({} bytes, not shown)", secret.len())
}

fn of_value(value: &[u8]) -> String {
    String::from_utf8_lossy(value).into_owned()
}

/// Text where it is text; none where nothing of it was kept.
fn body(kept: &Kept, head: &Head) -> Value {
    if kept.start.is_empty() {
        return json!({ "bytes": kept.bytes, "kept": 0 });
    }
    let packed = head.get(&header::CONTENT_ENCODING).is_some();
    let text = match std::str::from_utf8(&kept.start) {
        _ if packed => None,
        Ok(text) => Some(text),
        // The end may be in the middle of a character.
        Err(error) if kept.start.len() - error.valid_up_to() < 4 && error.error_len().is_none() => {
            std::str::from_utf8(&kept.start[..error.valid_up_to()]).ok()
        }
        Err(_) => None,
    };
    json!({ "bytes": kept.bytes, "kept": kept.start.len(), "text": text })
}
