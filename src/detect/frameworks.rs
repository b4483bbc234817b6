//! Languages in which one framework or one file says it all: Ruby, PHP, Deno, Elixir, Java and Kotlin, .NET.

use super::{
    draft::{Draft, Table, Value, as_name},
    patterns::pattern,
    reading::{Doubt, Rank, Reading},
    tree::{Tree, folder_of},
};

const RUBY: &[&str] = &["**/*.{rb,ru,erb,rake}", "Gemfile.lock"];
const JVM: &[&str] = &["**/*.{java,kt,kts,scala,groovy,gradle,xml,properties,yml,yaml,html}"];
const DENO: &[&str] = &["**/*.{js,mjs,jsx,ts,mts,tsx,json}"];
const DOTNET: &[&str] = &["**/*.{cs,fs,vb,csproj,fsproj,razor,cshtml,json}"];
const NONE: [&str; 0] = [];

fn reading(name: &str, what: impl Into<String>, tables: Vec<Table>) -> Reading {
    Reading {
        name: name.to_owned(),
        what: what.into(),
        draft: Draft::new(tables),
        doubts: Vec::new(),
        rank: Rank::Likely,
    }
}

fn install(run: &str, inputs: &[&str]) -> Table {
    Table::step("install", run).with("inputs", inputs).because(
        "cancel",
        Value::Flag(false),
        "half an installation helps nobody",
    )
}

