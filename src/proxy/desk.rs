//! The gate of one service as its requests meet it: one atomic admission, or a wait in the line with a limit.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::sync::watch;

use super::{
    admission::Entry,
    client::{Client, Sight},
    gate::{Asker, Bounds, Kind, Look, Order, Pace, Patience, look},
    instance::Instance,
    queue::{Permit, Place, Queue, Ticket},
    settings::Caller,
    shared::{Life, Shared},
};
use crate::model::{Report, Revision, RunId, Time, Traffic};

/// Between two attempts to reach an instance that refuses connections although its gate is open.
const TRY_AGAIN: Duration = Duration::from_millis(25);

/// One service's gate.
#[derive(Debug)]
pub(super) struct Desk {
    /// The service.
    pub(super) name: Arc<str>,
    queue: Arc<Queue>,
    /// What is counted.
    pub(super) tally: Tally,
}

/// What is counted of a service; see `Traffic`.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) requests: AtomicU64,
    pub(super) were_held: AtomicU64,
    pub(super) in_flight: AtomicU64,
    pub(super) tunnels: AtomicU64,
    pub(super) replayed: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) stale: AtomicU64,
}

/// A request on its way to an instance: counted in until this is dropped.
#[derive(Debug)]
pub(super) struct Admission {
    /// Where it goes.
    pub(super) instance: Arc<Instance>,
    /// What that was made from.
    pub(super) revision: Revision,
    /// Why the answer is out of date.
    pub(super) stale: Option<Arc<str>>,
    /// Its share of a release; none if nobody was waiting.
    pub(super) permit: Option<Permit>,
    desk: Arc<Desk>,
}

/// What a request gets at the gate.
#[derive(Debug)]
pub(super) enum Verdict {
    /// In.
    Go(Admission),
    /// Nothing will come; why.
    Failed(Arc<Report>),
    /// It waited too long; for what.
    Limit(Arc<str>),
    /// It waited as long as its client does; for what.
    Deadline(Arc<str>),
    /// Too many wait.
    TooMany,
    /// The caller is what the gate waits for.
    Itself,
    /// The instance refused connections for too long; why.
    Refused(Arc<str>),
    /// The client has left.
    Gone,
    /// devloop is ending.
    Closing,
}

/// What a request remembers between its visits.
#[derive(Debug)]
pub(super) struct Visit {
    client: Arc<Client>,
    kind: Kind,
    deadline: Option<Duration>,
    patience: Patience,
    place: Option<Place>,
    refusal: Option<Refusal>,
}

#[derive(Clone, Debug)]
struct Refusal {
    run: RunId,
    since: Time,
    last: Time,
    why: Arc<str>,
}

impl Visit {
    /// Of a new request; `deadline` is how long its client says that it waits.
    pub(super) fn new(client: Arc<Client>, kind: Kind, deadline: Option<Duration>) -> Visit {
        Visit { client, kind, deadline, patience: Patience::default(), place: None, refusal: None }
    }

    /// The instance did not take a connection: the next visit waits for a change, for a while.
    pub(super) fn refused(&mut self, now: Time, run: RunId, why: Arc<str>) {
        let since = self.refusal.as_ref().filter(|refusal| refusal.run == run).map_or(now, |refusal| refusal.since);
        self.refusal = Some(Refusal { run, since, last: now, why });
    }

    /// Keeps the place in the line for the next visit.
    pub(super) fn keep_place(&mut self, permit: &Permit) {
        self.place = Some(permit.place());
    }
}

/// What one look at everything came to.
enum Now {
    Done(Verdict),
    Turn(Chosen, Order),
    Wait { left: Duration, pace: Pace },
}

/// The instance that an open gate leads to.
struct Chosen {
    instance: Arc<Instance>,
    revision: Revision,
    stale: Option<Arc<str>>,
}

impl Desk {
    /// For the service of this name.
    pub(super) fn new(name: Arc<str>) -> Desk {
        Desk { name, queue: Arc::default(), tally: Tally::default() }
    }

