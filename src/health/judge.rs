//! From what was observed to what is to be done next. Pure: times are numbers since the probe began.

use std::{
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use super::{
    Front, Outcome, Rules, Socket,
    http::{Answer, Speech},
    owner::Owner,
};
use crate::plan::{Health, Port};

mod vocabulary;
mod words;

pub(super) use self::vocabulary::{Observation, Then, Work};

/// A gateway's error of the application itself is waited out for this long.
const GATEWAY: Duration = Duration::from_secs(5);
/// A configured path that answers 404 for this long is wrong: some programs register their routes late.
const NOT_FOUND: Duration = Duration::from_secs(3);
/// What does not speak HTTP for this long never will.
const NOT_HTTP: Duration = Duration::from_secs(3);
/// What closes connections without a word for this long too; longer, since stand-ins for containers begin so.
const CLOSES: Duration = Duration::from_secs(10);
/// What is asked beside the configured path has this long to answer.
const ASIDE: Duration = Duration::from_secs(2);

/// What the last observations have in common, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Steady {
    NotReady,
    Gateway,
    NotFound,
    NotHttp,
    Closes,
}

/// What is being asked for.
#[derive(Clone, Debug, PartialEq)]
enum Goal {
    /// The port that was given.
    Given,
    /// Whether `GET /` answers where the configured path is not found.
    Compare,
    /// An address that was not given.
    Elsewhere(SocketAddr),
}

/// All conditions of a socket are met.
#[derive(Clone, Debug)]
struct Reached {
    addrs: Vec<SocketAddr>,
    warning: Option<String>,
    exclusive: bool,
}

/// The state of one probe.
pub(super) struct Judge {
    name: String,
    health: Health,
    port: Option<u16>,
    fixed: Port,
    front: Front,
    socket: Socket,
    goal: Goal,
    /// Addresses known to be the instance's.
    open: Vec<SocketAddr>,
    /// They could not be told from another program's.
    doubt: Option<String>,
    steady: Option<(Steady, Duration)>,
    elsewhere: Vec<SocketAddr>,
    tries: usize,
    reached: Option<Reached>,
    heard: bool,
    signalled: bool,
    alive: bool,
    seen: String,
}

impl Judge {
    pub(super) fn new(rules: Rules, port: Option<u16>, front: Front, socket: Socket) -> Judge {
        Judge {
            name: rules.name.to_string(),
            health: rules.health,
            port,
            fixed: rules.port,
            front,
            socket,
            goal: Goal::Given,
            open: Vec::new(),
            doubt: None,
            steady: None,
            elsewhere: Vec::new(),
            tries: 0,
            reached: None,
            heard: false,
            signalled: false,
            alive: false,
            seen: String::new(),
        }
    }

    /// What it sees while it is not ready; empty at first.
    pub(super) fn seen(&self) -> &str {
        &self.seen
    }

    /// What to begin with.
    pub(super) fn first(&mut self) -> Work {
        match (self.port, &self.health.log) {
            (Some(port), _) => Work::Knock { at: home(port), after: Duration::ZERO },
            (None, Some(words)) => {
                self.seen = words::waits_for_line(words);
                Work::Rest
            }
            (None, None) => Work::Rest,
        }
    }

    /// What `observation` at this time leads to. Whenever work has ended the answer is not `GoOn`.
    pub(super) fn observe(&mut self, at: Duration, observation: Observation) -> Then {
        match observation {
            Observation::LogLine => self.signal(|judge| judge.heard = true),
            Observation::Signal => self.signal(|judge| judge.signalled = true),
            Observation::Alive => self.signal(|judge| judge.alive = true),
            Observation::Elsewhere(addrs) => self.look_elsewhere(addrs),
            Observation::Refused => self.refused(at),
            Observation::Open(addrs) => self.opened(addrs),
            Observation::Owner(owner) => self.owned(at, owner),
            Observation::Answer(answer) => self.answered(at, &answer),
            Observation::NotHttp(speech) => self.not_http(at, speech),
            Observation::NotTrusted { why, hint } => self.not_trusted(at, &why, hint),
            Observation::Closed => self.closed(at),
            Observation::NoAnswer => self.no_answer(at),
        }
    }

    fn signal(&mut self, note: impl Fn(&mut Judge)) -> Then {
        note(self);
        if self.reached.is_some() {
            return self.conclude();
        }
        if self.port.is_none() {
            let said = self.signalled || self.heard || (self.alive && self.health.log.is_none());
            return if said { self.reach(Vec::new(), None) } else { Then::GoOn };
        }
        if !self.open.is_empty() && self.goal == Goal::Given && self.needs_no_answer() {
            return self.reach(self.open.clone(), None);
        }
        Then::GoOn
    }

    /// Whether an open port is enough by now.
    fn needs_no_answer(&self) -> bool {
        let asked_for = self.health.path.is_some() || !self.health.status.is_empty();
        let tcp = self.health.tcp && (self.socket == Socket::Own || self.heard || self.lives_without_a_word());
        tcp || (self.signalled && !asked_for)
    }

