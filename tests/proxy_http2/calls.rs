//! gRPC calls of all four kinds through swaps, deaths and holds.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::{
    Request, Response,
    body::{Body, Frame, Incoming},
};
use tokio::sync::mpsc;

use crate::{
    proxy_support::{self, Stage, failed, holding, until, within, working},
    support::{self, App, Client, Reply, Sent, fields, full, none, pieces, read, request},
};

fn message(text: &str) -> Bytes {
    let mut bytes = vec![0];
    bytes.extend(u32::try_from(text.len()).unwrap().to_be_bytes());
    bytes.extend(text.as_bytes());
    bytes.into()
}

fn call(body: Sent) -> Request<Sent> {
    let mut asked = request("POST", "/demo.Greeter/Hello", body);
    asked.headers_mut().extend(fields(&[("content-type", "application/grpc"), ("te", "trailers")]));
    asked
}

fn response(body: Sent) -> Response<Sent> {
    let mut response = Response::new(body);
    response.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
    response
}

type Pieces = mpsc::Sender<Frame<Bytes>>;

async fn say(to: &Pieces, text: &str) {
    to.send(Frame::data(message(text))).await.unwrap();
}

async fn end(to: Pieces) {
    to.send(Frame::trailers(fields(&[("grpc-status", "0")]))).await.unwrap();
}

/// A program that hands each call's answer to the test.
async fn handing() -> (App, mpsc::Receiver<(Request<Incoming>, Pieces)>) {
    let (sender, calls) = mpsc::channel(16);
    let app = App::new(move |asked| {
        let sender = sender.clone();
        async move {
            let (answer, body) = pieces();
            sender.send((asked, answer)).await.unwrap();
            response(body)
        }
    })
    .await;
    (app, calls)
}

/// A program that begins no answer.
async fn silent() -> App {
    App::new(|asked| async move {
        let _ = asked.into_body().collect().await;
        std::future::pending().await
    })
    .await
}

async fn new() -> App {
    App::new(|asked| async move {
        let _ = asked.into_body().collect().await;
        let (answer, body) = pieces();
        say(&answer, "new").await;
        end(answer).await;
        response(body)
    })
    .await
}

async fn stage() -> Stage {
    Stage::with(|settings| settings.limits.parting = Duration::from_millis(50)).await
}

#[track_caller]
fn unavailable(reply: &Reply) {
    let status = reply.trailer("grpc-status").or(reply.header("grpc-status"));
    let why = reply.trailer("grpc-message").or(reply.header("grpc-message"));
    assert_eq!((reply.status, status, why), (200, Some("14"), Some("the program was replaced by a newer one")));
}