    /// Lets a request in, holds it, or refuses it. `sight`: whether the end of its
    /// connection may stand behind unread data.
    pub(super) async fn admit(self: &Arc<Desk>, shared: &Shared, visit: &mut Visit, sight: Sight) -> Verdict {
        shared.lookout.look(|| shared.clock.now(), visit.client.asks()).await;
        if self.queue.len() == 0
            && visit.refusal.is_none()
            && let Now::Turn(chosen, _) = self.look(shared, visit, Caller::Stranger)
            && let Some(admission) = self.enter(chosen)
        {
            return Verdict::Go(admission);
        }
        let Some(_held) = Held::count(shared, visit) else { return Verdict::TooMany };
        if visit.place.is_none() {
            self.tally.were_held.fetch_add(1, Ordering::Relaxed);
        }
        // Most requests never get here: they should not carry the room for it.
        Box::pin(self.hold(shared, visit, sight)).await
    }

    /// Waits in the line.
    async fn hold(self: &Arc<Desk>, shared: &Shared, visit: &mut Visit, sight: Sight) -> Verdict {
        let ticket = self.queue.join(visit.place);
        let client = Arc::clone(&visit.client);
        let mut feeds = Feeds::of(shared);
        let mut caller = Caller::Stranger;
        let mut who = std::pin::pin!(client.pid(&shared.peers));
        let mut pid = None;
        let mut left = std::pin::pin!(client.left(&shared.peers, sight));
        loop {
            feeds.mark_seen();
            let now = shared.clock.now();
            let (limit, pace) = match self.look(shared, visit, caller) {
                Now::Done(verdict) => return verdict,
                Now::Wait { left, pace } => (left, pace),
                Now::Turn(chosen, order) => match self.go(&ticket, chosen, order) {
                    Some(admission) if sight == Sight::Blocked && client.has_left(&shared.peers).await => {
                        drop(admission);
                        return Verdict::Gone;
                    }
                    Some(admission) => return Verdict::Go(admission),
                    // Others go first, or the instance drains and its gate is about to change.
                    None => (shared.limits.hold_cap, Pace::StandsStill),
                },
            };
            tokio::select! {
                () = feeds.changed() => {}
                () = ticket.called() => {}
                () = tokio::time::sleep(limit) => {}
                () = left.as_mut() => return Verdict::Gone,
                found = who.as_mut(), if pid.is_none() => pid = Some(found),
            }
            visit.patience.spend(shared.clock.now().since(now), pace);
            if let Some(Some(pid)) = pid {
                caller = (shared.waits_for)(pid, &self.name);
            }
        }
    }

    fn go(self: &Arc<Desk>, ticket: &Ticket, chosen: Chosen, order: Order) -> Option<Admission> {
        // In first, then the turn: a turn that is taken cannot be given back.
        let mut admission = self.enter(chosen)?;
        if order == Order::InTurn {
            admission.permit = Some(ticket.take_turn()?);
        }
        Some(admission)
    }

    fn enter(self: &Arc<Desk>, chosen: Chosen) -> Option<Admission> {
        let Chosen { instance, revision, stale } = chosen;
        match instance.enter() {
            Entry::Draining => None,
            Entry::In => {
                self.tally.in_flight.fetch_add(1, Ordering::Relaxed);
                Some(Admission { instance, revision, stale, permit: None, desk: Arc::clone(self) })
            }
        }
    }

