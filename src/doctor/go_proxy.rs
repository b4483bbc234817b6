//! Where are the modules fetched from, and is that where they are? GOPROXY, GOPRIVATE, GONOPROXY, GONOSUMDB and GOSUMDB
//! against the modules that go.mod really requires (<https://go.dev/ref/mod#private-modules>).

use globset::GlobBuilder;

use super::{
    finding::{Check, Finding, Weight},
    scene::{Module, Required, Scene},
};

/// Last labels of hosts that only exist inside of a company or a home (RFC 2606, RFC 6762, RFC 8375, and custom).
const INSIDE: &[&str] =
    &["local", "internal", "intranet", "corp", "lan", "private", "home", "test", "example", "invalid"];

/// Proxies that everybody uses: they know nothing that is private.
const PUBLIC: &[&str] = &["proxy.golang.org", "goproxy.io", "goproxy.cn"];

pub(super) fn check(scene: &Scene) -> Vec<Finding> {
    scene.modules.iter().flat_map(check_module).collect()
}

fn check_module(module: &Module) -> Vec<Finding> {
    let mut findings: Vec<Finding> =
        ["GOPRIVATE", "GONOPROXY", "GONOSUMDB"].into_iter().filter_map(|name| malformed(module, name)).collect();
    findings.extend(unreachable(module));
    findings.extend(undeclared(module));
    findings.extend(overruled(module));
    findings.extend(unverified(module));
    findings
}

fn variable<'a>(module: &'a Module, name: &str) -> &'a str {
    module.env.get(name).map_or("", String::as_str)
}

/// A pattern that can never match.
fn malformed(module: &Module, name: &str) -> Option<Finding> {
    let value = variable(module, name);
    let pattern = value.split(',').find(|pattern| pattern.contains("://") || pattern.trim().contains([' ', ';']))?;
    let mended: Vec<&str> = value.split([',', ' ', ';']).filter(|part| !part.is_empty()).collect();
    let mended: Vec<&str> = mended.iter().map(|part| part.split_once("://").map_or(*part, |(_, rest)| rest)).collect();
    let finding =
        Finding::new(Check::GoProxy, Weight::Wrong, format!("`{name}={value}`: `{pattern}` matches no module"));
    let finding = finding.why("its patterns are module paths without a scheme, separated by commas");
    Some(finding.mend(format!("go env -w {name}={}", mended.join(","))))
}

/// GOPROXY=off, and something is not there.
fn unreachable(module: &Module) -> Option<Finding> {
    let proxy = variable(module, "GOPROXY");
    let lost: Vec<&String> = match proxy {
        "off" if module.vendor.is_none() => {
            let outside = |name: &&String| !matches(variable(module, "GONOPROXY"), path_of(name));
            module.absent.iter().filter(outside).collect()
        }
        _ => return None,
    };
    let first = lost.first()?;
    let more = if lost.len() > 1 { format!(" and {} more", lost.len() - 1) } else { String::new() };
    let seen = format!("`GOPROXY=off`, and `{first}`{more} is not in the module cache");
    let finding = Finding::new(Check::GoProxy, Weight::Wrong, seen).why("go may fetch nothing, so no build can work");
    let finding = finding.mend("go env -u GOPROXY && go mod download");
    Some(finding.at(module.file.place_of(path_of(first))))
}

fn path_of(name: &str) -> &str {
    name.split('@').next().unwrap_or(name)
}

