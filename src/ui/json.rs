//! One JSON object for each fact and each line of output. docs/json.md describes every one of them.

use serde::Serialize;

use super::Stamp;
use crate::{
    core::fact::Fact,
    model::{Line, RunId, Stream},
};

#[derive(Serialize)]
struct Record<T> {
    time: String,
    at_ms: f64,
    #[serde(flatten)]
    what: T,
}

#[derive(Serialize)]
struct Output<'a> {
    event: &'static str,
    source: &'a str,
    run: RunId,
    stream: Stream,
    text: &'a str,
}

pub(super) fn fact(stamp: Stamp, fact: &Fact) -> String {
    record(stamp, fact)
}

pub(super) fn line(stamp: Stamp, line: &Line) -> String {
    let Line { source, run, stream, text } = line;
    record(stamp, Output { event: "output", source, run: *run, stream: *stream, text })
}

fn record(stamp: Stamp, what: impl Serialize) -> String {
    let record = Record { time: stamp.rfc3339(), at_ms: stamp.at_ms(), what };
    serde_json::to_string(&record).expect("facts have string keys and nothing that fails to serialize")
}
