//! A connection that is no longer HTTP: bytes both ways until one side is done or the instance is replaced. WebSockets
//! are told so with a Close between two frames.

use std::{
    future::Future,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU16, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split},
    sync::{oneshot, watch},
};

use super::{
    desk::{Admission, Desk},
    frames::{Frames, SERVICE_RESTART, close_for_app, close_for_client},
    instance::draining,
    shared::Shared,
};

/// Read at a time, each way.
const PIECE: usize = 8 * 1024;

/// A tunnel before both sides have switched.
pub(super) struct Tunnel {
    /// The client's side.
    pub(super) client: OnUpgrade,
    /// The program's side.
    pub(super) app: OnUpgrade,
    /// What goes through.
    pub(super) protocol: Protocol,
    /// Its place in the instance.
    pub(super) admission: Admission,
    /// Told when it is over.
    pub(super) passed: oneshot::Sender<Passed>,
}

/// What went through a tunnel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Passed {
    /// Bytes from the client.
    pub(super) up: u64,
    /// Bytes from the program.
    pub(super) down: u64,
    /// The status of the first Close of a WebSocket.
    pub(super) close: Option<u16>,
}

/// What goes through.
#[derive(Debug, Default)]
struct Passing {
    up: AtomicU64,
    down: AtomicU64,
    /// 0: no Close yet.
    close: AtomicU16,
}

impl Passing {
    fn moved(&self) -> u64 {
        self.up.load(Ordering::Relaxed) + self.down.load(Ordering::Relaxed)
    }

    /// The first one counts.
    fn closes(&self, status: u16) {
        let _ = self.close.compare_exchange(0, status, Ordering::Relaxed, Ordering::Relaxed);
    }

    fn passed(&self) -> Passed {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let close = Some(self.close.load(Ordering::Relaxed)).filter(|status| *status > 0);
        Passed { up: of(&self.up), down: of(&self.down), close }
    }
}

/// One direction of it.
struct Flow<'a> {
    count: &'a AtomicU64,
    passing: &'a Passing,
}

/// What goes through a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    /// RFC 6455
    WebSocket,
    /// Just bytes.
    Unknown,
}

/// How one direction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Its source is done; its target has been told.
    Eof,
    /// A side is broken.
    Broken,
    /// The Close has been sent.
    Farewell,
}

impl Tunnel {
    /// Lives as long as the tunnel, which counts from now on: before the client hears that it is one. Both sockets are
    /// closed when it ends.
    pub(super) fn run(self, shared: Arc<Shared>) -> impl Future<Output = ()> + Send {
        let counted = Counted::new(self.admission.desk());
        self.pass(shared, counted)
    }

    async fn pass(self, shared: Arc<Shared>, _counted: Counted) {
        let Ok((client, app)) = tokio::try_join!(self.client, self.app) else { return };
        let ends = Ending { instance: &self.admission, shared: &shared };
        let (from_client, mut to_client) = split(TokioIo::new(client));
        let (from_app, mut to_app) = split(TokioIo::new(app));
        let passing = Passing::default();
        let flow = |count| Flow { count, passing: &passing };
        // Both directions learn of the end in the same moment, whatever thread brings it about: else one side's answer
        // to our Close could be passed on to the other one as its own.
        let (tell, told) = watch::channel(false);
        let over = || {
            let mut told = told.clone();
            async move { drop(told.wait_for(|over| *over).await) }
        };
        let (down, up) = match self.protocol {
            Protocol::WebSocket => (Some(close_for_client()), Some(close_for_app())),
            Protocol::Unknown => (None, None),
        };
        let both = both(
            pump(from_app, &mut to_client, down, over(), flow(&passing.down)),
            pump(from_client, &mut to_app, up, over(), flow(&passing.up)),
            &passing,
            shared.limits.half_close,
        );
        let ended = async {
            ends.come().await;
            if self.protocol == Protocol::WebSocket {
                passing.closes(SERVICE_RESTART);
            }
            tell.send_replace(true);
            tokio::time::sleep(shared.limits.parting).await;
        };
        tokio::select! {
            biased;
            () = ended => {}
            () = both => {}
        }
        // Whoever has gone already needs no FIN.
        let _ = to_client.shutdown().await;
        let _ = to_app.shutdown().await;
        // Nobody need want to know.
        let _ = self.passed.send(passing.passed());
    }
}

/// What ends a tunnel from outside.
struct Ending<'a> {
    instance: &'a Admission,
    shared: &'a Shared,
}

