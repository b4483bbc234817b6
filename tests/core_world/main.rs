//! Random worlds around the core: after every event and at rest, the promises of `ARCHITECTURE.md` hold.
#![expect(clippy::disallowed_methods, reason = "tests are outside the house")]

mod books;
mod content;
mod plans;
mod programs;
mod promises;
mod world;

use devloop::core::status::StepState;
use proptest::{prelude::*, test_runner::RngSeed};

use self::{
    content::{Content, MISSING},
    world::World,
};

/// What people and programs do.
#[derive(Clone, Debug)]
enum Act {
    Save { file: usize, content: Content, takes: u64 },
    Rewrite { file: usize },
    Remove { file: usize },
    Burst { file: usize, count: u64, pause: u64 },
    Checkout { contents: Vec<Content>, pause: u64 },
    LeaveLock,
    WriteOwned,
    Wait { ms: u64 },
    Sleep { ms: u64 },
    Rest,
    Crash { curses: u64 },
    KillAny,
    Restart,
    Debug,
    Rebuild { all: bool },
    RollBack { count: usize },
    Pause,
    Resume,
    Configure { change: u64 },
    Echo,
}

fn act() -> impl Strategy<Value = Act> {
    let file = 0..plans::SOURCES.len();
    let any_file = 0..plans::SOURCES.len() + plans::GENERATED.len();
    prop_oneof![
        16 => (file.clone(), 1..14_u64, 0..60_u64).prop_map(|(file, content, takes)| Act::Save { file, content, takes }),
        4 => file.clone().prop_map(|file| Act::Rewrite { file }),
        2 => any_file.prop_map(|file| Act::Remove { file }),
        2 => (file, 3..9_u64, 20..150_u64).prop_map(|(file, count, pause)| Act::Burst { file, count, pause }),
        1 => (prop::collection::vec(1..14_u64, 6), 0..40_u64).prop_map(|(contents, pause)| Act::Checkout { contents, pause }),
        1 => Just(Act::WriteOwned),
        16 => (0..500_u64).prop_map(|ms| Act::Wait { ms }),
        8 => (0..30_u64).prop_map(|ms| Act::Wait { ms }),
        1 => Just(Act::Wait { ms: 7_000 }),
        1 => (0..4_000_u64).prop_map(|ms| Act::Sleep { ms }),
        4 => Just(Act::Rest),
        2 => (0..6_u64).prop_map(|curses| Act::Crash { curses }),
        1 => Just(Act::Restart),
        1 => Just(Act::Debug),
        1 => any::<bool>().prop_map(|all| Act::Rebuild { all }),
        2 => (1..3_usize).prop_map(|count| Act::RollBack { count }),
        1 => Just(Act::Pause),
        2 => Just(Act::Resume),
        2 => (0..plans::CHANGES).prop_map(|change| Act::Configure { change }),
        1 => Just(Act::Echo),
    ]
}

/// Also what spoils the outcome.
fn wild_act() -> impl Strategy<Value = Act> {
    prop_oneof![20 => act(), 2 => Just(Act::KillAny), 1 => Just(Act::LeaveLock)]
}

fn name_of(file: usize) -> &'static str {
    plans::SOURCES.iter().chain(&plans::GENERATED).nth(file).copied().expect("there are so many")
}

fn play(world: &mut World, acts: &[Act]) {
    for act in acts {
        match act {
            Act::Save { file, content, takes } => {
                world.save(name_of(*file), *content, *takes);
                // The next act on this file comes after its write.
                world.pass(*takes + 1);
            }
            Act::Rewrite { file } => {
                world.rewrite(name_of(*file));
                world.pass(4);
            }
            Act::Remove { file } => world.remove(name_of(*file)),
            Act::Burst { file, count, pause } => {
                for number in 0..*count {
                    world.save(name_of(*file), 20 + 2 * number, 2);
                    world.pass(*pause);
                }
            }
            Act::Checkout { contents, pause } => world.checkout(contents, *pause),
            Act::LeaveLock => world.leave_lock(),
            Act::WriteOwned => world.write_owned(),
            Act::Wait { ms } => world.pass(*ms),
            Act::Sleep { ms } => world.sleep(*ms),
            Act::Rest => {
                world.rest();
                world.check_at_rest();
            }
            Act::Crash { curses } => world.crash_one(*curses),
            Act::KillAny => world.kill_any(),
            Act::Restart => world.restart(),
            Act::Debug => world.debug(),
            Act::Rebuild { all } => world.rebuild(*all),
            Act::RollBack { count } => world.roll_back(*count),
            Act::Pause => world.pause(),
            Act::Resume => world.resume(),
            Act::Configure { change } => {
                world.configure(*change);
                world.pass(4);
            }
            Act::Echo => world.echo(),
        }
    }
}

