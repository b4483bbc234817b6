//! How busy the gates are: what the proxy has counted, once in a while.

use std::{collections::HashMap, sync::Arc, time::Duration};

use crate::{control::Count, model::Time, proxy::Proxy, ui::pane::Load};

/// Requests per second are counted over at least this time.
const COUNTED_OVER: Duration = Duration::from_secs(1);

/// Counts of one moment become requests per second between two.
#[derive(Default)]
pub(super) struct Meter {
    counter: Counter,
    read: Time,
    rates: Rates,
}

/// Who counts requests.
#[derive(Default)]
enum Counter {
    /// Nobody.
    #[default]
    Nobody,
    /// Our own proxy.
    Proxy(Arc<Proxy>),
    /// That of another devloop; its newest counts.
    Far(Vec<Count>),
}

/// How many requests there were, and when; and how many come per second.
#[derive(Default)]
struct Rates {
    counted_at: Time,
    counted: HashMap<String, u64>,
    per_second: HashMap<String, u64>,
}

impl Meter {
    /// From now on, of this proxy.
    pub(super) fn of(&mut self, proxy: Arc<Proxy>) {
        self.counter = Counter::Proxy(proxy);
    }

    /// From now on, of another devloop, which has counted this.
    pub(super) fn told(&mut self, counts: Vec<Count>) {
        self.counter = Counter::Far(counts);
        // What is held now is news now.
        self.read = Time::ZERO;
    }

    /// How long it is until the next reading; for ever if nothing is counted.
    pub(super) fn due(&self, now: Time, every: Duration) -> Duration {
        match self.counter {
            Counter::Proxy(_) | Counter::Far(_) => every.saturating_sub(now.since(self.read)),
            Counter::Nobody => Duration::from_secs(3_600),
        }
    }

    /// How it is now.
    pub(super) fn read(&mut self, now: Time) -> Vec<Load> {
        self.read = now;
        match &self.counter {
            Counter::Nobody => Vec::new(),
            Counter::Proxy(proxy) => self.rates.of(now, counts(proxy)),
            Counter::Far(counts) => self.rates.of(now, counts.clone()),
        }
    }
}

/// How many requests a proxy has counted for each service.
pub(super) fn counts(proxy: &Proxy) -> Vec<Count> {
    let services = proxy.stats().services.into_iter();
    services
        .map(|stats| Count { service: stats.service.to_string(), held: stats.held, requests: stats.requests })
        .collect()
}

impl Rates {
    fn of(&mut self, now: Time, services: Vec<Count>) -> Vec<Load> {
        let passed = now.since(self.counted_at);
        if passed >= COUNTED_OVER {
            self.counted_at = now;
            for service in &services {
                let before = self.counted.insert(service.service.clone(), service.requests).unwrap_or_default();
                let new = service.requests.saturating_sub(before) as f64;
                self.per_second.insert(service.service.clone(), (new / passed.as_secs_f64()).round() as u64);
            }
        }
        let load = |service: Count| {
            let per_second = self.per_second.get(&service.service).copied().unwrap_or_default();
            Load { service: service.service, held: service.held, per_second }
        };
        services.into_iter().map(load).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_over_a_second_and_held_ones_at_once() {
        let mut rates = Rates::default();
        let mut at = |millis, requests, held| {
            let count = Count { service: "api".to_owned(), held, requests };
            let load = rates.of(Time::from_start(Duration::from_millis(millis)), vec![count]).remove(0);
            (load.per_second, load.held)
        };
        assert_eq!(at(500, 10, 0), (0, 0));
        assert_eq!(at(1_000, 20, 0), (20, 0));
        assert_eq!(at(1_200, 300, 7), (20, 7));
        assert_eq!(at(3_000, 60, 0), (20, 0));
        assert_eq!(at(4_000, 60, 0), (0, 0));
    }
}
