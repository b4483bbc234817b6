//! Which Go do go.mod, go.work and the images of Dockerfiles ask for, and is that what is there?
//! (<https://go.dev/doc/toolchain>).

use std::path::Path;

use super::{
    finding::{Check, Finding, Place, Weight},
    scene::{Module, Scene, Text, is_older, numbers},
};

pub(super) fn check(scene: &Scene) -> Vec<Finding> {
    let mut findings = Vec::new();
    if scene.go_is_missing {
        let seen = "go.mod is here, and no `go` is in PATH";
        let finding = Finding::new(Check::GoVersion, Weight::Wrong, seen).why("no step that builds it can start");
        findings.push(finding.mend("install Go (https://go.dev/dl/), or put its `bin` into PATH"));
    }
    findings.extend(scene.modules.iter().filter_map(installed));
    findings.extend(workspace(scene));
    findings.extend(scene.deployments.iter().flat_map(|text| images(text, &scene.modules)));
    findings
}

/// The Go that is installed is too old, and may not fetch another.
fn installed(module: &Module) -> Option<Finding> {
    let wanted = module.go_mod.go.as_deref()?;
    let have = module.installed.as_str();
    if have.is_empty() || !is_older(have, wanted) {
        return None;
    }
    let toolchain = module.env.get("GOTOOLCHAIN").map_or("auto", String::as_str);
    let place = module.file.place_of(&format!("go {wanted}"));
    let seen = format!("go.mod needs Go {wanted}, and {have} is installed");
    let finding = Finding::new(Check::GoVersion, Weight::Wrong, seen).at(place);
    if is_older(have, "1.21") {
        let finding = finding.why("a Go before 1.21 does not fetch the version that it needs");
        return Some(finding.mend(format!("install Go {wanted} or newer (https://go.dev/dl/)")));
    }
    let is_fixed = toolchain == "local" || toolchain == "path" || toolchain.ends_with("+path");
    if is_fixed {
        let finding = finding.why(format!("`GOTOOLCHAIN={toolchain}` forbids go to fetch that one"));
        return Some(finding.mend("go env -w GOTOOLCHAIN=auto"));
    }
    if module.env.get("GOPROXY").is_some_and(|proxy| proxy == "off") {
        let finding = finding.why("`GOPROXY=off` forbids go to fetch that one");
        return Some(finding.mend("go env -u GOPROXY"));
    }
    None
}

/// go.work against the modules it names, and the one we are in.
fn workspace(scene: &Scene) -> Vec<Finding> {
    let Some(work) = &scene.work else { return Vec::new() };
    let mut findings = Vec::new();
    let own = work.go.as_deref().unwrap_or("1.18");
    for (folder, go) in &work.used {
        let place = work.file.place_of(folder);
        match go {
            None => {
                let seen = format!("go.work uses `{folder}`, and there is no go.mod");
                let finding = Finding::new(Check::GoVersion, Weight::Wrong, seen).at(place);
                let finding = finding.why("every go command in the workspace fails");
                findings.push(finding.mend(format!("go work edit -dropuse={folder}")));
            }
            Some(go) if is_older(own, go) => {
                let seen = format!("go.work says go {own}, and `{folder}` needs go {go}");
                let finding = Finding::new(Check::GoVersion, Weight::Wrong, seen).at(place);
                let finding = finding.why("every go command in the workspace fails");
                findings.push(finding.fix(&work.dir, &["go", "work", "use"]));
            }
            Some(_) => {}
        }
    }
    let used = |module: &&Module| work.used.iter().any(|(folder, _)| is_same(&work.dir.join(folder), &module.dir));
    for module in scene.modules.iter().filter(|module| !used(module)) {
        let dir = module.dir.strip_prefix(&work.dir).unwrap_or(&module.dir).display().to_string();
        let dir = if dir.is_empty() { ".".to_owned() } else { format!("./{dir}") };
        let seen = format!("the module `{}` is not used by go.work above it", module.go_mod.module.path);
        let finding = Finding::new(Check::GoVersion, Weight::Wrong, seen);
        let finding = finding.why("go builds only what go.work names: \"main module does not contain package\"");
        let finding = finding.at(Place { file: work.file.file.clone(), line: None });
        findings.push(finding.fix(&work.dir, &["go", "work", "use", &dir]));
    }
    findings
}

fn is_same(a: &Path, b: &Path) -> bool {
    let plain = |path: &Path| path.components().filter(|part| part.as_os_str() != ".").collect::<std::path::PathBuf>();
    plain(a) == plain(b)
}

