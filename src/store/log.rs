//! The log files: a thread of their own, a bounded queue before it, a bounded size on disk. Whoever writes never waits.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use super::disk;
use crate::{model::Line, sys};

/// All files together, in bytes.
pub(super) const SIZE: u64 = 64 * 1024 * 1024;

/// Into how many files that is divided.
const FILES: u64 = 8;

/// At most this many lines wait to be written …
const QUEUE: usize = 8192;

/// … and at most this many bytes.
const QUEUED: usize = 16 * 1024 * 1024;

/// The newest file; older ones have `.1` to `.7` before their extension.
const NAME: &str = "devloop.log";

/// Where lines are handed in. Clones write to the same files; when the last one is dropped the rest is written in the
/// background. Use `close` to wait for it.
#[derive(Clone, Debug)]
pub struct Log {
    queue: SyncSender<Entry>,
    counts: Arc<Counts>,
    writer: Arc<std::sync::Mutex<Option<JoinHandle<()>>>>,
}

#[derive(Debug, Default)]
struct Counts {
    dropped: AtomicU64,
    queued: AtomicUsize,
}

#[derive(Debug)]
enum Entry {
    Text { time: Duration, source: Option<Arc<str>>, text: String },
    End,
}

impl Log {
    /// Begins to write below `folder`, which is made when it is needed.
    pub(super) fn begin(folder: PathBuf, size: u64, notice: impl Fn(String) + Send + 'static) -> Log {
        let (queue, entries) = sync_channel(QUEUE);
        let counts = Arc::new(Counts::default());
        let files = Files { folder, limit: (size / FILES).max(1), file: None, written: 0 };
        let mut writer = Writer { files, counts: counts.clone(), notice: Box::new(notice), failing: false, lost: 0 };
        let write = move || writer.run(&entries);
        // without a thread every line counts as dropped
        let handle = thread::Builder::new().name("log".to_owned()).spawn(write).ok();
        Log { queue, counts, writer: Arc::new(std::sync::Mutex::new(handle)) }
    }

    /// A line of a program's output.
    pub fn line(&self, line: &Line) {
        self.push(Some(line.source.clone()), line.text.clone());
    }

    /// A fact, as text.
    pub fn fact(&self, text: &str) {
        self.push(None, text.to_owned());
    }

    /// How many lines did not fit into the queue so far. The files say where.
    pub fn dropped(&self) -> u64 {
        self.counts.dropped.load(Ordering::Relaxed)
    }

    /// Waits until everything handed in before is written. Blocks; later lines go nowhere.
    pub fn close(&self) {
        let writer = self.writer.lock().map(|mut writer| writer.take());
        let Ok(Some(writer)) = writer else { return };
        if self.queue.send(Entry::End).is_ok() {
            // it panicked, if this fails: there is nothing more to be written
            let _ = writer.join();
        }
    }

