//! Large answers through the proxy: `BENCH_LARGE` (100) MiB each, over one connection and over several at once, how
//! quickly they come and how much memory whoever passes them on needs meanwhile.

use super::{
    super::support::{
        load::{Speech, Until, together},
        number, numbers,
        process::{forget_peak, status},
        stats::Sample,
        table::Table,
    },
    Contender, Field, in_turns,
};

pub fn run() {
    for speech in [Speech::Http1, Speech::Http2] {
        let field = Field::of(speech);
        for connections in numbers("BENCH_CONNECTIONS", &[1, 16]) {
            measure(&field.contenders, speech, connections);
        }
        field.done();
    }
}

fn measure(contenders: &[Contender], speech: Speech, connections: usize) {
    let (mebibytes, rounds) = (number("BENCH_LARGE", 100), number("BENCH_ROUNDS", 3));
    let target = format!("/bytes/{}", mebibytes << 20);
    contenders.iter().filter_map(|contender| contender.pid).for_each(forget_peak);
    let turns = in_turns(contenders, rounds, |contender| {
        together(contender.addr, &target, connections, contender.speech, Until::Requests(1))
    });
    let (name, plural) = (if speech == Speech::Http1 { "h1" } else { "h2" }, if connections == 1 { "" } else { "s" });
    println!("{mebibytes} MiB, {connections} connection{plural}, {name}, {rounds} rounds");
    let mut table = Table::new(&["", "MiB/s", "of direct", "peak memory, MiB"]);
    for (contender, mine) in contenders.iter().zip(&turns) {
        let speed = Sample::of(mine.iter().map(|turn| (mebibytes * connections) as f64 / turn.took.as_secs_f64()));
        let shares =
            mine.iter().zip(&turns[0]).map(|(mine, direct)| direct.took.as_secs_f64() / mine.took.as_secs_f64());
        let peak = contender.pid.map(|pid| format!("{:.1}", status(pid, "VmHWM") / 1024.0));
        table.row(&[
            contender.name.clone(),
            format!("{:.0}", speed.median()),
            format!("{:.2}", Sample::of(shares).median()),
            peak.unwrap_or_default(),
        ]);
    }
    table.done(&format!("proxy_large_{name}_{connections}"));
}
