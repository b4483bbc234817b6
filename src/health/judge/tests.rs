//! Observations in, verdicts out, on a clock of numbers.

use super::*;
use crate::{model::Scheme, plan::Protocol};

const PORT: u16 = 20123;

fn judge(change: impl FnOnce(&mut Health)) -> Judge {
    new(Some(PORT), Socket::Own, change)
}

fn new(port: Option<u16>, socket: Socket, change: impl FnOnce(&mut Health)) -> Judge {
    let mut health = Health {
        path: None,
        status: Vec::new(),
        log: None,
        tcp: false,
        timeout: Duration::from_secs(60),
        interval: None,
    };
    change(&mut health);
    Judge::new(
        Rules { name: "api".into(), port: Port::Auto, protocol: Protocol::Http, health },
        port,
        Front { host: "localhost:3000".to_owned(), scheme: Scheme::Http },
        socket,
    )
}

fn at(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn addr(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn local() -> SocketAddr {
    addr("127.0.0.1:20123")
}

fn status(status: u16) -> Observation {
    Observation::Answer(Answer { status, location: None, wants_tls: false })
}

/// Up to the first request.
fn open(judge: &mut Judge) -> Then {
    let then = judge.observe(at(0), Observation::Open(vec![local()]));
    assert!(matches!(then, Then::Do(Work::Owner { .. })), "{then:?}");
    judge.observe(at(0), Observation::Owner(Owner::Instance(vec![local()])))
}

fn ready(then: Then) -> (Vec<SocketAddr>, Option<String>, bool) {
    match then {
        Then::End(Outcome::Ready { addrs, warning, exclusive }) => (addrs, warning, exclusive),
        other => panic!("not ready: {other:?}"),
    }
}

fn unhealthy(then: Then) -> String {
    match then {
        Then::End(Outcome::Unhealthy(report)) => report.title,
        other => panic!("not unhealthy: {other:?}"),
    }
}

fn knocks(then: &Then) -> bool {
    matches!(then, Then::Do(Work::Knock { at, .. }) if *at == home(PORT))
}

#[test]
fn pauses_grow_from_1_to_100_ms_unless_an_interval_is_set() {
    assert_eq!(pause(at(0), None), at(1));
    assert_eq!(pause(at(100), None), at(5));
    assert_eq!(pause(at(999), None), at(5));
    assert_eq!(pause(at(1000), None), at(20));
    assert_eq!(pause(at(5000), None), at(100));
    assert_eq!(pause(at(0), Some(at(700))), at(700));
}

#[test]
fn without_a_path_any_answer_counts_and_errors_are_said() {
    for (code, warned) in [(200, false), (301, false), (404, false), (401, false), (500, true), (403, true)] {
        let mut judge = judge(|_| {});
        let _ = open(&mut judge);
        let (addrs, warning, exclusive) = ready(judge.observe(at(10), status(code)));
        assert_eq!((addrs, exclusive), (vec![local()], false));
        assert_eq!(warning.is_some(), warned, "{code}: {warning:?}");
    }
}

#[test]
fn without_a_path_a_bad_gateway_is_waited_out_for_five_seconds_and_then_said() {
    let mut judge = judge(|_| {});
    let _ = open(&mut judge);
    assert!(knocks(&judge.observe(at(1000), status(502))));
    assert!(knocks(&judge.observe(at(5999), status(502))));
    let (_, warning, _) = ready(judge.observe(at(6000), status(502)));
    assert_eq!(warning.as_deref(), Some("`GET /` still answers 502 after 5 s"));
}

#[test]
fn a_configured_path_must_answer_2xx_or_3xx() {
    for (code, good) in
        [(200, true), (204, true), (302, true), (399, true), (400, false), (401, false), (500, false), (503, false)]
    {
        let mut judge = judge(|health| health.path = Some("/health".to_owned()));
        let _ = open(&mut judge);
        let then = judge.observe(at(60_000), status(code));
        assert_eq!(matches!(then, Then::End(Outcome::Ready { .. })), good, "{code}");
        assert_eq!(knocks(&then), !good, "{code}");
    }
}

#[test]
fn configured_statuses_are_the_only_ones_that_count() {
    let mut judge = judge(|health| health.status = vec![404, 401]);
    let _ = open(&mut judge);
    assert!(knocks(&judge.observe(at(10_000), status(200))));
    let _ = ready(judge.observe(at(10_000), status(404)));
}

#[test]
fn a_steady_404_of_the_path_is_compared_with_the_root_and_named() {
    let mut judge = judge(|health| health.path = Some("/healthz".to_owned()));
    let _ = open(&mut judge);
    assert!(knocks(&judge.observe(at(100), status(404))));
    assert!(knocks(&judge.observe(at(3099), status(404))));
    let then = judge.observe(at(3100), status(404));
    assert!(matches!(&then, Then::Do(Work::Ask { path, .. }) if path == "/"), "{then:?}");
    let title = unhealthy(judge.observe(at(3110), status(200)));
    assert_eq!(title, "`/healthz` answers 404 while `GET /` answers 200: is `health` wrong?");
}

#[test]
fn a_route_that_is_registered_late_is_no_error() {
    let mut judge = judge(|health| health.path = Some("/healthz".to_owned()));
    let _ = open(&mut judge);
    let _ = judge.observe(at(100), status(404));
    let _ = judge.observe(at(2900), status(503));
    assert!(knocks(&judge.observe(at(3200), status(404))), "the 404 was not steady");
    let _ = ready(judge.observe(at(3300), status(200)));
}

#[test]
fn what_does_not_speak_http_is_told_how_to_be_configured() {
    let mut judge = judge(|_| {});
    let _ = open(&mut judge);
    assert!(knocks(&judge.observe(at(0), Observation::NotHttp(Speech::Other))));
    assert_eq!(judge.seen(), "port 20123 answers, but not HTTP");
    let title = unhealthy(judge.observe(at(3000), Observation::NotHttp(Speech::Other)));
    assert_eq!(title, "port 20123 answers, but not HTTP: set `health = { tcp = true }`");
}

#[test]
fn what_closes_connections_is_given_longer_because_containers_begin_so() {
    let mut judge = judge(|_| {});
    let _ = open(&mut judge);
    assert!(knocks(&judge.observe(at(0), Observation::Closed)));
    assert!(knocks(&judge.observe(at(9999), Observation::Closed)));
    assert!(unhealthy(judge.observe(at(10_000), Observation::Closed)).contains("closes connections"));
}

#[test]
fn with_tcp_a_listening_port_is_enough_but_not_one_that_devloop_holds() {
    let mut own = judge(|health| health.tcp = true);
    let _ = ready(open(&mut own));

    let mut handed = new(Some(PORT), Socket::Handed, |health| health.tcp = true);
    let then = handed.observe(at(0), Observation::Open(vec![local()]));
    assert!(matches!(then, Then::Do(Work::Ask { .. })), "{then:?}");
    assert!(handed.seen().contains("has the program taken the socket"), "{}", handed.seen());
    let _ = ready(handed.observe(at(500), Observation::Signal));
}

#[test]
fn a_service_without_a_port_is_ready_once_it_has_lived_for_a_while() {
    let mut judge = new(None, Socket::Own, |_| {});
    assert_eq!(judge.first(), Work::Rest);
    assert_eq!(ready(judge.observe(at(500), Observation::Alive)), (Vec::new(), None, false));
}

#[test]
fn a_service_without_a_port_but_with_a_log_line_waits_for_the_line() {
    let mut judge = new(None, Socket::Own, |health| health.log = Some("up".to_owned()));
    let _ = judge.first();
    assert!(matches!(judge.observe(at(500), Observation::Alive), Then::GoOn));
    assert_eq!(judge.seen(), "waiting for a line with `up`");
    let _ = ready(judge.observe(at(9000), Observation::LogLine));
}

#[test]
fn a_log_line_and_a_port_are_both_needed_in_either_order() {
    let with_log = |health: &mut Health| health.log = Some("up".to_owned());
    let mut first_line = judge(with_log);
    assert!(matches!(first_line.observe(at(0), Observation::LogLine), Then::GoOn));
    let _ = open(&mut first_line);
    let _ = ready(first_line.observe(at(10), status(200)));

    let mut first_answer = judge(with_log);
    let _ = open(&mut first_answer);
    assert!(matches!(first_answer.observe(at(10), status(200)), Then::Do(Work::Rest)));
    let _ = ready(first_answer.observe(at(20), Observation::LogLine));
}

#[test]
fn a_ready_signal_stands_in_for_an_answer_but_not_for_a_configured_path() {
    let mut any = judge(|_| {});
    assert!(matches!(any.observe(at(0), Observation::Signal), Then::GoOn), "the port is not open yet");
    let _ = ready(open(&mut any));

    let mut path = judge(|health| health.path = Some("/health".to_owned()));
    let _ = path.observe(at(0), Observation::Signal);
    assert!(matches!(open(&mut path), Then::Do(Work::Ask { .. })));
}

#[test]
fn another_program_on_the_port_is_named_with_pid_and_command() {
    let mut judge = judge(|_| {});
    let _ = judge.observe(at(0), Observation::Open(vec![local()]));
    let owner = Owner::Other { pid: 42, command: Some("python3 -m http.server".to_owned()) };
    let title = unhealthy(judge.observe(at(0), Observation::Owner(owner)));
    assert_eq!(title, "port 20123 is answered by another program: pid 42 `python3 -m http.server`");
}

#[test]
fn an_owner_that_cannot_be_known_passes_with_a_warning() {
    let mut judge = judge(|_| {});
    let _ = judge.observe(at(0), Observation::Open(vec![local()]));
    let _ = judge.observe(at(0), Observation::Owner(Owner::Unknown(vec![local()])));
    let (_, warning, _) = ready(judge.observe(at(1), status(200)));
    assert!(warning.is_some_and(|warning| warning.contains("not known")));
}

#[test]
fn the_owner_is_asked_for_once_and_again_only_for_a_new_address() {
    let mut judge = judge(|health| health.path = Some("/health".to_owned()));
    let _ = open(&mut judge);
    let _ = judge.observe(at(1), status(503));
    let then = judge.observe(at(2), Observation::Open(vec![local()]));
    assert!(matches!(then, Then::Do(Work::Ask { .. })), "{then:?}");
    let both = vec![local(), addr("[::1]:20123")];
    let then = judge.observe(at(3), Observation::Open(both));
    assert!(matches!(then, Then::Do(Work::Owner { .. })), "{then:?}");
}

#[test]
fn an_app_that_ignores_its_port_is_used_where_it_listens_and_told_so() {
    let mut judge = judge(|_| {});
    let _ = judge.first();
    let there = addr("0.0.0.0:8080");
    assert!(knocks(&judge.observe(at(900), Observation::Refused)));
    assert!(matches!(judge.observe(at(1000), Observation::Elsewhere(vec![there])), Then::GoOn), "seen only once");
    let then = judge.observe(at(1500), Observation::Elsewhere(vec![there]));
    assert!(matches!(&then, Then::Do(Work::Knock { at, .. }) if *at == home(8080)), "{then:?}");
    let open = vec![addr("127.0.0.1:8080")];
    let _ = judge.observe(at(1501), Observation::Open(open.clone()));
    let _ = judge.observe(at(1502), Observation::Owner(Owner::Instance(open.clone())));
    let (addrs, warning, exclusive) = ready(judge.observe(at(1503), status(200)));
    assert_eq!((addrs, exclusive), (open, true));
    let warning = warning.expect("a warning");
    assert!(warning.contains("listens on port 8080") && warning.contains("`port = 8080`"), "{warning}");
}

#[test]
fn a_second_port_does_not_count_once_the_given_one_is_open() {
    let mut judge = judge(|health| health.path = Some("/health".to_owned()));
    let _ = open(&mut judge);
    for _ in 0..3 {
        assert!(matches!(judge.observe(at(2000), Observation::Elsewhere(vec![addr("0.0.0.0:9090")])), Then::GoOn));
    }
}

#[test]
fn a_second_port_without_the_configured_path_sends_the_probe_back_home() {
    let mut judge = judge(|health| health.path = Some("/health".to_owned()));
    let _ = judge.observe(at(900), Observation::Refused);
    let metrics = vec![addr("127.0.0.1:9090")];
    let _ = judge.observe(at(1000), Observation::Elsewhere(metrics.clone()));
    let _ = judge.observe(at(1500), Observation::Elsewhere(metrics.clone()));
    let _ = judge.observe(at(1500), Observation::Open(metrics.clone()));
    let _ = judge.observe(at(1500), Observation::Owner(Owner::Instance(metrics)));
    assert!(knocks(&judge.observe(at(1501), status(404))));
    let (_, warning, exclusive) = {
        let _ = open(&mut judge);
        ready(judge.observe(at(1600), status(200)))
    };
    assert_eq!((warning, exclusive), (None, false));
}

#[test]
fn the_right_port_on_another_address_is_used_and_is_not_exclusive() {
    let mut judge = judge(|_| {});
    let there = addr("192.168.1.5:20123");
    let _ = judge.observe(at(1000), Observation::Elsewhere(vec![there]));
    let then = judge.observe(at(1500), Observation::Elsewhere(vec![there]));
    assert!(matches!(&then, Then::Do(Work::Knock { at, .. }) if *at == [there]), "{then:?}");
    let _ = judge.observe(at(1500), Observation::Open(vec![there]));
    let _ = judge.observe(at(1500), Observation::Owner(Owner::Instance(vec![there])));
    let (addrs, warning, exclusive) = ready(judge.observe(at(1501), status(200)));
    assert_eq!((addrs, exclusive), (vec![there], false));
    assert!(warning.is_some_and(|warning| warning.contains("192.168.1.5")));
}

#[test]
fn what_is_seen_follows_what_happens() {
    let mut judge = judge(|health| health.path = Some("/health".to_owned()));
    let _ = judge.observe(at(0), Observation::Refused);
    assert_eq!(judge.seen(), "connection refused on port 20123");
    let _ = open(&mut judge);
    assert_eq!(judge.seen(), "port 20123 accepts connections, `GET /health` is not answered yet");
    let _ = judge.observe(at(0), status(503));
    assert_eq!(judge.seen(), "`GET /health` answers 503");
    // The next request is on its way, and nothing new is known.
    let again = judge.observe(at(1), Observation::Open(vec![local()]));
    assert!(matches!(again, Then::Do(Work::Ask { .. })), "{again:?}");
    assert_eq!(judge.seen(), "`GET /health` answers 503");
    let _ = judge.observe(at(0), status(403));
    assert_eq!(
        judge.seen(),
        "`GET /health` answers 403: does it refuse the host `localhost:3000`? `host_header` sends another one"
    );
}
