//! Is something built without cgo that needs it? Packages with C in them, the `plugin` package, and names that only the
//! system's resolver knows (<https://pkg.go.dev/cmd/cgo>, <https://pkg.go.dev/net#hdr-Name_Resolution>).

use super::{
    finding::{Check, Finding, Weight},
    scene::{Compiler, Module, Scene},
};

pub(super) fn check(scene: &Scene) -> Vec<Finding> {
    scene.modules.iter().filter(|module| !has_cgo(module)).flat_map(|module| check_module(scene, module)).collect()
}

fn has_cgo(module: &Module) -> bool {
    module.env.get("CGO_ENABLED").is_none_or(|value| value != "0")
}

fn check_module(scene: &Scene, module: &Module) -> Vec<Finding> {
    // Without a C compiler go turns cgo off by itself (since 1.20), and says nothing.
    let (how, mend) = match module.compiler {
        Compiler::Missing => {
            ("no C compiler is in PATH, so go builds without cgo", "install one (Debian: `apt install gcc`)")
        }
        Compiler::There => ("`CGO_ENABLED=0`", "CGO_ENABLED=1, where the program is built"),
    };
    let mut findings = Vec::new();
    let packages = module.packages.iter().flatten().filter(|package| !package.standard);
    let mut found = |seen: String, weight: Weight, why: &str| {
        let finding = Finding::new(Check::Cgo, weight, format!("{how}, and {seen}"));
        findings.push(finding.why(why).mend(mend));
    };
    for package in packages.clone().filter(|package| !package.cgo_files.is_empty()) {
        // What has C in it is left out of such a build: an error if all of it is, else a stub that fails when it runs.
        let weight = match package.import_path.as_str() {
            // They have the same in Go.
            name if name.starts_with("golang.org/x/") || name.starts_with("github.com/DataDog/") => continue,
            _ => Weight::Wrong,
        };
        let seen = format!("`{}` is written in C in part", package.import_path);
        found(seen, weight, "those files are left out: it does not build, or fails when it runs");
    }
    for package in packages.filter(|package| package.imports.iter().any(|import| import == "plugin")) {
        let seen = format!("`{}` imports `plugin`", package.import_path);
        found(seen, Weight::Wrong, "`plugin.Open` then always fails: \"plugin: not implemented\"");
    }
    if module.env.get("GODEBUG").is_some_and(|value| value.split(',').any(|setting| setting.starts_with("netdns=cgo")))
    {
        found(
            "GODEBUG asks for `netdns=cgo`".to_owned(),
            Weight::Wrong,
            "there is no such resolver in the program: names are looked up by Go's own",
        );
    }
    if let Some((service, name)) = local_name(scene) {
        found(
            format!("service `{service}` is told the name `{name}`"),
            Weight::Doubtful,
            "Go's own resolver asks DNS servers only: names of mDNS, and what else /etc/nsswitch.conf lists, are unknown to it",
        );
    }
    findings
}

/// A host below `.local` in the environment of a service.
fn local_name(scene: &Scene) -> Option<(String, String)> {
    let services = scene.plan.iter().flat_map(|plan| &plan.services);
    services.into_iter().find_map(|service| {
        let letters = |letter: char| !(letter.is_ascii_alphanumeric() || letter == '.' || letter == '-');
        let mut hosts = service.env.values().flat_map(|value| value.split(letters));
        let host = hosts.find(|host| host.strip_suffix(".local").is_some_and(|name| !name.is_empty()))?;
        Some((service.name.to_string(), host.to_owned()))
    })
}

#[cfg(test)]
mod tests {
    use super::{super::scene::Package, *};

    fn module(cgo: &str) -> Module {
        let mut module = Module::default();
        module.env.insert("CGO_ENABLED".to_owned(), cgo.to_owned());
        let package = |path: &str, files: &[&str], imports: &[&str], standard: bool| Package {
            import_path: path.to_owned(),
            standard,
            cgo_files: files.iter().map(|file| (*file).to_owned()).collect(),
            imports: imports.iter().map(|import| (*import).to_owned()).collect(),
        };
        module.packages = Some(vec![
            package("net", &["cgo_resnew.go"], &[], true),
            package("github.com/mattn/go-sqlite3", &["sqlite3.go"], &[], false),
            package("example.com/app", &[], &["fmt", "plugin"], false),
        ]);
        module
    }

    #[test]
    fn with_cgo_nothing_is_found() {
        assert_eq!(check(&Scene { modules: vec![module("1")], ..Scene::default() }), []);
        let plain = Module { env: module("0").env, packages: Some(Vec::new()), ..Module::default() };
        assert_eq!(check(&Scene { modules: vec![plain], ..Scene::default() }), []);
    }

    #[test]
    fn without_it_what_needs_it_is_found() {
        let mut without = module("0");
        without.env.insert("GODEBUG".to_owned(), "http2client=0,netdns=cgo+1".to_owned());
        let findings = check(&Scene { modules: vec![without], ..Scene::default() });
        let seen: Vec<&str> = findings.iter().map(|finding| finding.seen.as_str()).collect();
        assert_eq!(seen.len(), 3, "{seen:?}");
        assert!(
            seen[0].contains("go-sqlite3") && seen[1].contains("`plugin`") && seen[2].contains("netdns"),
            "{seen:?}"
        );
        let missing = Module { compiler: Compiler::Missing, ..module("0") };
        let findings = check(&Scene { modules: vec![missing], ..Scene::default() });
        assert!(findings[0].seen.starts_with("no C compiler"), "{findings:?}");
    }
}
