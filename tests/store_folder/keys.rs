//! The key of an artifact: what makes it another one.

use super::*;

/// What makes an artifact, to be changed piece by piece.
struct Recipe {
    root: PathBuf,
    command: Resolved,
    cwd: PathBuf,
    env: BTreeMap<String, String>,
    env_files: Vec<Arc<Path>>,
    environment: Vec<(OsString, OsString)>,
    inputs: Digest,
    artifacts: Vec<Artifact>,
}

impl Recipe {
    fn new(root: &Path) -> Recipe {
        fs::create_dir_all(root.join("bin")).unwrap();
        fs::write(root.join("bin/tool"), "#!/bin/sh\n").unwrap();
        fs::set_permissions(root.join("bin/tool"), fs::Permissions::from_mode(0o755)).unwrap();
        let command = Resolved { program: "tool".into(), args: vec!["-o".into(), "{out}".into(), "$VERSION".into()] };
        let environment = vec![("PATH".into(), root.join("bin").into()), ("TERM".into(), "xterm".into())];
        Recipe {
            root: root.to_owned(),
            command,
            cwd: root.to_owned(),
            env: BTreeMap::new(),
            env_files: vec![Path::new(".env").into()],
            environment,
            inputs: Digest(1),
            artifacts: vec![Artifact { step: "gen".into(), run: RunId(1), digest: Digest(5) }],
        }
    }

    fn key(&self) -> Digest {
        key(&Ingredients {
            root: &self.root,
            command: &self.command,
            cwd: &self.cwd,
            env: &self.env,
            env_files: &self.env_files,
            environment: &self.environment,
            inputs: self.inputs,
            artifacts: &self.artifacts,
        })
    }
}

#[test]
fn everything_that_makes_an_artifact_is_in_its_key() {
    let project = Project::new();
    let mut recipe = Recipe::new(&project.root);
    let mut keys = vec![recipe.key()];
    let mut step = |recipe: &mut Recipe, what: &str, change: &dyn Fn(&mut Recipe)| {
        change(recipe);
        let key = recipe.key();
        assert!(!keys.contains(&key), "{what} must change the key");
        keys.push(key);
    };
    step(&mut recipe, "an argument", &|recipe| recipe.command.args.push("-v".into()));
    step(&mut recipe, "where words end", &|recipe| {
        recipe.command.args = vec!["-o{out}".into(), "$VERSION".into(), "-v".into()];
    });
    step(&mut recipe, "the folder", &|recipe| recipe.cwd = recipe.root.join("bin"));
    step(&mut recipe, "env", &|recipe| drop(recipe.env.insert("A".to_owned(), "1".to_owned())));
    step(&mut recipe, "a new env file", &|recipe| fs::write(recipe.root.join(".env"), "").unwrap());
    step(&mut recipe, "an env file", &|recipe| fs::write(recipe.root.join(".env"), "X=1").unwrap());
    step(&mut recipe, "GOFLAGS", &|recipe| recipe.environment.push(("GOFLAGS".into(), "-race".into())));
    step(&mut recipe, "a named variable", &|recipe| recipe.environment.push(("VERSION".into(), "2".into())));
    step(&mut recipe, "the program", &|recipe| fs::write(recipe.root.join("bin/tool"), "#!/bin/sh\necho\n").unwrap());
    step(&mut recipe, "the inputs", &|recipe| recipe.inputs = Digest(2));
    step(&mut recipe, "an earlier artifact", &|recipe| recipe.artifacts[0].digest = Digest(6));
}

#[test]
fn an_update_of_the_toolchain_behind_a_stand_in_changes_the_key() {
    let project = Project::new();
    let mut recipe = Recipe::new(&project.root);
    fs::rename(project.root.join("bin/tool"), project.root.join("bin/rustup")).unwrap();
    symlink("rustup", project.root.join("bin/tool")).unwrap();
    recipe.environment.push(("RUSTUP_HOME".into(), project.root.join("home").into()));
    fs::create_dir_all(project.root.join("home/update-hashes")).unwrap();
    let before = recipe.key();
    fs::write(project.root.join("home/update-hashes/stable"), "1").unwrap();
    let updated = recipe.key();
    assert_ne!(before, updated);
    fs::write(project.root.join("home/settings.toml"), "default_toolchain = \"nightly\"").unwrap();
    assert_ne!(updated, recipe.key());
}

#[test]
fn what_does_not_make_an_artifact_is_not_in_its_key() {
    let project = Project::new();
    let mut recipe = Recipe::new(&project.root);
    let before = recipe.key();
    recipe.environment.push(("TERM_SESSION".into(), "1".into()));
    recipe.environment.push(("VERSIONS".into(), "not named by `$VERSION`".into()));
    recipe.environment.reverse();
    recipe.artifacts[0].run = RunId(99);
    assert_eq!(recipe.key(), before);
}

#[test]
fn a_missing_input_is_not_an_empty_one_and_order_does_not_matter() {
    let (a, b) = (Path::new("a"), Path::new("b"));
    let one = inputs_digest([(a, Some(Digest(1))), (b, None)]);
    assert_eq!(one, inputs_digest([(b, None), (a, Some(Digest(1)))]));
    assert_ne!(one, inputs_digest([(a, Some(Digest(1)))]));
    assert_ne!(one, inputs_digest([(a, None), (b, Some(Digest(1)))]));
}
