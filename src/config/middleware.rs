//! What holds on a route: its own keys over those of `[proxy]`.

use super::written;
use crate::plan::Middleware;

/// The keys of `own` over those of `all`, over the defaults. Header tables are joined, name by name.
pub(super) fn merged(all: &written::Middleware, own: &written::Middleware) -> Middleware {
    let fields = |pick: fn(&written::Middleware) -> &std::collections::BTreeMap<String, crate::plan::Field>| {
        pick(all).iter().chain(pick(own)).map(|(name, field)| (name.clone(), field.clone())).collect()
    };
    Middleware {
        request_headers: fields(|written| &written.request_headers),
        response_headers: fields(|written| &written.response_headers),
        security_headers: own.security_headers.or(all.security_headers).unwrap_or(false),
        cors: own.cors.clone().or_else(|| all.cors.clone()).flatten(),
        host_header: own.host_header.clone().or_else(|| all.host_header.clone()).unwrap_or_default(),
        basic_auth: own.basic_auth.clone().or_else(|| all.basic_auth.clone()).unwrap_or_default(),
        rate_limit: own.rate_limit.or(all.rate_limit).flatten(),
        max_body: own.max_body.or(all.max_body),
        max_headers: own.max_headers.or(all.max_headers),
        latency: own.latency.or(all.latency).filter(|latency| !latency.most.is_zero()),
        fail: own.fail.or(all.fail).flatten().filter(|fail| fail.rate > 0.0),
        compress: own.compress.or(all.compress).unwrap_or(false),
        access_log: own.access_log.or(all.access_log).unwrap_or(false),
    }
}