/// Prints what happened if a promise was broken.
fn with_trace(world: &mut World, play: impl FnOnce(&mut World)) {
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| play(world)));
    if let Err(cause) = outcome {
        if std::env::var_os("DEVLOOP_TEST_TRACE").is_some() {
            let tail = world.trace.len().saturating_sub(160);
            eprintln!("{}", world.trace[tail..].join("\n"));
        }
        std::panic::resume_unwind(cause);
    }
}

/// The same worlds each time, so that a failure is somebody's change; other ones where a number of them is asked for.
fn cases(share: u32) -> ProptestConfig {
    let asked: Option<u32> = std::env::var("DEVLOOP_TEST_WORLDS").ok().and_then(|count| count.parse().ok());
    let rng_seed = if asked.is_some() { RngSeed::Random } else { RngSeed::Fixed(11) };
    let cases = (asked.unwrap_or(400) / share).max(1);
    ProptestConfig { cases, failure_persistence: None, rng_seed, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases(1))]

    #[test]
    fn whatever_people_do_the_promises_hold(
        shape in 0..plans::SHAPES,
        seed in any::<u64>(),
        acts in prop::collection::vec(act(), 1..25),
    ) {
        let mut world = World::new(plans::shape(shape), seed);
        with_trace(&mut world, |world| {
            play(world, &acts);
            world.rest();
            world.check_at_rest();
            world.resume();
            world.rest();
            world.check_at_rest();
        });
    }

    #[test]
    fn after_deaths_at_any_moment_new_saves_put_all_right(
        shape in 0..plans::SHAPES,
        seed in any::<u64>(),
        acts in prop::collection::vec(wild_act(), 1..20),
    ) {
        let mut world = World::new(plans::shape(shape), seed);
        with_trace(&mut world, |world| {
            play(world, &acts);
            world.rest();
            world.check_calm();
            world.resume();
            world.save_all_anew();
            world.rest();
            world.check_at_rest();
        });
    }
}

