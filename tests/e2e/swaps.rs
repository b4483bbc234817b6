//! Requests through swaps: none fails, none is answered twice, none by what is older than it may be.

use std::{collections::HashMap, io::Write, thread, time::Duration};

use serde_json::Value;

use crate::{
    support::{Devloop, Project, get, until},
    traffic::{self, Client, Crowd, connect, read_chunk, read_head},
    tricks,
};

/// How often each body arrived, by the app's log of requests.
fn arrivals(project: &Project) -> HashMap<String, usize> {
    let mut arrivals = HashMap::new();
    for line in project.read("requests.txt").lines().filter(|line| line.starts_with("POST")) {
        *arrivals.entry(line.rsplit(' ').next().unwrap_or_default().to_owned()).or_default() += 1;
    }
    arrivals
}

fn crowd_through_swaps(service: &str, app: &str) {
    let project = Project::with_app(service);
    project.write("app", format!("log=requests.txt {app}"));
    let mut devloop = project.up();
    assert_eq!(devloop.get("/").body, "1\n");
    let crowd = Crowd::begin(&devloop.address(), 16, 1);
    let last = 1 + traffic::swaps();
    for version in 2..=last {
        project.write("version", version.to_string());
        // requests in a crowd share a look at the files, which may be 10 ms old
        thread::sleep(Duration::from_millis(20));
        crowd.saved(version);
        crowd.sees(version);
        crowd.asks(48);
    }
    let verdict = crowd.end();
    assert!(verdict.problems.is_empty(), "{:#?}\n{}", verdict.problems, told(&devloop));
    let arrivals = arrivals(&project);
    let wrong: Vec<_> = verdict.ids.iter().filter(|id| arrivals.get(*id) != Some(&1)).collect();
    assert!(wrong.is_empty(), "not exactly once: {wrong:?}");
    assert_eq!(arrivals.len(), verdict.ids.len());
    assert!(devloop.count("live") as u64 >= last, "each version was live");
    eprintln!("{} requests, {} of them marked stale", verdict.requests, verdict.stale);
    assert_eq!(devloop.stop().code(), Some(130));
}

fn status(devloop: &mut Devloop) -> Value {
    serde_json::from_str(&devloop.get("/.devloop/status").body).expect("JSON")
}

fn told(devloop: &Devloop) -> String {
    devloop.events().iter().map(|event| format!("{event}\n")).collect()
}

#[test]
fn a_crowd_notices_nothing_of_swaps_that_overlap() {
    crowd_through_swaps("", "");
}

#[test]
fn a_crowd_notices_nothing_of_exclusive_swaps() {
    crowd_through_swaps("swap = \"exclusive\"", "start=300");
}

#[test]
fn a_crowd_notices_nothing_of_a_program_that_closes_idle_connections_without_a_word() {
    crowd_through_swaps("", "shuts");
}

#[test]
fn a_crowd_notices_nothing_of_exclusive_swaps_with_slow_requests() {
    crowd_through_swaps("swap = \"exclusive\"", "slow=/submit:40");
}

#[test]
fn requests_are_held_while_the_first_instance_starts_and_arrive_in_full() {
    let project = Project::with_app("");
    project.write("app", "start=300 log=requests.txt");
    let mut devloop = project.up();
    let address = devloop.address();
    let body: Vec<u8> = (0..1 << 20).map(|byte: u32| (byte % 251) as u8).collect();
    let posts: Vec<_> = (0..4)
        .map(|number| {
            let (address, body) = (address.clone(), body[number..].to_vec());
            thread::spawn(move || {
                let expected = format!("1 {} {}\n", body.len(), tricks::sum(&body));
                (Client::new(&address).post("/digest", &body).expect("it is answered").body, expected)
            })
        })
        .collect();
    for post in posts {
        let (answer, expected) = post.join().expect("no panic");
        assert_eq!(answer, expected);
    }
    devloop.stop();
}

