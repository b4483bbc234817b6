//! Is this instance ready? Connects, asks, listens for words and signals, and says so once. It neither starts nor ends
//! programs, and it has no time-out of its own: whoever drops `probe` ends it.

mod ear;
mod http;
mod http2;
mod judge;
mod knock;
mod notify;
mod owner;

use std::{net::SocketAddr, pin::Pin, sync::Arc, time::Duration};

use tokio::{task::JoinHandle, time::Sleep};

use self::judge::{Judge, Observation, Then};
pub use self::{
    ear::{Ear, Heard, ear},
    notify::Notify,
};
use crate::{
    model::{Report, RunId, Scheme},
    plan::{Health, Port, Protocol, Service},
    sys::Clock,
    tls::Handshake,
};

/// What is to be found out.
pub struct Target {
    /// The instance; only for the caller.
    pub run: RunId,
    /// When its service counts as ready.
    pub rules: Rules,
    /// The port it was given; none if it does not listen.
    pub port: Option<u16>,
    /// A process that the whole instance descends from: its leader or, better, its guard, below which programs stay
    /// that detach themselves.
    pub leader: u32,
    /// How requests will come to it.
    pub front: Front,
    /// Ports that devloop itself listens on: an instance is never looked for there.
    pub proxy_ports: Vec<u16>,
    /// Whether it is looked for where it was not told to listen.
    pub elsewhere: Elsewhere,
    /// Who made the listening socket.
    pub socket: Socket,
    /// How TLS with it begins, if it speaks that.
    pub tls: Option<Handshake>,
    /// Hears of the service's `log` line; needed if it has one.
    pub heard: Option<Heard>,
    /// Hears `READY=1`, if a socket for that was offered.
    pub notify: Option<Notify>,
    /// Told what is seen while it is not ready, whenever that changes: "connection refused on port 20123".
    pub seen: Box<dyn Fn(String) + Send>,
}

/// How requests come to a program, and so the probe's.
#[derive(Clone, Debug)]
pub struct Front {
    /// What they have for `Host`, such as `localhost:3000`.
    pub host: String,
    /// What their clients speak; that it is HTTPS is told in `x-forwarded-proto`.
    pub scheme: Scheme,
}

/// What dev.toml says about when a service is ready.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The service's name.
    pub name: Arc<str>,
    /// `port`
    pub port: Port,
    /// `protocol`
    pub protocol: Protocol,
    /// `health`
    pub health: Health,
}

impl Rules {
    /// Those of this service.
    pub fn of(service: &Service) -> Rules {
        let health = service.health.clone();
        Rules { name: service.name.clone(), port: service.port, protocol: service.protocol, health }
    }
}

/// Whether an instance is looked for where it was not told to listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Elsewhere {
    /// It is.
    Sought,
    /// It is not: something there takes whoever knocks for somebody else, as debuggers do.
    LeftAlone,
}

/// Who made the socket that an instance listens on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Socket {
    /// The program.
    #[default]
    Own,
    /// devloop, which hands it over (`LISTEN_FDS`): that it can be connected to says nothing.
    Handed,
}

/// How probing ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It answers as it should.
    Ready {
        /// Where, loopback addresses first; empty if it does not listen. All of them lead to this instance.
        addrs: Vec<SocketAddr>,
        /// What a person should know although it is ready.
        warning: Option<String>,
        /// It ignores the port it was given and listens elsewhere, so that two instances cannot run at once.
        exclusive: bool,
    },
    /// It will not become ready by waiting.
    Unhealthy(Report),
}

/// How often devloop looks where the instance listens instead, and how long after the start first.
const LOOK: Duration = Duration::from_millis(500);

/// How long a program without a port must have lived.
const ALIVE: Duration = Duration::from_millis(500);

/// Waits until the instance is ready or cannot become so. Never ends by itself if the instance just says nothing.
/// Cheap to drop at any moment; leaves nothing behind.
pub async fn probe(target: Target) -> Outcome {
    let Target { rules, port, leader, front, proxy_ports, elsewhere, .. } = target;
    let Target { socket, tls, heard, notify, seen, .. } = target;
    let clock = Clock::start();
    let speaks = knock::Speaks { protocol: rules.protocol, tls };
    let mut hands = knock::Hands::new(leader, front.clone(), speaks);
    let mut judge = Judge::new(rules, port, front, socket);
    let mut work = hands.begin(judge.first());
    let look_at = port.filter(|_| elsewhere == Elsewhere::Sought);
    let mut signals = Signals::new(heard, notify, look_at, leader, proxy_ports);
    let mut told = String::new();
    loop {
        let observation = tokio::select! {
            (observation, streams) = &mut work => {
                hands.keep(streams);
                observation
            }
            observation = signals.next() => observation,
        };
        match judge.observe(clock.now().since_start(), observation) {
            Then::GoOn => {}
            Then::Do(next) => work = hands.begin(next),
            Then::End(outcome) => return outcome,
        }
        if judge.seen() != told {
            told = judge.seen().to_owned();
            seen(told.clone());
        }
    }
}

/// A look at the operating system's tables that runs beside.
type Look = JoinHandle<Vec<SocketAddr>>;

/// Everything that may be observed beside knocking.
struct Signals {
    heard: Option<Heard>,
    notify: Option<Notify>,
    alive: Option<Pin<Box<Sleep>>>,
    look: tokio::time::Interval,
    looking: Option<Look>,
    port: Option<u16>,
    leader: u32,
    proxy_ports: Vec<u16>,
}

impl Signals {
    fn new(
        heard: Option<Heard>,
        notify: Option<Notify>,
        port: Option<u16>,
        leader: u32,
        proxy_ports: Vec<u16>,
    ) -> Signals {
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        look.reset_after(LOOK * 2);
        let alive = Some(Box::pin(tokio::time::sleep(ALIVE)));
        Signals { heard, notify, alive, look, looking: None, port, leader, proxy_ports }
    }

    /// Safe to be dropped and called again: what was observed is only forgotten once it was returned.
    async fn next(&mut self) -> Observation {
        let begin = || self.port.map(|_| owner::elsewhere(self.leader, self.proxy_ports.clone()));
        tokio::select! {
            () = heard(&mut self.heard) => {
                self.heard = None;
                Observation::LogLine
            }
            () = notified(&mut self.notify) => {
                self.notify = None;
                Observation::Signal
            }
            () = slept(&mut self.alive) => {
                self.alive = None;
                Observation::Alive
            }
            addrs = looked(&mut self.look, &mut self.looking, begin) => Observation::Elsewhere(addrs),
        }
    }
}

async fn heard(heard: &mut Option<Heard>) {
    match heard {
        Some(heard) => heard.line().await,
        None => std::future::pending().await,
    }
}

async fn notified(notify: &mut Option<Notify>) {
    match notify {
        Some(notify) => notify.ready().await,
        None => std::future::pending().await,
    }
}

async fn slept(alive: &mut Option<Pin<Box<Sleep>>>) {
    match alive {
        Some(sleep) => sleep.await,
        None => std::future::pending().await,
    }
}

/// What a look found. A look that has begun is kept, whoever stops waiting for it.
async fn looked(
    look: &mut tokio::time::Interval,
    looking: &mut Option<Look>,
    begin: impl Fn() -> Option<Look>,
) -> Vec<SocketAddr> {
    if looking.is_none() {
        look.tick().await;
        *looking = begin();
    }
    let Some(running) = looking else { return std::future::pending().await };
    let found = running.await.unwrap_or_default();
    *looking = None;
    found
}
