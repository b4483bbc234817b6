//! Services under their debuggers: which debugger fits a command, how the program is started under it, and how an
//! editor attaches. It looks for no program and starts nothing.

mod attach;
mod go;
mod node;
mod python;

use std::{collections::BTreeMap, fmt, sync::Arc};

use super::{
    Command, Plan, Service,
    line::{Line, Word},
};
use crate::error::Problem;

/// `debug` of a service: how it is debugged when a person asks for that.
#[derive(Clone, Debug, PartialEq)]
pub struct Debug {
    /// With what.
    pub with: With,
    /// The debugger's port; none: the usual one of the debugger, or the next one that is free.
    pub port: Option<u16>,
    /// What the program does until an editor has attached.
    pub begin: Begin,
}

impl Default for Debug {
    fn default() -> Debug {
        Debug { with: With::Fitting, port: None, begin: Begin::Run }
    }
}

/// `debug.run`
#[derive(Clone, Debug, PartialEq)]
pub enum With {
    /// What fits its command.
    Fitting,
    /// This one, whatever the command looks like.
    Known(Debugger),
    /// A person's own command; `{debug_port}` in it is the debugger's port.
    Own(Command),
}

/// `debug.wait`
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Begin {
    /// It runs.
    Run,
    /// It waits, before its first line.
    Wait,
}

/// A debugger that devloop knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Debugger {
    /// `dlv`, for Go.
    Delve,
    /// Node's inspector.
    Node,
    /// `debugpy`, for Python.
    Debugpy,
}

impl Debugger {
    /// All of them, as dev.toml names them.
    pub const ALL: [(&'static str, Debugger); 3] =
        [("dlv", Debugger::Delve), ("node", Debugger::Node), ("debugpy", Debugger::Debugpy)];

    /// Its name in dev.toml and in messages.
    pub fn name(self) -> &'static str {
        match self {
            Debugger::Delve => "dlv",
            Debugger::Node => "node",
            Debugger::Debugpy => "debugpy",
        }
    }

    /// Where editors look for it if nobody says otherwise.
    fn usual_port(self) -> u16 {
        match self {
            Debugger::Delve => 2345,
            Debugger::Node => 9229,
            Debugger::Debugpy => 5678,
        }
    }

    /// How to get it.
    pub fn install(self) -> &'static str {
        match self {
            Debugger::Delve => "install it with `go install github.com/go-delve/delve/cmd/dlv@latest`",
            Debugger::Node => "install Node.js, which has its inspector built in",
            Debugger::Debugpy => "install it with `pip install debugpy`, into the environment that the service runs in",
        }
    }
}

/// Where a debugger of a person's own listens if `debug.port` does not say.
const OWN_PORT: u16 = 2345;

/// How a service is started while it is debugged.
#[derive(Clone, Debug, PartialEq)]
pub struct Debugging {
    /// What debugs it; none: a command of a person's own.
    pub debugger: Option<Debugger>,
    /// Where the debugger listens, on 127.0.0.1.
    pub port: u16,
    /// The command, in place of `run`.
    pub run: Command,
    /// Whether Node has to be told by its environment, as the command starts it only in the end (`npm run dev`).
    pub told: Told,
    /// What the program does until an editor has attached.
    pub begin: Begin,
}

/// How a debugger gets to know that it is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// By the command.
    ByCommand,
    /// By `NODE_OPTIONS`.
    ByNodeOptions,
}

/// How one editor attaches.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Attach {
    /// The editor.
    pub editor: String,
    /// What to write or to do there.
    pub how: String,
}

impl Debugging {
    /// What debugs it, for people.
    pub fn name(&self) -> &'static str {
        self.debugger.map_or("a debugger", Debugger::name)
    }

    /// Where it listens.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// How to attach, one line for each editor.
    pub fn attach(&self) -> Vec<Attach> {
        attach::lines(self.debugger, self.port)
    }
}

/// A command under a debugger, before its port is known.
#[derive(Clone, Debug, PartialEq)]
struct Under {
    run: Command,
    told: Told,
}

/// What a rewritten command is made for.
#[derive(Clone, Copy, Debug)]
struct Wish {
    port: u16,
    begin: Begin,
}

/// Why a command cannot be put under a debugger.
#[derive(Debug, PartialEq, Eq)]
enum No {
    /// It belongs to another debugger.
    Other,
    /// It does, and this is in the way.
    Because(String),
}

impl Plan {
    /// The service of this name, which a person wants to debug.
    ///
    /// # Errors
    /// There is none, or it cannot be debugged.
    pub fn service_to_debug(&self, name: &str) -> Result<Arc<Service>, Problem> {
        let found = self.services.iter().find(|service| *service.name == *name);
        let service = found.ok_or_else(|| self.no_such_service(name))?;
        self.debugging(service, OWN_PORT).map(|_| Arc::clone(service))
    }

