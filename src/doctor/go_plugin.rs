//! Were the plugins (`-buildmode=plugin`) built with the toolchain and the modules of the program that loads them? If
//! not, `plugin.Open` fails: "plugin was built with a different version of package" (<https://pkg.go.dev/plugin>).

use super::{
    finding::{Check, Finding, Place, Weight},
    scene::{Module, Program, Scene},
};

pub(super) fn check(scene: &Scene) -> Vec<Finding> {
    scene
        .modules
        .iter()
        .flat_map(|module| module.plugins.iter().filter_map(|plugin| check_plugin(module, plugin)))
        .collect()
}

fn check_plugin(module: &Module, plugin: &Program) -> Option<Finding> {
    let place = Place { file: plugin.path.clone(), line: None };
    let name = plugin.path.display();
    let rebuild = format!("go build -buildmode=plugin -o {name} (in the folder of its source)");
    if !module.installed.is_empty() && plugin.go != module.installed {
        let seen =
            format!("the plugin `{name}` was built with Go {}, and {} is installed", plugin.go, module.installed);
        let finding = Finding::new(Check::GoPlugin, Weight::Wrong, seen).at(place);
        return Some(finding.why("a program only loads plugins of its own toolchain").mend(rebuild));
    }
    let other = plugin.modules.iter().find_map(|(path, built)| {
        let used = module.go_mod.version_of(path)?;
        (built.trim_start_matches('v') != used).then_some((path, built, used))
    });
    let (path, built, used) = other?;
    let seen = format!("the plugin `{name}` was built with `{path}` {built}, and go.mod says v{used}");
    let finding = Finding::new(Check::GoPlugin, Weight::Wrong, seen).at(place);
    let finding = finding.why("a program only loads plugins that were built with the same versions of what they share");
    Some(finding.mend(rebuild))
}

#[cfg(test)]
mod tests {
    use super::{super::scene::Required, *};

    fn module() -> Module {
        let mut module = Module { installed: "1.26.8".to_owned(), ..Module::default() };
        module.go_mod.require =
            Some(vec![Required { path: "a.b/c".to_owned(), version: "v1.2.0".to_owned(), ..Required::default() }]);
        module
    }

    fn plugin(go: &str, version: &str) -> Program {
        let modules = [("a.b/c".to_owned(), version.to_owned())].into();
        Program { path: "greet.so".into(), go: go.to_owned(), modules, main: "example.com/greet".to_owned() }
    }

    #[test]
    fn only_a_plugin_of_another_build_is_found() {
        assert_eq!(check_plugin(&module(), &plugin("1.26.8", "v1.2.0")), None);
        assert!(check_plugin(&module(), &plugin("1.25.1", "v1.2.0")).unwrap().seen.contains("Go 1.25.1"));
        assert!(check_plugin(&module(), &plugin("1.26.8", "v1.1.0")).unwrap().seen.contains("go.mod says v1.2.0"));
    }
}