async fn swap(stage: &Stage, old: devloop::model::RunId, to: &App) {
    stage.open(to.addr);
    within(stage.proxy.drain(old, proxy_support::DEADLINE)).await;
    assert_eq!(stage.proxy.in_flight(old), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_from_the_program_ends_between_two_messages_and_the_client_may_try_again() {
    let (old, mut calls) = handing().await;
    let (stage, new) = (stage().await, new().await);
    let run = stage.open(old.addr);
    let client = Client::connect(stage.addr).await;
    let mut streams = Vec::new();
    // One that has said more than one message, one that has said one, one in the middle of its second.
    for said in [&["one", "two"][..], &["one"], &["one", "half"]] {
        let answer = client.send(call(full(message("ask")))).await.unwrap();
        let (_, to) = calls.recv().await.unwrap();
        for text in said {
            match *text {
                "half" => to.send(Frame::data(message("half").slice(..6))).await.unwrap(),
                text => say(&to, text).await,
            }
        }
        streams.push((answer, to));
    }
    // So much is through before the swap.
    let mut begun = Vec::new();
    for (mut answer, to) in streams {
        let first = within(answer.body_mut().frame()).await.unwrap().unwrap().into_data().unwrap();
        begun.push((first, answer, to));
    }
    stage.open(new.addr);
    let draining = stage.proxy.drain(run, proxy_support::DEADLINE);
    let mut ends = Vec::new();
    let reading = async {
        for (first, answer, to) in begun {
            let is_cut = first.len() + answer.size_hint().lower() as usize != 0 && ends.len() == 2;
            let finish = async {
                if is_cut {
                    to.send(Frame::data(message("half").slice(6..))).await.unwrap();
                    // Behind the boundary: never seen.
                    let _ = to.send(Frame::data(message("after"))).await;
                }
                to
            };
            let (reply, _to) = tokio::join!(read(answer), finish);
            let reply = reply.unwrap();
            unavailable(&reply);
            ends.push([&first[..], &reply.body].concat());
        }
    };
    within(async { tokio::join!(draining, reading) }).await;
    let whole = |texts: &[&str]| texts.iter().flat_map(|text| message(text).to_vec()).collect::<Vec<u8>>();
    assert_eq!(ends, [whole(&["one", "two"]), whole(&["one"]), whole(&["one", "half"])]);
    assert_eq!(stage.proxy.in_flight(run), 0);
    let reply = client.ask(call(full(message("ask")))).await;
    assert_eq!((&reply.body, reply.trailer("grpc-status")), (&message("new"), Some("0")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unary_call_is_finished_by_the_program_that_it_reached() {
    let (old, mut calls) = handing().await;
    let (stage, new) = (stage().await, new().await);
    let run = stage.open(old.addr);
    let client = Client::connect(stage.addr).await;
    let calling = client.clone();
    let unary = tokio::spawn(async move { calling.ask(call(full(message("ask")))).await });
    let (_, to) = calls.recv().await.unwrap();
    stage.open(new.addr);
    let drained = stage.proxy.drain(run, proxy_support::DEADLINE);
    let answering = async {
        // Several times as long as a stream would be given.
        tokio::time::sleep(Duration::from_millis(400)).await;
        assert_eq!(stage.proxy.in_flight(run), 1);
        say(&to, "old").await;
        end(to).await;
    };
    within(async { tokio::join!(drained, answering) }).await;
    let reply = within(unary).await.unwrap();
    assert_eq!((&reply.body, reply.trailer("grpc-status")), (&message("old"), Some("0")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_to_the_program_and_one_both_ways_end_at_a_swap_even_if_unanswered() {
    let (old, new) = (silent().await, new().await);
    let stage = stage().await;
    let run = stage.open(old.addr);
    let client = Client::connect(stage.addr).await;
    let mut open = Vec::new();
    // None, one, and two messages so far; none is the last.
    for said in [0, 1, 2] {
        let (to, body) = pieces();
        for number in 0..said {
            say(&to, &number.to_string()).await;
        }
        let calling = client.clone();
        open.push((to, tokio::spawn(async move { calling.ask(call(body)).await })));
    }
    until(|| old.count() == 3).await;
    swap(&stage, run, &new).await;
    for (to, answer) in open {
        let reply = within(answer).await.unwrap();
        unavailable(&reply);
        assert_eq!(reply.header("x-devloop"), Some("replaced"));
        drop(to);
    }
    assert_eq!(new.count(), 0);
    let (to, body) = pieces();
    let calling = client.clone();
    let again = tokio::spawn(async move { calling.ask(call(body)).await });
    say(&to, "again").await;
    drop(to);
    assert_eq!(within(again).await.unwrap().trailer("grpc-status"), Some("0"));
}

#[tokio::test(flavor = "multi_thread")]
async fn both_directions_flow_at_the_same_time() {
    let echo = App::new(|asked: Request<Incoming>| async move {
        let (answer, body) = pieces();
        tokio::spawn(async move {
            let mut asked = asked.into_body();
            while let Some(Ok(frame)) = asked.frame().await {
                answer.send(frame).await.unwrap();
            }
            end(answer).await;
        });
        response(body)
    })
    .await;
    let stage = stage().await;
    stage.open(echo.addr);
    let client = Client::connect(stage.addr).await;
    let (to, body) = pieces();
    let mut answer = client.send(call(body)).await.unwrap();
    for text in ["ping", "pong"] {
        say(&to, text).await;
        let frame = within(answer.body_mut().frame()).await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), message(text));
    }
    drop(to);
    assert_eq!(read(answer).await.unwrap().trailer("grpc-status"), Some("0"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_held_as_long_as_its_own_deadline_and_not_longer() {
    let app = new().await;
    let stage = stage().await;
    let run = stage.add(app.addr);
    // Not even while a build is visibly running.
    stage.gate(working());
    let client = Client::connect(stage.addr).await;
    let mut asked = call(full(message("ask")));
    asked.headers_mut().extend(fields(&[("grpc-timeout", "150m")]));
    let reply = client.ask(asked).await;
    assert_eq!((reply.header("grpc-status"), reply.header("x-devloop")), (Some("4"), Some("holding-limit")));
    let mut asked = call(full(message("ask")));
    asked.headers_mut().extend(fields(&[("grpc-timeout", "60S")]));
    let calling = client.clone();
    let held = tokio::spawn(async move { calling.ask(asked).await });
    stage.held(1).await;
    stage.gate(proxy_support::open(run));
    assert_eq!(within(held).await.unwrap().trailer("grpc-status"), Some("0"));
    assert_eq!(app.count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_is_told_what_the_hold_has_left_of_a_deadline() {
    let (app, mut calls) = handing().await;
    let stage = stage().await;
    let run = stage.add(app.addr);
    let client = Client::connect(stage.addr).await;
    let timed = || {
        let mut asked = call(full(message("ask")));
        asked.headers_mut().extend(fields(&[("grpc-timeout", "50S")]));
        asked
    };
    stage.gate(holding());
    let (calling, asked) = (client.clone(), timed());
    let held = tokio::spawn(async move { calling.ask(asked).await });
    stage.held(1).await;
    // Longer than a moment, whatever else this machine does.
    tokio::time::sleep(Duration::from_millis(20)).await;
    stage.gate(proxy_support::open(run));
    let (asked, answer) = within(calls.recv()).await.unwrap();
    let told = asked.headers()["grpc-timeout"].to_str().unwrap().to_owned();
    let micros: u64 = told.strip_suffix('u').expect("finer than it came").parse().unwrap();
    assert!((1..=49_980_000).contains(&micros), "{told}");
    end(answer).await;
    assert_eq!(within(held).await.unwrap().trailer("grpc-status"), Some("0"));
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_statuses_that_a_client_of_grpc_understands() {
    let stage = Stage::with(|settings| settings.rules.hold = Duration::from_millis(20)).await;
    let client = Client::connect(stage.addr).await;
    let mut seen = Vec::new();
    stage.gate(failed("step `build` failed: 100%"));
    let reply = client.ask(call(none())).await;
    assert_eq!(reply.header("grpc-message"), Some("step `build` failed: 100%25"));
    seen.push(reply);
    stage.gate(holding());
    seen.push(client.ask(call(none())).await);
    let foreign = Request::post("http://evil.test/x").header("content-type", "application/grpc").body(none());
    seen.push(client.ask(foreign.unwrap()).await);
    for reply in &seen {
        assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/grpc")));
        assert!(reply.body.is_empty() && reply.trailers.is_none());
    }
    let statuses: Vec<_> = seen.iter().map(|reply| reply.header("grpc-status").unwrap()).collect();
    assert_eq!(statuses, ["14", "14", "7"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_program_dies_its_calls_are_unavailable_and_none_is_sent_twice() {
    let (old, mut calls) = handing().await;
    let (stage, new) = (stage().await, new().await);
    let run = stage.open(old.addr);
    let client = Client::connect(stage.addr).await;
    let streaming = client.send(call(full(message("ask")))).await.unwrap();
    let (_, to) = calls.recv().await.unwrap();
    say(&to, "one").await;
    let unanswered = silent().await;
    let mut streaming = streaming;
    let first = within(streaming.body_mut().frame()).await.unwrap().unwrap().into_data().unwrap();
    stage.gate(holding());
    old.kill();
    stage.proxy.gone(run);
    let reply = read(streaming).await.unwrap();
    assert_eq!((first, reply.trailer("grpc-status")), (message("one"), Some("14")));
    // One without an answer.
    let run = stage.open(unanswered.addr);
    let calling = client.clone();
    let unary = tokio::spawn(async move { calling.ask(call(full(message("ask")))).await });
    until(|| unanswered.count() == 1).await;
    stage.gate(holding());
    unanswered.kill();
    stage.proxy.gone(run);
    stage.open(new.addr);
    let reply = within(unary).await.unwrap();
    assert_eq!((reply.header("grpc-status"), reply.header("x-devloop")), (Some("14"), Some("upstream-died")));
    assert_eq!(new.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reason_of_a_reset_passes_both_ways() {
    // The program resets a stream that it has begun to answer.
    let app = App::raw(|stream| async move {
        let mut connection = h2::server::handshake(stream).await.unwrap();
        let mut given_up = None;
        while let Some(Ok((_, mut respond))) = connection.accept().await {
            let head = Response::builder().header("content-type", "application/grpc").body(()).unwrap();
            let mut body = respond.send_response(head, false).unwrap();
            body.send_data(message("one"), false).unwrap();
            given_up.replace(body);
            tokio::spawn({
                let mut body = given_up.take().unwrap();
                async move {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    body.send_reset(h2::Reason::ENHANCE_YOUR_CALM);
                }
            });
        }
    })
    .await;
    let stage = stage().await;
    stage.open(app.addr);
    let client = Client::connect(stage.addr).await;
    let answer = client.send(call(full(message("ask")))).await.unwrap();
    let error = support::read(answer).await.unwrap_err();
    let found = std::error::Error::source(&error).and_then(|error| error.downcast_ref::<h2::Error>());
    assert_eq!(found.and_then(h2::Error::reason), Some(h2::Reason::ENHANCE_YOUR_CALM));
    // The client gives up: the program hears of it.
    let (heard, mut hears) = mpsc::channel(1);
    let app = App::new(move |asked: Request<Incoming>| {
        let heard = heard.clone();
        async move {
            let end = asked.into_body().collect().await;
            heard.send(end.is_err()).await.unwrap();
            response(none())
        }
    })
    .await;
    stage.open(app.addr);
    let (to, body) = pieces();
    let calling = client.clone();
    let given_up = tokio::spawn(async move { calling.send(call(body)).await });
    say(&to, "one").await;
    until(|| app.count() == 1).await;
    given_up.abort();
    assert_eq!(within(hears.recv()).await, Some(true));
}