    /// The port that this service's debugger listens on if it is free, and whether a person wrote it down.
    ///
    /// # Errors
    /// Why it cannot be debugged.
    pub fn debug_port(&self, service: &Service) -> Result<(u16, Option<Debugger>), Problem> {
        let debugging = self.debugging(service, OWN_PORT)?;
        let usual = debugging.debugger.map_or(OWN_PORT, Debugger::usual_port);
        Ok((service.debug.port.unwrap_or(usual), debugging.debugger))
    }

    /// The same plan with these services under their debuggers, each at its port. Artifacts of Go are built for
    /// that, too; `goflags` is what the environment has as `GOFLAGS`. With what cannot be debugged, and why.
    pub fn debugged(&self, ports: &BTreeMap<Arc<str>, u16>, goflags: &str) -> (Plan, Vec<Problem>) {
        let mut plan = self.clone();
        let mut problems = Vec::new();
        for index in 0..self.services.len() {
            let service = &self.services[index];
            let Some(port) = ports.get(&service.name) else { continue };
            match self.debugging(service, *port) {
                Ok(debugging) => {
                    if debugging.debugger == Some(Debugger::Delve) {
                        self.go_steps(index).for_each(|step| go::keep_symbols(&mut plan.steps[step], goflags));
                    }
                    Arc::make_mut(&mut plan.services[index]).debugging = Some(Arc::new(debugging));
                }
                Err(problem) => problems.push(problem),
            }
        }
        (plan, problems)
    }

    fn debugging(&self, service: &Service, port: u16) -> Result<Debugging, Problem> {
        let begin = service.debug.begin;
        let wish = Wish { port, begin };
        let known = match &service.debug.with {
            With::Own(run) => {
                return Ok(Debugging { debugger: None, port, run: run.clone(), told: Told::ByCommand, begin });
            }
            With::Known(debugger) => {
                self.under(service, *debugger, wish, Certainty::Told).map(|under| (*debugger, under))
            }
            With::Fitting => self.fitting(service, wish),
        };
        let (debugger, Under { run, told }) = known.map_err(|no| self.refuse(service, no))?;
        Ok(Debugging { debugger: Some(debugger), port, run, told, begin })
    }

    fn fitting(&self, service: &Service, wish: Wish) -> Result<(Debugger, Under), No> {
        for (_, debugger) in Debugger::ALL {
            match self.under(service, debugger, wish, Certainty::Guessed) {
                Ok(under) => return Ok((debugger, under)),
                Err(No::Other) => {}
                Err(because) => return Err(because),
            }
        }
        Err(No::Other)
    }

    fn under(&self, service: &Service, debugger: Debugger, wish: Wish, certainty: Certainty) -> Result<Under, No> {
        let line = Line::of(&service.run);
        match debugger {
            Debugger::Delve => {
                let is_go = certainty == Certainty::Told || self.is_made_by_go(service);
                go::under(line, is_go, wish)
            }
            Debugger::Node => node::under(&service.run, line, certainty, wish),
            Debugger::Debugpy => python::under(line, certainty, wish),
        }
    }

    /// Whether the program that its command names comes out of `go build`.
    fn is_made_by_go(&self, service: &Service) -> bool {
        let mut used = service.uses.iter().map(|index| &self.steps[*index]);
        let Some(line) = Line::of(&service.run) else { return used.any(|step| go::builds(&step.run)) };
        match line.words().into_iter().next() {
            Some(Word::Value(name)) => used.any(|step| *step.name == *name && go::builds(&step.run)),
            Some(Word::Plain(_)) if service.program.is_some() => {
                service.after.iter().any(|index| go::builds(&self.steps[*index].run))
            }
            _ => false,
        }
    }

    /// The steps whose results a debugger of Go looks into.
    fn go_steps(&self, service: usize) -> impl Iterator<Item = usize> + '_ {
        let service = &self.services[service];
        let steps = if service.uses.is_empty() { &service.after } else { &service.uses };
        steps.iter().copied()
    }

    fn refuse(&self, service: &Service, no: No) -> Problem {
        let name = &service.name;
        let example = match service.uses.first().map(|index| &self.steps[*index].name) {
            Some(step) => format!("gdbserver 127.0.0.1:{{debug_port}} {{{step}}}"),
            None => "gdbserver 127.0.0.1:{debug_port} ./server".to_owned(),
        };
        match no {
            No::Because(why) => Problem::new(format!("service `{name}` cannot be debugged: {why}")),
            No::Other => Problem::new(format!(
                "devloop knows no debugger for `{}`, the command of `{name}`",
                service.run.text
            ))
            .hint(format!(
                "write into its `[[service]]` how: `debug = \"{example}\"`, or `debug = \"dlv\"`, `\"node\"` or \
                     `\"debugpy\"` if one of those fits"
            )),
        }
    }
}

/// Whether a person said which debugger it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Certainty {
    Told,
    Guessed,
}

impl fmt::Display for Debugging {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.name(), self.address())
    }
}

/// The last part of a program's path.
fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn strings<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(str::to_owned).to_vec()
}
