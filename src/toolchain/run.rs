//! Runs a tool to its end, with nothing to read, in a process group of its own, for a limited time.
#![expect(clippy::disallowed_methods, reason = "the door to asking tool chains")]

use std::{
    ffi::{OsStr, OsString},
    io::Read,
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
    time::Duration,
};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};

/// After this time the tool and everything in its group is killed.
const LIMIT: Duration = Duration::from_secs(60);

/// Between two looks whether it has ended.
const LOOK: Duration = Duration::from_millis(10);

/// Of each of its streams, in bytes; the list of a large project has some megabytes.
const LONGEST: u64 = 256 * 1024 * 1024;

/// Its standard output.
///
/// # Errors
/// One line: it cannot be started, failed (with the last line it wrote), or took too long.
pub(super) async fn output(words: &[OsString], cwd: &Path, env: &[(OsString, OsString)]) -> Result<Vec<u8>, String> {
    let (program, args) = words.split_first().ok_or("no program")?;
    let shown = program.to_string_lossy().into_owned();
    let mut command = Command::new(find(program, env));
    command.args(args).current_dir(cwd).env_clear().envs(env.iter().map(|(name, value)| (name, value)));
    command.env("PWD", cwd).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child = command.spawn().map_err(|error| format!("cannot start `{shown}`: {error}"))?;
    let streams = (child.stdout.take(), child.stderr.take());
    let running = Running(Arc::new(Mutex::new(Some(child))));
    let waiting = running.0.clone();
    let wait = move || wait(&waiting, streams.0, streams.1, &shown);
    let result = tokio::task::spawn_blocking(wait).await;
    drop(running);
    result.unwrap_or_else(|error| Err(error.to_string()))
}

/// Of a relative path: below `cwd`, as the step itself would find it. A bare name is looked up in the step's PATH.
fn find(program: &OsStr, env: &[(OsString, OsString)]) -> OsString {
    if program.as_encoded_bytes().contains(&b'/') {
        return program.to_owned();
    }
    let path = env.iter().find(|(name, _)| name == "PATH").map(|(_, value)| value);
    let mut folders = path.into_iter().flat_map(std::env::split_paths);
    let found = folders.find_map(|folder| Some(folder.join(program)).filter(|file| file.is_file()));
    found.map_or_else(|| program.to_owned(), Into::into)
}

/// The child until it is reaped. Dropping ends it and its group.
struct Running(Arc<Mutex<Option<Child>>>);

impl Drop for Running {
    fn drop(&mut self) {
        end(&self.0);
    }
}

/// Kills what is not reaped yet: its id cannot belong to anybody else.
fn end(child: &Mutex<Option<Child>>) {
    let mut child = child.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(mut child) = child.take() {
        let group = i32::try_from(child.id()).map(Pid::from_raw);
        if let Ok(group) = group {
            // it may have ended by itself just now
            let _ = killpg(group, Signal::SIGKILL);
        }
        let _ = child.wait();
    }
}

fn wait(
    child: &Mutex<Option<Child>>,
    out: Option<impl Read + Send + 'static>,
    err: Option<impl Read + Send + 'static>,
    shown: &str,
) -> Result<Vec<u8>, String> {
    let (out, err) = (collect(out), collect(err));
    let mut waited = Duration::ZERO;
    let status = loop {
        let ended = {
            let mut child = child.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(running) = child.as_mut() else { return Err(format!("`{shown}` was ended")) };
            let status = running.try_wait().map_err(|error| format!("`{shown}` is lost: {error}"))?;
            if status.is_some() {
                *child = None;
            }
            status
        };
        if let Some(status) = ended {
            break status;
        }
        if waited >= LIMIT {
            end(child);
            return Err(format!("`{shown}` did not answer within {} s", LIMIT.as_secs()));
        }
        thread::sleep(LOOK);
        waited += LOOK;
    };
    // what it left running may hold its streams open: what is there by now is enough
    let err = err.recv_timeout(Duration::from_secs(1)).unwrap_or_default();
    let out = out.recv_timeout(Duration::from_secs(5)).map_err(|_| format!("`{shown}` left its output open"))?;
    if status.success() {
        return Ok(out);
    }
    let text = String::from_utf8_lossy(&err);
    let last = text.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or("no message");
    Err(format!("`{shown}` failed: {last}"))
}

/// Reads a stream in a thread of its own, so that neither of two fills up.
fn collect(stream: Option<impl Read + Send + 'static>) -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    let read = move || {
        let mut bytes = Vec::new();
        if let Some(stream) = stream {
            // a part is still worth something: the caller parses it
            let _ = stream.take(LONGEST).read_to_end(&mut bytes);
        }
        // nobody may be waiting any more
        let _ = sender.send(bytes);
    };
    // without a thread the receiver finds its sender gone
    let _ = thread::Builder::new().name("tool chain".to_owned()).spawn(read);
    receiver
}
