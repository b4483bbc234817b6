//! What people and their programs do to the world.

use super::*;

impl World {
    /// A person saves `file`; writing takes some milliseconds. Nobody else writes to it meanwhile.
    pub fn save(&mut self, file: &str, content: Content, takes: u64) {
        let file: FilePath = Arc::from(Path::new(file));
        let old = self.files.insert(file.clone(), GARBAGE);
        if old == Some(content) {
            *self.rewrites.entry(file.clone()).or_default() += 1;
        } else {
            self.rewrites.remove(&file);
        }
        self.event(&file, Writer::Writing);
        self.later(takes, Happening::WriteEnds { file, content });
    }

    /// A person saves `file` as it is. Not three times in a row: then a step is taken for the writer.
    pub fn rewrite(&mut self, file: &str) {
        let content = self.content(file);
        if content == MISSING || content == GARBAGE || self.rewrites.get(Path::new(file)).copied().unwrap_or(0) >= 2 {
            return;
        }
        self.save(file, content, 3);
    }

    /// A file is removed: a source, or an output whose step does not run.
    pub fn remove(&mut self, file: &str) {
        let path: FilePath = Arc::from(Path::new(file));
        let busy = self.processes.values().any(|process| process.writes(&path));
        let settling = self.books.steps_at_work();
        // That z_gen.go was generated is said nowhere but in itself.
        if busy || settling || self.content(file) == GARBAGE || file == "z_gen.go" {
            return;
        }
        if self.files.remove(&path).is_some() {
            self.event(&path, Writer::Done);
        }
    }

    /// A service of ours writes to its database.
    pub fn write_owned(&mut self) {
        let file: FilePath = Arc::from(Path::new(plans::OWNED));
        let content = self.random(1000) + 1;
        self.files.insert(file.clone(), content);
        self.event(&file, Writer::Writing);
        if self.random(2) == 0 {
            self.event(&file, Writer::Done);
        }
    }

    /// git writes many files under its lock.
    pub fn checkout(&mut self, contents: &[Content], pause: u64) {
        self.give(Event::GitLock(true));
        for (file, content) in plans::SOURCES.iter().zip(contents) {
            self.save(file, *content, 0);
            self.pass(pause + 1);
        }
        self.give(Event::GitLock(false));
        self.give(Event::Tick);
    }

    /// A lock that nobody takes away.
    pub fn leave_lock(&mut self) {
        self.give(Event::GitLock(true));
    }

    /// A person edits dev.toml.
    pub fn configure(&mut self, change: u64) {
        self.save(plans::CONFIG, change + 2, 3);
    }

    pub fn restart(&mut self) {
        let names: Vec<Arc<str>> = self.plan.services.iter().map(|service| service.name.clone()).collect();
        let name = names[self.random(names.len() as u64) as usize].clone();
        self.books.asked_for(&name);
        self.give(Event::Restart(name));
    }

    /// A live instance ends by itself.
    pub fn crash_one(&mut self, curses: u64) {
        let all: Vec<(Arc<str>, RunId)> = self.live_runs();
        let live: Vec<(Arc<str>, RunId)> = all.into_iter().filter(|(name, _)| self.comes_again(name)).collect();
        if !live.is_empty() {
            let (name, run) = live[self.random(live.len() as u64) as usize].clone();
            let pure = self.is_pure(&name);
            self.curses = if pure { curses } else { 0 };
            self.tainted |= self.plan.services.iter().any(|node| node.name == name && node.restart == Restart::No);
            self.happen(Happening::Dies { run, exit: Exit::Signal(11) });
            if !pure {
                self.pass(320);
            }
        }
    }

    /// Whether a restart of what is live would be good. One that reads files which are bad by now does not come up and
    /// is tried for ever.
    fn comes_again(&self, name: &str) -> bool {
        let node = self.plan.services.iter().find(|node| &*node.name == name).expect("it is in the plan");
        let sound = || self.core.status().at_rest && !self.tainted && self.expected(name).is_some();
        node.restart == Restart::No || self.is_pure(name) || sound()
    }

    /// Any program ends, whatever it is at.
    pub fn kill_any(&mut self) {
        let spared = |run: &RunId| self.live_runs().iter().any(|(name, live)| live == run && !self.comes_again(name));
        let runs: Vec<RunId> = self.processes.keys().filter(|run| !spared(run)).copied().collect();
        if !runs.is_empty() {
            let run = runs[self.random(runs.len() as u64) as usize];
            self.tainted = true;
            self.happen(Happening::Dies { run, exit: Exit::Signal(9) });
        }
    }

    /// A person wants a service under its debugger, or not any more.
    pub fn debug(&mut self) {
        let names: Vec<Arc<str>> = self.plan.services.iter().map(|service| service.name.clone()).collect();
        let name = names[self.random(names.len() as u64) as usize].clone();
        self.books.asked_for(&name);
        if !self.debugged.remove(&name) {
            self.debugged.insert(name);
        }
        let plan = Arc::new(plans::debugged(&self.plan, &self.debugged));
        self.plan = plan.clone();
        self.give(Event::Debug(plan));
    }

    pub fn rebuild(&mut self, all: bool) {
        let names: Vec<Arc<str>> = self.plan.steps.iter().map(|step| step.name.clone()).collect();
        let one = names[self.random(names.len() as u64) as usize].clone();
        let meant = if all { names } else { vec![one.clone()] };
        let services: Vec<Arc<str>> = self.plan.services.iter().map(|service| service.name.clone()).collect();
        // What failed with its result is tried again.
        meant.iter().chain(&services).for_each(|name| self.books.asked_for(name));
        self.give(Event::Rebuild((!all).then_some(one)));
    }

    /// Whether a program of this step runs.
    pub fn is_running(&self, step: &str) -> bool {
        self.processes.values().any(|process| process.step().is_some_and(|node| &*node.name == step))
    }

    /// Whether nothing is under way.
    pub fn core_is_at_rest(&self) -> bool {
        self.core.status().at_rest
    }

    /// A person goes so many programs back, if there are so many.
    pub fn roll_back(&mut self, count: usize) {
        let earlier = Earlier::Back(count);
        let is_pinned = |world: &World| world.core.status().services.iter().any(|service| service.pinned.is_some());
        let (possible, before) = (self.core.can_roll_back(earlier).is_ok(), is_pinned(self));
        let busy = !self.core.status().at_rest;
        self.give(Event::RollBack(earlier));
        // From an earlier program, or while a save is under way, what was before may be the newest.
        assert!(is_pinned(self) || before || busy || !possible, "it is possible to go back and nothing is pinned");
    }

    /// Saves start nothing from now on.
    pub fn pause(&mut self) {
        self.paused = true;
        self.books.paused();
        self.give(Event::Pause);
    }

    /// Lets go of whatever a person paused or went back to.
    pub fn resume(&mut self) {
        self.paused = false;
        self.books.resumed();
        self.give(Event::Resume);
    }
}
