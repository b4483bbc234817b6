//! Are there enough file watches left for this project? (man 7 inotify; Linux only.)

use super::{
    finding::{Check, Finding, Weight},
    scene::{Inotify, Scene},
};

pub(super) fn check(scene: &Scene) -> Vec<Finding> {
    scene.inotify.iter().flat_map(|limits| [watches(limits, scene.folders), instances(limits)]).flatten().collect()
}

fn watches(limits: &Inotify, folders: u64) -> Option<Finding> {
    let left = limits.max_watches.saturating_sub(limits.watches);
    if folders <= left {
        return None;
    }
    let seen = format!(
        "{folders} folders are to be watched, and {left} of {} watches are left for this user",
        limits.max_watches
    );
    let finding = Finding::new(Check::Inotify, Weight::Wrong, seen);
    let finding =
        finding.why("devloop then reads the tree again and again instead, which is slower; other watchers fail");
    let enough = (limits.watches + folders).saturating_mul(2).next_power_of_two().max(524_288);
    Some(
        finding
            .mend(format!("sudo sysctl fs.inotify.max_user_watches={enough} (and a file in /etc/sysctl.d to keep it)")),
    )
}

fn instances(limits: &Inotify) -> Option<Finding> {
    if limits.instances < limits.max_instances {
        return None;
    }
    let seen = format!("all {} inotify instances of this user are in use", limits.max_instances);
    let finding = Finding::new(Check::Inotify, Weight::Wrong, seen);
    let finding = finding.why("no further program can watch files: \"too many open files\"");
    Some(finding.mend("sudo sysctl fs.inotify.max_user_instances=1024 (and a file in /etc/sysctl.d to keep it)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_found_when_they_are_reached() {
        let limits = Inotify { max_watches: 8192, max_instances: 128, watches: 8000, instances: 12 };
        assert_eq!((watches(&limits, 192), instances(&limits)), (None, None));
        let finding = watches(&limits, 193).unwrap();
        assert!(finding.seen.contains("192 of 8192") && finding.mend.contains("=524288"), "{finding:?}");
        assert!(instances(&Inotify { instances: 128, ..limits }).is_some());
    }
}