    /// On a socket of devloop's own an open port says nothing: then a program that offers nothing else only has to
    /// live.
    fn lives_without_a_word(&self) -> bool {
        self.alive && self.health.log.is_none()
    }

    fn refused(&mut self, at: Duration) -> Then {
        if self.goal == Goal::Given {
            self.steady = None;
            self.open.clear();
            if let Some(port) = self.port {
                self.seen = words::refused(port);
            }
        }
        self.again(at)
    }

    fn opened(&mut self, addrs: Vec<SocketAddr>) -> Then {
        let known = addrs.iter().all(|addr| self.open.contains(addr)) && !self.open.is_empty();
        match self.socket {
            Socket::Own if !known => Then::Do(Work::Owner { open: addrs }),
            Socket::Own => self.next(),
            Socket::Handed => {
                self.open = addrs;
                self.next()
            }
        }
    }

    fn owned(&mut self, at: Duration, owner: Owner) -> Then {
        match owner {
            Owner::Instance(addrs) => self.open = addrs,
            Owner::Unknown(addrs) => {
                self.doubt = addrs.first().map(|addr| words::unknown_owner(addr.port()));
                self.open = addrs;
            }
            Owner::Other { .. } if self.goal != Goal::Given => return self.again(at),
            Owner::Other { pid, command } => {
                let port = self.port.unwrap_or_default();
                return Then::End(Outcome::Unhealthy(words::other_program(port, pid, command.as_deref(), &self.name)));
            }
        }
        self.next()
    }

    /// The port is open and its owner is known.
    fn next(&mut self) -> Then {
        let addrs = self.open.clone();
        let Some(first) = addrs.first() else { return Then::Do(Work::Rest) };
        if self.needs_no_answer() {
            return self.reach(addrs, None);
        }
        let (path, limit) = match self.goal {
            Goal::Given => (self.path().to_owned(), None),
            Goal::Compare => ("/".to_owned(), Some(ASIDE)),
            Goal::Elsewhere(_) => (self.path().to_owned(), Some(ASIDE)),
        };
        if self.goal == Goal::Given && self.steady.is_none() {
            self.seen = match self.socket {
                Socket::Own => words::not_answered(first.port(), &path),
                Socket::Handed => words::not_taken(first.port(), &path),
            };
        }
        Then::Do(Work::Ask { addr: *first, path, limit })
    }

    fn answered(&mut self, at: Duration, answer: &Answer) -> Then {
        if self.goal == Goal::Compare {
            return Then::End(Outcome::Unhealthy(words::not_found(self.path(), Some(answer.status))));
        }
        let asked_for = self.health.path.is_some() || !self.health.status.is_empty();
        let good = match self.health.status.as_slice() {
            [] if asked_for => (200..400).contains(&answer.status),
            [] => !(502..505).contains(&answer.status),
            statuses => statuses.contains(&answer.status),
        };
        if good {
            let warning = words::about_answer(self.path(), answer, &self.front);
            return self.reach(self.open.clone(), warning);
        }
        if self.goal != Goal::Given {
            return self.again(at);
        }
        self.seen = words::answers(self.path(), answer, &self.front);
        match answer.status {
            502..=504 if !asked_for => {
                if self.lasts(Steady::Gateway, at) >= GATEWAY {
                    let warning = words::still_answers(self.path(), answer.status);
                    return self.reach(self.open.clone(), Some(warning));
                }
            }
            404 => {
                if self.lasts(Steady::NotFound, at) >= NOT_FOUND {
                    return self.compare();
                }
            }
            _ => {
                self.lasts(Steady::NotReady, at);
            }
        }
        self.again(at)
    }

    /// The configured path is not there: is anything?
    fn compare(&mut self) -> Then {
        if self.path() == "/" {
            return Then::End(Outcome::Unhealthy(words::not_found("/", None)));
        }
        self.goal = Goal::Compare;
        self.next()
    }

    fn not_http(&mut self, at: Duration, speech: Speech) -> Then {
        if self.goal != Goal::Given {
            return self.again(at);
        }
        let port = self.port.unwrap_or_default();
        let asked_for = self.health.path.is_some() || !self.health.status.is_empty();
        if speech == Speech::Http2 && !asked_for {
            return self.reach(self.open.clone(), Some(words::only_http2(port)));
        }
        self.seen = words::not_http(port, speech);
        if self.lasts(Steady::NotHttp, at) >= NOT_HTTP {
            return Then::End(Outcome::Unhealthy(words::never_http(port, speech)));
        }
        self.again(at)
    }

    /// It speaks TLS, and waiting will not make its certificate a better one.
    fn not_trusted(&mut self, at: Duration, why: &str, hint: String) -> Then {
        match self.goal {
            Goal::Given | Goal::Compare => {
                let port = self.port.unwrap_or_default();
                Then::End(Outcome::Unhealthy(words::not_trusted(port, why, hint)))
            }
            Goal::Elsewhere(_) => self.again(at),
        }
    }

