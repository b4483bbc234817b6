//! Random histories of requests, swaps and crashes: each request is answered once, by an instance that was live or
//! became live while it waited, and none that is not safe to repeat reaches two.
#![expect(clippy::disallowed_methods, reason = "tests are outside the house")]

mod proxy_support;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use devloop::model::RunId;
use proptest::prelude::*;
use proxy_support::{App, Message, Stage, holding, ok, within};
use tokio::task::JoinSet;

/// What happens next.
#[derive(Clone, Copy, Debug)]
enum Act {
    /// A client sends a request; the program works on it for so many milliseconds.
    Request(Method, u8),
    /// The new instance is there before the old one drains.
    Overlap,
    /// The old instance drains and ends before the new one is there.
    Exclusive,
    /// The instance dies, whatever it is doing, and a new one follows.
    Crash,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    Get,
    Put,
    Post,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let method = prop_oneof![Just(Method::Get), Just(Method::Put), Just(Method::Post)];
    let act = prop_oneof![
        6 => (method, 0_u8..6).prop_map(|(method, work)| Act::Request(method, work)),
        1 => Just(Act::Overlap),
        1 => Just(Act::Exclusive),
        1 => Just(Act::Crash),
    ];
    proptest::collection::vec(act, 1..40)
}

/// What all instances together have seen of each request, and how often one of them has crashed.
#[derive(Default)]
struct World {
    /// By target: the numbers of the instances that have read it completely.
    seen: Mutex<HashMap<String, Vec<usize>>>,
    /// The number of the newest instance whose gate has been opened ...
    live: AtomicUsize,
    /// ... and of the newest one whose gate may be open already.
    opening: AtomicUsize,
    crashes: AtomicUsize,
}

async fn instance(world: &Arc<World>, number: usize) -> App {
    let world = Arc::clone(world);
    App::http(move |request: Message| {
        let world = Arc::clone(&world);
        async move {
            let target = request.target().to_owned();
            world.seen.lock().expect("no test has panicked").entry(target.clone()).or_default().push(number);
            let work = target.rsplit('/').next().and_then(|work| work.parse().ok()).unwrap_or(0);
            tokio::time::sleep(Duration::from_millis(work)).await;
            ok(&format!("{number} {target}"))
        }
    })
    .await
}

/// What became of one request.
#[derive(Debug)]
struct Outcome {
    method: Method,
    target: String,
    status: u16,
    body: String,
    /// The newest instance when it was sent, and when its answer was there.
    live: (usize, usize),
    /// How many crashes there were in that time.
    crashes: usize,
}

async fn request(stage: Arc<Stage>, world: Arc<World>, method: Method, number: usize, work: u8) -> Outcome {
    let target = format!("/{number}/{work}");
    let (live, crashes) = (world.live.load(Ordering::SeqCst), world.crashes.load(Ordering::SeqCst));
    let head = match method {
        Method::Get => format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        Method::Put => format!("PUT {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nhi"),
        Method::Post => format!("POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nhi"),
    };
    let mut wire = stage.connect().await;
    let reply = wire.ask(&head).await;
    let live = (live, world.opening.load(Ordering::SeqCst));
    let crashes = world.crashes.load(Ordering::SeqCst) - crashes;
    // Nothing comes behind an answer.
    assert!(wire.buffer.is_empty(), "{:?}", wire.buffer);
    Outcome { method, target, status: reply.status(), body: reply.text(), live, crashes }
}

