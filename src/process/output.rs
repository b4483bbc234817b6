//! Reading what a program writes: never waiting for whoever wants its lines, so that no program is slowed.

use std::{
    io::{self, ErrorKind},
    os::fd::OwnedFd,
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use tokio::{
    net::unix::pipe,
    task::yield_now,
    time::{Sleep, sleep, timeout},
};

use super::{lines::Splitter, tail::Tail};
use crate::model::{Line, RunId, Stream};

/// A line that is not complete is shown after this time.
const PARTIAL_AFTER: Duration = Duration::from_millis(100);
/// Read at once, and told before anybody else has their turn.
const CHUNK: usize = 16 * 1024;
/// At the end of a program, at most this much is read that others may go on writing.
const LAST_WORDS: usize = 4 << 20;
/// A terminal passes on what was written a little later. If nobody has it open any more, its end comes; wait this long
/// for it.
const END_COMES: Duration = Duration::from_millis(500);
/// If somebody has it open, this much silence is taken for the end.
const SILENCE: Duration = Duration::from_millis(20);

/// What a program says.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// A whole line.
    Line(Line),
    /// The line so far: it has stood still for 100 ms. Takes the place of the partial one before it (same run, same
    /// stream), and the next whole line takes its place.
    Partial(Line),
    /// Only out of a `queue`: so many lines of this run are lost, because nobody fetched them in time.
    Dropped {
        /// The name of its step or service.
        source: Arc<str>,
        /// The run.
        run: RunId,
        /// How many.
        lines: u64,
    },
}

/// Gets every line, on the reader's task: must return at once.
pub(super) type Sink = Arc<dyn Fn(Output) + Send + Sync>;

/// Reads the streams of one program.
pub(super) struct Reader {
    out: Option<Source>,
    err: Option<Source>,
    pause: Option<Pin<Box<Sleep>>>,
    teller: Teller,
}

struct Teller {
    name: Arc<str>,
    run: RunId,
    sink: Sink,
    tail: Tail,
}

struct Source {
    pipe: pipe::Receiver,
    stream: Stream,
    splitter: Splitter,
    chunk: Box<[u8]>,
}

/// One look at a stream.
enum Look {
    /// So many bytes.
    Bytes(usize),
    /// Nothing for now.
    Nothing,
    /// Nothing ever again.
    End,
}

impl Reader {
    /// To be called inside the runtime.
    pub(super) fn new(
        name: Arc<str>,
        run: RunId,
        sink: Sink,
        out: OwnedFd,
        err: Option<OwnedFd>,
    ) -> io::Result<Reader> {
        let err = err.map(|err| Source::new(err, Stream::Err)).transpose()?;
        let teller = Teller { name, run, sink, tail: Tail::default() };
        Ok(Reader { out: Some(Source::new(out, Stream::Out)?), err, pause: None, teller })
    }

    /// Waits for output, and tells it. Never returns once there is none to come. May be dropped while it waits.
    pub(super) async fn read(&mut self) {
        // Where there is always more to read, the runtime would look for what others wait for only now and then. Not
        // behind the reading: a limit must not run out over what has been read.
        yield_now().await;
        tokio::select! {
            look = arrival(&mut self.out) => self.take(look, Stream::Out),
            look = arrival(&mut self.err) => self.take(look, Stream::Err),
            () = over(&mut self.pause) => {
                self.pause = None;
                self.each(|source, teller| {
                    if let Some(text) = source.splitter.partial() {
                        teller.tell(source.stream, text, Output::Partial);
                    }
                });
            }
        }
        let has_news = [&self.out, &self.err].into_iter().flatten().any(|source| source.splitter.has_news());
        match (has_news, &self.pause) {
            (false, _) => self.pause = None,
            (true, None) => self.pause = Some(Box::pin(sleep(PARTIAL_AFTER))),
            (true, Some(_)) => {}
        }
    }

    /// After the program's end: reads what it has written, without waiting for others that hold its streams open,
    /// and ends its last line.
    pub(super) async fn finish(&mut self, others: Others) {
        self.drain().await;
        let terminal = self.err.is_none();
        if terminal {
            let wait = match others {
                Others::None => END_COMES,
                Others::Some => SILENCE,
            };
            while self.out.is_some() && timeout(wait, self.read()).await.is_ok() {
                self.drain().await;
            }
        }
        self.pause = None;
        self.each(|source, teller| {
            if let Some(text) = source.splitter.finish() {
                teller.tell(source.stream, text, Output::Line);
            }
        });
    }

    /// The last lines.
    pub(super) fn tail(&self) -> Vec<String> {
        self.teller.tail.lines()
    }

    /// Adds a line that the program did not write.
    pub(super) fn add(&mut self, text: String) {
        self.teller.tell(Stream::Err, text, Output::Line);
    }

    async fn drain(&mut self) {
        for stream in [Stream::Out, Stream::Err] {
            let mut budget = LAST_WORDS;
            while budget > 0 {
                let Some(source) = self.source(stream) else { break };
                let look = source.look_now();
                match look {
                    Look::Bytes(count) => budget = budget.saturating_sub(count),
                    Look::Nothing => break,
                    Look::End => {}
                }
                self.take(look, stream);
                yield_now().await;
            }
        }
    }

    fn source(&mut self, stream: Stream) -> &mut Option<Source> {
        match stream {
            Stream::Out => &mut self.out,
            Stream::Err => &mut self.err,
        }
    }

