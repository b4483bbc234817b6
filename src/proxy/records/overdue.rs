//! Requests that a program has had for long without a word of an answer: which of them people should know of. There is
//! no limit for an answer, so nothing happens to them.
//!
//! Nobody waits for that: `look` is called now and then, and follows what has changed in the records since.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use super::{
    Records,
    record::{Record, Stage},
};
use crate::{
    model::{RunId, Time},
    proxy::settings::Told,
};

/// So many different requests of one instance are spoken of.
const MOST: usize = 100;
/// So many characters of a path are shown.
const SHOWN: usize = 100;

/// What is known of the requests that are under way, and what has been said.
#[derive(Default)]
pub(in crate::proxy) struct Overdue {
    /// The newest change at the look before the last one, and at the last one. A change is in a record only a moment
    /// after it has been counted, so each is asked for twice.
    seen: (u64, u64),
    /// By the numbers of their records.
    watched: BTreeMap<u64, Watched>,
    said: HashMap<Arc<str>, Said>,
}

/// A request that is under way.
struct Watched {
    record: Arc<Record>,
    /// How much of its body had passed at the last look, and when that was last found to have grown.
    uploaded: (u64, Time),
    word: Word,
}

/// Owed => Given.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    /// It has not been spoken of.
    Owed,
    /// It has.
    Given,
}

/// What has been said about a service.
struct Said {
    /// Nothing more before this moment.
    until: Time,
    /// Its newest instance that something was said about.
    run: RunId,
    /// Methods and paths that its requests had.
    requests: HashSet<String>,
}

/// A request that has been silent for too long.
struct Silent {
    number: u64,
    run: RunId,
    what: String,
    silence: Duration,
}

impl Overdue {
    /// What is to be said now: at most one line for each service, and for each at most one in every `limit`.
    pub(in crate::proxy) fn look(&mut self, records: &Records, now: Time, limit: Duration) -> Vec<Told> {
        self.follow(records, now);
        let mut silent: BTreeMap<Arc<str>, Vec<Silent>> = BTreeMap::new();
        self.watched.retain(|number, watched| {
            let Some((run, silence)) = watched.silence(now) else { return watched.is_under_way() };
            if let (Some(service), Word::Owed, true) = (&watched.record.service, watched.word, silence >= limit) {
                let what = what(&watched.record);
                silent.entry(Arc::clone(service)).or_default().push(Silent { number: *number, run, what, silence });
            }
            true
        });
        silent.into_iter().filter_map(|(service, silent)| self.say(&service, silent, now + limit, now)).collect()
    }

    /// Takes in what has come or has been let in since the last look.
    fn follow(&mut self, records: &Records, now: Time) {
        let newest = records.version();
        for record in records.since(self.seen.0) {
            let watched = || Watched { record: Arc::clone(&record), uploaded: (0, now), word: Word::Owed };
            if under_way(&record.progress().stage) {
                self.watched.entry(record.number).or_insert_with(watched);
            }
        }
        self.seen = (self.seen.1, newest);
    }

    fn say(&mut self, service: &Arc<str>, silent: Vec<Silent>, until: Time, now: Time) -> Option<Told> {
        let newest = silent.iter().map(|silent| silent.run).max()?;
        let fresh = || Said { until: now, run: newest, requests: HashSet::new() };
        let said = self.said.entry(Arc::clone(service)).or_insert_with(fresh);
        if now < said.until {
            return None;
        }
        // Another program gets another word.
        if said.run < newest {
            (said.run, said.requests) = (newest, HashSet::new());
        }
        let mut oldest: Option<&Silent> = None;
        for silent in &silent {
            if let Some(watched) = self.watched.get_mut(&silent.number) {
                watched.word = Word::Given;
            }
            // What asks like this over and over (a long poll) is spoken of once.
            let is_new = said.requests.len() < MOST && said.requests.insert(silent.what.clone());
            if is_new && oldest.is_none_or(|oldest| silent.silence > oldest.silence) {
                oldest = Some(silent);
            }
        }
        let oldest = oldest?;
        said.until = until;
        Some(note(service, oldest, silent.len() - 1))
    }
}

