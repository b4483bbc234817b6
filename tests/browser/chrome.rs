//! A real browser: headless Chromium, spoken to over the DevTools protocol through two pipes. Tests that run at the
//! same time share one; each has its own profile in it.
#![expect(unreachable_pub, reason = "test programs are crates of their own")]

use std::{
    collections::HashMap,
    fs::{File, OpenOptions},
    io::{BufReader, Read, Write},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Condvar, Mutex, PoisonError, Weak},
    thread,
    time::{Duration, Instant},
};

use nix::{sys::stat::Mode, unistd::mkfifo};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::have::have;

/// Longer than anything here takes on a busy machine.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// A running browser.
pub struct Chrome {
    child: Mutex<Child>,
    pipe: Mutex<File>,
    heard: Arc<Heard>,
    next: Mutex<u64>,
    _folder: TempDir,
}

#[derive(Default)]
struct Heard {
    inner: Mutex<Inbox>,
    news: Condvar,
}

#[derive(Default)]
struct Inbox {
    answers: HashMap<u64, Value>,
    /// By session.
    events: HashMap<String, Vec<Value>>,
}

/// One tab, in a profile that it may share with others.
pub struct Page {
    chrome: Arc<Chrome>,
    session: String,
    target: String,
    profile: Arc<Profile>,
}

struct Profile {
    chrome: Arc<Chrome>,
    id: String,
}

static SHARED: Mutex<Weak<Chrome>> = Mutex::new(Weak::new());

impl Chrome {
    /// The browser; none, with a line that says so, where there is none.
    pub fn get() -> Option<Arc<Chrome>> {
        if !have("chromium") {
            return None;
        }
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = shared.upgrade() {
            return Some(running);
        }
        let chrome = Arc::new(Chrome::start(|_| {}));
        *shared = Arc::downgrade(&chrome);
        Some(chrome)
    }

    /// The browser of somebody who trusts this authority; none, with a line that says so, where that cannot be made.
    pub fn of_somebody_who_trusts(authority: &Path) -> Option<Arc<Chrome>> {
        if !have("chromium") || !have("certutil") {
            return None;
        }
        Some(Arc::new(Chrome::start(|home| trust(home, authority))))
    }

