//! Random worlds around the core: after every event and at rest, the promises of `ARCHITECTURE.md` hold.

mod plans;
mod world;

use proptest::prelude::*;

use self::world::World;

/// What people and programs do.
#[derive(Clone, Debug)]
enum Act {
    Save { file: usize, content: u64, takes: u64 },
    Rewrite { file: usize },
    Wait { ms: u64 },
    Rest,
    Crash,
    NewPlan { variant: u64 },
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        8 => (0..4_usize, 1..12_u64, 0..60_u64).prop_map(|(file, content, takes)| Act::Save { file, content, takes }),
        2 => (0..4_usize).prop_map(|file| Act::Rewrite { file }),
        8 => (0..500_u64).prop_map(|ms| Act::Wait { ms }),
        3 => (0..30_u64).prop_map(|ms| Act::Wait { ms }),
        1 => Just(Act::Wait { ms: 7_000 }),
        2 => Just(Act::Rest),
        1 => Just(Act::Crash),
        1 => (0..3_u64).prop_map(|variant| Act::NewPlan { variant }),
    ]
}

fn play(world: &mut World, shape: usize, acts: &[Act]) {
    let mut saved = [1_u64; 4];
    for act in acts {
        match act {
            Act::Save { file, content, takes } => {
                saved[*file] = *content;
                world.save(plans::SOURCES[*file], *content, *takes);
                // The next act on this file comes after its write.
                world.pass(*takes + 1);
            }
            Act::Rewrite { file } => {
                world.save(plans::SOURCES[*file], saved[*file], 3);
                world.pass(4);
            }
            Act::Wait { ms } => world.pass(*ms),
            Act::Rest => {
                world.rest();
                world.check_at_rest();
            }
            Act::Crash => world.crash_one(),
            Act::NewPlan { variant } => world.adopt(plans::shape(shape, *variant)),
        }
    }
}

/// Prints what happened if a promise was broken.
fn with_trace(world: &mut World, play: impl FnOnce(&mut World)) {
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| play(world)));
    if let Err(cause) = outcome {
        let tail = world.trace.len().saturating_sub(120);
        eprintln!("{}", world.trace[tail..].join("\n"));
        std::panic::resume_unwind(cause);
    }
}

fn cases() -> ProptestConfig {
    let cases = std::env::var("DEVLOOP_TEST_WORLDS").ok().and_then(|count| count.parse().ok()).unwrap_or(400);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn whatever_people_do_the_promises_hold(
        shape in 0..plans::SHAPES,
        seed in any::<u64>(),
        acts in prop::collection::vec(act(), 1..25),
    ) {
        let mut world = World::new(plans::shape(shape, 0), seed);
        with_trace(&mut world, |world| {
            play(world, shape, &acts);
            world.rest();
            world.check_at_rest();
        });
    }

    #[test]
    fn quitting_at_any_moment_leaves_nothing_behind(
        shape in 0..plans::SHAPES,
        seed in any::<u64>(),
        acts in prop::collection::vec(act(), 0..10),
        wait in 0..600_u64,
        twice in any::<bool>(),
    ) {
        let mut world = World::new(plans::shape(shape, 0), seed);
        with_trace(&mut world, |world| {
            play(world, shape, &acts);
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
        files in prop::collection::vec(0..4_usize, 1..6),
    ) {
        let mut world = World::new(plans::shape(shape, 0), seed);
        with_trace(&mut world, |world| {
            play(world, shape, &acts);
            world.rest();
            let before = world.spawned;
            for file in files {
                let content = world.content(plans::SOURCES[file]);
                world.save(plans::SOURCES[file], content, 5);
                world.rest();
            }
            assert_eq!(world.spawned, before, "content that did not change started something");
        });
    }
}