proptest! {
    #![proptest_config(cases(2))]

    #[test]
    fn quitting_at_any_moment_leaves_nothing_behind(
        shape in 0..plans::SHAPES,
        seed in any::<u64>(),
        acts in prop::collection::vec(wild_act(), 0..10),
        wait in 0..600_u64,
        twice in any::<bool>(),
    ) {
        let mut world = World::new(plans::shape(shape), seed);
        with_trace(&mut world, |world| {
            play(world, &acts);
            world.pass(wait);
            world.quit();
            if twice {
                world.pass(3);
                world.quit();
            }
            world.rest();
            world.check_left();
        });
    }

    #[test]
    fn saves_that_change_nothing_at_rest_start_nothing(
        shape in 0..plans::SHAPES,
        seed in any::<u64>(),
        acts in prop::collection::vec(act(), 0..10),
        files in prop::collection::vec(0..plans::SOURCES.len(), 1..6),
    ) {
        let mut world = World::new(plans::shape(shape), seed);
        with_trace(&mut world, |world| {
            play(world, &acts);
            world.resume();
            world.rest();
            // What nothing has read for a while counts as changed at the next look; and a write that is told just after
            // a run has failed still concerns it.
            for file in plans::SOURCES.iter().filter(|file| world.content(file) != MISSING).copied().collect::<Vec<_>>() {
                world.pass(1_001);
                world.save(file, world.content(file), 5);
                world.rest();
            }
            world.pass(1_001);
            let before = world.books.spawned;
            for file in files {
                let name = name_of(file);
                let content = world.content(name);
                if content != MISSING {
                    world.save(name, content, 5);
                }
                world.write_owned();
                world.rest();
                world.pass(1_001);
            }
            assert_eq!(world.books.spawned, before, "content that did not change started something");
        });
    }

    #[test]
    fn saves_in_a_pause_start_nothing_and_all_of_them_count_when_it_is_over(
        shape in 0..plans::SHAPES,
        seed in any::<u64>(),
        acts in prop::collection::vec(act(), 0..10),
        saves in prop::collection::vec((0..plans::SOURCES.len(), 1..14_u64), 1..6),
    ) {
        let mut world = World::new(plans::shape(shape), seed);
        with_trace(&mut world, |world| {
            play(world, &acts);
            world.resume();
            world.rest();
            if !world.core_is_at_rest() {
                // A program that was good is started again and again, and reads what is bad now.
                return;
            }
            world.pause();
            let before = world.books.spawned;
            for (file, content) in &saves {
                world.save(name_of(*file), *content, 4);
                world.rest();
                world.check_at_rest();
            }
            assert_eq!(world.books.spawned, before, "a save in a pause started something");
            world.resume();
            world.rest();
            world.check_at_rest();
        });
    }

    #[test]
    fn what_is_as_it_was_when_a_pause_is_over_starts_nothing(
        shape in 0..plans::SHAPES,
        seed in any::<u64>(),
        acts in prop::collection::vec(act(), 0..10),
        saves in prop::collection::vec((0..plans::SOURCES.len(), 1..14_u64), 1..6),
    ) {
        let mut world = World::new(plans::shape(shape), seed);
        with_trace(&mut world, |world| {
            play(world, &acts);
            world.resume();
            world.rest();
            for file in plans::SOURCES.iter().filter(|file| world.content(file) != MISSING).copied().collect::<Vec<_>>() {
                world.pass(1_001);
                world.save(file, world.content(file), 5);
                world.rest();
            }
            world.pass(1_001);
            if !world.core_is_at_rest() {
                // A program that was good is started again and again, and reads what is bad now.
                return;
            }
            world.pause();
            let before = world.books.spawned;
            let old: Vec<(&str, Content)> =
                saves.iter().map(|(file, _)| name_of(*file)).map(|name| (name, world.content(name))).collect();
            for (file, content) in &saves {
                world.save(name_of(*file), *content, 4);
                world.pass(30);
            }
            // What was not there cannot be put back by a save.
            let all_back = old.iter().all(|(_, content)| *content != MISSING);
            for (name, content) in old.into_iter().filter(|(_, content)| *content != MISSING) {
                world.save(name, content, 4);
                world.pass(30);
            }
            world.resume();
            world.rest();
            world.check_at_rest();
            assert!(!all_back || world.books.spawned == before, "content that is as it was started something");
        });
    }

    #[test]
    fn who_asks_for_it_gets_every_step_run_whatever_is_kept(
        shape in 0..plans::SHAPES,
        seed in any::<u64>(),
        acts in prop::collection::vec(act(), 0..8),
    ) {
        let mut world = World::new(plans::shape(shape), seed);
        with_trace(&mut world, |world| {
            play(world, &acts);
            world.resume();
            world.rest();
            let good = world.core.status().steps.iter().all(|step| step.state == StepState::Clean);
            let (before, steps) = (world.books.spawned, world.plan.steps.len());
            world.rebuild(true);
            world.rest();
            world.check_at_rest();
            assert!(!good || world.books.spawned >= before + steps, "a step that was asked for did not run");
        });
    }

    #[test]
    fn going_back_serves_what_was_live_before_until_the_next_save(
        shape in prop::sample::select(vec![0_usize, 1, 4, 5, 9, 12]),
        seed in any::<u64>(),
        contents in prop::collection::vec(1..40_u64, 2..6),
        count in 1..3_usize,
        last in 50..90_u64,
    ) {
        let mut world = World::new(plans::shape(shape), seed);
        with_trace(&mut world, |world| {
            world.rest();
            let mut served: Vec<Content> = Vec::new();
            for content in contents {
                world.save("main.go", content, 3);
                world.rest();
                let live = world.live_content("api");
                served.extend(live.filter(|live| served.last() != Some(live)));
            }
            let spawned = world.books.spawned;
            world.roll_back(count);
            world.rest();
            world.check_at_rest();
            let now = served.last().copied();
            served.retain(|content| Some(*content) != now);
            served.dedup();
            let wanted = served.len().checked_sub(count).map(|at| served[at]);
            if let Some(wanted) = wanted {
                assert_eq!(world.live_content("api"), Some(wanted), "it does not go back to what was live");
                assert_eq!(world.books.spawned, spawned + 1, "going back takes one start and no step");
            }
            world.save("main.go", last, 3);
            world.rest();
            world.check_at_rest();
        });
    }

    #[test]
    fn programs_of_an_earlier_session_can_be_gone_back_to(
        shape in prop::sample::select(vec![0_usize, 1, 4, 5, 9, 12]),
        seeds in any::<(u64, u64)>(),
        contents in prop::collection::vec(1..40_u64, 2..6),
        broken in any::<bool>(),
        count in 1..3_usize,
        last in 50..90_u64,
    ) {
        let mut first = World::new(plans::shape(shape), seeds.0);
        let mut served: Vec<Content> = Vec::new();
        with_trace(&mut first, |world| {
            world.rest();
            for content in contents {
                world.save("main.go", content, 3);
                world.rest();
                let live = world.live_content("api");
                served.extend(live.filter(|live| served.last() != Some(live)));
            }
        });
        let mut world = first.next_session(seeds.1);
        with_trace(&mut world, |world| {
            assert!(world.core.revision() > first.core.revision(), "a number means two things");
            if broken {
                // Nothing goes live in this session before one goes back.
                world.remove("main.go");
            }
            world.rest();
            let spawned = world.books.spawned;
            let now = world.live_content("api");
            world.roll_back(count);
            world.rest();
            world.check_at_rest();
            served.retain(|content| Some(*content) != now);
            served.dedup();
            if let Some(wanted) = served.len().checked_sub(count).map(|at| served[at]) {
                assert_eq!(world.live_content("api"), Some(wanted), "it does not go back to what was live");
                assert_eq!(world.books.spawned, spawned + 1, "going back takes one start and no step");
            }
            world.save("main.go", last, 3);
            world.rest();
            world.check_at_rest();
        });
    }
}

