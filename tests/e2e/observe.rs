//! What can be seen of a running devloop beside the terminal: the page, the numbers, the requests.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpStream,
    process::Command,
};

use serde_json::Value;

use crate::{
    chrome::{Chrome, Page},
    have::have,
    support::{DEADLINE, Devloop, Project, request, until},
};

/// The token that devloop's own page knows.
fn token(devloop: &mut Devloop) -> String {
    let page = devloop.get("/.devloop/").body;
    page.split("data-token=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("the page has it").to_owned()
}

/// Reads the page's stream until an event of this name fits.
fn told(devloop: &mut Devloop, name: &str, fits: impl Fn(&Value) -> bool) -> Value {
    let token = token(devloop);
    let mut stream = TcpStream::connect(devloop.address()).expect("it listens");
    stream.set_read_timeout(Some(DEADLINE)).expect("a socket");
    write!(stream, "GET /.devloop/live?token={token} HTTP/1.1\r\nhost: localhost\r\n\r\n").expect("it reads");
    let mut lines = BufReader::new(stream).lines();
    while let Some(Ok(line)) = lines.next() {
        if line == format!("event: {name}") {
            let data = lines.next().expect("an event has data").expect("it is read");
            let data = data.strip_prefix("data: ").expect("one line of data");
            let data: Value = serde_json::from_str(data).expect("JSON");
            if fits(&data) {
                return data;
            }
        }
    }
    panic!("the stream ended without the {name} that was waited for");
}

fn is_over(story: &Value, kinds: &[&str]) -> bool {
    let over = |kind: &&str| {
        story["phases"]
            .as_array()
            .is_some_and(|phases| phases.iter().any(|phase| phase["kind"] == **kind && phase["state"] == "good"))
    };
    kinds.iter().all(over)
}

#[test]
fn the_page_is_told_the_phases_of_a_save_and_what_programs_write() {
    let project = Project::with_app("");
    let mut devloop = project.up();
    devloop.rest();
    project.write("version", "2");
    devloop.answers("2");
    let all = ["settle", "step", "start", "ready", "swap", "drain"];
    let mut story = Value::Null;
    until("the old instance is gone", || {
        let news = told(&mut devloop, "journal", |_| true);
        let newest = news["revisions"].as_array().and_then(|all| all.last()).cloned().unwrap_or_default();
        let done = is_over(&newest, &all);
        story = newest;
        done
    });
    assert_eq!((&story["revision"], &story["files"][0]), (&2.into(), &"version".into()));
    let news = told(&mut devloop, "journal", |_| true);
    let lines = news["lines"].as_array().expect("lines");
    assert!(lines.iter().any(|line| line["source"] == "devloop" && line["tone"] == "good"), "{lines:#?}");
    let requests = told(&mut devloop, "requests", |_| true);
    assert!(requests["requests"].as_array().is_some_and(|all| all.iter().any(|one| one["revision"] == 2)));
    devloop.stop();
}

#[test]
fn the_numbers_are_read_by_the_parser_of_prometheus() {
    let project = Project::with_app("");
    let mut devloop = project.up();
    devloop.rest();
    project.write("version", "2");
    devloop.answers("2");
    project.write("version", "bad");
    devloop.event("step_failed");
    devloop.rest();
    let answer = devloop.get("/.devloop/metrics");
    assert_eq!(answer.header("content-type"), Some("application/openmetrics-text; version=1.0.0; charset=utf-8"));
    for line in [
        "devloop_swaps_total{service=\"app\",result=\"live\"} 2",
        "devloop_runs_total{name=\"build\",result=\"good\"} 2",
        "devloop_runs_total{name=\"build\",result=\"failed\"} 1",
        "devloop_failed{name=\"build\"} 1",
        "devloop_stale{name=\"app\"} 1",
        "devloop_revision 3",
    ] {
        assert!(answer.body.lines().any(|known| known == line), "{line} is missing in\n{}", answer.body);
    }
    assert!(!answer.body.contains("devloop_watches{kind=\"events\"} 0\n") || !cfg!(target_os = "linux"));
    assert!(!answer.body.contains("devloop_memory_bytes 0\n") || !cfg!(target_os = "linux"));
    devloop.stop();
    parsed_by_prometheus(&project, &answer.body);
}

/// The official client for Python has the strict parser. Asks PyPI through pip; skipped without python3 and its venv.
fn parsed_by_prometheus(project: &Project, text: &str) {
    if !have("python3") {
        return;
    }
    let venv = project.path("venv");
    let made = Command::new("python3").args(["-m", "venv"]).arg(&venv).output().expect("python3 runs");
    if !made.status.success() {
        eprintln!("skipped: python3 has no venv");
        return;
    }
    let pip = Command::new(venv.join("bin/pip"))
        .args(["install", "--quiet", "--disable-pip-version-check", "prometheus-client==0.22.1"])
        .output()
        .expect("pip runs");
    assert!(pip.status.success(), "{}", String::from_utf8_lossy(&pip.stderr));
    project.write("metrics.txt", text);
    let script = "import sys\n\
        from prometheus_client.openmetrics.parser import text_string_to_metric_families as read\n\
        names = {family.name: family.type for family in read(open(sys.argv[1]).read())}\n\
        print(names['devloop_swaps'], names['devloop_step_duration_seconds'], names['devloop_revision'])";
    let read = Command::new(venv.join("bin/python"))
        .args(["-c", script])
        .arg(project.path("metrics.txt"))
        .output()
        .expect("python runs");
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    assert_eq!(String::from_utf8_lossy(&read.stdout).trim(), "counter histogram gauge");
}

#[test]
fn a_request_that_failed_is_sent_again_after_the_swap_that_mends_it() {
    let project = Project::with_app("");
    project.write("app", "status=500");
    let mut devloop = project.up();
    devloop.rest();
    let address = devloop.address();
    let token = token(&mut devloop);
    assert_eq!(devloop.get("/").status, 500);
    let act = |number: u64, what: &str| {
        let act = format!(
            "POST /.devloop/requests/{number}/{what} HTTP/1.1\r\nhost: localhost\r\nx-devloop-token: {token}\r\n\
             content-length: 0\r\nconnection: close\r\n\r\n"
        );
        request(&address, &act).expect("an answer").status
    };
    assert_eq!(act(1, "replay-until-success"), 202);
    project.write("app", "");
    devloop.event("live");
    let list = || {
        let ask = format!(
            "GET /.devloop/requests HTTP/1.1\r\nhost: localhost\r\nx-devloop-token: {token}\r\nconnection: close\r\n\r\n"
        );
        let answer = request(&address, &ask).expect("an answer");
        serde_json::from_str::<Value>(&answer.body).expect("JSON")["requests"].take()
    };
    until("it is sent again", || {
        list().as_array().is_some_and(|all| {
            all.iter().any(|one| one["replays"] == 1 && one["status"] == 200 && one["revision"] == 2)
        })
    });
    devloop.stop();
}

/// In a real browser: the page shows what is live, then what has failed and why. Skipped without chromium.
#[test]
fn the_page_shows_in_a_browser_what_is_live_and_what_has_failed() {
    let Some(chrome) = Chrome::get() else { return };
    let project = Project::with_app("");
    let mut devloop = project.up();
    devloop.rest();
    devloop.get("/seen/by/the/page");
    let page = chrome.page();
    page.go(&format!("http://{}/.devloop/", devloop.address()));
    shows(&page, &["at rest, revision 1", "/seen/by/the/page", "app live: revision 1"]);
    project.write("build.sh", "echo 'main.c:3:7: error: <img src=x onerror=alert(1)>' >&2; exit 1\n");
    devloop.event("step_failed");
    shows(&page, &["is not live", "main.c:3:7", "<img src=x onerror=alert(1)>"]);
    assert_eq!(page.eval("document.images.length"), 0, "output of a program became markup");
    assert!(page.complaints().is_empty(), "{:?}", page.complaints());
    devloop.stop();
}

/// Waits until a person reads all of this on the page.
fn shows(page: &Page, wanted: &[&str]) {
    for text in wanted {
        page.until(&format!("document.body.innerText.includes({text:?})"));
    }
}

#[test]
fn hooks_are_told_what_failed_and_where_and_that_all_is_well_again() {
    let project = Project::with_app("");
    let toml = project.read("dev.toml");
    let hook = "[[hook]]\non = [\"failed\", \"recovered\", \"live\"]\nrun = \"sh hook.sh\"\n";
    project.write("dev.toml", format!("{toml}\n{hook}"));
    let line = "$DEVLOOP_EVENT|$DEVLOOP_NAME|$DEVLOOP_PLACE|$DEVLOOP_REVISION|$DEVLOOP_PROJECT";
    project.write("hook.sh", format!("echo \"{line}\" >> told.log\nprintf '%s' \"$DEVLOOP_FACT\" > fact.tmp\n"));
    let mut devloop = project.up();
    devloop.rest();
    let told = |wanted: &str| {
        until(&format!("the hook is told {wanted}"), || {
            std::fs::read_to_string(project.path("told.log")).unwrap_or_default().lines().any(|line| line == wanted)
        });
    };
    let name = project.root().file_name().expect("a name").to_string_lossy().into_owned();
    told(&format!("live|app||1|{name}"));
    project.write("version", "bad");
    devloop.event("step_failed");
    told(&format!("failed|build|build.sh:1:5|2|{name}"));
    let fact: Value = serde_json::from_str(&project.read("fact.tmp")).expect("JSON");
    assert_eq!((&fact["event"], &fact["step"]), (&"step_failed".into(), &"build".into()));
    project.write("version", "3");
    devloop.answers("3");
    told(&format!("recovered|||3|{name}"));
    devloop.stop();
}

#[test]
fn a_hook_that_fails_or_hangs_holds_up_nothing() {
    let project = Project::with_app("");
    let toml = project.read("dev.toml");
    let hooks = "[[hook]]\non = \"live\"\nrun = \"sleep 1000\"\n\n[[hook]]\non = \"live\"\nrun = \"no-such-program\"\n";
    project.write("dev.toml", format!("{toml}\n{hooks}"));
    let mut devloop = project.up();
    let note = devloop.wait("a note", |event| {
        event["event"] == "note" && event["text"].as_str().is_some_and(|text| text.contains("hook"))
    });
    assert!(note["text"].as_str().is_some_and(|text| text.starts_with("the hook `no-such-program` failed")), "{note}");
    project.write("version", "2");
    devloop.answers("2");
    let pid = devloop.pid();
    assert!(devloop.stop().code().is_some());
    assert!(!crate::support::is_alive(pid));
}