/// Plays the acts; returns what became of the requests.
async fn play(acts: &[Act], world: &Arc<World>) -> Vec<Outcome> {
    let stage = Arc::new(Stage::new().await);
    let mut app = instance(world, 0).await;
    let mut run: RunId = stage.open(app.addr);
    let mut requests = JoinSet::new();
    let mut ended = Vec::new();
    for (number, act) in acts.iter().enumerate() {
        let next = world.live.load(Ordering::SeqCst) + 1;
        match *act {
            Act::Request(method, work) => {
                requests.spawn(request(Arc::clone(&stage), Arc::clone(world), method, number, work));
                tokio::task::yield_now().await;
                continue;
            }
            Act::Overlap => {
                let new = instance(world, next).await;
                world.opening.store(next, Ordering::SeqCst);
                let old = std::mem::replace(&mut run, stage.open(new.addr));
                world.live.store(next, Ordering::SeqCst);
                within(stage.proxy.drain(old, Duration::from_secs(30))).await;
                stage.proxy.gone(old);
                ended.push(std::mem::replace(&mut app, new));
            }
            Act::Exclusive => {
                stage.gate(holding());
                within(stage.proxy.drain(run, Duration::from_secs(30))).await;
                app.kill();
                stage.proxy.gone(run);
                app = instance(world, next).await;
                world.opening.store(next, Ordering::SeqCst);
                run = stage.open(app.addr);
                world.live.store(next, Ordering::SeqCst);
            }
            Act::Crash => {
                world.crashes.fetch_add(1, Ordering::SeqCst);
                app.kill();
                stage.gate(holding());
                stage.proxy.gone(run);
                app = instance(world, next).await;
                world.opening.store(next, Ordering::SeqCst);
                run = stage.open(app.addr);
                world.live.store(next, Ordering::SeqCst);
            }
        }
    }
    let mut outcomes = Vec::new();
    while let Some(outcome) = within(requests.join_next()).await {
        outcomes.push(outcome.expect("a request ends well"));
    }
    assert_eq!((stage.stats().held, stage.stats().in_flight), (0, 0));
    outcomes
}

fn judge(outcomes: &[Outcome], seen: &HashMap<String, Vec<usize>>) -> Result<(), TestCaseError> {
    for outcome in outcomes {
        let reached = seen.get(&outcome.target).map_or(&[][..], Vec::as_slice);
        if outcome.method == Method::Post {
            prop_assert!(reached.len() <= 1, "{outcome:?} reached {reached:?}");
        }
        if outcome.status == 200 {
            let (number, target) = outcome.body.split_once(' ').unwrap_or_default();
            let number: usize = number.parse().unwrap_or(usize::MAX);
            prop_assert_eq!(target, &outcome.target);
            prop_assert!(number >= outcome.live.0 && number <= outcome.live.1, "{:?}", outcome);
            prop_assert!(reached.contains(&number), "{:?} reached {:?}", outcome, reached);
            continue;
        }
        // Only a crash costs anybody anything: what cannot be repeated, and what met two of them.
        prop_assert_eq!(outcome.status, 502, "{:?}", outcome);
        let needed = if outcome.method == Method::Post { 1 } else { 2 };
        prop_assert!(outcome.crashes >= needed, "{:?}", outcome);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn each_request_is_answered_once_by_an_instance_that_was_live_while_it_waited(acts in acts()) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let world: Arc<World> = Arc::default();
        let outcomes = runtime.block_on(play(&acts, &world));
        let asked = acts.iter().filter(|act| matches!(act, Act::Request(..))).count();
        prop_assert_eq!(outcomes.len(), asked);
        judge(&outcomes, &world.seen.lock().expect("no test has panicked"))?;
    }
}

/// The judge would notice.
#[test]
fn a_request_that_reached_two_or_the_wrong_one_is_found() {
    let outcome = |method, status, body: &str, live, crashes| {
        vec![Outcome { method, target: "/1/0".to_owned(), status, body: body.to_owned(), live, crashes }]
    };
    let seen = |by: &[usize]| [("/1/0".to_owned(), by.to_vec())].into();
    assert!(judge(&outcome(Method::Post, 200, "1 /1/0", (1, 2), 0), &seen(&[1])).is_ok());
    for (outcomes, seen) in [
        (outcome(Method::Post, 200, "2 /1/0", (1, 2), 1), seen(&[1, 2])),
        (outcome(Method::Get, 200, "0 /1/0", (1, 2), 0), seen(&[0])),
        (outcome(Method::Get, 200, "1 /2/0", (1, 2), 0), seen(&[1])),
        (outcome(Method::Get, 502, "", (1, 2), 1), seen(&[1])),
        (outcome(Method::Post, 502, "", (1, 2), 0), seen(&[1])),
        (outcome(Method::Get, 503, "", (1, 2), 5), seen(&[])),
    ] {
        assert!(judge(&outcomes, &seen).is_err(), "{outcomes:?}");
    }
}
