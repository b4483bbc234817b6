//! Requests that are made slow or made to fail, to see how a front end copes (`latency`, `fail`).

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::plan::{Fail, Latency};

/// A row of numbers that nobody foresees, and that is another one for each route.
#[derive(Debug)]
pub(super) struct Dice {
    seed: u64,
    thrown: AtomicU64,
}

impl Dice {
    /// `seed`: what makes this row another one than the others.
    pub(super) fn new(seed: u64) -> Dice {
        Dice { seed, thrown: AtomicU64::new(0) }
    }

    /// The next number, from 0 to below 1.
    fn throw(&self) -> f64 {
        let number = self.thrown.fetch_add(1, Ordering::Relaxed);
        let bits = xxh3_64_with_seed(&number.to_le_bytes(), self.seed) >> 11;
        bits as f64 / (1_u64 << 53) as f64
    }

    /// Whether this request is to fail.
    pub(super) fn fails(&self, fail: Fail) -> bool {
        self.throw() < fail.rate
    }

    /// How long this request is to wait.
    pub(super) fn wait(&self, latency: Latency) -> Duration {
        if latency.least == latency.most {
            return latency.least;
        }
        latency.least + (latency.most - latency.least).mul_f64(self.throw())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn about_as_many_fail_as_are_to_and_all_or_none_at_the_ends() {
        let dice = Dice::new(7);
        let failed = |rate: f64| (0..10_000).filter(|_| dice.fails(Fail { rate, status: 503 })).count();
        assert!((900..1_100).contains(&failed(0.1)), "the row is always the same, so this is no luck");
        assert_eq!((failed(0.0), failed(1.0)), (0, 10_000));
        let first = |seed: u64| {
            let dice = Dice::new(seed);
            (0..64).map(|_| dice.fails(Fail { rate: 0.5, status: 503 })).collect::<Vec<bool>>()
        };
        assert_ne!(first(1), first(2));
    }

    #[test]
    fn waits_lie_between_the_shortest_and_the_longest() {
        let dice = Dice::new(1);
        let (least, most) = (Duration::from_millis(50), Duration::from_millis(200));
        let waits: Vec<Duration> = (0..1_000).map(|_| dice.wait(Latency { least, most })).collect();
        assert!(waits.iter().all(|wait| (least..most).contains(wait)));
        assert!(waits.iter().max().unwrap().abs_diff(*waits.iter().min().unwrap()) > Duration::from_millis(140));
        assert_eq!(dice.wait(Latency { least, most: least }), least);
    }
}