#[test]
fn uploads_that_come_slowly_while_an_exclusive_swap_holds_arrive_in_full() {
    let project = Project::with_app("swap = \"exclusive\"");
    project.write("app", "start=200");
    let mut devloop = project.up();
    devloop.rest();
    project.write("version", "2");
    devloop.event("starting");
    let body: Vec<u8> = (0..1 << 20).map(|byte: u32| (byte % 241) as u8).collect();
    let mut stream = connect(&devloop.address()).expect("it listens");
    let head = format!(
        "POST /digest HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nexpect: 100-continue\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.get_mut().write_all(head.as_bytes()).expect("written");
    let go = read_head(&mut stream).expect("a permission to go on");
    assert!(go.starts_with("HTTP/1.1 100"), "{go}");
    for piece in body.chunks(100_000) {
        stream.get_mut().write_all(piece).expect("written");
    }
    let head = read_head(&mut stream).expect("an answer");
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let mut text = String::new();
    std::io::Read::read_to_string(&mut stream, &mut text).expect("read");
    assert_eq!(text, format!("2 {} {}\n", body.len(), tricks::sum(&body)));
    devloop.stop();
}

#[test]
fn a_web_socket_is_told_1012_at_a_swap_and_the_next_one_reaches_the_new_program() {
    let project = Project::with_app("");
    let mut devloop = project.up();
    devloop.rest();
    let address = devloop.address();
    let open = || {
        let mut stream = connect(&address).expect("it listens");
        let head = "GET /ws HTTP/1.1\r\nhost: localhost\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
                    sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        stream.get_mut().write_all(head.as_bytes()).expect("written");
        let head = read_head(&mut stream).expect("an answer");
        assert!(head.starts_with("HTTP/1.1 101"), "{head}");
        stream
    };
    for version in 1..4 {
        let mut sockets = [open(), open()];
        for socket in &mut sockets {
            let (opcode, text) = tricks::read_frame(socket).expect("a frame");
            assert_eq!((opcode, String::from_utf8_lossy(&text).into_owned()), (1, version.to_string()));
            let mut frame = tricks::frame(2, b"hello");
            frame[1] |= 0x80;
            frame.splice(2..2, [0, 0, 0, 0]);
            socket.get_mut().write_all(&frame).expect("written");
            assert_eq!(tricks::read_frame(socket).expect("an echo"), (2, b"hello".to_vec()));
        }
        project.write("version", (version + 1).to_string());
        for socket in &mut sockets {
            let (opcode, payload) = tricks::read_frame(socket).expect("a Close");
            assert_eq!((opcode, u16::from_be_bytes([payload[0], payload[1]])), (8, 1012), "{payload:?}");
            assert_eq!(std::io::Read::read(socket, &mut [0]).expect("then the end"), 0);
        }
        devloop.rest();
    }
    // all of them are over: no instance but the last one is left
    until("nothing drains any more", || {
        let service = status(&mut devloop)["services"][0].clone();
        (&service["draining"], &service["live"]["revision"]) == (&0.into(), &4.into())
    });
    devloop.stop();
}

#[test]
fn an_event_stream_ends_after_a_whole_event_at_a_swap_and_is_never_refused() {
    let project = Project::with_app("");
    let mut devloop = project.up();
    devloop.rest();
    let address = devloop.address();
    let open = |accept: &str| {
        let mut stream = connect(&address).expect("it listens");
        let head = format!("GET /sse HTTP/1.1\r\nhost: localhost\r\naccept: {accept}\r\n\r\n");
        stream.get_mut().write_all(head.as_bytes()).expect("written");
        let head = read_head(&mut stream).expect("an answer");
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        stream
    };
    for version in 1..6 {
        let mut stream = open("text/event-stream");
        let first = read_chunk(&mut stream).expect("an event").expect("not the end");
        assert_eq!(String::from_utf8_lossy(&first), format!("data: {version}\n\n"));
        project.write("version", (version + 1).to_string());
        let mut all = first;
        while let Some(chunk) = read_chunk(&mut stream).expect("a proper end") {
            all.extend(chunk);
        }
        assert!(all.ends_with(b"\n\n"), "it ends with a whole event: {:?}", String::from_utf8_lossy(&all));
    }
    devloop.stop();
}

#[test]
fn an_instance_that_is_killed_with_requests_is_replaced_and_nothing_is_sent_twice() {
    let project = Project::with_app("");
    project.write("app", "log=requests.txt slow=/slow:600000");
    let mut devloop = project.up();
    devloop.rest();
    let address = devloop.address();
    let pid: u32 = devloop.get("/pid").body.parse().expect("a pid");
    let ask = |post: Option<usize>| {
        let address = address.clone();
        thread::spawn(move || {
            let mut client = Client::new(&address);
            match post {
                Some(number) => client.post("/slow", format!("id-{number}.").as_bytes()),
                None => client.get("/slow"),
            }
            .expect("an answer")
        })
    };
    let gets: Vec<_> = (0..10).map(|_| ask(None)).collect();
    let posts: Vec<_> = (0..10).map(|number| ask(Some(number))).collect();
    until("all of them have arrived", || {
        project.read("requests.txt").lines().filter(|line| line.contains("/slow")).count() == 20
    });
    // What comes next is not slow, and it is on its way when this one dies.
    project.write("app", "log=requests.txt");
    devloop.event("saved");
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid as i32), nix::sys::signal::Signal::SIGKILL).expect("it runs");
    for post in posts {
        let answer = post.join().expect("no panic");
        assert_eq!((answer.status, answer.header("x-devloop")), (502, Some("upstream-died")), "{answer:?}");
    }
    for get in gets {
        let answer = get.join().expect("no panic");
        assert_eq!((answer.status, answer.body.as_str()), (200, "1\n"), "{answer:?}");
    }
    let posted = arrivals(&project);
    assert_eq!(posted.len(), 10);
    assert!(posted.values().all(|count| *count == 1), "{posted:?}");
    let read = project.read("requests.txt").lines().filter(|line| line.starts_with("GET /slow")).count();
    assert_eq!(read, 20, "each GET has reached the one that died, and then the next one");
    devloop.stop();
}

