//! What people and programs do, at random.

use proptest::prelude::*;

use crate::{content::Content, plans, world::World};

/// What people and programs do.
#[derive(Clone, Debug)]
pub enum Act {
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

pub fn act() -> impl Strategy<Value = Act> {
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
pub fn wild_act() -> impl Strategy<Value = Act> {
    prop_oneof![20 => act(), 2 => Just(Act::KillAny), 1 => Just(Act::LeaveLock)]
}

pub fn name_of(file: usize) -> &'static str {
    plans::SOURCES.iter().chain(&plans::GENERATED).nth(file).copied().expect("there are so many")
}

pub fn play(world: &mut World, acts: &[Act]) {
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
