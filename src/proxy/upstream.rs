//! One way to a program: a connection of HTTP/1.1 for one request at a time, or a share in one of HTTP/2. What is sent
//! over it is decided elsewhere.
//!
//! A connection of HTTP/1.1 has no task of its own: whoever sends a request drives it along until the answer has been
//! read. That saves the way through the scheduler, there and back, for every request; for the same reason its user is
//! not woken for what he looks at again by himself.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use hyper::{
    Request, Response,
    body::Incoming,
    client::conn::{TrySendError, http1, http2},
};

use super::{bell::Bell, body::UploadBody, wire::Counts};

/// A way to a program.
pub(super) struct Upstream {
    sender: Sender,
    /// What has gone over its connection.
    pub(super) counts: Arc<Counts>,
    drive: Drive,
}

enum Sender {
    Http1(http1::SendRequest<UploadBody>),
    /// A share, and which of the instance's connections it is in.
    Http2(http2::SendRequest<UploadBody>, u64),
}

/// Who reads and writes. ByUser => (ByTask | Over).
enum Drive {
    /// Whoever uses the connection.
    ByUser(Box<Driver>),
    /// A task of its own.
    ByTask,
    /// Nobody: it is closed.
    Over,
}

/// Reads and writes until the connection is closed, or has to be given up.
pub(super) struct Driver {
    /// Reads and writes.
    pub(super) connection: Steps,
    /// Resolves when it is to be given up.
    pub(super) abandoned: Steps,
    /// Wakes whoever uses it.
    pub(super) bell: Bell,
}

/// So often a connection is driven before others have their turn: once for what has come, once for what that has
/// brought about, and one to spare.
const DRIVES: usize = 3;

/// Something that goes on whenever it is polled.
pub(super) type Steps = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Driver {
    /// Reads and writes what can be read and written now.
    fn drive(&mut self) -> Poll<()> {
        steps(&mut self.connection, &mut self.abandoned, &mut self.bell.answer())
    }
}

/// By itself.
impl Future for Driver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Driver { connection, abandoned, .. } = &mut *self;
        steps(connection, abandoned, cx)
    }
}

fn steps(connection: &mut Steps, abandoned: &mut Steps, cx: &mut Context<'_>) -> Poll<()> {
    // How it ends is told to whoever waits for an answer.
    match connection.as_mut().poll(cx) {
        Poll::Ready(()) => Poll::Ready(()),
        Poll::Pending => abandoned.as_mut().poll(cx),
    }
}

type Sending = Result<Response<Incoming>, TrySendError<Request<UploadBody>>>;

enum Begun<A, B> {
    Http1(A),
    Http2(B),
}

impl Upstream {
    /// A connection for one request at a time.
    pub(super) fn of_http1(sender: http1::SendRequest<UploadBody>, counts: Arc<Counts>, driver: Driver) -> Upstream {
        Upstream { sender: Sender::Http1(sender), counts, drive: Drive::ByUser(Box::new(driver)) }
    }

    /// A share in the instance's connection with this number.
    pub(super) fn of_http2(sender: http2::SendRequest<UploadBody>, counts: Arc<Counts>, number: u64) -> Upstream {
        Upstream { sender: Sender::Http2(sender, number), counts, drive: Drive::ByTask }
    }

    /// Begins to send.
    pub(super) fn send(&mut self, request: Request<UploadBody>) -> impl Future<Output = Sending> + use<> {
        let begun = match &mut self.sender {
            Sender::Http1(sender) => Begun::Http1(sender.try_send_request(request)),
            Sender::Http2(sender, _) => Begun::Http2(sender.try_send_request(request)),
        };
        async move {
            match begun {
                Begun::Http1(answer) => answer.await,
                Begun::Http2(answer) => answer.await,
            }
        }
    }

    /// Which of the instance's shared connections it is in; none if it has one of its own.
    pub(super) fn shared(&self) -> Option<u64> {
        match self.sender {
            Sender::Http1(_) => None,
            Sender::Http2(_, number) => Some(number),
        }
    }

    /// Looks at something that the connection brings about, and drives it as long as there is something to do. The
    /// caller is woken when it is worth to look again, but not by what he has done himself: a task that wakes itself
    /// costs the scheduler as much as one that wakes another.
    pub(super) fn pursue<T>(
        &mut self,
        cx: &mut Context<'_>,
        mut look: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        if let Drive::ByUser(driver) = &self.drive {
            driver.bell.rings_for(cx.waker());
        }
        for _ in 0..DRIVES {
            let Drive::ByUser(driver) = &self.drive else { return look(cx) };
            match driver.bell.muted(|| look(&mut Context::from_waker(Waker::noop()))) {
                Poll::Ready(seen) => return Poll::Ready(seen),
                Poll::Pending if !driver.bell.has_rung() => return Poll::Pending,
                Poll::Pending => self.drive(),
            }
        }
        // There may be more to do, but it is time for others; or it has been driven to its end.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Reads and writes what can be read and written now.
    fn drive(&mut self) {
        if let Drive::ByUser(driver) = &mut self.drive
            && driver.drive().is_ready()
        {
            self.drive = Drive::Over;
        }
    }

    /// From now on it is driven by itself: its user may be busy with something else for long.
    pub(super) fn set_free(&mut self) {
        match std::mem::replace(&mut self.drive, Drive::ByTask) {
            Drive::ByUser(driver) => drop(tokio::spawn(driver)),
            other => self.drive = other,
        }
    }

    /// Its user is done with it: nobody is woken for it until there is another one.
    pub(super) fn rest(&mut self) {
        if let Drive::ByUser(driver) = &self.drive {
            driver.bell.rings_for(Waker::noop());
        }
        // So that it notices, too, and is ready for the next request.
        self.drive();
    }

    /// Whether it can take another request when this one is over. An idle one hears here that the program has closed
    /// it.
    pub(super) fn is_ready(&mut self) -> bool {
        if matches!(&self.drive, Drive::ByUser(driver) if driver.bell.has_rung()) {
            self.drive();
        }
        match &self.sender {
            Sender::Http1(sender) => sender.is_ready(),
            Sender::Http2(..) => false,
        }
    }

    /// Whether it is worth to be kept for another request.
    pub(super) fn can_be_kept(&self) -> bool {
        match &self.sender {
            Sender::Http1(sender) => !sender.is_closed(),
            // Whoever needs a share takes one.
            Sender::Http2(..) => false,
        }
    }
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstream").field("shared", &self.shared()).field("counts", &self.counts).finish_non_exhaustive()
    }
}