#[test]
fn a_step_that_the_breaker_has_stopped_goes_on_by_itself() {
    let mut world = World::new(plans::shape(0), 7);
    with_trace(&mut world, |world| {
        world.rest();
        // Each of these comes while a program of ours is at work, so that they may be its doing.
        let mut content = 30;
        while !world.trace.iter().any(|line| line.contains("Breaker {")) {
            content += 2;
            world.save("a.src", content, 1);
            world.pass(60);
            assert!(content < 400, "it is never stopped");
        }
        let started = |world: &World| world.trace.iter().filter(|line| line.contains("step: \"gen\", why")).count();
        let before = started(world);
        // The first wait is a second long.
        world.pass(1_500);
        assert!(started(world) > before, "nothing wakes it");
        world.rest();
        world.check_at_rest();
    });
}

#[test]
fn the_breaker_counts_runs_and_not_saves() {
    let mut world = World::new(plans::shape(0), 7);
    with_trace(&mut world, |world| {
        world.rest();
        for content in 0..30 {
            world.save("a.src", 30 + 2 * content, 1);
            world.pass(2);
        }
        world.rest();
        world.check_at_rest();
    });
    assert!(!world.trace.iter().any(|line| line.contains("Breaker {")), "a burst is taken for a loop");
}

/// The key of the first program says nothing of `note.txt`, for at its time nobody knew that it is read.
#[test]
fn what_was_built_before_is_not_passed_off_as_new_while_its_inputs_are_being_asked_for() {
    for seed in 0..40 {
        // `lib.rs` includes `note.txt` in every other pair of its versions.
        let (with_note, without) = (4 * (seed % 5 + 2), 4 * (seed % 7 + 2) + 2);
        let mut world = World::new(plans::shape(10), seed);
        with_trace(&mut world, |world| {
            world.rest();
            for (lib, note) in [(without, 1), (with_note, 1), (without, 3), (with_note, 3)] {
                world.save("note.txt", note, 1);
                world.save("lib.rs", lib, 1);
                world.pass(20);
                world.rest();
                world.check_at_rest();
            }
        });
    }
}

#[test]
fn one_can_go_back_to_a_program_that_differs_by_its_command_only() {
    let mut world = World::new(plans::shape(3), 0);
    let acts =
        vec![Act::Wait { ms: 200 }, Act::Configure { change: 6 }, Act::Wait { ms: 7000 }, Act::RollBack { count: 1 }];
    with_trace(&mut world, |world| {
        play(world, &acts);
        world.rest();
        world.check_at_rest();
    });
}

/// What a run read of old and what of new content is nothing that could ever be used, and it is not repeated before the
/// pause is over.
#[test]
fn a_run_that_reads_what_is_written_in_a_pause_is_void_and_waits() {
    let mut met = 0;
    for seed in 0..120 {
        let (old, new) = (3 * seed + 4, 3 * seed + 8);
        let mut world = World::new(plans::shape(6), seed);
        with_trace(&mut world, |world| {
            world.rest();
            world.save("main.go", old, 1);
            world.save("lib.rs", old, 1);
            world.pass(30);
            while !world.is_running("build") && !world.core_is_at_rest() {
                world.pass(1);
            }
            world.pass(seed % 60);
            if !world.is_running("build") {
                return;
            }
            met += 1;
            world.pause();
            let started = |world: &World| world.trace.iter().filter(|line| line.contains("StepStarted {")).count();
            let before = started(world);
            world.save("main.go", new, 1);
            world.save("lib.rs", new, 1);
            world.rest();
            assert_eq!(started(world), before, "a void run is repeated in a pause");
            world.resume();
            world.rest();
            world.check_at_rest();
            world.save("main.go", old, 1);
            world.save("lib.rs", old, 1);
            world.pass(5);
            world.rest();
            world.check_at_rest();
        });
    }
    assert!(met > 20, "{met} of 120 worlds were about that");
}
