//! The log of output.

use super::*;

#[test]
fn the_log_has_every_line_with_time_and_source() {
    let project = Project::new();
    let store = project.open();
    let log = store.log(|notice| panic!("{notice}"));
    let line = |text: &str| Line { source: "api".into(), run: RunId(1), stream: Stream::Out, text: text.to_owned() };
    (0..1000).for_each(|n| log.line(&line(&format!("line {n}"))));
    log.fact("revision 2 is live");
    log.close();
    log.close();
    let text = fs::read_to_string(store.folder().join("log/devloop.log")).unwrap();
    assert_eq!(text.lines().count(), 1001);
    assert!(text.lines().all(|line| line.as_bytes()[10] == b'T' && line.as_bytes()[23] == b'Z'));
    assert!(text.contains("Z api | line 999\n") && text.contains("Z devloop: revision 2 is live\n"));
}

#[test]
fn a_flood_of_lines_neither_waits_nor_grows_and_what_is_missing_is_counted() {
    let project = Project::new();
    let store = project.open();
    let log = store.log(|notice| panic!("{notice}"));
    let written = Arc::new(AtomicUsize::new(0));
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let (log, written) = (log.clone(), written.clone());
            thread::spawn(move || {
                let text = "y".repeat(1000);
                for _ in 0..50_000 {
                    log.fact(&text);
                    written.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    log.close();
    let files: Vec<PathBuf> =
        fs::read_dir(store.folder().join("log")).unwrap().map(|file| file.unwrap().path()).collect();
    let size: u64 = files.iter().map(|file| fs::metadata(file).unwrap().len()).sum();
    assert!(size <= 65 * 1024 * 1024, "{size}");
    assert_eq!(written.load(Ordering::Relaxed), 200_000);
    if log.dropped() > 0 {
        // the note may have been rotated away with the oldest file, but not the newest one
        let any = files.iter().any(|file| fs::read_to_string(file).unwrap().contains("came too fast"));
        assert!(any || size > 60 * 1024 * 1024);
    }
}
