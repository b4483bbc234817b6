//! Are files written in the future? Then the clock of the folder (a network share, a virtual machine) is not this
//! machine's, and tools that compare times build too much or too little.

use super::{
    finding::{Check, Finding, Place, Weight},
    scene::Scene,
};
use crate::plan::show_time;

pub(super) fn check(scene: &Scene) -> Vec<Finding> {
    let Some((file, ahead)) = scene.future.first() else { return Vec::new() };
    let where_it_lies = scene.network.map(|kind| format!(" in a {kind} folder")).unwrap_or_default();
    let more = match scene.future.len() {
        1 => String::new(),
        count => format!(", and {} more", count - 1),
    };
    let ahead = show_time(std::time::Duration::from_secs(ahead.as_secs()));
    let seen = format!("`{}`{where_it_lies} was written {ahead} in the future{more}", file.display());
    let finding =
        Finding::new(Check::Clock, if scene.network.is_some() { Weight::Wrong } else { Weight::Doubtful }, seen);
    let finding =
        finding.why("make, go and cargo take it for changed, or for older than it is, until that time has come");
    let finding = finding.at(Place { file: file.clone(), line: None });
    match scene.network {
        Some(_) => vec![finding.mend("set both clocks (`timedatectl set-ntp true`), then `touch` the files")],
        None => {
            let files: Vec<String> = scene.future.iter().map(|(file, _)| file.to_string_lossy().into_owned()).collect();
            let words: Vec<&str> = ["touch", "--"].into_iter().chain(files.iter().map(String::as_str)).collect();
            vec![finding.fix(&scene.root, &words)]
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_file_furthest_ahead_is_named() {
        assert_eq!(check(&Scene::default()), []);
        let future = vec![("a.go".into(), Duration::from_millis(3_600_400)), ("b.go".into(), Duration::from_secs(9))];
        let scene = Scene { future, ..Scene::default() };
        let findings = check(&scene);
        assert_eq!(findings[0].seen, "`a.go` was written 1h in the future, and 1 more");
        assert_eq!(findings[0].mend, "touch -- a.go b.go");
        let scene = Scene { network: Some("NFS"), ..scene };
        assert_eq!((check(&scene)[0].weight, check(&scene)[0].fix.as_ref()), (Weight::Wrong, None));
    }
}
