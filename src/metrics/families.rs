//! The names, meanings and labels of all numbers.

use std::sync::atomic::AtomicU64;

use prometheus_client::{
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
        info::Info,
    },
    registry::{Registry, Unit},
};

use super::readings::Readings;

/// Names and values.
pub(super) type Labels = Vec<(&'static str, String)>;
type Counters = Family<Labels, Counter>;
type Gauges = Family<Labels, Gauge<u64, AtomicU64>>;
type Seconds = Family<Labels, Histogram, fn() -> Histogram>;

/// Labels of these values.
pub(super) fn of<const N: usize>(pairs: [(&'static str, &str); N]) -> Labels {
    pairs.into_iter().map(|(name, value)| (name, value.to_owned())).collect()
}

/// What is counted as it happens.
#[derive(Debug)]
pub(super) struct Counted {
    pub(super) saves: Counters,
    runs: Counters,
    step_seconds: Seconds,
    phase_seconds: Seconds,
    pub(super) starts: Counters,
    pub(super) crashes: Counters,
    pub(super) breaker: Counters,
    pub(super) reloads: Counters,
    pub(super) last_reload: Gauge<f64, AtomicU64>,
    pub(super) overflows: Counter,
}

/// 1 ms to 131 s, doubling.
fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 2.0, 18))
}

impl Counted {
    pub(super) fn register(registry: &mut Registry) -> Counted {
        let times = || Seconds::new_with_constructor(seconds);
        let counted = Counted {
            saves: Counters::default(),
            runs: Counters::default(),
            step_seconds: times(),
            phase_seconds: times(),
            starts: Counters::default(),
            crashes: Counters::default(),
            breaker: Counters::default(),
            reloads: Counters::default(),
            last_reload: Gauge::default(),
            overflows: Counter::default(),
        };
        registry.register("saves", "Settled saves: became a revision, or changed nothing", counted.saves.clone());
        registry.register("runs", "Runs of steps, and cancelled starts, by how they ended", counted.runs.clone());
        let steps = counted.step_seconds.clone();
        registry.register_with_unit("step_duration", "How long runs of steps took", Unit::Seconds, steps);
        let phases = counted.phase_seconds.clone();
        let help = "How long the phases of a swap took: settle, start, ready, swap, and total from the save";
        registry.register_with_unit("phase_duration", help, Unit::Seconds, phases);
        registry.register("swaps", "New instances that became live, or did not come up", counted.starts.clone());
        registry.register("crashes", "Live instances that ended by themselves", counted.crashes.clone());
        registry.register("breaker", "Runs that were put off because a step started itself", counted.breaker.clone());
        registry.register("config_reloads", "Readings of a changed dev.toml", counted.reloads.clone());
        let help = "When dev.toml was last read and good, since 1970";
        registry.register_with_unit(
            "config_last_good",
            help,
            Unit::Other("timestamp_seconds".into()),
            counted.last_reload.clone(),
        );
        registry.register(
            "event_queue_overflows",
            "Lost file events, after which the tree was compared",
            counted.overflows.clone(),
        );
        counted
    }

    /// A run is over; `took_ms`: where it ran to its end.
    pub(super) fn step(&self, name: &str, result: &str, took_ms: Option<f64>) {
        self.runs.get_or_create(&of([("name", name), ("result", result)])).inc();
        if let Some(took) = took_ms {
            self.step_seconds.get_or_create(&of([("step", name)])).observe(took / 1_000.0);
        }
    }

    /// A phase is over.
    pub(super) fn phase(&self, phase: &str, service: &str, took_ms: f64) {
        let labels = of([("phase", phase), ("service", service)]);
        self.phase_seconds.get_or_create(&labels).observe(took_ms / 1_000.0);
    }
}

