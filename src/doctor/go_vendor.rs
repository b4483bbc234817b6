//! Does vendor/modules.txt say what go.mod says? Compared as go does before it refuses with "inconsistent vendoring"
//! (<https://go.dev/ref/mod#vendoring>).

use std::{collections::BTreeMap, path::PathBuf};

use super::{
    finding::{Check, Finding, Place, Weight},
    scene::{Module, Scene, is_older},
};

pub(super) fn check(scene: &Scene) -> Vec<Finding> {
    // A workspace has one vendor folder beside go.work, and go ignores those of its modules.
    if scene.work.is_some() {
        return Vec::new();
    }
    scene.modules.iter().filter_map(check_module).collect()
}

/// What modules.txt says of one module.
#[derive(Debug, Default)]
struct Vendored {
    version: String,
    replaced_by: Option<String>,
    is_explicit: bool,
}

fn check_module(module: &Module) -> Option<Finding> {
    let flags = module.env.get("GOFLAGS").map_or("", String::as_str);
    let Some(text) = &module.vendor else {
        if !flags.contains("-mod=vendor") {
            return None;
        }
        let finding =
            Finding::new(Check::GoVendor, Weight::Wrong, "`GOFLAGS=-mod=vendor`, and there is no vendor folder");
        let finding = finding.why("go looks for every module there");
        return Some(finding.mend("go mod vendor"));
    };
    let uses_it = flags.contains("-mod=vendor")
        || (!flags.contains("-mod=") && !is_older(module.go_mod.go.as_deref().unwrap_or("1.16"), "1.14"));
    if !uses_it {
        return None;
    }
    let differences = differences(module, &vendored(text));
    let first = differences.first()?;
    let more = match differences.len() {
        1 => String::new(),
        count => format!(", and {} more", count - 1),
    };
    let finding = Finding::new(
        Check::GoVendor,
        Weight::Wrong,
        format!("vendor/modules.txt is not that of go.mod: {first}{more}"),
    );
    let finding = finding.why("go refuses to build: \"inconsistent vendoring\"").mend("go mod vendor");
    Some(finding.at(Place { file: PathBuf::from("vendor/modules.txt"), line: None }))
}

fn differences(module: &Module, vendored: &BTreeMap<String, Vendored>) -> Vec<String> {
    let mut differences = Vec::new();
    for required in module.go_mod.require.iter().flatten() {
        let Some(found) = vendored.get(&required.path) else {
            differences.push(format!("`{}` is not in it", required.path));
            continue;
        };
        if found.version != required.version {
            differences.push(format!("`{}` is {} there, {} in go.mod", required.path, found.version, required.version));
        } else if !found.is_explicit {
            differences.push(format!("`{}` is not marked as explicit there", required.path));
        }
        let replaced = module.go_mod.replacement(required);
        let replaced = replaced.map(|new| format!("{} {}", new.path, new.version).trim_end().to_owned());
        if replaced != found.replaced_by {
            differences.push(format!("`{}` is replaced otherwise there", required.path));
        }
    }
    let is_required = |path: &str| module.go_mod.require.iter().flatten().any(|required| required.path == path);
    for (path, found) in vendored {
        if found.is_explicit && !is_required(path) {
            differences.push(format!("`{path}` is in it, and not in go.mod"));
        }
    }
    differences
}

/// `# path version [=> path [version]]`, then `## explicit; go 1.17` for what go.mod names.
fn vendored(text: &str) -> BTreeMap<String, Vendored> {
    let mut all = BTreeMap::new();
    let mut current = None;
    for line in text.lines() {
        if let Some(marks) = line.strip_prefix("## ") {
            let found: Option<&mut Vendored> = current.as_ref().and_then(|path| all.get_mut(path));
            if let Some(found) = found {
                found.is_explicit |= marks.split(';').any(|mark| mark.trim() == "explicit");
            }
        } else if let Some(module) = line.strip_prefix("# ") {
            let (module, replaced_by) = match module.split_once(" => ") {
                Some((module, new)) => (module, Some(new.to_owned())),
                None => (module, None),
            };
            let mut words = module.split(' ');
            let (path, version) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            // A replacement of every version stands at the end once more, without a version.
            if version.is_empty() {
                current = None;
                continue;
            }
            all.insert(path.to_owned(), Vendored { version: version.to_owned(), replaced_by, is_explicit: false });
            current = Some(path.to_owned());
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::{super::scene::Required, *};

    const GOOD: &str = "# a.b/c v1.0.0\n## explicit; go 1.17\na.b/c\n# a.b/d v1.1.0 => ../d\n## explicit\na.b/d\n\
        # a.b/deep v0.1.0\na.b/deep\n# a.b/d => ../d\n";

    fn module(vendor: &str) -> Module {
        let mut module = Module { vendor: Some(vendor.to_owned()), ..Module::default() };
        module.go_mod.go = Some("1.24".to_owned());
        let required = [("a.b/c", "v1.0.0"), ("a.b/d", "v1.1.0")];
        let required = required.map(|(path, version)| Required {
            path: path.to_owned(),
            version: version.to_owned(),
            ..Required::default()
        });
        module.go_mod.require = Some(required.into());
        let replace = r#"[{"Old":{"Path":"a.b/d"},"New":{"Path":"../d"}}]"#;
        module.go_mod.replace = Some(serde_json::from_str(replace).unwrap());
        module
    }

    #[test]
    fn what_go_mod_vendor_writes_is_good() {
        assert_eq!(check_module(&module(GOOD)), None);
        assert_eq!(check_module(&Module::default()), None);
    }

    #[test]
    fn every_difference_is_found() {
        let seen = |vendor: &str| check_module(&module(vendor)).unwrap().seen;
        assert!(seen(&GOOD.replace("c v1.0.0", "c v1.0.1")).contains("is v1.0.1 there, v1.0.0 in go.mod"));
        assert!(seen(&GOOD.replace("# a.b/c v1.0.0\n## explicit; go 1.17\n", "")).contains("is not in it"));
        assert!(seen(&GOOD.replace(" => ../d\n## ", " => ../e\n## ")).contains("replaced otherwise"));
        assert!(seen(&format!("{GOOD}# a.b/old v1.0.0\n## explicit\n")).contains("and not in go.mod"));
        assert!(seen("").contains("and 1 more"));
    }

    #[test]
    fn a_vendor_folder_that_go_does_not_use_is_left_alone() {
        let mut unused = module("");
        unused.env.insert("GOFLAGS".to_owned(), "-mod=mod".to_owned());
        assert_eq!(check_module(&unused), None);
        let mut missing = Module::default();
        missing.env.insert("GOFLAGS".to_owned(), "-mod=vendor".to_owned());
        assert!(check_module(&missing).unwrap().seen.contains("no vendor folder"));
    }
}
