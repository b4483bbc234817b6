//! The text as a strict reader of OpenMetrics takes it.

use std::collections::{BTreeMap, BTreeSet};

use super::{Metrics, Readings};
use crate::{
    core::fact::{Fact, Times},
    model::{Exit, Report, Revision, RunId, Traffic},
};

/// Every sample by its name and labels. Fails where the text breaks a rule of OpenMetrics 1.0.
fn read(text: &str) -> BTreeMap<String, f64> {
    assert!(text.ends_with("# EOF\n"), "{text}");
    let (mut samples, mut types, mut family) = (BTreeMap::new(), BTreeMap::new(), String::new());
    let mut finished = BTreeSet::new();
    for line in text.trim_end_matches("# EOF\n").lines() {
        if let Some(told) = line.strip_prefix("# TYPE ") {
            let (name, kind) = told.split_once(' ').unwrap();
            assert!(types.insert(name.to_owned(), kind.to_owned()).is_none(), "two families `{name}`");
            continue;
        }
        if let Some(told) = line.strip_prefix("# HELP ").or_else(|| line.strip_prefix("# UNIT ")) {
            let name = told.split(' ').next().unwrap();
            if family != name {
                assert!(finished.insert(std::mem::replace(&mut family, name.to_owned())), "`{name}` in two parts");
            }
            continue;
        }
        let (labelled, value) = line.rsplit_once(' ').unwrap();
        let name = labelled.split('{').next().unwrap();
        let of_family = types.keys().filter(|family| name.starts_with(family.as_str())).max_by_key(|name| name.len());
        let of_family = of_family.unwrap_or_else(|| panic!("no family for `{line}`"));
        let suffix = &name[of_family.len()..];
        let allowed: &[&str] = match types[of_family].as_str() {
            "counter" => &["_total"],
            "gauge" => &[""],
            "info" => &["_info"],
            "histogram" => &["_bucket", "_sum", "_count"],
            other => panic!("unknown type {other}"),
        };
        assert!(allowed.contains(&suffix), "{line}");
        assert!(samples.insert(labelled.to_owned(), value.parse().unwrap()).is_none(), "twice: {line}");
    }
    samples
}

fn done(took_ms: f64) -> Fact {
    Fact::StepDone { revision: Revision(1), run: RunId(1), step: "build".into(), took_ms, result: String::new() }
}

#[test]
fn facts_are_counted_by_step_and_service() {
    let metrics = Metrics::new("1.2.3");
    metrics.fact(0.0, &done(300.0));
    metrics.fact(0.0, &done(700.0));
    metrics.fact(
        0.0,
        &Fact::StepFailed {
            revision: Revision(1),
            run: RunId(2),
            step: "build".into(),
            exit: Exit::Code(1),
            took_ms: 10.0,
            report: Report::new("x"),
        },
    );
    metrics.fact(0.0, &Fact::Cancelled { run: RunId(3), name: "build".into(), why: String::new() });
    let times = Times { ready_ms: 40.0, total_ms: 1_000.0, ..Times::default() };
    let (service, revision) = ("api".into(), Revision(1));
    metrics.fact(0.0, &Fact::Live { revision, run: RunId(4), service, times, warning: None, stale: None });
    metrics.fact(99.5, &Fact::PlanChanged { touched: Vec::new() });
    metrics.overflow();
    let samples = read(&metrics.text(&Readings::default()));
    for (name, value) in [
        ("devloop_runs_total{name=\"build\",result=\"good\"}", 2.0),
        ("devloop_runs_total{name=\"build\",result=\"failed\"}", 1.0),
        ("devloop_runs_total{name=\"build\",result=\"cancelled\"}", 1.0),
        ("devloop_step_duration_seconds_count{step=\"build\"}", 3.0),
        ("devloop_step_duration_seconds_sum{step=\"build\"}", 1.01),
        ("devloop_step_duration_seconds_bucket{le=\"0.512\",step=\"build\"}", 2.0),
        ("devloop_step_duration_seconds_bucket{le=\"+Inf\",step=\"build\"}", 3.0),
        ("devloop_phase_duration_seconds_sum{phase=\"total\",service=\"api\"}", 1.0),
        ("devloop_swaps_total{service=\"api\",result=\"live\"}", 1.0),
        ("devloop_config_reloads_total{result=\"good\"}", 1.0),
        ("devloop_config_last_good_timestamp_seconds", 99.5),
        ("devloop_event_queue_overflows_total", 1.0),
        ("devloop_build_info{version=\"1.2.3\"}", 1.0),
    ] {
        assert_eq!(samples.get(name), Some(&value), "{name} in {samples:#?}");
    }
}

