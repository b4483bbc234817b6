//! How many requests a client may send (`rate_limit`): a bucket of tokens for each address.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::{model::Time, plan::RateLimit};

/// Addresses that are remembered.
const MOST: usize = 1024;

/// The buckets.
#[derive(Debug)]
pub(super) struct Limiter {
    limit: RateLimit,
    buckets: Mutex<HashMap<IpAddr, Bucket>>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    /// What was left ...
    tokens: f64,
    /// ... at this moment.
    at: Time,
}

impl Limiter {
    /// All are full.
    pub(super) fn new(limit: RateLimit) -> Limiter {
        Limiter { limit, buckets: Mutex::default() }
    }

    /// Takes a token; or says how long it takes until there is one.
    pub(super) fn take(&self, now: Time, client: IpAddr) -> Result<(), Duration> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= MOST && !buckets.contains_key(&client) {
            // A full bucket is as good as none.
            buckets.retain(|_, bucket| self.tokens(*bucket, now) < f64::from(self.limit.burst));
            if buckets.len() >= MOST {
                buckets.clear();
            }
        }
        let full = Bucket { tokens: f64::from(self.limit.burst), at: now };
        let bucket = buckets.entry(client).or_insert(full);
        let tokens = self.tokens(*bucket, now);
        if tokens < 1.0 {
            let each = self.limit.per.as_secs_f64() / f64::from(self.limit.requests);
            return Err(Duration::from_secs_f64((1.0 - tokens) * each));
        }
        *bucket = Bucket { tokens: tokens - 1.0, at: now };
        Ok(())
    }

    fn tokens(&self, bucket: Bucket, now: Time) -> f64 {
        let came = now.since(bucket.at).as_secs_f64() / self.limit.per.as_secs_f64() * f64::from(self.limit.requests);
        (bucket.tokens + came).min(f64::from(self.limit.burst))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn client(number: u32) -> IpAddr {
        IpAddr::V4(number.into())
    }

    #[test]
    fn a_burst_passes_and_then_one_at_a_time() {
        let limiter = Limiter::new(RateLimit { requests: 2, per: Duration::from_secs(1), burst: 3 });
        let at = |millis: u64| Time::ZERO + Duration::from_millis(millis);
        let took: Vec<bool> = (0..4).map(|_| limiter.take(at(0), client(1)).is_ok()).collect();
        assert_eq!(took, [true, true, true, false]);
        assert_eq!(limiter.take(at(0), client(1)), Err(Duration::from_millis(500)));
        assert_eq!(limiter.take(at(0), client(2)), Ok(()), "each client has its own");
        assert_eq!(limiter.take(at(500), client(1)), Ok(()));
        assert_eq!(limiter.take(at(500), client(1)), Err(Duration::from_millis(500)));
    }

    #[test]
    fn many_clients_take_no_more_room_than_some() {
        let limiter = Limiter::new(RateLimit { requests: 1, per: Duration::from_secs(1), burst: 1 });
        for number in 0..5_000 {
            assert_eq!(limiter.take(Time::ZERO, client(number)), Ok(()));
        }
        assert!(limiter.buckets.lock().unwrap().len() <= MOST);
    }

    proptest! {
        #[test]
        fn in_any_stretch_of_time_no_more_pass_than_were_saved_and_came(
            (requests, burst) in (1_u32..50, 1_u32..50),
            pauses in proptest::collection::vec(0_u64..200, 1..200),
        ) {
            let limiter = Limiter::new(RateLimit { requests, per: Duration::from_secs(1), burst });
            let mut now = 0;
            let mut passed = 0_u32;
            for pause in pauses {
                now += pause;
                let time = Time::ZERO + Duration::from_millis(now);
                match limiter.take(time, client(1)) {
                    Ok(()) => passed += 1,
                    Err(wait) => {
                        // Who waits as long as he was told gets in.
                        prop_assert!(limiter.take(time + wait + Duration::from_micros(1), client(1)).is_ok());
                        passed += 1;
                        now += u64::try_from(wait.as_millis()).unwrap() + 1;
                    }
                }
                let most = f64::from(burst) + now as f64 / 1000.0 * f64::from(requests);
                prop_assert!(f64::from(passed) <= most + 0.001, "{passed} > {most}");
            }
        }
    }
}
