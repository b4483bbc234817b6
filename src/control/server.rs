//! The socket's other end: accepts connections of our own user, a bounded number of them.
#![expect(clippy::disallowed_methods, reason = "the door to the control socket")]

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use tokio::{
    net::{UnixListener, UnixStream},
    sync::{Semaphore, oneshot, watch},
    task::JoinHandle,
};

use super::{Ask, Chronicle, Done, Entry, Place, Refused, connection};
use crate::{
    core::status::Status,
    error::{Colour, Problem},
    model::{Revision, Time},
    plan::WindowSigns,
};

/// So many connections at a time; more are closed at once.
const CONNECTIONS: usize = 64;

/// Something that only the loop can do or knows.
#[derive(Debug)]
pub struct Wish {
    /// What.
    pub ask: Ask,
    /// Where the answer goes.
    pub answer: oneshot::Sender<Result<Done, Refused>>,
}

/// How an entry is written in answers.
#[derive(Clone, Copy, Debug)]
pub struct Render {
    /// As `--json` prints it.
    pub json: fn(&Entry) -> String,
    /// As `--plain` prints it: one line or several, without the last line's end.
    pub plain: fn(&Entry, Colour) -> String,
}

/// What is known about this devloop beside its status.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct About {
    /// Its version.
    pub version: &'static str,
    /// Its process.
    pub pid: u32,
    /// The project's root.
    pub root: PathBuf,
    /// Where files that a program names may lie: the root, and where steps and services run.
    pub folders: Vec<PathBuf>,
    /// What to open in a browser.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// What a terminal's window is to show around a pane.
    pub window: WindowSigns,
    /// The folder with the log files.
    pub logs: PathBuf,
}

/// How many requests a service has had.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Count {
    /// Its name.
    pub service: String,
    /// How many wait.
    pub held: u64,
    /// How many there were so far.
    pub requests: u64,
}

/// How far devloop is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stage {
    /// It lives.
    #[default]
    Alive,
    /// Everything that it started is over, and everything is said.
    Ending,
}

/// Where answers come from.
#[derive(Clone)]
pub struct Feeds {
    /// What is going on.
    pub status: watch::Receiver<Arc<Status>>,
    /// What was said.
    pub chronicle: Chronicle,
    /// How that is written.
    pub render: Render,
    /// What is known beside that.
    pub about: watch::Receiver<Arc<About>>,
    /// How often the bell rang.
    pub rings: watch::Receiver<u64>,
    /// The time on devloop's clock.
    pub now: Arc<dyn Fn() -> Time + Send + Sync>,
    /// How many requests came.
    pub count: Arc<dyn Fn() -> Vec<Count> + Send + Sync>,
    /// Whether streams are to end. Only who streams subscribes to it.
    pub stage: watch::Sender<Stage>,
    /// Hands a wish to the loop.
    pub wish: Arc<dyn Fn(Wish) + Send + Sync>,
    /// Ends when every save so far has had its effect on the status.
    pub look: Moment,
    /// Ends when everything has been told that follows from the status as it is.
    pub turn: Moment,
}

/// Something that can be waited for. Must not fail to end while devloop lives.
pub type Moment = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

impl Feeds {
    /// The newest revision.
    pub(super) fn revision(&self) -> Revision {
        self.status.borrow().revision
    }
}

/// Answers until it is dropped.
#[derive(Debug)]
pub struct Server {
    place: Place,
    stage: watch::Sender<Stage>,
    accepting: JoinHandle<()>,
}

impl Server {
    /// Begins to answer at the place of this project. Must be called where tokio runs.
    ///
    /// # Errors
    /// There is no place for the socket.
    pub fn begin(root: &Path, name: &str, os_env: &[(OsString, OsString)], feeds: Feeds) -> Result<Server, Problem> {
        let place = Place::prepare(root, name, os_env)?;
        let cannot = |error: std::io::Error| {
            Problem::new(format!("cannot listen on `{}`", place.socket().display())).caused_by(error)
        };
        let listener = UnixListener::bind(place.socket()).map_err(cannot)?;
        place.publish().map_err(cannot)?;
        let stage = feeds.stage.clone();
        let accepting = tokio::spawn(accept(listener, feeds));
        Ok(Server { place, stage, accepting })
    }

    /// Where it is.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Lets attached panes read the last words, those that read them in this time, and ends.
    pub async fn end(self, limit: Duration) {
        self.accepting.abort();
        self.stage.send_replace(Stage::Ending);
        _ = tokio::time::timeout(limit, self.stage.closed()).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: UnixListener, feeds: Feeds) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::debug!("control: {error}");
                // Such as too many open files: one that closes makes room.
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let Ok(place) = places.clone().try_acquire_owned() else { continue };
        if !is_ours(&stream) {
            continue;
        }
        let feeds = feeds.clone();
        tokio::spawn(async move {
            connection::serve(stream, feeds).await;
            drop(place);
        });
    }
}

/// Whether our own user is at the other end. The folder lets nobody else in; this holds where the system does not look
/// at a socket's permissions.
fn is_ours(stream: &UnixStream) -> bool {
    stream.peer_cred().is_ok_and(|peer| peer.uid() == nix::unistd::getuid().as_raw())
}
