//! Random worlds around the core: after every event and at rest, the promises of `ARCHITECTURE.md` hold.
#![expect(clippy::disallowed_methods, reason = "tests are outside the house")]

mod acts;
mod books;
mod content;
mod plans;
mod programs;
mod promises;
mod world;

use devloop::core::status::{OutcomeState, StepState};
use proptest::{prelude::*, test_runner::RngSeed};

use self::{
    acts::{Act, act, name_of, play, wild_act},
    content::{Content, MISSING},
    world::World,
};

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

/// Nothing but dev.toml is saved: whether it was mended is found out by trying.
#[test]
fn what_failed_is_tried_again_when_it_is_asked_otherwise_and_what_is_live_is_left_alone() {
    let (mut failed, mut probed, mut steps, mut live) = (0, 0, 0, 0);
    for seed in 0..200 {
        let mut world = World::new(plans::shape(12), seed);
        with_trace(&mut world, |world| {
            world.rest();
            world.save("main.go", 3 * seed + 4, 1);
            world.pass(900);
            let status = world.core.status();
            let (api, build) = (status.services[0].clone(), status.steps[1].state);
            let is_failed = api.outcome == OutcomeState::Failed;
            let count = |world: &World, what: &str| world.trace.iter().filter(|line| line.contains(what)).count();
            let start = "Starting { revision";
            let (starts, builds) = (count(world, start), count(world, "step: \"build\", why"));
            if api.starting.as_ref().is_some_and(|candidate| candidate.pid.is_some()) {
                probed += 1;
                world.configure(8);
                world.pass(900);
                assert!(count(world, start) > starts, "it is probed by the old rules");
            } else if is_failed && build == StepState::Clean {
                failed += 1;
                world.configure(8);
                world.pass(900);
                assert!(count(world, start) > starts, "it is not tried again");
            } else if is_failed && build == StepState::Failed {
                steps += 1;
                world.configure(9);
                world.pass(900);
                assert!(count(world, "step: \"build\", why") > builds, "it does not run again");
            } else if world.core_is_at_rest() {
                live += 1;
                world.configure(8 + seed % 2);
                world.pass(900);
                assert_eq!((count(world, start), count(world, "step: \"build\", why")), (starts, builds));
            }
            world.rest();
            world.check_at_rest();
        });
    }
    assert!(failed > 5 && probed > 2 && steps > 5 && live > 50, "{failed}, {probed}, {steps}, {live} of 200 worlds");
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

/// What is put off so that one service gets through is written all the same: a step that read it meanwhile is void. (It
/// takes an unlucky moment: one of these worlds has it.)
#[test]
fn a_run_that_reads_what_is_written_while_others_are_let_finish_is_void() {
    for seed in 3060..3100 {
        let mut world = World::new(plans::shape(10), seed);
        with_trace(&mut world, |world| {
            let contents = vec![1, 1, 1, 1, 8, 1];
            let burst = Act::Burst { file: 5, count: 8, pause: 20 + seed % 50 };
            play(world, &[Act::Wait { ms: 27 }, Act::Checkout { contents, pause: 10 }, burst]);
            world.rest();
            world.check_at_rest();
        });
    }
}

/// Under a debugger instances follow each other exclusively; those that it took over from may still be draining then.
#[test]
fn an_instance_that_makes_way_is_not_the_third_that_drains() {
    for seed in 0..150 {
        let mut world = World::new(plans::shape(10), seed);
        with_trace(&mut world, |world| {
            world.rest();
            for content in 0..8 {
                if content % 4 == 2 {
                    play(world, &[Act::Debug]);
                }
                world.save("note.txt", 20 + content, 1);
                world.pass(330);
            }
            world.rest();
            world.check_at_rest();
        });
    }
}
