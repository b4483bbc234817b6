//! Asks go about the modules of the project. Offline (GOPROXY=off) and with the Go that is installed
//! (GOTOOLCHAIN=local), so that looking fetches nothing.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use ignore::WalkBuilder;
use serde::Deserialize;

use super::run::Tools;
use crate::{
    doctor::scene::{Compiler, GoMod, Module, Package, Program, Scene, Text, Work},
    plan::Step,
};

/// More plugins than this are not looked at.
const MOST_PLUGINS: usize = 20;

pub(super) fn look(scene: &mut Scene, tools: &Tools) {
    let work = find_work(&scene.root, tools);
    let mut folders = folders(scene, work.as_deref());
    if folders.is_empty() && work.is_none() {
        return;
    }
    if tools.find("go").is_none() {
        scene.go_is_missing = true;
        return;
    }
    scene.work = work.and_then(|file| read_work(scene, &file, tools));
    if let Some(work) = &scene.work {
        let used = work.used.iter().filter(|(_, go)| go.is_some());
        let used = used.map(|(folder, _)| work.dir.join(folder.trim_start_matches("./")));
        folders.extend(used.filter(|folder| folder.starts_with(&scene.root)));
    }
    scene.modules = folders.iter().filter_map(|dir| module(scene, dir, tools)).collect();
    scene.programs = programs(scene, tools);
}

/// The folders with a go.mod: that of the project, and those in which steps and services run.
fn folders(scene: &Scene, work: Option<&Path>) -> BTreeSet<PathBuf> {
    let mut starts = vec![scene.root.clone()];
    if let Some(plan) = &scene.plan {
        starts.extend(plan.steps.iter().map(|step| step.cwd.clone()));
        starts.extend(plan.services.iter().map(|service| service.cwd.clone()));
    }
    // A module above the project is looked at only if go.work, or nothing, lies between.
    let top = work.and_then(Path::parent).unwrap_or(&scene.root);
    let nearest = |start: &PathBuf| {
        let mut above = start.ancestors().take_while(|dir| dir.starts_with(top) || scene.root.starts_with(dir));
        above.find(|dir| dir.join("go.mod").is_file()).map(Path::to_path_buf)
    };
    starts.iter().filter_map(nearest).collect()
}

/// go.work as go finds it: GOWORK, else the nearest one above.
fn find_work(root: &Path, tools: &Tools) -> Option<PathBuf> {
    let set = tools.variable("GOWORK").filter(|value| !value.is_empty());
    match set.as_deref() {
        Some("off") => None,
        Some(file) => Some(PathBuf::from(file)).filter(|file| file.is_file()),
        None => root.ancestors().map(|dir| dir.join("go.work")).find(|file| file.is_file()),
    }
}

fn quiet(more: &[(&str, &str)]) -> Vec<(String, String)> {
    let base = [("GOTOOLCHAIN", "local"), ("GOPROXY", "off")];
    base.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn shown(scene: &Scene, file: &Path) -> PathBuf {
    file.strip_prefix(&scene.root).unwrap_or(file).to_path_buf()
}

fn read(scene: &Scene, file: &Path) -> Text {
    Text { file: shown(scene, file), text: fs::read_to_string(file).unwrap_or_default() }
}

fn go_mod(dir: &Path, tools: &Tools) -> Option<GoMod> {
    let file = dir.join("go.mod").to_string_lossy().into_owned();
    let json = tools.ask(Path::new("/"), &["go", "mod", "edit", "-json", &file], &quiet(&[("GOWORK", "off")])).ok()?;
    serde_json::from_str(&json).ok()
}

fn read_work(scene: &Scene, file: &Path, tools: &Tools) -> Option<Work> {
    #[derive(Default, Deserialize)]
    #[serde(rename_all = "PascalCase", default)]
    struct GoWork {
        go: Option<String>,
        r#use: Option<Vec<Use>>,
    }
    #[derive(Default, Deserialize)]
    #[serde(rename_all = "PascalCase", default)]
    struct Use {
        disk_path: String,
    }
    let dir = file.parent()?.to_path_buf();
    let name = file.to_string_lossy().into_owned();
    let json = tools.ask(Path::new("/"), &["go", "work", "edit", "-json", &name], &quiet(&[])).ok()?;
    let GoWork { go, r#use } = serde_json::from_str(&json).ok()?;
    let used = r#use.into_iter().flatten().map(|used| {
        let folder = dir.join(&used.disk_path);
        // A go.mod without a `go` line means 1.16.
        let go = folder.join("go.mod").is_file().then(|| go_mod(&folder, tools)).flatten();
        (used.disk_path, go.map(|go_mod| go_mod.go.unwrap_or_else(|| "1.16".to_owned())))
    });
    let used = used.collect();
    Some(Work { dir, file: read(scene, file), go, used })
}

