//! Is what go.mod requires what runs? A generator's binary in PATH against the library it generates for, a proxy's or
//! database's image in a compose file or Dockerfile against the module that is built against.

use super::{
    finding::{Check, Finding, Place, Weight},
    scene::{Module, Program, Scene, Text, numbers},
};

/// Modules whose versions are those of a program, and the images that hold it.
const SAME: &[(&str, &[&str])] = &[
    ("github.com/traefik/traefik", &["traefik"]),
    ("github.com/caddyserver/caddy", &["caddy"]),
    ("github.com/nats-io/nats-server", &["nats"]),
    ("go.etcd.io/etcd", &["quay.io/coreos/etcd", "gcr.io/etcd-development/etcd", "bitnami/etcd"]),
    ("github.com/pocketbase/pocketbase", &["ghcr.io/muchobien/pocketbase"]),
    ("github.com/hashicorp/vault", &["hashicorp/vault", "vault"]),
    ("github.com/minio/minio", &["minio/minio"]),
    ("github.com/authzed/spicedb", &["authzed/spicedb"]),
    ("github.com/ory/kratos", &["oryd/kratos"]),
    ("github.com/open-policy-agent/opa", &["openpolicyagent/opa"]),
];

pub(super) fn check(scene: &Scene) -> Vec<Finding> {
    let mut findings = Vec::new();
    for module in &scene.modules {
        findings.extend(scene.programs.iter().filter_map(|program| binary(module, program)));
        findings.extend(scene.deployments.iter().flat_map(|text| images(module, text)));
    }
    findings
}

/// A program that a command names, built from a module that go.mod requires in another version.
fn binary(module: &Module, program: &Program) -> Option<Finding> {
    let wanted = module.go_mod.version_of(&program.main)?;
    let have = program.modules.get(&program.main)?.trim_start_matches('v');
    // `(devel)`: built from a working copy, whatever that is.
    if have == wanted || numbers(have).is_empty() {
        return None;
    }
    let name = program.path.file_name()?.to_string_lossy();
    let seen = format!("`{name}` in PATH is {} {have}, and go.mod requires {wanted}", program.main);
    let finding = Finding::new(Check::Versions, Weight::Wrong, seen);
    let finding = finding.why("what one version generates or serves is not what the other one expects");
    let finding = finding.mend(format!(
        "go get -tool {}@v{wanted}, and `go tool {name}` in dev.toml (or `go install {}@v{wanted}`)",
        tool_path(program, &name),
        tool_path(program, &name)
    ));
    Some(finding.at(module.file.place_of(&program.main)))
}

/// Where the program's package usually is: `MODULE/cmd/NAME`, unless the module is the program.
fn tool_path(program: &Program, name: &str) -> String {
    let last = program.main.rsplit('/').find(|part| !part.starts_with('v') || part[1..].parse::<u32>().is_err());
    if program.path.to_string_lossy().is_empty() || last == Some(name) && !is_generator(name) {
        program.main.clone()
    } else {
        format!("{}/cmd/{name}", program.main)
    }
}

/// Modules that are called as their command, which lies in cmd/ all the same.
fn is_generator(name: &str) -> bool {
    matches!(name, "templ" | "wire" | "sqlc" | "ent" | "swag" | "goose" | "buf")
}