impl Watched {
    /// Which instance has it, and for how long without the head of an answer and without more of its body; none: no
    /// instance has it, or nobody is to wonder.
    fn silence(&mut self, now: Time) -> Option<(RunId, Duration)> {
        let uploaded = self.record.uploaded();
        if uploaded != self.uploaded.0 {
            self.uploaded = (uploaded, now);
        }
        let progress = self.record.progress();
        match (&progress.stage, progress.run) {
            (Stage::Working { .. }, _) if progress.may_be_silent => None,
            (Stage::Working { since }, Some(run)) => {
                let moved = if uploaded == 0 { *since } else { self.uploaded.1 };
                Some((run, now.since(*since).min(now.since(moved))))
            }
            _ => None,
        }
    }

    fn is_under_way(&self) -> bool {
        under_way(&self.record.progress().stage)
    }
}

fn under_way(stage: &Stage) -> bool {
    matches!(stage, Stage::Waiting | Stage::Working { .. })
}

/// Method and path. What follows the path may be meant for the program alone.
fn what(record: &Record) -> String {
    let path = record.target.split('?').next().unwrap_or_default();
    let cut = if path.chars().nth(SHOWN).is_some() { "…" } else { "" };
    format!("{} {}{cut}", record.method, path.chars().take(SHOWN).collect::<String>())
}

