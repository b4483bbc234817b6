//! The books of records: bounds, and what is shown of a head.

use hyper::{HeaderMap, Method, Response, Uri, header::HeaderValue};

use super::{shown::detail, *};
use crate::{model::RunId, proxy::download::Answer, sys::Clock};

const ALL: Recording = Recording { keep: 3, bodies: true };

fn begin(records: &Arc<Records>, rule: Recording) -> Trail {
    records.begin(
        rule,
        Time::ZERO,
        What { to: To::Gate(&"api".into()), method: &Method::GET, target: &Uri::from_static("/x?y=1") },
        None,
    )
}

fn answered(trail: Trail, asked: &[(&'static str, String)], answer: Answer) {
    let mut head = HeaderMap::new();
    for (name, value) in asked {
        head.append(*name, HeaderValue::from_str(value).unwrap());
    }
    drop(trail.answered(Clock::start(), head, Response::new(answer)));
}

fn records() -> Arc<Records> {
    Arc::new(Records::new(Duration::from_secs(1_000)))
}

#[test]
fn only_the_last_ones_are_kept_and_their_numbers_go_on() {
    let records = records();
    for _ in 0..5 {
        answered(begin(&records, ALL), &[], Answer::Own(None));
    }
    let numbers: Vec<u64> = records.since(0).iter().map(|record| record.number).collect();
    assert_eq!((numbers, records.oldest()), (vec![3, 4, 5], 3));
    assert!(records.get(2).is_none() && records.get(3).is_some());
}

#[test]
fn nothing_is_kept_where_nothing_is_to_be_kept() {
    let records = records();
    answered(begin(&records, Recording::default()), &[], Answer::Own(None));
    assert!(records.since(0).is_empty());
}

#[test]
fn large_heads_push_older_records_out_and_the_bytes_add_up() {
    let records = records();
    let rule = Recording { keep: 10_000, bodies: false };
    let long = [("x-long", "a".repeat(60 * 1024))];
    for _ in 0..1_000 {
        answered(begin(&records, rule), &long, Answer::Own(None));
    }
    let kept = records.since(0);
    assert!((300..600).contains(&kept.len()), "{}", kept.len());
    assert_eq!(records.book().bytes, kept.iter().map(|record| record.weight()).sum::<usize>());
    assert!(records.book().bytes <= BYTES);
}

#[test]
fn a_record_that_was_forgotten_before_its_end_weighs_nothing() {
    let records = records();
    let early = begin(&records, ALL);
    for _ in 0..3 {
        drop(begin(&records, ALL));
    }
    answered(early, &[("x-a", "b".to_owned())], Answer::Own(None));
    assert_eq!(records.book().bytes, 0);
}

#[test]
fn every_change_makes_a_record_newer_than_before() {
    let records = records();
    let trail = begin(&records, ALL);
    let before = records.version();
    assert!(records.since(before).is_empty());
    trail.let_in(Time::ZERO, RunId(7), || None, None);
    assert_eq!(records.since(before).len(), 1);
}

#[test]
fn whoever_leaves_is_seen_to_have_left() {
    let records = records();
    drop(begin(&records, ALL));
    let record = records.get(1).unwrap();
    assert_eq!(detail(&records, &record)["why"], "the client left");
    assert_eq!(detail(&records, &record)["cannot_replay"], "the client left before its head was kept");
}

#[test]
fn cookies_and_credentials_are_named_but_not_shown() {
    let records = records();
    let head = [
        ("cookie", "session=s3cr3t; theme=dark".to_owned()),
        ("authorization", "Bearer s3cr3t".to_owned()),
        ("x-csrf-token", "s3cr3t".to_owned()),
        ("x-api-key", "s3cr3t".to_owned()),
        ("accept", "text/html".to_owned()),
    ];
    answered(begin(&records, ALL), &head, Answer::Own(None));
    let shown = detail(&records, &records.get(1).unwrap());
    let text = shown.to_string();
    assert!(!text.contains("s3cr3t") && !text.contains("dark"), "{text}");
    assert!(text.contains("session=(6 bytes, not shown); theme=(4 bytes, not shown)"), "{text}");
    assert!(text.contains("Bearer (6 bytes, not shown)") && text.contains("text/html"), "{text}");
    assert_eq!(shown["time"], 1_000_000.0);
}
