//! What the proxy costs: requests per second and latency, straight from the program, through devloop, and through every
//! other proxy that is installed, all of them in front of the same program.
//!
//! Answers of 1 KiB and of 100 KiB, over 1, 32 and 256 connections with one request at a time each, in HTTP/1.1 and in
//! HTTP/2 (without TLS; the program is asked in HTTP/1.1 all the same). `BENCH_ROUNDS` (5) rounds in which everybody
//! has a turn of `BENCH_SECONDS` (1), in another order each time; ratios are of the same round. `BENCH_CONNECTIONS` and
//! `BENCH_SIZES` (KiB) are lists with commas that leave some out.

pub mod large;
mod others;
pub mod pages;

use std::{net::SocketAddr, time::Duration};

use self::others::Others;
use super::support::{
    client::until_it_answers,
    devloop::Devloop,
    load::{Speech, Turn, for_a_while, speaks_http2},
    number, numbers, program,
    project::Project,
    stats::Sample,
    table::Table,
};

/// Somebody to be asked.
struct Contender {
    name: String,
    addr: SocketAddr,
    speech: Speech,
    /// None: the program itself.
    pid: Option<u32>,
}

/// Everybody, as long as this lives.
struct Field {
    contenders: Vec<Contender>,
    devloop: Devloop,
    others: Others,
    _project: Project,
}

impl Field {
    fn of(speech: Speech) -> Field {
        let project = Project::empty();
        project.write("dev.toml", &program::server(""));
        let mut devloop = Devloop::start(&project);
        let through = devloop.address();
        let port = devloop.event("probing")["port"].as_u64().and_then(|port| port.try_into().ok()).expect("a port");
        let direct = SocketAddr::from(([127, 0, 0, 1], port));
        devloop.event("at_rest");
        let others = Others::start(&project, direct);
        let name = if speech == Speech::Http1 { "direct" } else { "direct, HTTP/1.1" };
        let mut contenders = vec![
            Contender { name: name.to_owned(), addr: direct, speech: Speech::Http1, pid: None },
            Contender { name: "devloop".to_owned(), addr: through, speech, pid: Some(devloop.pid()) },
        ];
        for other in others.all() {
            until_it_answers(other.http1, "first");
            let addr = if speech == Speech::Http1 { other.http1 } else { other.http2 };
            if speech == Speech::Http2 && !speaks_http2(addr) {
                println!("({} does not speak HTTP/2 without TLS)", other.name);
                continue;
            }
            contenders.push(Contender { name: other.name.to_owned(), addr, speech, pid: Some(other.pid()) });
        }
        contenders.iter().for_each(until_it_answers_in);
        Field { contenders, devloop, others, _project: project }
    }

    fn done(self) {
        drop(self.others);
        self.devloop.stop();
    }
}

fn until_it_answers_in(contender: &Contender) {
    match contender.speech {
        Speech::Http1 => _ = until_it_answers(contender.addr, "first"),
        Speech::Http2 => assert!(speaks_http2(contender.addr), "{} never answers in HTTP/2", contender.name),
    }
}

pub fn run_h1() {
    run("h1", Speech::Http1);
}

pub fn run_h2() {
    run("h2", Speech::Http2);
}

fn run(name: &str, speech: Speech) {
    let field = Field::of(speech);
    for kibibytes in numbers("BENCH_SIZES", &[1, 100]) {
        for connections in numbers("BENCH_CONNECTIONS", &[1, 32, 256]) {
            measure(&field.contenders, name, kibibytes, connections);
        }
    }
    field.done();
}

fn measure(contenders: &[Contender], name: &str, kibibytes: usize, connections: usize) {
    let rounds = number("BENCH_ROUNDS", 5);
    let time = Duration::from_secs_f64(number("BENCH_SECONDS", 1) as f64);
    let target = format!("/bytes/{}", kibibytes * 1024);
    let turns = in_turns(contenders, rounds, |contender| {
        for_a_while(contender.addr, &target, connections, contender.speech, time)
    });
    let plural = if connections == 1 { "" } else { "s" };
    println!("{kibibytes} KiB, {connections} connection{plural}, {rounds} rounds of {} s", time.as_secs());
    let reference = contenders.iter().position(|contender| contender.name == "haproxy");
    let mut columns = vec!["", "requests/s", "median µs", "p99 µs", "added to the median, µs", "requests/s of direct"];
    if reference.is_some() {
        columns.push("of haproxy");
    }
    let mut table = Table::new(&columns);
    for (contender, mine) in contenders.iter().zip(&turns) {
        let of = |value: &dyn Fn(&Turn) -> f64| Sample::of(mine.iter().map(value)).median();
        let against = |theirs: &[Turn], value: &dyn Fn(&Turn, &Turn) -> f64| {
            Sample::of(mine.iter().zip(theirs).map(|(mine, theirs)| value(mine, theirs))).median()
        };
        let share = |mine: &Turn, theirs: &Turn| mine.per_second / theirs.per_second;
        let mut cells = vec![
            contender.name.clone(),
            format!("{:.0}", of(&|turn| turn.per_second)),
            format!("{:.0}", of(&|turn| turn.median)),
            format!("{:.0}", of(&|turn| turn.p99)),
            format!("{:.0}", against(&turns[0], &|mine, theirs| mine.median - theirs.median)),
            format!("{:.2}", against(&turns[0], &share)),
        ];
        if let Some(reference) = reference {
            cells.push(format!("{:.2}", against(&turns[reference], &share)));
        }
        table.row(&cells);
    }
    table.done(&format!("proxy_{name}_{kibibytes}k_{connections}"));
}

/// Rounds in which everybody has a turn, in another order each time.
fn in_turns(contenders: &[Contender], rounds: usize, mut ask: impl FnMut(&Contender) -> Turn) -> Vec<Vec<Turn>> {
    let mut turns: Vec<Vec<Turn>> = contenders.iter().map(|_| Vec::new()).collect();
    for round in 0..rounds {
        for turn in 0..contenders.len() {
            let who = (round + turn) % contenders.len();
            turns[who].push(ask(&contenders[who]));
        }
    }
    turns
}
