//! Clients and programs that speak HTTP/2.

use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::{
    HeaderMap, Request, Response,
    body::{Body, Frame, Incoming},
    client::conn::http2::SendRequest,
    header::{HeaderName, HeaderValue},
    server::conn::http2,
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinHandle,
};

use crate::proxy_support::within;

pub type Sent = BoxBody<Bytes, Infallible>;

/// A client with one connection.
#[derive(Clone)]
pub struct Client(pub SendRequest<Sent>);

impl Client {
    pub async fn connect(addr: SocketAddr) -> Client {
        let stream = within(TcpStream::connect(addr)).await.expect("somebody listens");
        let (sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Client(sender)
    }

    pub async fn send(&self, request: Request<Sent>) -> hyper::Result<Response<Incoming>> {
        within(self.0.clone().send_request(request)).await
    }

    /// What is answered, completely.
    pub async fn ask(&self, request: Request<Sent>) -> Reply {
        read(self.send(request).await.expect("an answer")).await.expect("a complete answer")
    }

    pub async fn get(&self, target: &str) -> Reply {
        self.ask(get(target)).await
    }
}

/// A complete answer.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub trailers: Option<HeaderMap>,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub fn trailer(&self, name: &str) -> Option<&str> {
        self.trailers.as_ref()?.get(name).map(|value| value.to_str().unwrap())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

pub async fn read(response: Response<Incoming>) -> hyper::Result<Reply> {
    let (head, body) = response.into_parts();
    let collected = within(body.collect()).await?;
    let trailers = collected.trailers().cloned();
    Ok(Reply { status: head.status.as_u16(), headers: head.headers, body: collected.to_bytes(), trailers })
}

pub fn get(target: &str) -> Request<Sent> {
    request("GET", target, none())
}

pub fn request(method: &str, target: &str, body: Sent) -> Request<Sent> {
    Request::builder().method(method).uri(format!("http://localhost:3000{target}")).body(body).unwrap()
}

pub fn none() -> Sent {
    http_body_util::Empty::new().boxed()
}

pub fn full(bytes: impl Into<Bytes>) -> Sent {
    Full::new(bytes.into()).boxed()
}

/// A body that is sent piece by piece; ends when the sender is dropped.
pub fn pieces() -> (mpsc::Sender<Frame<Bytes>>, Sent) {
    let (sender, receiver) = mpsc::channel(64);
    (sender, Pieces(receiver).boxed())
}

struct Pieces(mpsc::Receiver<Frame<Bytes>>);

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|frame| frame.map(Ok))
    }
}

pub fn fields(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    let pairs = pairs.iter();
    pairs.map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
}

/// A request as a program sees it, without its body.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    pub uri: String,
    pub headers: HeaderMap,
}

/// A program that speaks HTTP/2 only.
pub struct App {
    pub addr: SocketAddr,
    pub seen: Arc<Mutex<Vec<Seen>>>,
    pub connections: Arc<AtomicUsize>,
    tasks: Arc<Mutex<Vec<JoinHandle<()>>>>,
}

impl App {
    pub async fn new<F>(answer: impl Fn(Request<Incoming>) -> F + Send + Sync + Clone + 'static) -> App
    where
        F: Future<Output = Response<Sent>> + Send + 'static,
    {
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let log = Arc::clone(&seen);
        let mut app = App::raw(move |stream| {
            let (answer, log) = (answer.clone(), Arc::clone(&log));
            async move {
                let service = service_fn(move |request: Request<Incoming>| {
                    log.lock().unwrap().push(Seen {
                        method: request.method().to_string(),
                        uri: request.uri().to_string(),
                        headers: request.headers().clone(),
                    });
                    let answering = answer(request);
                    async move { Ok::<_, Infallible>(answering.await) }
                });
                let builder = http2::Builder::new(TokioExecutor::new());
                let _ = builder.serve_connection(TokioIo::new(stream), service).await;
            }
        })
        .await;
        app.seen = seen;
        app
    }

    /// `talk` is run for each connection.
    pub async fn raw<F>(talk: impl Fn(TcpStream) -> F + Send + Sync + 'static) -> App
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let addr = listener.local_addr().unwrap();
        let tasks: Arc<Mutex<Vec<JoinHandle<()>>>> = Arc::default();
        let connections = Arc::new(AtomicUsize::new(0));
        let (kept, count) = (Arc::clone(&tasks), Arc::clone(&connections));
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                stream.set_nodelay(true).unwrap();
                kept.lock().unwrap().push(tokio::spawn(talk(stream)));
            }
        });
        tasks.lock().unwrap().insert(0, accepting);
        App { addr, seen: Arc::default(), connections, tasks }
    }

    /// As if by `kill -9`: nothing is listened to any more, every connection ends.
    pub fn kill(&self) {
        self.tasks.lock().unwrap().iter().for_each(JoinHandle::abort);
    }

    pub fn open_connections(&self) -> usize {
        // The first task accepts.
        self.tasks.lock().unwrap().iter().skip(1).filter(|task| !task.is_finished()).count()
    }

    pub fn count(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    pub fn last(&self) -> Seen {
        self.seen.lock().unwrap().last().expect("a request").clone()
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Reads a whole body.
pub async fn whole<B>(body: B) -> Bytes
where
    B: Body<Data = Bytes>,
    B::Error: std::fmt::Debug,
{
    within(body.collect()).await.unwrap().to_bytes()
}