impl Ending<'_> {
    async fn come(&self) {
        tokio::select! {
            () = draining(self.instance.instance.phase()) => {}
            () = self.shared.closing() => {}
        }
    }
}

/// Both directions. When one is at its end the other one may go on as long as something moves.
async fn both(down: impl Future<Output = End>, up: impl Future<Output = End>, passing: &Passing, half_close: Duration) {
    let (mut down, mut up) = (pin!(down), pin!(up));
    let first = tokio::select! {
        end = down.as_mut() => (end, None),
        end = up.as_mut() => (end, Some(())),
    };
    match first {
        (End::Broken, _) => {}
        (End::Eof, None) => linger(up, passing, half_close).await,
        (End::Eof, Some(())) => linger(down, passing, half_close).await,
        (End::Farewell, None) => drop(up.await),
        (End::Farewell, Some(())) => drop(down.await),
    }
}

async fn linger(mut other: impl Future<Output = End> + Unpin, passing: &Passing, half_close: Duration) {
    loop {
        let before = passing.moved();
        tokio::select! {
            _ = &mut other => return,
            () = tokio::time::sleep(half_close) => {
                if passing.moved() == before {
                    return;
                }
            }
        }
    }
}

/// One direction, until `ends`. `close`: the frame to send before the end, if these are WebSocket frames.
async fn pump(
    mut from: impl AsyncRead + Unpin,
    to: &mut (impl AsyncWrite + Unpin),
    close: Option<Bytes>,
    ends: impl Future<Output = ()>,
    flow: Flow<'_>,
) -> End {
    let mut piece = vec![0; PIECE];
    let mut frames = Frames::new();
    let mut ends = pin!(ends);
    loop {
        let count = tokio::select! {
            // The end first.
            biased;
            () = ends.as_mut() => return match close {
                Some(close) => say_goodbye(&mut from, to, frames, &close, &mut piece).await,
                None => finish(to).await,
            },
            read = from.read(&mut piece) => match read {
                Ok(0) => return finish(to).await,
                Ok(count) => count,
                Err(_) => return End::Broken,
            },
        };
        flow.count.fetch_add(count as u64, Ordering::Relaxed);
        if close.is_some() {
            frames.feed(&piece[..count]);
            if let Some(status) = frames.status() {
                flow.passing.closes(status);
            }
        }
        if to.write_all(&piece[..count]).await.is_err() {
            return End::Broken;
        }
    }
}

async fn finish(to: &mut (impl AsyncWrite + Unpin)) -> End {
    match to.shutdown().await {
        Ok(()) => End::Eof,
        Err(_) => End::Broken,
    }
}

/// Lets the frame under way end, sends the Close, and waits for the other side's.
async fn say_goodbye(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    mut frames: Frames,
    close: &Bytes,
    piece: &mut [u8],
) -> End {
    let mut said = false;
    loop {
        if !said && frames.at_boundary() {
            if !frames.closed() && to.write_all(close).await.is_err() {
                return End::Broken;
            }
            said = true;
        }
        if frames.closed() {
            return End::Farewell;
        }
        let count = match from.read(piece).await {
            Ok(0) => return End::Farewell,
            Ok(count) => count,
            Err(_) => return End::Broken,
        };
        let last_of_frame = frames.feed_to_boundary(&piece[..count]);
        if !said && to.write_all(&piece[..last_of_frame]).await.is_err() {
            return End::Broken;
        }
        // What comes behind is only looked at for the other side's Close.
        frames.feed(&piece[last_of_frame..count]);
    }
}

/// An open tunnel in the numbers.
struct Counted(Arc<Desk>);

impl Counted {
    fn new(desk: &Arc<Desk>) -> Counted {
        desk.tally.tunnels.fetch_add(1, Ordering::Relaxed);
        Counted(Arc::clone(desk))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.tally.tunnels.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_answer_of_a_program_to_our_close_is_never_taken_for_its_own() {
        for _ in 0..64 {
            let mut to_client = Vec::new();
            let passing = Passing::default();
            let answer: &[u8] = b"\x88\x02\x03\xe9";
            let end = pump(
                answer,
                &mut to_client,
                Some(close_for_client()),
                async {},
                Flow { count: &passing.down, passing: &passing },
            )
            .await;
            assert_eq!((end, &to_client[..]), (End::Farewell, &close_for_client()[..]));
        }
    }
}