/// A module that is not for everybody, and nothing says so.
fn undeclared(module: &Module) -> Vec<Finding> {
    if !asks_everybody(module) {
        return Vec::new();
    }
    let private = |required: &&Required| {
        is_inside(&required.path) || module.rewritten.iter().any(|prefix| required.path.starts_with(prefix.as_str()))
    };
    let is_declared = |required: &Required| {
        let named_by = |name: &str| matches(variable(module, name), &required.path);
        named_by("GOPRIVATE") || (named_by("GONOPROXY") && named_by("GONOSUMDB"))
    };
    let fetched = module.go_mod.fetched();
    let Some(required) = fetched.iter().filter(private).find(|required| !is_declared(required)) else {
        return Vec::new();
    };
    let reason = match is_inside(&required.path) {
        true => "its host is no public one",
        false => "git is told to fetch it over ssh",
    };
    let pattern = match required.path.split('/').collect::<Vec<_>>().as_slice() {
        [host, owner, ..] if !is_inside(host) => format!("{host}/{owner}"),
        [host, ..] => (*host).to_owned(),
        [] => return Vec::new(),
    };
    let declared = variable(module, "GOPRIVATE");
    let value = if declared.is_empty() { pattern } else { format!("{declared},{pattern}") };
    let seen = format!("`{}` is private ({reason}), and GOPRIVATE does not name it", required.path);
    let finding = Finding::new(Check::GoProxy, Weight::Wrong, seen);
    let finding = finding.why(format!(
        "go asks `{}` and the checksum database for it: that fails with 404 or 410, and tells them its name",
        variable(module, "GOPROXY")
    ));
    vec![finding.mend(format!("go env -w GOPRIVATE={value}")).at(module.file.place_of(&required.path))]
}

/// GOPRIVATE names a module, but a variable that it is only the default of says otherwise.
fn overruled(module: &Module) -> Vec<Finding> {
    let private = variable(module, "GOPRIVATE");
    let fetched = module.go_mod.fetched();
    let Some(required) = fetched.iter().find(|required| matches(private, &required.path)) else { return Vec::new() };
    let mut findings = Vec::new();
    let mut tell = |name: &str, what: &str| {
        let value = variable(module, name);
        let seen = format!("GOPRIVATE names `{}`, but `{name}={value}` does not", required.path);
        let finding = Finding::new(Check::GoProxy, Weight::Wrong, seen);
        let finding =
            finding.why(format!("GOPRIVATE is only the default of {name}; set by itself, {name} wins: {what}"));
        findings.push(finding.mend(format!("go env -u {name}")).at(module.file.place_of(&required.path)));
    };
    let is_set = |name: &str| !variable(module, name).is_empty() && variable(module, name) != private;
    // With a proxy of one's own, `GONOPROXY=none` is how private modules are served by it.
    if is_set("GONOPROXY") && !matches(variable(module, "GONOPROXY"), &required.path) && asks_everybody(module) {
        tell("GONOPROXY", "the public proxy is asked for it, and does not have it");
    }
    let verified = variable(module, "GOSUMDB") != "off";
    if is_set("GONOSUMDB") && !matches(variable(module, "GONOSUMDB"), &required.path) && verified {
        tell("GONOSUMDB", "the checksum database is asked about it, and does not know it");
    }
    findings
}

/// GOSUMDB=off although everything else is public.
fn unverified(module: &Module) -> Option<Finding> {
    let all_public = variable(module, "GOPRIVATE").is_empty() && asks_everybody(module);
    let fetched = module.go_mod.fetched().len();
    if variable(module, "GOSUMDB") != "off" || !all_public || fetched == 0 {
        return None;
    }
    let seen = format!("`GOSUMDB=off`, and {fetched} public modules are required");
    let finding = Finding::new(Check::GoProxy, Weight::Doubtful, seen);
    let finding = finding.why("a module that go.sum does not hold yet is believed, whatever the proxy hands out");
    Some(finding.mend("go env -u GOSUMDB, and GOPRIVATE for what is private"))
}

/// Whether the first that is asked is a proxy for everybody.
fn asks_everybody(module: &Module) -> bool {
    let first = variable(module, "GOPROXY").split([',', '|']).next().unwrap_or_default();
    PUBLIC.iter().any(|host| first.trim_end_matches('/').ends_with(&format!("://{host}")))
}

fn is_inside(path: &str) -> bool {
    let host = path.split('/').next().unwrap_or_default();
    let host = host.split(':').next().unwrap_or_default();
    host.rsplit_once('.').is_some_and(|(before, last)| !before.is_empty() && INSIDE.contains(&last))
}