/// `FROM golang:1.20` where go.mod needs more: the official images set GOTOOLCHAIN=local.
fn images(text: &Text, modules: &[Module]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in text.text.lines().enumerate() {
        let mut words = line.split_whitespace();
        let is_from = words.next().is_some_and(|word| word.eq_ignore_ascii_case("from"));
        let image = words.find(|word| !word.starts_with("--")).filter(|_| is_from);
        let Some(tag) = image.and_then(golang_tag) else { continue };
        let newest = modules.iter().filter_map(|module| Some((module, module.go_mod.go.as_deref()?)));
        let Some((_, wanted)) = newest.max_by_key(|(_, go)| numbers(go)) else { continue };
        // `golang:1.24` is the newest 1.24.
        let have = numbers(tag);
        let wanted_numbers: Vec<u64> = numbers(wanted).into_iter().take(have.len()).collect();
        if have.is_empty() || have >= wanted_numbers {
            continue;
        }
        let seen = format!("the image `golang:{tag}` is older than go.mod's go {wanted}");
        let finding = Finding::new(Check::GoVersion, Weight::Wrong, seen);
        let finding = finding.why("the image sets GOTOOLCHAIN=local, so it cannot build this module");
        let minor: Vec<String> = numbers(wanted).iter().take(2).map(u64::to_string).collect();
        let finding = finding.mend(format!("write `golang:{}`", minor.join(".")));
        findings.push(finding.at(Place { file: text.file.clone(), line: Some(index + 1) }));
    }
    findings
}

fn golang_tag(image: &str) -> Option<&str> {
    let (name, tag) = image.split('@').next()?.rsplit_once(':')?;
    (name == "golang" || name.ends_with("/golang")).then_some(tag)
}

#[cfg(test)]
mod tests {
    use super::{super::scene::Work, *};

    fn module(go: &str, installed: &str, env: &[(&str, &str)]) -> Module {
        let mut module = Module { installed: installed.to_owned(), dir: "/p/api".into(), ..Module::default() };
        module.go_mod.go = Some(go.to_owned());
        module.env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        module
    }

    #[test]
    fn an_old_go_is_found_only_if_it_may_not_fetch_a_new_one() {
        assert_eq!(installed(&module("1.24", "1.26.8", &[("GOTOOLCHAIN", "local")])), None);
        assert_eq!(installed(&module("1.30", "1.26.8", &[("GOTOOLCHAIN", "auto")])), None);
        let found = installed(&module("1.30", "1.26.8", &[("GOTOOLCHAIN", "local")])).unwrap();
        assert!(found.why.contains("GOTOOLCHAIN=local"), "{found:?}");
        let found = installed(&module("1.30", "1.26.8", &[("GOPROXY", "off")])).unwrap();
        assert!(found.why.contains("GOPROXY=off"), "{found:?}");
        assert!(installed(&module("1.21", "1.19.8", &[])).unwrap().mend.contains("install"));
    }

    #[test]
    fn a_workspace_is_compared_with_its_modules() {
        let work = |used: &[(&str, Option<&str>)]| Work {
            dir: "/p".into(),
            go: Some("1.21".to_owned()),
            used: used.iter().map(|(dir, go)| ((*dir).to_owned(), go.map(str::to_owned))).collect(),
            ..Work::default()
        };
        let scene = |used: &[(&str, Option<&str>)]| Scene {
            modules: vec![module("1.21", "1.26.8", &[])],
            work: Some(work(used)),
            ..Scene::default()
        };
        assert_eq!(workspace(&scene(&[("./api", Some("1.21"))])), []);
        let findings = workspace(&scene(&[("./gone", None), ("./b", Some("1.25"))]));
        let seen: Vec<&str> = findings.iter().map(|finding| finding.seen.as_str()).collect();
        assert!(seen[0].contains("no go.mod") && seen[1].contains("needs go 1.25"), "{seen:?}");
        assert!(seen[2].contains("not used by go.work"), "{seen:?}");
        assert_eq!(findings[2].mend, "go work use ./api");
    }

    #[test]
    fn an_image_that_cannot_build_the_module_is_found() {
        let found = |from: &str, go: &str| {
            let text = Text { file: "Dockerfile".into(), text: format!("# builds\n{from} AS build\n") };
            images(&text, &[module(go, "1.26.8", &[])])
        };
        assert_eq!(found("FROM golang:1.24-alpine", "1.24.3"), []);
        assert_eq!(found("FROM golang:latest", "1.24"), []);
        assert_eq!(found("FROM debian:12", "1.24"), []);
        let old = found("FROM --platform=linux/amd64 docker.io/library/golang:1.20-alpine", "1.24.3");
        assert_eq!(old[0].place.as_ref().unwrap().line, Some(2));
        assert_eq!(old[0].mend, "write `golang:1.24`");
        assert_eq!(found("FROM golang:1.24.1", "1.24.3").len(), 1);
    }
}