/// An image of another major or minor version.
fn images(module: &Module, text: &Text) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in text.text.lines().enumerate() {
        let Some((name, tag)) = image_of(line) else { continue };
        let have = numbers(tag);
        for required in module.go_mod.require.iter().flatten() {
            let same = SAME.iter().filter(|(path, _)| belongs(&required.path, path));
            let is_image = same.flat_map(|(_, images)| *images).any(|image| *image == name);
            let wanted = numbers(module.go_mod.version_of(&required.path).unwrap_or_default());
            let both = have.len().min(wanted.len()).min(2);
            if !is_image || both == 0 || have[..both] == wanted[..both] {
                continue;
            }
            let weight = if have[0] == wanted[0] { Weight::Doubtful } else { Weight::Wrong };
            let seen = format!("`{name}:{tag}` runs, and go.mod requires `{}` {}", required.path, required.version);
            let finding = Finding::new(Check::Versions, weight, seen);
            let finding = finding.why("what is compiled against one version meets another one when it runs");
            let major: Vec<String> = wanted.iter().take(2).map(u64::to_string).collect();
            let prefix = if tag.starts_with('v') { "v" } else { "" };
            let finding =
                finding.mend(format!("write `{name}:{prefix}{}`, or go get the other version", major.join(".")));
            findings.push(finding.at(Place { file: text.file.clone(), line: Some(index + 1) }));
        }
    }
    findings
}

fn belongs(path: &str, module: &str) -> bool {
    path.strip_prefix(module).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// `image: NAME:TAG` or `FROM NAME:TAG`, without Docker's own registry.
fn image_of(line: &str) -> Option<(&str, &str)> {
    let line = line.trim().trim_start_matches("- ");
    let image = match line.strip_prefix("image:") {
        Some(rest) => rest.trim(),
        None => line.strip_prefix("FROM ")?.split_whitespace().find(|word| !word.starts_with("--"))?,
    };
    let image = image.split(['"', '\'', ' ', '@']).find(|part| !part.is_empty())?;
    let (name, tag) = image.rsplit_once(':').filter(|(_, tag)| !tag.contains('/'))?;
    let name = name.strip_prefix("docker.io/").unwrap_or(name);
    Some((name.strip_prefix("library/").unwrap_or(name), tag))
}

#[cfg(test)]
mod tests {
    use super::{super::scene::Required, *};

    fn module(path: &str, version: &str) -> Module {
        let mut module = Module::default();
        module.go_mod.require =
            Some(vec![Required { path: path.to_owned(), version: version.to_owned(), ..Required::default() }]);
        module
    }

    fn program(name: &str, main: &str, version: &str) -> Program {
        let modules = [(main.to_owned(), version.to_owned())].into();
        Program { path: format!("/go/bin/{name}").into(), go: "1.26.8".to_owned(), modules, main: main.to_owned() }
    }

    #[test]
    fn a_generator_of_another_version_than_its_library_is_found() {
        let library = module("github.com/a-h/templ", "v0.3.1100");
        assert_eq!(binary(&library, &program("templ", "github.com/a-h/templ", "v0.3.1100")), None);
        assert_eq!(binary(&library, &program("templ", "github.com/a-h/templ", "(devel)")), None);
        assert_eq!(binary(&library, &program("air", "github.com/air-verse/air", "v1.0.0")), None);
        let found = binary(&library, &program("templ", "github.com/a-h/templ", "v0.2.747")).unwrap();
        assert!(found.mend.starts_with("go get -tool github.com/a-h/templ/cmd/templ@v0.3.1100"), "{found:?}");
    }

    #[test]
    fn an_image_of_another_version_than_the_module_is_found() {
        let found = |image: &str| {
            let text = Text { file: "compose.yaml".into(), text: format!("services:\n  edge:\n    image: {image}\n") };
            images(&module("github.com/traefik/traefik/v3", "v3.1.2"), &text)
        };
        assert_eq!(found("traefik:v3.1"), []);
        assert_eq!(found("traefik:v3"), []);
        assert_eq!(found("traefik:latest"), []);
        assert_eq!(found("\"nginx:1.25\""), []);
        let major = found("docker.io/library/traefik:v2.11.0");
        assert_eq!((major[0].weight, major[0].place.as_ref().unwrap().line), (Weight::Wrong, Some(3)));
        assert_eq!(major[0].mend, "write `traefik:v3.1`, or go get the other version");
        assert_eq!(found("traefik:3.0.1")[0].weight, Weight::Doubtful);
    }
}
