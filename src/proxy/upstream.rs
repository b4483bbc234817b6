//! One way to a program: a connection of HTTP/1.1 for one request at a time, or a share in one of HTTP/2. What is sent
//! over it is decided elsewhere.
//!
//! A connection of HTTP/1.1 has no task of its own: whoever sends a request drives it along until the answer has been
//! read. That saves the way through the scheduler, there and back, for every request.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Waker},
};

use hyper::{
    Request, Response,
    body::Incoming,
    client::conn::{TrySendError, http1, http2},
};

use super::{body::UploadBody, wire::Counts};

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
    ByUser(Driver),
    /// A task of its own.
    ByTask,
    /// Nobody: it is closed.
    Over,
}

/// Reads and writes until the connection is closed.
pub(super) type Driver = Pin<Box<dyn Future<Output = ()> + Send>>;

type Sending = Result<Response<Incoming>, TrySendError<Request<UploadBody>>>;

enum Begun<A, B> {
    Http1(A),
    Http2(B),
}

impl Upstream {
    /// A connection for one request at a time.
    pub(super) fn of_http1(sender: http1::SendRequest<UploadBody>, counts: Arc<Counts>, driver: Driver) -> Upstream {
        Upstream { sender: Sender::Http1(sender), counts, drive: Drive::ByUser(driver) }
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

    /// Reads and writes what can be read and written now; the caller is woken when there is more.
    pub(super) fn drive(&mut self, cx: &mut Context<'_>) {
        if let Drive::ByUser(driver) = &mut self.drive
            && driver.as_mut().poll(cx).is_ready()
        {
            self.drive = Drive::Over;
        }
    }

    /// The waker for what only `drive` can make ready: none, if the caller drives and looks again himself. A task that
    /// wakes itself costs the scheduler as much as one that wakes another.
    pub(super) fn waker<'a>(&self, cx: &Context<'a>) -> &'a Waker {
        match self.drive {
            Drive::ByUser(_) => Waker::noop(),
            Drive::ByTask | Drive::Over => cx.waker(),
        }
    }

    /// From now on it is driven by itself: its user may be busy with something else for long.
    pub(super) fn set_free(&mut self) {
        match std::mem::replace(&mut self.drive, Drive::ByTask) {
            Drive::ByUser(driver) => drop(tokio::spawn(driver)),
            other => self.drive = other,
        }
    }

    /// Whether it can take another request when this one is over. An idle one hears here that the program has closed
    /// it.
    pub(super) fn is_ready(&mut self) -> bool {
        self.drive(&mut Context::from_waker(Waker::noop()));
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