fn module(scene: &Scene, dir: &Path, tools: &Tools) -> Option<Module> {
    let go_mod = go_mod(dir, tools)?;
    let step = builder(scene, dir);
    let own: Vec<(String, String)> = step.map(variables).unwrap_or_default();
    // Asked in `/`, where no go.mod can make go fetch another toolchain.
    let mut asked = own.clone();
    asked.push(("GOWORK".to_owned(), "off".to_owned()));
    let json = tools.ask(Path::new("/"), &["go", "env", "-json"], &asked).ok()?;
    let mut env: BTreeMap<String, String> = serde_json::from_str(&json).ok()?;
    // `go env` does not know a GODEBUG that is set for the programs only.
    env.extend(own.iter().filter(|(name, _)| name == "GODEBUG").cloned());
    let installed = env.get("GOVERSION").map(|version| plain_version(version)).unwrap_or_default();
    let without_cgo = env.get("CGO_ENABLED").is_some_and(|value| value == "0");
    let mut module = Module {
        dir: dir.to_path_buf(),
        file: read(scene, &dir.join("go.mod")),
        installed,
        vendor: fs::read_to_string(dir.join("vendor/modules.txt")).ok(),
        packages: if without_cgo { packages(dir, step, &own, tools) } else { None },
        plugins: plugins(scene, dir, tools),
        absent: absent(&go_mod, env.get("GOMODCACHE").map_or("", String::as_str)),
        rewritten: rewritten(dir, tools),
        compiler: Compiler::There,
        go_mod,
        env,
    };
    let asked_for = own.iter().any(|(name, _)| name == "CGO_ENABLED") || tools.variable("CGO_ENABLED").is_some();
    let compilers = [module.env.get("CC").map_or("cc", String::as_str), "cc", "gcc", "clang"];
    if without_cgo && !asked_for && !compilers.iter().any(|name| tools.find(name).is_some()) {
        module.compiler = Compiler::Missing;
    }
    Some(module)
}

/// `go1.26.8 X:nodwarf5` is 1.26.8.
fn plain_version(version: &str) -> String {
    version.trim_start_matches("go").split([' ', '-']).next().unwrap_or_default().to_owned()
}

/// The first step that runs go in this module.
fn builder<'a>(scene: &'a Scene, dir: &Path) -> Option<&'a Step> {
    let steps = scene.plan.iter().flat_map(|plan| &plan.steps).map(|step| &**step);
    let mut here = steps.filter(|step| step.cwd.starts_with(dir));
    here.find(|step| {
        step.run.text.split_whitespace().any(|word| word == "build" || word == "run" || word == "install")
            && step.run.text.split_whitespace().any(|word| word == "go")
    })
}

/// What the step sets: its `env`, and assignments before its command.
fn variables(step: &Step) -> Vec<(String, String)> {
    let mut variables: Vec<(String, String)> =
        step.env.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    for word in step.run.text.split_whitespace() {
        let Some((name, value)) = word.split_once('=') else { break };
        if !name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_') {
            break;
        }
        variables.push((name.to_owned(), value.to_owned()));
    }
    variables
}

/// Everything that the step builds, with cgo.
fn packages(dir: &Path, step: Option<&Step>, own: &[(String, String)], tools: &Tools) -> Option<Vec<Package>> {
    let named = step.map(|step| {
        let words = step.run.text.split_whitespace().filter(|word| *word == "." || word.starts_with("./"));
        words.filter(|word| !word.contains('{')).map(str::to_owned).collect::<Vec<_>>()
    });
    let named = named.filter(|named| !named.is_empty()).unwrap_or_else(|| vec!["./...".to_owned()]);
    let mut words = vec!["go", "list", "-e", "-deps", "-json=ImportPath,Standard,CgoFiles,Imports"];
    words.extend(named.iter().map(String::as_str));
    let mut env = own.to_vec();
    env.extend(quiet(&[("CGO_ENABLED", "1")]));
    let cwd = step.map_or(dir, |step| &step.cwd);
    let json = tools.ask(cwd, &words, &env).ok()?;
    serde_json::Deserializer::from_str(&json).into_iter::<Package>().collect::<Result<_, _>>().ok()
}