    fn push(&self, source: Option<Arc<str>>, text: String) {
        let length = text.len();
        let fits = self.counts.queued.load(Ordering::Relaxed).saturating_add(length) <= QUEUED;
        let entry = Entry::Text { time: sys::unix_time(), source, text };
        self.counts.queued.fetch_add(length, Ordering::Relaxed);
        if !fits || self.queue.try_send(entry).is_err() {
            self.counts.queued.fetch_sub(length, Ordering::Relaxed);
            self.counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

struct Writer {
    files: Files,
    counts: Arc<Counts>,
    notice: Box<dyn Fn(String) + Send>,
    failing: bool,
    /// Dropped lines that the files have been told of, and lines that could not be written.
    lost: u64,
}

impl Writer {
    /// Ends with the last `Log`, or when it is told to.
    fn run(&mut self, entries: &Receiver<Entry>) {
        let mut told = 0;
        while let Ok(first) = entries.recv() {
            let mut next = Some(first);
            while let Some(entry) = next {
                let Entry::Text { time, source, text } = entry else {
                    self.note_dropped(&mut told);
                    return self.flush();
                };
                self.counts.queued.fetch_sub(text.len(), Ordering::Relaxed);
                self.note_dropped(&mut told);
                self.write(&render(time, source.as_deref(), &text));
                next = entries.try_recv().ok();
            }
            self.flush();
        }
        self.flush();
    }

    fn note_dropped(&mut self, told: &mut u64) {
        let dropped = self.counts.dropped.load(Ordering::Relaxed);
        if dropped > *told {
            self.write(&format!("… {} lines came too fast and are not here\n", dropped - *told));
            *told = dropped;
        }
    }

    fn write(&mut self, text: &str) {
        match self.files.write(text) {
            Ok(()) => {}
            Err(error) => self.failed(&error),
        }
    }

    fn flush(&mut self) {
        match self.files.flush() {
            Ok(()) if self.failing => {
                self.failing = false;
                let lost = std::mem::take(&mut self.lost);
                (self.notice)(format!("the log is written again; about {lost} lines are missing"));
            }
            Ok(()) => {}
            Err(error) => self.failed(&error),
        }
    }

    /// Said once; the next lines try again.
    fn failed(&mut self, error: &io::Error) {
        self.lost += 1;
        self.files.file = None;
        if !std::mem::replace(&mut self.failing, true) {
            let folder = self.files.folder.display();
            (self.notice)(format!("the log in `{folder}` cannot be written: {error}; devloop goes on without it"));
        }
    }
}

struct Files {
    folder: PathBuf,
    /// Of one file, in bytes.
    limit: u64,
    file: Option<BufWriter<File>>,
    written: u64,
}

impl Files {
    fn write(&mut self, text: &str) -> io::Result<()> {
        if self.written >= self.limit && self.file.is_some() {
            self.rotate()?;
        }
        self.written += text.len() as u64;
        self.open()?.write_all(text.as_bytes())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.open()?.flush()
    }

    fn open(&mut self) -> io::Result<&mut BufWriter<File>> {
        let file = match self.file.take() {
            Some(file) => file,
            None => {
                disk::make_folder(&self.folder)?;
                let file = disk::append(&self.folder.join(NAME))?;
                self.written = file.metadata()?.len();
                BufWriter::new(file)
            }
        };
        Ok(self.file.insert(file))
    }

    fn rotate(&mut self) -> io::Result<()> {
        self.flush()?;
        self.file = None;
        for index in (1..FILES).rev() {
            let from = numbered(&self.folder, index - 1);
            if from.exists() {
                disk::rename(&from, &numbered(&self.folder, index))?;
            }
        }
        Ok(())
    }
}

fn numbered(folder: &Path, index: u64) -> PathBuf {
    match index {
        0 => folder.join(NAME),
        older => folder.join(format!("devloop.{older}.log")),
    }
}

/// `2026-11-22T10:20:30.123Z api | text`; lines below the first one of a fact are indented.
fn render(time: Duration, source: Option<&str>, text: &str) -> String {
    let text = text.replace('\n', "\n    ");
    match source {
        Some(source) => format!("{} {source} | {text}\n", stamp(time)),
        None => format!("{} devloop: {text}\n", stamp(time)),
    }
}

/// The time of day in UTC, from the time since 1970.
fn stamp(time: Duration) -> String {
    let seconds = time.as_secs();
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", time.subsec_millis())
}

/// The date of a day counted from 1970-01-01. Years are counted from March, so that a leap day is the last one.
fn civil(days: u64) -> (u64, u64, u64) {
    const ERA: u64 = 146_097; // days in 400 years
    let days = days + 719_468; // from 0000-03-01
    let (era, day) = (days / ERA, days % ERA);
    let year = (day - day / 1460 + day / 36_524 - day / (ERA - 1)) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next_year) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + next_year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_as_dates() {
        for (seconds, shown) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (1_735_689_599, "2024-12-31T23:59:59.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(stamp(Duration::from_secs(seconds)), shown);
        }
    }

    #[test]
    fn a_fact_of_several_lines_stays_one_entry() {
        let text = render(Duration::ZERO, None, "a\nb");
        assert_eq!(text, "1970-01-01T00:00:00.000Z devloop: a\n    b\n");
    }
}