    fn take(&mut self, look: Look, stream: Stream) {
        let slot = match stream {
            Stream::Out => &mut self.out,
            Stream::Err => &mut self.err,
        };
        let Some(source) = slot else { return };
        let teller = &mut self.teller;
        match look {
            Look::Nothing => {}
            Look::Bytes(count) => {
                source.splitter.push(&source.chunk[..count], |text| teller.tell(stream, text, Output::Line));
            }
            Look::End => {
                if let Some(text) = source.splitter.finish() {
                    teller.tell(stream, text, Output::Line);
                }
                *slot = None;
            }
        }
    }

    fn each(&mut self, mut act: impl FnMut(&mut Source, &mut Teller)) {
        for source in [&mut self.out, &mut self.err].into_iter().flatten() {
            act(source, &mut self.teller);
        }
    }
}

/// Who may still have the streams of a program open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Others {
    /// Nobody: its tree is gone.
    None,
    /// What it left running.
    Some,
}

impl Teller {
    fn tell(&mut self, stream: Stream, text: String, how: impl FnOnce(Line) -> Output) {
        let output = how(Line { source: self.name.clone(), run: self.run, stream, text });
        if let Output::Line(line) = &output {
            self.tail.push(&line.text);
        }
        (self.sink)(output);
    }
}

impl Source {
    fn new(fd: OwnedFd, stream: Stream) -> io::Result<Source> {
        let flags = OFlag::from_bits_retain(fcntl(&fd, FcntlArg::F_GETFL)?);
        fcntl(&fd, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
        // A terminal is read as a pipe is.
        let pipe = pipe::Receiver::from_owned_fd_unchecked(fd)?;
        Ok(Source { pipe, stream, splitter: Splitter::default(), chunk: vec![0; CHUNK].into_boxed_slice() })
    }

    /// Does not wait. To be called when the runtime says that there is something.
    fn look(&mut self) -> Look {
        judge(self.pipe.try_read(&mut self.chunk))
    }

    /// Does not wait, and asks the kernel: the runtime may not know yet of what was written last.
    fn look_now(&mut self) -> Look {
        judge(nix::unistd::read(&self.pipe, &mut self.chunk).map_err(io::Error::from))
    }
}

fn judge(read: io::Result<usize>) -> Look {
    match read {
        Ok(0) => Look::End,
        Ok(count) => Look::Bytes(count),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Look::Nothing,
        // A terminal that nobody has open any more: EIO.
        Err(_) => Look::End,
    }
}

/// Waits until the stream has something, and looks at it; for ever if it has ended.
async fn arrival(slot: &mut Option<Source>) -> Look {
    let Some(source) = slot else { return std::future::pending().await };
    match source.pipe.readable().await {
        Ok(()) => source.look(),
        Err(_) => Look::End,
    }
}

async fn over(pause: &mut Option<Pin<Box<Sleep>>>) {
    match pause {
        Some(pause) => pause.await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        sync::{
            Mutex,
            atomic::{AtomicUsize, Ordering},
        },
    };

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn a_flood_does_not_keep_the_runtime_from_others() {
        const ROUNDS: usize = 10;
        // So short that there is always more of them than can be read.
        const LINE: &[u8] = b"y\n";
        // Some pieces come while the other thread has its turn; 128 for each of 61 turns if nobody looked.
        const MOST: usize = ROUNDS * 50 * CHUNK / LINE.len();
        let (out, mut writer) = io::pipe().expect("a pipe");
        let (err, _keep) = io::pipe().expect("a pipe");
        std::thread::spawn(move || while writer.write_all(&LINE.repeat(CHUNK)).is_ok() {});
        let lines: Arc<AtomicUsize> = Arc::default();
        let sink: Sink = Arc::new({
            let lines = lines.clone();
            move |_| _ = lines.fetch_add(1, Ordering::Relaxed)
        });
        let mut reader = Reader::new(Arc::from("api"), RunId(1), sink, out.into(), Some(err.into())).expect("a reader");
        let read = lines.clone();
        let flood = tokio::spawn(async move {
            while read.load(Ordering::Relaxed) < MOST {
                reader.read().await;
            }
        });
        let (mut here, there) = tokio::net::UnixStream::pair().expect("two sockets");
        let mut there = there.into_std().expect("a socket");
        there.set_nonblocking(false).expect("it waits");
        std::thread::spawn(move || {
            let mut byte = [0];
            while there.read_exact(&mut byte).is_ok() && there.write_all(&byte).is_ok() {}
        });
        for _ in 0..ROUNDS {
            here.write_all(b"x").await.expect("written");
            here.read_exact(&mut [0]).await.expect("it comes back");
        }
        assert!(lines.load(Ordering::Relaxed) < MOST);
        flood.abort();
    }

    #[tokio::test]
    async fn what_the_runtime_does_not_know_of_yet_is_read_at_the_end() {
        let (out, mut writer) = io::pipe().expect("a pipe");
        let heard: Arc<Mutex<Vec<Output>>> = Arc::default();
        let sink: Sink = Arc::new({
            let heard = heard.clone();
            move |output| heard.lock().expect("nobody panics").push(output)
        });
        let (err, _keep) = io::pipe().expect("a pipe");
        let mut reader = Reader::new(Arc::from("api"), RunId(1), sink, out.into(), Some(err.into())).expect("a reader");
        // Nobody has waited for anything since: the runtime cannot know.
        writer.write_all(b"first\nlast words").expect("written");
        reader.finish(Others::Some).await;
        assert_eq!(reader.tail(), ["first", "last words"]);
        assert_eq!(heard.lock().expect("nobody panics").len(), 2);
    }
}