#[test]
fn readings_are_those_of_the_moment() {
    let metrics = Metrics::new("1");
    let traffic = Traffic { service: "we\"ird\\\n".into(), requests: 7, held: 2, stale: 1, ..Traffic::default() };
    let readings = Readings {
        revision: 5,
        watched: 12,
        memory: Some(1024),
        traffic: vec![traffic],
        failed: vec!["build".into()],
        ..Readings::default()
    };
    let samples = read(&metrics.text(&readings));
    assert_eq!(samples["devloop_revision"], 5.0);
    assert_eq!(samples["devloop_watches{kind=\"events\"}"], 12.0);
    assert_eq!(samples["devloop_memory_bytes"], 1024.0);
    assert_eq!(samples["devloop_failed{name=\"build\"}"], 1.0);
    assert_eq!(samples["devloop_requests_total{service=\"we\\\"ird\\\\\\n\"}"], 7.0);
    assert_eq!(samples["devloop_requests_held{service=\"we\\\"ird\\\\\\n\"}"], 2.0);
    let after = read(&metrics.text(&Readings::default()));
    assert_eq!(after.get("devloop_failed{name=\"build\"}"), None);
}

#[test]
fn the_dashboard_and_the_documentation_name_what_is_told() {
    let metrics = Metrics::new("1");
    let service: std::sync::Arc<str> = "api".into();
    let (revision, run) = (Revision(1), RunId(1));
    let live =
        Fact::Live { revision, run, service: service.clone(), times: Times::default(), warning: None, stale: None };
    let (exit, report) = (Exit::Code(1), Report::new("x"));
    let crashed = Fact::Crashed { run, service: service.clone(), exit, report, restart_in_ms: None };
    let (step, file, hint) = ("build".into(), "a".to_owned(), String::new());
    let breaker = Fact::Breaker { step, file, wait_ms: 1.0, hint };
    let unchanged = Fact::Unchanged { files: Vec::new(), why: String::new() };
    for fact in [done(1.0), live, crashed, breaker, unchanged, Fact::PlanChanged { touched: Vec::new() }] {
        metrics.fact(0.0, &fact);
    }
    let traffic = vec![Traffic { service: service.clone(), ..Traffic::default() }];
    let names = vec![service];
    let text = metrics.text(&Readings { traffic, failed: names.clone(), stale: names, ..Readings::default() });
    let told: BTreeSet<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let docs = include_str!("../../docs/observe.md");
    let dashboard = include_str!("../../examples/grafana/devloop.json");
    let named = |text: &str| -> BTreeSet<String> {
        let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
        let suffixes = ["_bucket", "_sum", "_count", "_total", "_info"];
        let family = |word: &str| suffixes.iter().find_map(|end| word.strip_suffix(end)).unwrap_or(word).to_owned();
        words.filter(|word| word.starts_with("devloop_")).map(family).collect()
    };
    let told_by = |name: &String| told.contains(name.as_str());
    let documented = named(docs);
    assert!(documented.iter().all(told_by), "documented, but not told: {documented:?}; told: {told:?}");
    let shown = named(dashboard);
    assert!(shown.len() > 10 && shown.iter().all(told_by), "{shown:?}");
    for name in told {
        assert!(documented.contains(name), "docs/observe.md does not describe `{name}`");
    }
}