#[test]
fn gets_without_an_answer_are_taken_over_by_the_next_instance() {
    let project = Project::with_app("");
    // the first instance ends at this request, the second one answers it
    project.write("app", "only=/ log=requests.txt slow=/slow:600000");
    let mut devloop = project.up();
    devloop.rest();
    let address = devloop.address();
    let gets: Vec<_> = (0..10)
        .map(|_| {
            let address = address.clone();
            thread::spawn(move || Client::new(&address).get("/slow").expect("an answer"))
        })
        .collect();
    until("all of them have arrived", || {
        project.read("requests.txt").lines().filter(|line| line.contains("/slow")).count() == 10
    });
    let pid: u32 = devloop.get("/pid").body.parse().expect("a pid");
    project.write("app", "log=requests.txt");
    project.write("version", "2");
    devloop.event("live");
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid as i32), nix::sys::signal::Signal::SIGKILL)
        .expect("it drains");
    for get in gets {
        let answer = get.join().expect("no panic");
        assert_eq!((answer.status, answer.body.as_str()), (200, "2\n"), "{answer:?}");
    }
    devloop.stop();
}

#[test]
fn the_status_and_the_events_tell_of_swaps_and_failures() {
    let project = Project::with_app("");
    let mut devloop = project.up();
    devloop.rest();
    let address = devloop.address();
    let page = get(&address, "/.devloop/status");
    assert_eq!((page.status, page.header("x-devloop")), (200, Some("own")));
    let before = status(&mut devloop);
    assert_eq!((&before["at_rest"], &before["services"][0]["gate"]), (&true.into(), &"open".into()), "as it was told");
    assert_eq!(get(&address, "/.devloop/events").status, 403, "not without the token");
    let token = get(&address, "/env?DEVLOOP_SESSION").body;
    let mut stream = connect(&address).expect("it listens");
    let head = format!("GET /.devloop/events?token={token} HTTP/1.1\r\nhost: localhost\r\n\r\n");
    stream.get_mut().write_all(head.as_bytes()).expect("written");
    assert!(read_head(&mut stream).expect("an answer").starts_with("HTTP/1.1 200"));
    let mut told = String::new();
    let mut tells = |words: &str| {
        while !told.contains(words) {
            let chunk = read_chunk(&mut stream).expect("a chunk").expect("not the end");
            told.push_str(&String::from_utf8_lossy(&chunk));
        }
        told.clear();
    };
    tells("event: hello");
    project.write("version", "2");
    tells("event: saved");
    tells("event: live");
    project.write("version", "bad 3");
    tells("event: stale");
    let failed = status(&mut devloop);
    assert_eq!(failed["steps"][0]["state"], "failed");
    assert_eq!(failed["services"][0]["stale"], "step `build` failed: exit code 1");
    project.write("version", "4");
    tells("event: live");
    devloop.stop();
    while read_chunk(&mut stream).is_ok_and(|chunk| chunk.is_some()) {}
}