/// Plugins below `dir`, ignored by git or not.
fn plugins(scene: &Scene, dir: &Path, tools: &Tools) -> Vec<Program> {
    const FOREIGN: [&str; 5] = [".git", ".devloop", "node_modules", ".venv", "target"];
    let walk = WalkBuilder::new(dir)
        .standard_filters(false)
        .max_depth(Some(6))
        .filter_entry(|entry| !FOREIGN.iter().any(|name| entry.file_name() == *name))
        .build();
    let files = walk.filter_map(Result::ok).map(ignore::DirEntry::into_path);
    let files = files.filter(|path| path.extension().is_some_and(|extension| extension == "so"));
    let mut found = Vec::new();
    for file in files.take(MOST_PLUGINS) {
        let Some((program, is_plugin)) = built(&file, tools) else { continue };
        if is_plugin {
            found.push(Program { path: shown(scene, &file), ..program });
        }
    }
    found
}

/// What `go version -m` says of a file, and whether it is a plugin; none if Go has not made it.
fn built(file: &Path, tools: &Tools) -> Option<(Program, bool)> {
    let name = file.to_string_lossy();
    let text = tools.ask(Path::new("/"), &["go", "version", "-m", &name], &quiet(&[("GOWORK", "off")])).ok()?;
    let mut lines = text.lines();
    let go = plain_version(lines.next()?.strip_prefix(&*name)?.trim_start_matches(':').trim());
    let mut program = Program { path: file.to_path_buf(), go, ..Program::default() };
    let mut is_plugin = false;
    for line in lines {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["mod", path, version, ..] => {
                program.main = (*path).to_owned();
                program.modules.insert((*path).to_owned(), (*version).to_owned());
            }
            ["dep", path, version, ..] => {
                program.modules.insert((*path).to_owned(), (*version).to_owned());
            }
            ["build", "-buildmode=plugin"] => is_plugin = true,
            _ => {}
        }
    }
    Some((program, is_plugin))
}

/// Directly required modules that are not in the cache.
fn absent(go_mod: &GoMod, cache: &str) -> Vec<String> {
    let is_absent = |path: &str, version: &str| {
        let file = format!("cache/download/{}/@v/{}.zip", escaped(path), escaped(version));
        !Path::new(cache).join(file).is_file()
    };
    let fetched = go_mod.fetched().into_iter().filter(|module| !module.indirect);
    let absent = fetched.filter(|module| is_absent(&module.path, &module.version));
    absent.map(|module| format!("{}@{}", module.path, module.version)).collect()
}

/// As the module cache writes it: capitals as `!` and the small letter.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for letter in text.chars() {
        if letter.is_ascii_uppercase() {
            escaped.push('!');
        }
        escaped.push(letter.to_ascii_lowercase());
    }
    escaped
}

/// Prefixes that git fetches over ssh instead of https, and that name an owner: whoever rewrites a whole host may do so
/// for public modules too.
fn rewritten(dir: &Path, tools: &Tools) -> Vec<String> {
    let words = ["git", "config", "--get-regexp", r"^url\..*\.insteadof$"];
    let text = tools.ask(dir, &words, &[]).unwrap_or_default();
    let rules = text.lines().filter_map(|line| line.rsplit_once(' '));
    let over_ssh = rules.filter(|(key, _)| key.contains("ssh://") || key.contains("git@"));
    let prefixes = over_ssh.filter_map(|(_, from)| from.strip_prefix("https://"));
    let with_owner = prefixes.filter(|prefix| prefix.split('/').filter(|part| !part.is_empty()).count() >= 2);
    with_owner.map(str::to_owned).collect()
}

/// Go programs in PATH that commands of dev.toml begin with.
fn programs(scene: &Scene, tools: &Tools) -> Vec<Program> {
    let steps = scene.plan.iter().flat_map(|plan| plan.steps.iter().map(|step| &step.run.text));
    let services = scene.plan.iter().flat_map(|plan| plan.services.iter().map(|service| &service.run.text));
    let first = |text: &String| {
        let word = text.split_whitespace().find(|word| !word.contains('='))?;
        let is_name = !word.contains(['/', '{', '$']) && !["go", "sh", "bash", "node", "npm", "cargo"].contains(&word);
        is_name.then(|| word.to_owned())
    };
    let names: BTreeSet<String> = steps.chain(services).filter_map(first).collect();
    let files = names.iter().filter_map(|name| tools.find(name));
    files.filter_map(|file| built(&file, tools)).map(|(program, _)| program).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_and_names_are_read_as_go_writes_them() {
        assert_eq!(plain_version("go1.26.8 X:nodwarf5"), "1.26.8");
        assert_eq!(plain_version("go1.27-devel_abc"), "1.27");
        assert_eq!(escaped("github.com/BurntSushi/toml"), "github.com/!burnt!sushi/toml");
    }
}