    fn look(&self, shared: &Shared, visit: &Visit, caller: Caller) -> Now {
        if *shared.life.borrow() == Life::Closing {
            return Now::Done(Verdict::Closing);
        }
        let hold = shared.known().hold;
        let cap = visit.deadline.map_or(shared.limits.hold_cap, |deadline| deadline.min(shared.limits.hold_cap));
        let bounds = Bounds { hold, cap, background: shared.limits.background };
        let asker = Asker { caller, kind: visit.kind };
        let seen = look(shared.gates.borrow().of(&self.name), asker, visit.patience, bounds);
        match seen {
            Look::Failed(report) => Now::Done(Verdict::Failed(report)),
            Look::Itself => Now::Done(Verdict::Itself),
            Look::Limit(why) if visit.deadline.is_some_and(|deadline| visit.patience.held() >= deadline) => {
                Now::Done(Verdict::Deadline(why))
            }
            Look::Limit(why) => Now::Done(Verdict::Limit(why)),
            Look::Wait { left, pace, .. } => Now::Wait { left, pace },
            Look::Go { run, revision, stale, order } => match shared.instances.get(run) {
                Some(instance) => reach(shared, visit, Chosen { instance, revision, stale }, order),
                // Its gate is open, but nobody has said where it listens; or it is gone and the gate is about to
                // change.
                None => match look(None, asker, visit.patience, bounds) {
                    Look::Wait { left, pace, .. } => Now::Wait { left, pace },
                    _ => Now::Done(Verdict::Refused(Arc::from("its process has exited"))),
                },
            },
        }
    }

    /// The numbers of this service.
    pub(super) fn stats(&self) -> Traffic {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Traffic {
            service: Arc::clone(&self.name),
            held: self.queue.len() as u64,
            in_flight: of(&self.tally.in_flight),
            tunnels: of(&self.tally.tunnels),
            requests: of(&self.tally.requests),
            were_held: of(&self.tally.were_held),
            replayed: of(&self.tally.replayed),
            refused: of(&self.tally.refused),
            stale: of(&self.tally.stale),
        }
    }

    /// A connection was refused: release more slowly.
    pub(super) fn slow_down(&self) {
        self.queue.refused();
    }
}

/// An instance that has just refused a connection is tried again after a while, but not for long.
fn reach(shared: &Shared, visit: &Visit, chosen: Chosen, order: Order) -> Now {
    let now = shared.clock.now();
    match &visit.refusal {
        Some(refusal) if refusal.run == chosen.instance.run => {
            if now.since(refusal.since) >= shared.limits.refused {
                return Now::Done(Verdict::Refused(Arc::clone(&refusal.why)));
            }
            match TRY_AGAIN.saturating_sub(now.since(refusal.last)) {
                Duration::ZERO => Now::Turn(chosen, order),
                left => Now::Wait { left, pace: Pace::Counts },
            }
        }
        _ => Now::Turn(chosen, order),
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.desk.tally.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.instance.leave();
    }
}

impl Admission {
    /// Whose gate it went through.
    pub(super) fn desk(&self) -> &Arc<Desk> {
        &self.desk
    }
}

/// One of the held requests, over all services.
struct Held<'a>(&'a AtomicUsize);

impl<'a> Held<'a> {
    /// None if there are too many. Who was let go and comes back is not turned away.
    fn count(shared: &'a Shared, visit: &Visit) -> Option<Held<'a>> {
        let before = shared.held.fetch_add(1, Ordering::AcqRel);
        let held = Held(&shared.held);
        (before < shared.limits.held || visit.place.is_some() || visit.refusal.is_some()).then_some(held)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Everything whose change may end a wait.
struct Feeds {
    gates: watch::Receiver<crate::core::gate::Gates>,
    added: watch::Receiver<u64>,
    life: watch::Receiver<Life>,
}

impl Feeds {
    fn of(shared: &Shared) -> Feeds {
        Feeds { gates: shared.gates.clone(), added: shared.instances.added(), life: shared.life.subscribe() }
    }

    fn mark_seen(&mut self) {
        self.gates.mark_unchanged();
        self.added.mark_unchanged();
        self.life.mark_unchanged();
    }

    async fn changed(&mut self) {
        // Who tells gates has gone: then only the end of the proxy and the limits can end the wait.
        tokio::select! {
            Ok(()) = self.gates.changed() => {}
            Ok(()) = self.added.changed() => {}
            Ok(()) = self.life.changed() => {}
            else => std::future::pending().await,
        }
    }
}
