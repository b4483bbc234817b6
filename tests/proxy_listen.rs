//! Where the proxy listens, and what it says about it.
#![expect(clippy::disallowed_methods, reason = "tests are outside the house")]

mod proxy_support;

use std::sync::Arc;

use devloop::{
    core::gate::Gates,
    plan::Listen,
    proxy::{Caller, Feeds, Proxy, Settings},
};
use proxy_support::{Wire, get};
use tokio::{net::TcpListener, sync::watch};

async fn start(change: impl FnOnce(&mut Settings)) -> Result<Proxy, devloop::error::Problem> {
    let mut settings = proxy_support::settings();
    change(&mut settings);
    let (_, gates) = watch::channel(Gates::default());
    let (_, status) = watch::channel(Arc::new(serde_json::Value::Null));
    let feeds = Feeds {
        gates,
        status,
        look: None,
        written: Arc::new(|_, _| (Vec::new(), 0)),
        hear: Arc::new(drop),
        tell: Arc::new(|_| {}),
        waits_for: Arc::new(|_, _| Caller::Stranger),
        since: Arc::new(|_| None),
        numbers: Arc::new(|_| String::new()),
    };
    Proxy::start(settings, feeds).await
}

fn listen(host: Option<&str>, port: u16, written: bool) -> Listen {
    Listen { host: host.map(str::to_owned), port, written }
}

#[tokio::test(flavor = "multi_thread")]
async fn by_default_both_loopback_addresses_answer_on_one_port() {
    let proxy = start(|settings| settings.listen = listen(None, 0, false)).await.unwrap();
    let addresses = proxy.addresses();
    assert!(addresses.iter().all(|addr| addr.ip().is_loopback() && addr.port() == addresses[0].port()));
    if TcpListener::bind("[::1]:0").await.is_ok() {
        assert_eq!(addresses.len(), 2);
    }
    for addr in addresses {
        assert_eq!(Wire::connect(addr).await.ask(&get("/.devloop/status")).await.status(), 200);
    }
    assert!(proxy.notes().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_is_left_alone_unless_somebody_wrote_it_down() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = taken.local_addr().unwrap().port();
    let proxy = start(|settings| settings.listen = listen(None, port, false)).await.unwrap();
    assert_ne!(proxy.addresses()[0].port(), port);
    let note = proxy.notes().concat();
    assert!(note.contains(&format!("port {port} is taken")), "{note}");
    let problem = start(|settings| settings.listen = listen(None, port, true)).await.err().unwrap();
    assert!(problem.message.contains(&format!("port {port} is taken")), "{problem:?}");
    assert!(problem.hint.is_some());
    if cfg!(target_os = "linux") {
        assert!(problem.message.contains(&format!("pid {}", std::process::id())), "{problem:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_loopback_there_is_a_warning_and_addresses_are_names() {
    let proxy = start(|settings| settings.listen = listen(Some("0.0.0.0"), 0, true)).await.unwrap();
    assert!(proxy.notes().concat().contains("network"));
    let addr = ([127, 0, 0, 1], proxy.addresses()[0].port()).into();
    let by_address = "GET /.devloop/status HTTP/1.1\r\nHost: 192.168.7.7:3000\r\n\r\n";
    assert_eq!(Wire::connect(addr).await.ask(by_address).await.status(), 200);
    let by_name = "GET /.devloop/status HTTP/1.1\r\nHost: evil.test\r\n\r\n";
    assert_eq!(Wire::connect(addr).await.ask(by_name).await.status(), 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_of_another_machine_is_a_problem() {
    let problem = start(|settings| settings.listen = listen(Some("192.0.2.1"), 0, true)).await.err().unwrap();
    assert!(problem.message.contains("cannot listen"), "{problem:?}");
    let problem = start(|settings| settings.listen = listen(Some("no such host"), 0, true)).await.err().unwrap();
    assert!(problem.message.contains("`no such host`"), "{problem:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_without_a_port_says_so() {
    let proxy = start(|settings| settings.rules.services.clear()).await.unwrap();
    let reply = Wire::connect(proxy.addresses()[0]).await.ask(&get("/")).await;
    assert_eq!((reply.status(), reply.header("x-devloop")), (404, Some("no-service")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_proxy_listens_no_more() {
    let proxy = start(|_| {}).await.unwrap();
    let addr = proxy.addresses()[0];
    drop(proxy);
    proxy_support::until(|| std::net::TcpStream::connect(addr).is_err()).await;
}