/// As `module.MatchPrefixPatterns` of golang.org/x/mod: a pattern of n elements is compared with the first n of the
/// path.
fn matches(patterns: &str, path: &str) -> bool {
    patterns.split(',').map(|pattern| pattern.trim_end_matches('/')).filter(|pattern| !pattern.is_empty()).any(
        |pattern| {
            let elements = pattern.split('/').count();
            let prefix: Vec<&str> = path.split('/').take(elements).collect();
            let glob = GlobBuilder::new(pattern).literal_separator(true).build();
            prefix.len() == elements && glob.is_ok_and(|glob| glob.compile_matcher().is_match(prefix.join("/")))
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(env: &[(&str, &str)], paths: &[&str]) -> Module {
        let mut module = Module::default();
        module.env.insert("GOPROXY".to_owned(), "https://proxy.golang.org,direct".to_owned());
        module.env.insert("GOSUMDB".to_owned(), "sum.golang.org".to_owned());
        module.env.extend(env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        // `go env` fills both in from GOPRIVATE.
        let private = variable(&module, "GOPRIVATE").to_owned();
        module.env.entry("GONOPROXY".to_owned()).or_insert(private.clone());
        module.env.entry("GONOSUMDB".to_owned()).or_insert(private);
        let required = paths.iter().map(|path| Required {
            path: (*path).to_owned(),
            version: "v1.0.0".to_owned(),
            ..Required::default()
        });
        module.go_mod.require = Some(required.collect());
        module
    }

    fn seen(env: &[(&str, &str)], paths: &[&str]) -> Vec<String> {
        check_module(&module(env, paths)).into_iter().map(|finding| finding.seen).collect()
    }

    #[test]
    fn patterns_match_as_go_matches_them() {
        assert!(matches("*.corp.example.com", "git.corp.example.com/xyzzy"));
        assert!(matches("rsc.io/private", "rsc.io/private/quux"));
        assert!(!matches("rsc.io/private", "rsc.io/other"));
        assert!(matches("github.com/acme/*", "github.com/acme/lib/v2"));
        assert!(!matches("github.com/acme/*", "github.com/acme"));
    }

    #[test]
    fn nothing_is_found_where_all_is_public_or_declared() {
        let none: [String; 0] = [];
        assert_eq!(seen(&[], &["github.com/a/b", "example.com/c"]), none);
        assert_eq!(seen(&[("GOPRIVATE", "git.acme.corp")], &["git.acme.corp/lib"]), none);
        assert_eq!(seen(&[("GOPROXY", "https://goproxy.acme.corp")], &["git.acme.corp/lib"]), none);
        let served = [("GOPRIVATE", "acme.corp/*"), ("GONOPROXY", "none"), ("GOPROXY", "https://goproxy.acme.corp")];
        assert_eq!(seen(&served, &["acme.corp/lib"]), none);
        assert_eq!(seen(&[("GOSUMDB", "off"), ("GOPROXY", "https://goproxy.acme.corp")], &["github.com/a/b"]), none);
    }

    #[test]
    fn a_private_module_that_nothing_declares_is_found() {
        assert!(seen(&[], &["git.acme.corp/lib"])[0].contains("no public one"));
        let mut module = module(&[("GOPRIVATE", "git.acme.corp")], &["github.com/acme/lib"]);
        module.rewritten = vec!["github.com/acme/".to_owned()];
        let findings = check_module(&module);
        assert_eq!(findings[0].mend, "go env -w GOPRIVATE=git.acme.corp,github.com/acme");
    }

    #[test]
    fn a_variable_that_overrules_goprivate_is_found() {
        let env = [("GOPRIVATE", "acme.corp"), ("GONOSUMDB", "other.corp")];
        assert!(seen(&env, &["acme.corp/lib"])[0].contains("`GONOSUMDB=other.corp` does not"));
        let env = [("GOPRIVATE", "acme.corp"), ("GONOPROXY", "none")];
        assert!(seen(&env, &["acme.corp/lib"])[0].contains("GONOPROXY"));
    }

    #[test]
    fn a_pattern_that_matches_nothing_is_found() {
        let found = seen(&[("GOPRIVATE", "https://git.acme.corp"), ("GOPROXY", "direct")], &[]);
        assert!(found[0].contains("matches no module"), "{found:?}");
    }

    #[test]
    fn off_is_found_where_something_is_missing() {
        let mut module = module(&[("GOPROXY", "off")], &["github.com/a/b"]);
        assert_eq!(check_module(&module), []);
        module.absent = vec!["github.com/a/b@v1.0.0".to_owned()];
        assert!(check_module(&module)[0].seen.contains("not in the module cache"));
        module.vendor = Some(String::new());
        assert_eq!(check_module(&module), []);
    }
}