    /// `prepare` gets the home folder of its person.
    fn start(prepare: impl FnOnce(&Path)) -> Chrome {
        let folder = TempDir::new().expect("a temporary folder");
        let home = folder.path().join("home");
        std::fs::create_dir(&home).expect("folders can be made");
        prepare(&home);
        let (to, from) = (folder.path().join("to"), folder.path().join("from"));
        for pipe in [&to, &from] {
            mkfifo(pipe, Mode::S_IRWXU).expect("a pipe with a name");
        }
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            "--window-size=1200,800",
            // Sites of others, all of them on this machine.
            "--host-resolver-rules=MAP *.test 127.0.0.1",
            "--remote-debugging-pipe",
        ];
        // It reads from descriptor 3 and writes to 4.
        let child = Command::new("sh")
            .args(["-c", "to=$1; from=$2; shift 2; exec \"$@\" 3<\"$to\" 4>\"$from\"", "sh"])
            .args([to.as_os_str(), from.as_os_str()])
            .arg("chromium")
            .args(arguments)
            .arg(format!("--user-data-dir={}", folder.path().join("profile").display()))
            .arg("about:blank")
            .env("HOME", &home)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromium starts");
        let pipe = OpenOptions::new().write(true).open(&to).expect("it reads");
        let reader = BufReader::new(File::open(&from).expect("it writes"));
        let heard = Arc::new(Heard::default());
        let of_thread = Arc::clone(&heard);
        thread::spawn(move || hear(reader, &of_thread));
        Chrome { child: Mutex::new(child), pipe: Mutex::new(pipe), heard, next: Mutex::new(1), _folder: folder }
    }

    /// A tab in a profile of its own.
    pub fn page(self: &Arc<Chrome>) -> Page {
        let profile = self.call(None, "Target.createBrowserContext", json!({}));
        let id = text(&profile["browserContextId"]);
        self.tab(Arc::new(Profile { chrome: Arc::clone(self), id }))
    }

    fn tab(self: &Arc<Chrome>, profile: Arc<Profile>) -> Page {
        let target =
            self.call(None, "Target.createTarget", json!({ "url": "about:blank", "browserContextId": profile.id }));
        let target = text(&target["targetId"]);
        let session = self.call(None, "Target.attachToTarget", json!({ "targetId": target, "flatten": true }));
        let page = Page { chrome: Arc::clone(self), session: text(&session["sessionId"]), target, profile };
        for domain in ["Page", "Runtime", "Log", "Network"] {
            page.call(&format!("{domain}.enable"), json!({}));
        }
        page
    }

    fn call(&self, session: Option<&str>, method: &str, params: Value) -> Value {
        self.try_call(session, method, params).unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    fn try_call(&self, session: Option<&str>, method: &str, params: Value) -> Result<Value, Value> {
        let id = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            *next += 1;
            *next
        };
        let mut message = json!({ "id": id, "method": method, "params": params });
        if let Some(session) = session {
            message["sessionId"] = json!(session);
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.pipe.lock().unwrap_or_else(PoisonError::into_inner).write_all(&bytes).expect("the browser reads");
        let end = Instant::now() + DEADLINE;
        let mut inbox = self.heard.inner.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(mut answer) = inbox.answers.remove(&id) {
                return match answer.get("error") {
                    Some(error) => Err(error.clone()),
                    None => Ok(answer["result"].take()),
                };
            }
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "the browser does not answer {method}");
            inbox = self.heard.news.wait_timeout(inbox, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for Chrome {
    fn drop(&mut self) {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        _ = child.kill();
        _ = child.wait();
    }
}

impl Drop for Profile {
    fn drop(&mut self) {
        _ = self.chrome.try_call(None, "Target.disposeBrowserContext", json!({ "browserContextId": self.id }));
    }
}

/// As `devloop trust` does it for Chromium, and for nobody else.
fn trust(home: &Path, authority: &Path) {
    let store = home.join(".pki/nssdb");
    std::fs::create_dir_all(&store).expect("folders can be made");
    let place = format!("sql:{}", store.display());
    let authority = authority.to_str().expect("paths of tests are text");
    for arguments in [&["-N", "--empty-password"][..], &["-A", "-t", "C,,", "-n", "devloop", "-i", authority]] {
        let status = Command::new("certutil").args(["-d", &place]).args(arguments).status();
        assert!(status.expect("certutil starts").success(), "certutil {arguments:?}");
    }
}

fn hear(mut reader: BufReader<File>, heard: &Heard) {
    let mut piece = [0; 64 * 1024];
    let mut buffer = Vec::new();
    while let Ok(count @ 1..) = reader.read(&mut piece) {
        buffer.extend_from_slice(&piece[..count]);
        while let Some(end) = buffer.iter().position(|byte| *byte == 0) {
            let message: Vec<u8> = buffer.drain(..=end).collect();
            let Ok(message) = serde_json::from_slice::<Value>(&message[..end]) else { continue };
            let mut inbox = heard.inner.lock().unwrap_or_else(PoisonError::into_inner);
            match message["id"].as_u64() {
                Some(id) => drop(inbox.answers.insert(id, message)),
                None if is_noise(&message) => {}
                None => inbox.events.entry(text(&message["sessionId"])).or_default().push(message),
            }
            heard.news.notify_all();
        }
    }
}

/// What nobody asks for: hours of it would fill the memory.
fn is_noise(event: &Value) -> bool {
    let method = event["method"].as_str().unwrap_or_default();
    method.starts_with("Network.") && method != "Network.requestWillBeSent"
}

impl Page {
    /// Another tab of the same profile.
    pub fn another(&self) -> Page {
        self.chrome.tab(Arc::clone(&self.profile))
    }

    pub fn call(&self, method: &str, params: Value) -> Value {
        self.chrome.call(Some(&self.session), method, params)
    }

    /// Opens this address and waits until its document has been read.
    pub fn go(&self, address: &str) {
        let before = self.loads();
        self.start(address);
        self.wait("the page is there", || self.loads() > before);
        self.until("document.readyState === 'complete'");
    }

    /// Opens this address and waits for nothing.
    pub fn start(&self, address: &str) {
        self.eval(&format!("void (location.href = {address:?})"));
    }

    /// The value of an expression; a promise is waited for.
    pub fn eval(&self, expression: &str) -> Value {
        self.try_eval(expression).unwrap_or_else(|error| panic!("{expression}: {error}"))
    }

    fn try_eval(&self, expression: &str) -> Result<Value, Value> {
        let params = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let mut answer = self.chrome.try_call(Some(&self.session), "Runtime.evaluate", params)?;
        match answer.get("exceptionDetails") {
            Some(details) => Err(details.clone()),
            None => Ok(answer["result"]["value"].take()),
        }
    }

    /// Waits until an expression is true. A page that is being replaced is asked again.
    pub fn until(&self, expression: &str) {
        let whole = format!("!!({expression})");
        self.wait(expression, || self.try_eval(&whole).is_ok_and(|value| value == true));
    }

    fn wait(&self, what: &str, fact: impl Fn() -> bool) {
        let end = Instant::now() + DEADLINE;
        while !fact() {
            if Instant::now() > end {
                let page = self.try_eval("document.documentElement.outerHTML");
                panic!("never came true: {what}; console: {:?}; page: {page:?}", self.complaints());
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// How many documents it has shown so far, after the empty one.
    pub fn loads(&self) -> usize {
        let is_main = |event: &Value| event["params"]["frame"].get("parentId").is_none();
        let blank = |event: &Value| event["params"]["frame"]["url"] == "about:blank";
        self.events("Page.frameNavigated").iter().filter(|event| is_main(event) && !blank(event)).count()
    }

    /// Waits until it has shown so many.
    pub fn loaded(&self, count: usize) {
        self.wait(&format!("document {count}"), || self.loads() >= count);
    }

    /// What the console shows as warnings and errors, of the page and of the browser.
    pub fn complaints(&self) -> Vec<String> {
        let console = self.events("Runtime.consoleAPICalled").into_iter();
        let console = console.filter(|event| ["error", "warning"].iter().any(|kind| event["params"]["type"] == *kind));
        let console = console.map(|event| event["params"]["args"].to_string());
        let thrown = self.events("Runtime.exceptionThrown").into_iter();
        let thrown = thrown.map(|event| event["params"]["exceptionDetails"].to_string());
        let logged = self.events("Log.entryAdded").into_iter();
        let logged = logged.filter(|event| event["params"]["entry"]["level"] != "verbose");
        let logged =
            logged.map(|event| format!("{} {}", event["params"]["entry"]["text"], event["params"]["entry"]["url"]));
        // What every server without an icon is complained about.
        console.chain(thrown).chain(logged).filter(|line| !line.contains("favicon.ico")).collect()
    }

    /// Remembers its requests no longer: a page that polls for an hour makes many.
    pub fn forgets_requests(&self) {
        self.call("Network.disable", json!({}));
    }

    /// The addresses it has asked for, in order.
    pub fn requests(&self) -> Vec<String> {
        self.events("Network.requestWillBeSent").iter().map(|event| text(&event["params"]["request"]["url"])).collect()
    }

    fn events(&self, method: &str) -> Vec<Value> {
        let inbox = self.chrome.heard.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let known = inbox.events.get(&self.session).into_iter().flatten();
        known.filter(|event| event["method"] == method).cloned().collect()
    }

    /// Light or dark, as the system of a person would say it.
    pub fn prefers(&self, scheme: &str) {
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.call("Emulation.setEmulatedMedia", features);
    }

    /// Waits until the browser takes something for a file to keep.
    pub fn downloads(&self) {
        self.wait("a download", || !self.events("Page.downloadWillBegin").is_empty());
    }

    /// Waits until the browser asks for this time whether to leave the page, and answers.
    pub fn answers_whether_to_leave(&self, time: usize, answer: &str) {
        self.wait("a question", || self.events("Page.javascriptDialogOpening").len() >= time);
        self.call("Page.handleJavaScriptDialog", json!({ "accept": answer == "yes" }));
    }

    /// A phone, held upright.
    pub fn on_a_phone(&self) {
        let screen = json!({ "width": 390, "height": 780, "deviceScaleFactor": 2, "mobile": true });
        self.call("Emulation.setDeviceMetricsOverride", screen);
    }

    /// Presses a key of this name.
    pub fn press(&self, key: &str) {
        for kind in ["keyDown", "keyUp"] {
            self.call("Input.dispatchKeyEvent", json!({ "type": kind, "key": key, "code": key }));
        }
    }

    /// What it looks like, as a file, where `DEVLOOP_TEST_SCREENSHOTS` names a folder for that.
    pub fn picture(&self, name: &str) {
        let Some(folder) = std::env::var_os("DEVLOOP_TEST_SCREENSHOTS") else { return };
        self.call("Page.bringToFront", json!({}));
        let picture = text(&self.call("Page.captureScreenshot", json!({ "format": "png" }))["data"]);
        std::fs::write(Path::new(&folder).join(format!("{name}.png")), decode(&picture)).expect("the folder is there");
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        _ = self.chrome.try_call(None, "Target.closeTarget", json!({ "targetId": self.target }));
    }
}

/// Of base64.
fn decode(text: &str) -> Vec<u8> {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let values: Vec<u32> = text
        .bytes()
        .filter_map(|byte| LETTERS.iter().position(|letter| *letter == byte))
        .map(|value| u32::try_from(value).expect("it is below 64"))
        .collect();
    let mut bytes = Vec::new();
    for four in values.chunks(4) {
        let bits = four.iter().fold(0, |bits, value| bits << 6 | value) << (6 * (4 - four.len()));
        bytes.extend_from_slice(&bits.to_be_bytes()[1..four.len()]);
    }
    bytes
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
