//! A large tree: `BENCH_FILES` (50,000) files beside twice as many ignored ones. The time from the start of devloop to
//! the start of the first step, and what it costs to have it stand by.

use std::{
    fs,
    time::{Duration, Instant},
};

use super::support::{
    devloop::Devloop,
    ms, number,
    process::{cpu, status},
    project::{Kind, Project},
    stats::Sample,
    table::Table,
};

const IN_A_FOLDER: usize = 50;
const STARTS: usize = 7;

pub fn run() {
    let files = number("BENCH_FILES", 50_000);
    let idle = Duration::from_secs(number("BENCH_IDLE", 10) as u64);
    let project = Project::new(Kind::Script, "");
    // A step that reads everything, as a step without `inputs` does.
    let plan = fs::read_to_string(project.path("dev.toml")).expect("it was just written");
    project.write("dev.toml", &plan.replace("inputs = [\"version.txt\", \"build.sh\"]\n", ""));
    fill(&project, "src", files);
    fill(&project, "node_modules", 2 * files);

    let mut starts = Vec::new();
    let mut last = None;
    for _ in 0..STARTS {
        drop(last.take());
        let begin = Instant::now();
        let mut devloop = Devloop::start(&project);
        let (at, _) = devloop.wait("the first step", |event| event["event"] == "step_started");
        starts.push(ms(at.duration_since(begin)));
        devloop.event("live");
        devloop.event("at_rest");
        last = Some(devloop);
    }
    let devloop = last.expect("it was started");
    // What it reads behind the first step is part of its memory, not of its idleness.
    std::thread::sleep(Duration::from_secs(3));
    let before = cpu(devloop.pid());
    std::thread::sleep(idle);
    let used = cpu(devloop.pid()).saturating_sub(before);

    println!("{files} files beside {} ignored ones, {STARTS} starts, {} s idle", 2 * files, idle.as_secs());
    let mut table = Table::new(&["", ""]);
    let first = starts.remove(0);
    table.row(&["first step starts after, for the first time".to_owned(), format!("{first:.0} ms")]);
    let again = Sample::of(starts);
    table.row(&["… later (median, worst)".to_owned(), format!("{:.0} ms, {:.0} ms", again.median(), again.max())]);
    for name in ["VmHWM", "VmRSS", "RssAnon"] {
        table.row(&[name.to_owned(), format!("{:.1} MiB", status(devloop.pid(), name) / 1024.0)]);
    }
    let share = used.as_secs_f64() / idle.as_secs_f64() * 100.0;
    table.row(&["CPU when idle".to_owned(), format!("{share:.2} % of a core")]);
    table.row(&["watches".to_owned(), watches(devloop.pid()).to_string()]);
    let folders = 1 + files.div_ceil(IN_A_FOLDER);
    table.row(&["folders that are not ignored".to_owned(), folders.to_string()]);
    table.done("tree");
    devloop.stop();
}

fn fill(project: &Project, below: &str, files: usize) {
    for folder in 0..files.div_ceil(IN_A_FOLDER) {
        let path = project.path(format!("{below}/part{folder}"));
        fs::create_dir_all(&path).expect("folders can be made");
        for file in 0..IN_A_FOLDER {
            fs::write(path.join(format!("file{file}.txt")), format!("{below} {folder} {file}\n"))
                .expect("files can be written");
        }
    }
}

fn watches(pid: u32) -> usize {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fdinfo")) else { return 0 };
    let texts = entries.flatten().filter_map(|entry| fs::read_to_string(entry.path()).ok());
    texts.map(|text| text.lines().filter(|line| line.starts_with("inotify wd:")).count()).sum()
}
