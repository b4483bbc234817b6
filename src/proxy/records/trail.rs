//! What a request leaves behind on its way through the proxy. Without recording it is empty and costs nothing.

use std::sync::{Arc, Mutex, PoisonError};

use hyper::{HeaderMap, Response};
use tokio::sync::oneshot;

use super::{
    Records, Seen,
    head::Head,
    record::{Kept, Progress, Record, Stage},
};
use crate::{
    model::{Revision, RunId, Time},
    proxy::{download::Answer, tunnel::Passed},
    sys::Clock,
};

/// The trail of one request. Dropped before its end, the client has left.
pub(in crate::proxy) struct Trail(Option<Way>);

struct Way {
    records: Arc<Records>,
    record: Arc<Record>,
    /// Of each body.
    keep: usize,
    upload: Option<Arc<Tap>>,
    tunnel: Option<oneshot::Receiver<Passed>>,
}

/// Counts the body of a request while it passes.
#[derive(Debug)]
pub(in crate::proxy) struct Tap {
    keep: usize,
    kept: Mutex<Kept>,
}

impl Tap {
    /// A piece that passes for the first time.
    pub(in crate::proxy) fn see(&self, piece: &[u8]) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).add(piece, self.keep);
    }

    pub(super) fn bytes(&self) -> u64 {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).bytes
    }

    fn kept(&self) -> Kept {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Trail {
    /// Of a request that is not recorded.
    pub(in crate::proxy) fn none() -> Trail {
        Trail(None)
    }

    pub(super) fn new(records: Arc<Records>, record: Arc<Record>, keep: usize) -> Trail {
        Trail(Some(Way { records, record, keep, upload: None, tunnel: None }))
    }

    /// Where its body is to be counted; none if nobody wants to know.
    pub(in crate::proxy) fn tap(&mut self) -> Option<Arc<Tap>> {
        let way = self.0.as_mut()?;
        let tap = Arc::new(Tap { keep: way.keep, kept: Mutex::default() });
        way.record.uploads(&tap);
        way.upload = Some(Arc::clone(&tap));
        Some(tap)
    }

    /// The gate has let it in to this instance.
    pub(in crate::proxy) fn let_in(&self, now: Time, run: RunId, revision: Revision, stale: Option<&Arc<str>>) {
        let Some(way) = &self.0 else { return };
        let held = now.since(way.record.came);
        way.change(|progress| {
            progress.stage = Stage::Working { since: now };
            progress.held.get_or_insert(held);
            progress.attempts += 1;
            progress.run = Some(run);
            progress.revision = Some(revision);
            progress.stale = stale.cloned();
        });
    }

    /// The instance did not take it: it is at the gate again.
    pub(in crate::proxy) fn goes_back(&self) {
        if let Some(way) = &self.0 {
            way.change(|progress| progress.stage = Stage::Waiting);
        }
    }

    /// Nobody is to wonder if its answer begins late.
    pub(in crate::proxy) fn may_be_silent(&self) {
        if let Some(way) = &self.0 {
            way.record.progress().may_be_silent = true;
        }
    }

    /// It becomes something else, whose end is told.
    pub(in crate::proxy) fn becomes_tunnel(&mut self, end: oneshot::Receiver<Passed>) {
        if let Some(way) = &mut self.0 {
            way.tunnel = Some(end);
        }
    }

    /// Its answer begins: from here on the body tells the rest. `asked`: the head of the request, as it was sent.
    pub(in crate::proxy) fn answered(
        mut self,
        clock: Clock,
        asked: &HeaderMap,
        response: Response<Answer>,
    ) -> Response<Seen> {
        let Some(mut way) = self.0.take() else { return response.map(Seen::unrecorded) };
        let first = clock.now().since(way.record.came);
        way.change(|progress| {
            progress.stage = Stage::Answering;
            progress.held.get_or_insert(first);
            progress.first = Some(first);
            progress.status = Some(response.status());
            progress.asked = Head::of(asked);
            progress.answered = Head::of(response.headers());
        });
        let (tunnel, keep) = (way.tunnel.take(), way.keep);
        let end = End { way: Some(way), clock };
        match tunnel {
            // What goes through it is no answer any more.
            Some(tunnel) => {
                end.wait_for(tunnel);
                response.map(Seen::unrecorded)
            }
            None => response.map(|answer| Seen::recorded(answer, end, keep)),
        }
    }

    /// It gets no answer.
    pub(in crate::proxy) fn unanswered(mut self, clock: Clock, asked: &HeaderMap) {
        let Some(way) = self.0.take() else { return };
        way.change(|progress| progress.asked = Head::of(asked));
        End { way: Some(way), clock }.come(Stage::BrokenOff("no answer was sent"), Kept::default());
    }
}

impl Drop for Trail {
    fn drop(&mut self) {
        if let Some(way) = &self.0 {
            way.change(|progress| progress.stage = Stage::BrokenOff(LEFT));
        }
    }
}

/// Why a request ends that nobody waits for.
pub(super) const LEFT: &str = "the client left";

impl Way {
    fn change(&self, change: impl FnOnce(&mut Progress)) {
        change(&mut self.record.progress());
        self.records.touch(&self.record);
    }
}

/// What is left to be told once the body has passed.
pub(super) struct End {
    way: Option<Way>,
    clock: Clock,
}

impl End {
    /// It is over when the tunnel is.
    fn wait_for(self, tunnel: oneshot::Receiver<Passed>) {
        if let Some(way) = &self.way {
            way.change(|progress| progress.stage = Stage::Open);
        }
        tokio::spawn(async move {
            // A tunnel that never began tells nothing.
            let passed = tunnel.await.unwrap_or_default();
            if let Some(way) = &self.way {
                way.change(|progress| {
                    progress.close = passed.close;
                    progress.tunnelled = Some(passed.up);
                });
            }
            self.come(Stage::Done, Kept { bytes: passed.down, start: Vec::new() });
        });
    }

    /// It is over.
    pub(super) fn come(mut self, stage: Stage, body: Kept) {
        let Some(way) = self.way.take() else { return };
        let took = self.clock.now().since(way.record.came);
        let upload = way.upload.as_ref().map(|tap| tap.kept()).unwrap_or_default();
        way.change(|progress| {
            progress.stage = stage;
            progress.held.get_or_insert(took);
            progress.took = Some(took);
            progress.asked_body = match progress.tunnelled {
                Some(bytes) => Kept { bytes, start: Vec::new() },
                None => upload,
            };
            progress.answered_body = body;
        });
        way.records.complete(&way.record);
    }
}