fn note(service: &str, oldest: &Silent, others: usize) -> Told {
    let what = &oldest.what;
    let time = match oldest.silence.as_secs() {
        0 => format!("{} ms", oldest.silence.as_millis()),
        seconds => format!("{seconds} s"),
    };
    let others = match others {
        0 => String::new(),
        1 => ", and neither has 1 other request".to_owned(),
        many => format!(", and neither have {many} other requests"),
    };
    Told::Note {
        text: format!("`{what}` has had no answer from service {service} for {time}{others}"),
        hint: "it goes on waiting, without a limit: a debugger may have stopped the program, or it answers late on \
               purpose; `/.devloop/` lists what is under way"
            .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use hyper::{Method, Uri};

    use super::*;
    use crate::{
        model::Revision,
        proxy::{
            records::{To, Trail, What},
            settings::Recording,
        },
    };

    const LIMIT: Duration = Duration::from_secs(30);

    struct World {
        records: Arc<Records>,
        overdue: Overdue,
    }

    fn at(seconds: u64) -> Time {
        Time::from_start(Duration::from_secs(seconds))
    }

    impl World {
        fn new() -> World {
            World { records: Arc::new(Records::new(Duration::ZERO)), overdue: Overdue::default() }
        }

        /// One that has just come to the gate.
        fn asks(&self, service: &str, target: &str, seconds: u64) -> Trail {
            let (service, target) = (Arc::from(service), target.parse::<Uri>().unwrap());
            let what = What { to: To::Gate(&service), method: &Method::GET, target: &target };
            self.records.begin(Recording { keep: 5, bodies: false }, at(seconds), what, None)
        }

        /// One that is let in at once to this instance.
        fn sent(&self, service: &str, target: &str, seconds: u64, run: u64) -> Trail {
            let trail = self.asks(service, target, seconds);
            trail.let_in(at(seconds), RunId(run), Revision(1), None);
            trail
        }

        fn look(&mut self, seconds: u64) -> Vec<String> {
            let told = self.overdue.look(&self.records, at(seconds), LIMIT).into_iter();
            let texts = told.map(|told| match told {
                Told::Note { text, .. } => text,
                Told::Request(line) => panic!("{line} is no note"),
            });
            texts.collect()
        }
    }

    #[test]
    fn a_request_is_spoken_of_once_and_without_its_query() {
        let mut world = World::new();
        let _slow = world.sent("api", "/slow?key=secret", 0, 1);
        assert_eq!(world.look(29), [""; 0]);
        assert_eq!(world.look(31), ["`GET /slow` has had no answer from service api for 31 s"]);
        assert_eq!((world.look(61), world.look(600)), (vec![], vec![]));
    }

    #[test]
    fn it_is_found_although_newer_ones_have_pushed_it_out_of_the_records() {
        let mut world = World::new();
        let _slow = world.sent("api", "/slow", 0, 1);
        assert_eq!(world.look(2), [""; 0]);
        (0..10).for_each(|_| drop(world.sent("api", "/quick", 3, 1)));
        assert_eq!(world.records.oldest(), 7);
        assert_eq!(world.look(30), ["`GET /slow` has had no answer from service api for 30 s"]);
    }

    #[test]
    fn many_are_one_line_for_each_service_and_never_two_within_the_limit() {
        let mut world = World::new();
        let mut trails = Vec::new();
        for number in 0..1_024 {
            trails.push(world.sent("api", &format!("/slow/{number}"), number / 512, 1));
            world.look(number / 512);
        }
        trails.push(world.sent("web", "/other", 1, 2));
        let one = "`GET /slow/0` has had no answer from service api for 30 s, and neither have 511 other requests";
        assert_eq!(world.look(30), [one]);
        assert_eq!(world.look(31), ["`GET /other` has had no answer from service web for 30 s"]);
        // It was spoken of a hundred different ones: the rest is the same in kind.
        assert_eq!((world.look(60), world.look(90)), (vec![], vec![]));
    }

    #[test]
    fn what_becomes_late_meanwhile_is_told_together_afterwards() {
        let mut world = World::new();
        let _first = world.sent("api", "/a", 0, 1);
        assert_eq!(world.look(30).len(), 1);
        let _later = [world.sent("api", "/b", 10, 1), world.sent("api", "/c", 20, 1)];
        assert_eq!(world.look(50), [""; 0]);
        let together = "`GET /b` has had no answer from service api for 50 s, and neither has 1 other request";
        assert_eq!((world.look(60), world.look(600)), (vec![together.to_owned()], vec![]));
    }

    #[test]
    fn a_long_poll_is_spoken_of_once_in_the_life_of_a_program() {
        let mut world = World::new();
        let first = world.sent("api", "/poll?since=1", 0, 1);
        assert_eq!(world.look(30).len(), 1);
        drop(first);
        let second = world.sent("api", "/poll?since=2", 60, 1);
        assert_eq!(world.look(100), [""; 0]);
        drop(second);
        let _third = world.sent("api", "/poll?since=3", 200, 2);
        assert_eq!(world.look(230), ["`GET /poll` has had no answer from service api for 30 s"]);
    }

    #[test]
    fn who_waits_at_the_gate_has_not_been_sent() {
        let mut world = World::new();
        let _held = world.asks("api", "/held", 0);
        let back = world.sent("api", "/back", 0, 1);
        back.goes_back();
        assert_eq!(world.look(100), [""; 0]);
        back.let_in(at(100), RunId(2), Revision(2), None);
        assert_eq!(world.look(129), [""; 0]);
        assert_eq!(world.look(130), ["`GET /back` has had no answer from service api for 30 s"]);
    }

    #[test]
    fn a_body_that_still_moves_is_no_silence() {
        let mut world = World::new();
        let mut upload = world.sent("api", "/upload", 0, 1);
        let tap = upload.tap().unwrap();
        for seconds in (0..100).step_by(20) {
            tap.see(b"piece");
            assert_eq!(world.look(seconds), [""; 0]);
        }
        assert_eq!(world.look(110), ["`GET /upload` has had no answer from service api for 30 s"]);
    }

    #[test]
    fn grpc_calls_may_be_silent_and_who_has_left_is_not_missed() {
        let mut world = World::new();
        let call = world.sent("api", "/watch", 0, 1);
        call.may_be_silent();
        drop(world.sent("api", "/left", 0, 1));
        assert_eq!(world.look(100), [""; 0]);
    }
}