/// What is asked of others.
#[derive(Debug)]
pub(super) struct Read {
    revision: Gauge<u64, AtomicU64>,
    watches: Gauges,
    memory: Gauge<u64, AtomicU64>,
    dropped: Counter,
    connections: Gauge<u64, AtomicU64>,
    held: Gauges,
    in_flight: Gauges,
    tunnels: Gauges,
    requests: Counters,
    were_held: Counters,
    replayed: Counters,
    refused: Counters,
    stale_answers: Counters,
    failed: Gauges,
    stale: Gauges,
}

impl Read {
    pub(super) fn register(registry: &mut Registry, version: &'static str) -> Read {
        let read = Read {
            revision: Gauge::default(),
            watches: Gauges::default(),
            memory: Gauge::default(),
            dropped: Counter::default(),
            connections: Gauge::default(),
            held: Gauges::default(),
            in_flight: Gauges::default(),
            tunnels: Gauges::default(),
            requests: Counters::default(),
            were_held: Counters::default(),
            replayed: Counters::default(),
            refused: Counters::default(),
            stale_answers: Counters::default(),
            failed: Gauges::default(),
            stale: Gauges::default(),
        };
        registry.register("build", "devloop itself", Info::new(vec![("version", version)]));
        registry.register("revision", "The newest revision", read.revision.clone());
        registry.register("watches", "Folders that are watched", read.watches.clone());
        let help = "Resident memory of devloop itself";
        registry.register_with_unit("memory", help, Unit::Bytes, read.memory.clone());
        registry.register("log_lines_dropped", "Lines of output that came too fast for the log", read.dropped.clone());
        registry.register("connections", "Open connections of clients", read.connections.clone());
        registry.register("requests_held", "Requests that wait at the gate now", read.held.clone());
        registry.register("requests_in_flight", "Requests that instances work on now", read.in_flight.clone());
        registry.register("tunnels", "Open tunnels, such as WebSockets", read.tunnels.clone());
        registry.register("requests", "Requests that came in", read.requests.clone());
        registry.register("requests_were_held", "Requests that waited at the gate", read.were_held.clone());
        registry.register("requests_replayed", "Requests that were sent to a second instance", read.replayed.clone());
        registry.register("requests_refused", "Requests that devloop answered itself", read.refused.clone());
        registry.register("answers_stale", "Answers of programs that were out of date", read.stale_answers.clone());
        registry.register("failed", "1 for each step and service that has failed", read.failed.clone());
        registry.register("stale", "1 for each service that is out of date", read.stale.clone());
        read
    }

    /// Takes over what is read.
    pub(super) fn fill(&self, readings: &Readings) {
        self.revision.set(readings.revision);
        self.watches.get_or_create(&of([("kind", "events")])).set(readings.watched);
        self.watches.get_or_create(&of([("kind", "polling")])).set(readings.polled);
        self.memory.set(readings.memory.unwrap_or(0));
        set(&self.dropped, readings.dropped_lines);
        self.connections.set(readings.connections);
        for traffic in &readings.traffic {
            let labels = of([("service", &traffic.service)]);
            self.held.get_or_create(&labels).set(traffic.held);
            self.in_flight.get_or_create(&labels).set(traffic.in_flight);
            self.tunnels.get_or_create(&labels).set(traffic.tunnels);
            set(&self.requests.get_or_create(&labels), traffic.requests);
            set(&self.were_held.get_or_create(&labels), traffic.were_held);
            set(&self.replayed.get_or_create(&labels), traffic.replayed);
            set(&self.refused.get_or_create(&labels), traffic.refused);
            set(&self.stale_answers.get_or_create(&labels), traffic.stale);
        }
        for (gauges, names) in [(&self.failed, &readings.failed), (&self.stale, &readings.stale)] {
            gauges.clear();
            for name in names {
                gauges.get_or_create(&of([("name", name)])).set(1);
            }
        }
    }
}

/// A counter that others keep.
fn set(counter: &Counter, value: u64) {
    counter.inner().store(value, std::sync::atomic::Ordering::Relaxed);
}