#[test]
fn the_last_good_artifact_serves_again_when_the_new_one_does_not_start_exclusively() {
    let project = Project::with_app("swap = \"exclusive\"");
    let mut devloop = project.up();
    devloop.rest();
    project.write("app", "exit=7");
    let answer = devloop.get("/");
    assert_eq!((answer.status, answer.body.as_str()), (200, "1\n"), "{answer:?}");
    let stale = answer.header("x-devloop-stale").expect("it is marked").to_owned();
    assert!(stale.contains("ended before it was ready: exit code 7"), "{stale}");
    let failed = devloop.event("start_failed");
    assert_eq!(failed["serving"], "revision 1 is started again");
    assert!(failed["report"]["output"].to_string().contains("does not want to start"), "{failed}");
    assert!(devloop.event("live")["stale"].is_string());
    assert_eq!(devloop.rest()["ok"], false);
    project.write("app", "");
    project.write("version", "2");
    let answer = devloop.get("/");
    assert_eq!((answer.body.as_str(), answer.header("x-devloop-stale")), ("2\n", None));
    devloop.stop();
}

#[test]
fn five_quick_saves_bring_the_newest_one() {
    for swap in ["", "swap = \"exclusive\""] {
        let project = Project::with_app(swap);
        project.write("app", "start=30");
        let mut devloop = project.up();
        devloop.rest();
        for round in 0..4 {
            for version in 2..=6 {
                project.write("version", format!("{round}{version}"));
                thread::yield_now();
            }
            let answer = devloop.get("/");
            assert_eq!((answer.body.clone(), answer.header("x-devloop-stale")), (format!("{round}6\n"), None));
        }
        devloop.stop();
    }
}

#[test]
fn two_instances_at_most_drain_at_a_time() {
    let project = Project::with_app("");
    let mut devloop = project.up();
    devloop.rest();
    let address = devloop.address();
    let mut hanging = Vec::new();
    for version in 2..6 {
        let mut stream = connect(&address).expect("it listens");
        stream
            .get_mut()
            .write_all(b"POST /hang HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n")
            .expect("written");
        hanging.push(stream);
        // it has arrived when a later one has been answered
        devloop.get("/");
        project.write("version", version.to_string());
        assert_eq!(devloop.get("/").body, format!("{version}\n"));
    }
    assert!(status(&mut devloop)["services"][0]["draining"].as_u64() <= Some(2));
    let head = read_head(&mut hanging[0]).expect("the oldest one is told");
    assert!(head.starts_with("HTTP/1.1 502"), "{head}");
    devloop.stop();
}

#[test]
fn a_request_that_has_reached_the_old_program_is_answered_by_it() {
    for (swap, app) in [("", ""), ("swap = \"exclusive\"", "")] {
        let project = Project::with_app(swap);
        project.write("app", format!("{app} slow=/slow:600 log=requests.txt"));
        let mut devloop = project.up();
        devloop.rest();
        let address = devloop.address();
        let slow = thread::spawn(move || Client::new(&address).post("/slow", b"id.").expect("an answer"));
        until("it has arrived", || project.read("requests.txt").contains("POST /slow"));
        project.write("version", "2");
        assert_eq!(devloop.get("/").body, "2\n");
        let answer = slow.join().expect("no panic");
        assert_eq!((answer.status, answer.body.as_str()), (200, "1\n"), "{swap}: {answer:?}");
        assert_eq!(arrivals(&project)["id."], 1);
        devloop.stop();
    }
}

#[test]
fn an_upload_that_still_moves_is_waited_for_by_an_exclusive_swap() {
    let project = Project::with_app("swap = \"exclusive\"");
    let mut devloop = project.up();
    devloop.rest();
    let body: Vec<u8> = (0..400_000).map(|byte: u32| (byte % 239) as u8).collect();
    let mut stream = connect(&devloop.address()).expect("it listens");
    let head = format!(
        "POST /digest HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nexpect: 100-continue\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.get_mut().write_all(head.as_bytes()).expect("written");
    let go = read_head(&mut stream).expect("it has reached the program");
    assert!(go.starts_with("HTTP/1.1 100"), "{go}");
    stream.get_mut().write_all(&body[..100_000]).expect("written");
    project.write("version", "2");
    devloop.event("step_done");
    for piece in body[100_000..].chunks(10_000) {
        stream.get_mut().write_all(piece).expect("written");
        thread::sleep(Duration::from_millis(20));
    }
    let head = read_head(&mut stream).expect("an answer");
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let mut text = String::new();
    std::io::Read::read_to_string(&mut stream, &mut text).expect("read");
    assert_eq!(text, format!("1 {} {}\n", body.len(), tricks::sum(&body)));
    assert_eq!(devloop.get("/").body, "2\n");
    devloop.stop();
}
