//! How busy the gates are: what the proxy has counted, once in a while.

use std::{collections::HashMap, sync::Arc, time::Duration};

use crate::{model::Time, proxy::Proxy, ui::pane::Load};

/// Counts of one moment become requests per second between two.
#[derive(Default)]
pub(super) struct Meter {
    proxy: Option<Arc<Proxy>>,
    read: Time,
    counted: HashMap<String, u64>,
}

impl Meter {
    /// From now on, of this proxy.
    pub(super) fn of(&mut self, proxy: Arc<Proxy>) {
        self.proxy = Some(proxy);
    }

    /// How long it is until the next reading; for ever if nothing is counted.
    pub(super) fn due(&self, now: Time, every: Duration) -> Duration {
        match self.proxy {
            Some(_) => every.saturating_sub(now.since(self.read)),
            None => Duration::from_secs(3_600),
        }
    }

    /// What it is since the last reading.
    pub(super) fn read(&mut self, now: Time) -> Vec<Load> {
        let Some(proxy) = &self.proxy else { return Vec::new() };
        let seconds = now.since(self.read).as_secs_f64().max(0.001);
        self.read = now;
        let mut loads = Vec::new();
        for service in proxy.stats().services {
            let before = self.counted.insert(service.service.clone(), service.requests).unwrap_or(service.requests);
            let new = service.requests.saturating_sub(before);
            let per_second = (new as f64 / seconds).round() as u64;
            loads.push(Load { service: service.service, held: service.held, per_second });
        }
        loads
    }
}
