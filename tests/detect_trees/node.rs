//! Programs in JavaScript and TypeScript.

use super::*;

#[test]
fn node_servers_that_reload_themselves_are_given_a_port_and_left_alone() {
    for (script, run) in [
        ("vite", "npm run dev -- --port {port} --strictPort"),
        ("next dev --turbo", "npm run dev -- --port {port}"),
        ("astro dev", "npm run dev -- --port {port}"),
        ("remix vite:dev", "npm run dev -- --port {port}"),
        ("react-router dev", "npm run dev -- --port {port}"),
        ("nuxt dev", "npm run dev -- --port {port}"),
        ("ng serve", "npm run dev -- --port {port}"),
        ("cross-env A=b vue-cli-service serve", "npm run dev -- --port {port}"),
    ] {
        let package = format!(r#"{{"name":"page","scripts":{{"dev":"{script}"}}}}"#);
        reads(&[("package.json", &package)], &[], &[&format!("run = \"{run}\""), "inputs = []"]);
    }
    reads(
        &[("package.json", r#"{"scripts":{"start":"react-scripts start"}}"#)],
        &[],
        &["run = \"npm run start\"", "inputs = []"],
    );
    reads(
        &[("package.json", r#"{"scripts":{"dev":"nodemon --exec ts-node a.ts"}}"#)],
        &[],
        &["run = \"npm run dev\"", "inputs = []"],
    );
}

#[test]
fn node_programs_that_another_one_would_restart_are_restarted_by_devloop() {
    for (script, run) in [
        ("node --watch server.js", "node server.js"),
        ("nodemon server.js", "node server.js"),
        ("tsx watch src/index.ts", "npx tsx src/index.ts"),
        ("nest start --watch", "npx nest start"),
    ] {
        let package = format!(r#"{{"name":"api","scripts":{{"dev":"{script}","start":"x"}}}}"#);
        let finding = reads(
            &[("package.json", &package), ("server.js", "listen(process.env.PORT)")],
            &[],
            &[&format!("run = \"{run}\""), "inputs = [\"**/*."],
        );
        assert!(finding.doubts[0].text.contains(script), "{:?}", finding.doubts);
    }
}

#[test]
fn the_lock_file_says_who_installs() {
    let package = r#"{"name":"api","scripts":{"start":"node server.js"},"dependencies":{"express":"4"}}"#;
    for (lock, run) in [
        ("package-lock.json", "npm install --no-audit --no-fund"),
        ("pnpm-lock.yaml", "pnpm install"),
        ("yarn.lock", "yarn install"),
        ("bun.lock", "bun install"),
    ] {
        reads(
            &[("package.json", package), (lock, ""), ("server.js", "app.listen(4000)")],
            &[],
            &[&format!("run = \"{run}\""), "port = 4000", "cancel = false"],
        );
    }
    let bun = r#"{"packageManager":"bun@1.2.0","scripts":{"dev":"bun --hot a.ts"}}"#;
    reads(&[("package.json", bun), ("a.ts", "")], &[], &["run = \"bun a.ts\""]);
    let built = r#"{"scripts":{"start":"node dist/main.js","build":"tsc"},"dependencies":{"a":"1"}}"#;
    reads(&[("package.json", built)], &[], &["run = \"npm run build\"", "outputs = [\"dist/**\"]"]);
    reads(&[("server.js", "http.createServer().listen(8081)")], &[], &["run = \"node server.js\"", "port = 8081"]);
}

#[test]
fn of_several_lock_files_the_one_whose_program_is_here_counts() {
    let package = r#"{"name":"api","scripts":{"start":"node server.js"},"dependencies":{"express":"4"}}"#;
    let files: Files =
        &[("package.json", package), ("package-lock.json", ""), ("yarn.lock", ""), ("server.js", "app.listen(4000)")];
    reads(files, &["npm"], &["run = \"npm install"]);
    reads(files, &["npm", "yarn"], &["run = \"yarn install"]);
}

#[test]
fn variables_that_a_script_sets_stay_when_devloop_restarts_its_program() {
    let package = r#"{"scripts":{"dev":"cross-env NODE_ENV=development nodemon src/index.js"}}"#;
    reads(
        &[("package.json", package), ("src/index.js", "listen(process.env.PORT)")],
        &[],
        &["run = \"env NODE_ENV=development node src/index.js\""],
    );
}

#[test]
fn a_file_that_everybody_makes_for_himself_is_missed() {
    let missed = |files: Files| {
        let finding = reads(files, &[], &[]);
        finding.doubts.first().is_some_and(|doubt| doubt.text.contains("`cp .env.example .env`"))
    };
    let go = [("go.mod", MOD), ("main.go", SERVER)];
    assert!(missed(&[go[0], go[1], (".env.example", "A=b\n"), ("config.ts.sample", "")]));
    assert!(!missed(&[go[0], go[1], (".env.example", "A=b\n"), (".env", "A=c\n")]));
    assert!(!missed(&go));
}

#[test]
fn the_members_of_a_node_workspace_are_chosen_by_name() {
    let files: Files = &[
        ("package.json", r#"{"workspaces":["apps/*","packages/*"],"scripts":{"dev":"turbo run dev"}}"#),
        ("apps/web/package.json", r#"{"name":"@x/web","scripts":{"dev":"vite"}}"#),
        ("apps/api/package.json", r#"{"name":"@x/api","scripts":{"dev":"tsx watch a.ts"}}"#),
        ("packages/ui/package.json", r#"{"name":"@x/ui","scripts":{"dev":"tsc --watch"}}"#),
    ];
    ambiguous(files, &["web", "api"]);
    let finding = look(files, &[], &["web"]).unwrap();
    assert!(finding.draft.toml().contains("cwd = \"apps/web\""), "{}", finding.draft.toml());
}