/// Rails, another Rack program, or one file of Sinatra.
pub(super) fn ruby(tree: &Tree) -> Option<Reading> {
    let gems = tree.text("Gemfile").unwrap_or_default() + &tree.text("Gemfile.lock").unwrap_or_default();
    let bundle = (!gems.is_empty())
        .then(|| install("bundle install", &["Gemfile", "Gemfile.lock"]).with("outputs", ["Gemfile.lock"]));
    let prefix = if bundle.is_some() { "bundle exec " } else { "" };
    let (what, service) = if tree.has("config/application.rb") && tree.has("bin/rails") {
        let run = "bin/rails server -b 127.0.0.1 -p {port} -P tmp/pids/devloop-{port}.pid";
        let service = Table::service("web", run).because(
            "inputs",
            ["config/**/*.rb", "lib/**/*.rb", "Gemfile.lock"],
            "Rails reads the rest anew by itself",
        );
        ("a Rails project (bin/rails)".to_owned(), service)
    } else if tree.has("config.ru") {
        let run = format!("{prefix}rackup --host 127.0.0.1 -p {{port}}");
        ("a Rack program (config.ru)".to_owned(), Table::service("web", run).with("inputs", RUBY))
    } else {
        let is_sinatra = |path: &&str| {
            !path.contains('/')
                && tree.text(path).is_some_and(|text| pattern(r#"require ['"]sinatra['"]"#).is_match(&text))
        };
        let file = tree.ending(&[".rb"]).find(is_sinatra)?;
        let run = format!("{prefix}ruby {file} -o 127.0.0.1 -p {{port}}");
        (format!("a Sinatra program ({file})"), Table::service("web", run).with("inputs", RUBY))
    };
    let service = match gems.contains("sqlite3") {
        true => service.because("swap", "exclusive", "SQLite (gem sqlite3): one writer at a time"),
        false => service,
    };
    Some(reading("web", what, bundle.into_iter().chain([service]).collect()))
}

/// Laravel, or PHP's own server on the folder that holds index.php.
pub(super) fn php(tree: &Tree) -> Option<Reading> {
    let composer = tree.has("composer.json").then(|| {
        install("composer install --no-interaction", &["composer.json", "composer.lock"])
            .with("outputs", ["composer.lock"])
    });
    let reads = "PHP reads its files anew for each request";
    let (what, service) = if tree.has("artisan") {
        let run = "php artisan serve --host=127.0.0.1 --port={port} --no-reload";
        ("a Laravel project (artisan)".to_owned(), Table::service("web", run).because("inputs", NONE, reads))
    } else {
        let file = tree.first(&["public/index.php", "web/index.php", "www/index.php", "index.php"])?;
        let root = match folder_of(file) {
            "." => String::new(),
            folder => format!(" -t {folder}"),
        };
        let run = format!("php -S 127.0.0.1:{{port}}{root}");
        (format!("a PHP site ({file})"), Table::service("web", run).because("inputs", NONE, reads))
    };
    Some(reading("web", what, composer.into_iter().chain([service]).collect()))
}

/// A task of deno.json, or the usual file.
pub(super) fn deno(tree: &Tree) -> Option<Reading> {
    let file = tree.first(&["deno.json", "deno.jsonc"])?;
    let config = tree.json(file).unwrap_or_default();
    let name =
        config["name"].as_str().map_or("app".to_owned(), |name| as_name(name.rsplit('/').next().unwrap_or(name)));
    let task = ["dev", "start"].into_iter().find_map(|task| Some((task, config["tasks"][task].as_str()?.to_owned())));
    let what;
    let service = match task {
        Some((task, text)) if text.contains("--watch") || text.contains("vite") || text.contains("dev.ts") => {
            what = format!("a Deno program ({file}, task `{task}`: {text})");
            Table::service(&*name, format!("deno task {task}")).because("inputs", NONE, "it looks for changes itself")
        }
        Some((task, text)) => {
            what = format!("a Deno program ({file}, task `{task}`: {text})");
            Table::service(&*name, format!("deno task {task}")).with("inputs", DENO)
        }
        None => {
            let main = tree.first(&["main.ts", "server.ts", "mod.ts", "index.ts", "main.js"])?;
            let serves = tree
                .text(main)
                .is_some_and(|text| pattern(r"export default\s*\{|satisfies Deno\.ServeDefaultExport").is_match(&text));
            what = format!("a Deno program ({main})");
            let run = if serves { format!("deno serve --port {{port}} {main}") } else { format!("deno run -A {main}") };
            Table::service(&*name, run).with("inputs", DENO)
        }
    };
    let mut found = reading(&name, what, vec![service]);
    if !tree
        .ending(&[".ts", ".js", ".tsx"])
        .any(|path| tree.text(path).is_some_and(|text| text.contains("\"PORT\"") || text.contains("'PORT'")))
    {
        let text =
            format!("where `{name}` listens was not found: it is given $PORT, and followed if it listens elsewhere");
        found.doubts.push(Doubt::about(&name, "port", text));
    }
    Some(found)
}

/// Phoenix, which compiles what changed at the next request.
pub(super) fn elixir(tree: &Tree) -> Option<Reading> {
    let mix = tree.text("mix.exs").filter(|text| text.contains(":phoenix"))?;
    let mut service = Table::service("web", "mix phx.server").because(
        "inputs",
        ["config/**/*.exs", "mix.exs", "mix.lock"],
        "Phoenix compiles the rest anew by itself",
    );
    let configured: String =
        tree.ending(&[".exs"]).filter(|path| path.starts_with("config/")).filter_map(|path| tree.text(path)).collect();
    let in_dev = tree.text("config/dev.exs").unwrap_or_default();
    let fixed = pattern(r"port:\s*(\d{2,5})").captures(&in_dev).and_then(|found| found[1].parse::<u16>().ok());
    let mut doubts = Vec::new();
    match fixed {
        Some(port) if !in_dev.contains("PORT") => service = service.because("port", port, "written in config/dev.exs"),
        _ if configured.contains("\"PORT\"") => {}
        _ => doubts.push(Doubt::about(
            "web",
            "port",
            "where it listens was not found: it is given $PORT, and followed if it listens elsewhere",
        )),
    }
    if mix.contains("ecto_sqlite3") {
        service = service.because("swap", "exclusive", "SQLite (ecto_sqlite3): one writer at a time");
    }
    let tables = vec![install("mix deps.get", &["mix.exs", "mix.lock"]).with("outputs", ["mix.lock"]), service];
    Some(Reading { doubts, ..reading("web", "a Phoenix project (mix.exs)", tables) })
}

/// Spring Boot, Quarkus or Micronaut under Maven or Gradle, or Gradle's own `run`.
pub(super) fn jvm(tree: &Tree) -> Option<Reading> {
    let (file, text) =
        ["pom.xml", "build.gradle.kts", "build.gradle"].into_iter().find_map(|file| Some((file, tree.text(file)?)))?;
    let maven = if tree.has("mvnw") { "./mvnw" } else { "mvn" };
    let gradle = if tree.has("gradlew") { "./gradlew" } else { "gradle" };
    let is_maven = file == "pom.xml";
    let (kind, run, reloads) = if text.contains("spring-boot") || text.contains("org.springframework.boot") {
        let run = match is_maven {
            true => format!("env SERVER_PORT={{port}} {maven} -q spring-boot:run"),
            false => format!("env SERVER_PORT={{port}} {gradle} -q --console=plain bootRun"),
        };
        ("a Spring Boot program", run, None)
    } else if text.contains("quarkus") {
        let run = match is_maven {
            true => format!("{maven} -q quarkus:dev -Dquarkus.http.port={{port}} -Ddebug=false"),
            false => format!("{gradle} -q --console=plain quarkusDev -Dquarkus.http.port={{port}}"),
        };
        ("a Quarkus program", run, Some("Quarkus looks for changes itself"))
    } else if text.contains("micronaut") {
        let run = match is_maven {
            true => format!("env MICRONAUT_SERVER_PORT={{port}} {maven} -q mn:run"),
            false => format!("env MICRONAUT_SERVER_PORT={{port}} {gradle} -q --console=plain run"),
        };
        ("a Micronaut program", run, None)
    } else if !is_maven && pattern(r#"\bapplication\b|mainClass|io\.ktor"#).is_match(&text) {
        ("a Gradle program", format!("{gradle} -q --console=plain run"), None)
    } else {
        return None;
    };
    let service = Table::service("app", run);
    let service = match reloads {
        Some(why) => service.because("inputs", NONE, why),
        None => service.with("inputs", JVM),
    };
    let service = service.because(
        "health",
        Value::Inline(vec![("timeout".to_owned(), Value::Text("5m".to_owned()))]),
        "the first build fetches what it needs",
    );
    let service = if text.contains("sqlite") {
        service.because("swap", "exclusive", "SQLite: one writer at a time")
    } else {
        service
    };
    let mut found = reading("app", format!("{kind} ({file})"), vec![service]);
    if kind == "a Gradle program" {
        let text = "where it listens was not found: it is given $PORT, and followed if it listens elsewhere";
        found.doubts.push(Doubt::about("app", "port", text));
    }
    Some(found)
}

/// Every web project of .NET.
pub(super) fn dotnet(tree: &Tree) -> Vec<Reading> {
    let is_web = |path: &&str| {
        let text = tree.text(path).unwrap_or_default();
        text.contains("Microsoft.NET.Sdk.Web") && !path.to_lowercase().contains("test")
    };
    let projects: Vec<&str> = tree.ending(&[".csproj", ".fsproj"]).filter(is_web).collect();
    let made = projects.iter().map(|path| {
        let stem = path.rsplit('/').next().and_then(|file| file.rsplit_once('.')).map_or("web", |(stem, _)| stem);
        let name = as_name(stem);
        let run = format!("dotnet run --project {path} --no-launch-profile --urls http://127.0.0.1:{{port}}");
        let development =
            Value::Inline(vec![("ASPNETCORE_ENVIRONMENT".to_owned(), Value::Text("Development".to_owned()))]);
        let service = Table::service(&*name, run).with("inputs", DOTNET).with("env", development);
        let service = match tree.text(path).is_some_and(|text| text.contains("Sqlite")) {
            true => service.because("swap", "exclusive", "SQLite: one writer at a time"),
            false => service,
        };
        reading(&name, format!("an ASP.NET program ({path})"), vec![service])
    });
    made.collect()
}
