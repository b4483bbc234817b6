//! Programs that refuse connections.

use super::*;

/// A program that is slow to listen: its gate is open, but it refuses.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_connection_goes_back_to_the_gate_and_not_to_the_client() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let addr = socket.local_addr().unwrap();
    let stage = Stage::new().await;
    let run = stage.open(addr);
    let mut wire = stage.connect().await;
    wire.send(upload(1000, "")).await;
    stage.held(1).await;
    let listener = socket.listen(5).unwrap();
    let _app = App::on(listener, |mut wire, _| async move {
        while let Ok(request) = wire.message(Rest::None).await {
            wire.send(ok(&request.body.len().to_string())).await;
        }
    });
    assert_eq!(wire.reply().await.unwrap().text(), "1000");
    assert_eq!(stage.proxy.in_flight(run), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_goes_on_refusing_becomes_a_502_unless_the_gate_moves() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let stage = Stage::with(|settings| settings.limits.refused = Duration::from_millis(100)).await;
    let closed = socket.local_addr().unwrap();
    stage.open(closed);
    let reply = stage.get("/").await;
    assert_eq!((reply.status(), reply.header("x-devloop")), (502, Some("connection-refused")));
    let app = App::named("a").await;
    let stage = Stage::new().await;
    stage.open(closed);
    let mut wire = stage.connect().await;
    wire.send(get("/")).await;
    stage.held(1).await;
    stage.open(app.addr);
    assert_eq!(wire.reply().await.unwrap().text(), "a");
}