    fn closed(&mut self, at: Duration) -> Then {
        if self.goal != Goal::Given {
            return self.again(at);
        }
        let port = self.port.unwrap_or_default();
        self.seen = words::closes(port);
        if self.lasts(Steady::Closes, at) >= CLOSES {
            return Then::End(Outcome::Unhealthy(words::only_closes(port)));
        }
        self.again(at)
    }

    fn no_answer(&mut self, at: Duration) -> Then {
        match self.goal {
            Goal::Compare => Then::End(Outcome::Unhealthy(words::not_found(self.path(), None))),
            Goal::Given | Goal::Elsewhere(_) => self.again(at),
        }
    }

    /// Goes elsewhere if the given port is closed and the instance was seen to listen at the same other places twice.
    fn look_elsewhere(&mut self, found: Vec<SocketAddr>) -> Then {
        let closed = self.goal == Goal::Given && self.open.is_empty() && self.socket == Socket::Own;
        let steady = !found.is_empty() && found == self.elsewhere;
        self.elsewhere = found;
        if !closed || !steady || self.reached.is_some() {
            return Then::GoOn;
        }
        let reachable = |addr: &&SocketAddr| Some(addr.port()) != self.port || !is_local(addr);
        let places: Vec<SocketAddr> = self.elsewhere.iter().filter(reachable).copied().collect();
        if places.is_empty() {
            return Then::GoOn;
        }
        let place = places[self.tries % places.len()];
        self.tries += 1;
        self.goal = Goal::Elsewhere(place);
        let at = if is_local(&place) { home(place.port()) } else { vec![place] };
        Then::Do(Work::Knock { at, after: Duration::ZERO })
    }

    /// The given port once more, after a pause.
    fn again(&mut self, at: Duration) -> Then {
        if self.goal != Goal::Given {
            self.goal = Goal::Given;
            self.open.clear();
            self.doubt = None;
        }
        let Some(port) = self.port else { return Then::Do(Work::Rest) };
        Then::Do(Work::Knock { at: home(port), after: pause(at, self.health.interval) })
    }

    fn reach(&mut self, addrs: Vec<SocketAddr>, warning: Option<String>) -> Then {
        let elsewhere = match &self.goal {
            Goal::Elsewhere(place) => Some(words::elsewhere(*place, self.port, self.fixed, &self.name)),
            Goal::Given | Goal::Compare => None,
        };
        let exclusive = matches!(&self.goal, Goal::Elsewhere(place) if Some(place.port()) != self.port);
        let warnings: Vec<String> = [elsewhere, self.doubt.clone(), warning].into_iter().flatten().collect();
        let warning = (!warnings.is_empty()).then(|| warnings.join("; "));
        self.reached = Some(Reached { addrs, warning, exclusive });
        self.conclude()
    }

    /// The socket's part is done; the words may still be missing.
    fn conclude(&mut self) -> Then {
        let Some(reached) = &self.reached else { return Then::GoOn };
        match &self.health.log {
            Some(words) if !self.heard && self.port.is_some() => {
                self.seen = words::waits_for_line(words);
                Then::Do(Work::Rest)
            }
            _ => Then::End(Outcome::Ready {
                addrs: reached.addrs.clone(),
                warning: reached.warning.clone(),
                exclusive: reached.exclusive,
            }),
        }
    }

    /// For how long it has been like this.
    fn lasts(&mut self, what: Steady, at: Duration) -> Duration {
        match self.steady {
            Some((was, since)) if was == what => at.saturating_sub(since),
            _ => {
                self.steady = Some((what, at));
                Duration::ZERO
            }
        }
    }

    fn path(&self) -> &str {
        self.health.path.as_deref().unwrap_or("/")
    }
}

/// Both loopback addresses.
fn home(port: u16) -> Vec<SocketAddr> {
    vec![(Ipv4Addr::LOCALHOST, port).into(), (Ipv6Addr::LOCALHOST, port).into()]
}

/// Whether a connection to a loopback address may reach it.
fn is_local(addr: &SocketAddr) -> bool {
    addr.ip().is_loopback() || addr.ip().is_unspecified()
}

/// The time until the next try: 1 ms in the first tenth of a second (most programs listen by then, and a connection
/// that is refused on a loopback costs some 20 µs), 5 ms in the first second, 20 ms up to five, then 100 ms.
fn pause(at: Duration, interval: Option<Duration>) -> Duration {
    match interval {
        Some(interval) => interval,
        None if at < Duration::from_millis(100) => Duration::from_millis(1),
        None if at < Duration::from_secs(1) => Duration::from_millis(5),
        None if at < Duration::from_secs(5) => Duration::from_millis(20),
        None => Duration::from_millis(100),
    }
}

#[cfg(test)]
mod tests;
