//! A plan as people read it.

use super::*;

#[test]
fn a_plan_is_described_as_people_read_it() {
    let toml = r#"
[watch]
ignore = ["tmp/**"]

[[step]]
name = "wire"
run = "go tool wire ./..."
inputs = ["**/*.go", "go.mod"]
outputs = ["**/wire_gen.go"]
cancel = false

[[step]]
name = "build"
run = "go build -o {out} ./cmd/api"
inputs = "go"
timeout = "1m30s"

[[service]]
name = "db"
run = "docker compose up db"
after = []
port = 5432
health = { tcp = true }
stop = { run = "docker compose down" }

[[service]]
name = "api"
run = "{build}"
cwd = "web/app"
needs = ["db"]
health = "/health"
assets = ["static/"]
"#;
    let plan = plan(toml);
    let wanted = format!(
        "\
project {} in {}

step wire
  run          go tool wire ./...
  runs after   nothing: at once
  runs when    a file changes in **/*.go, go.mod
  writes       **/wire_gen.go
  cancel       no: it runs to its end, then again

step build
  run          go build -o {{out}} ./cmd/api
  runs after   step wire
  runs when    a file changes that go says it reads
  artifact     {{build}}, kept while devloop runs
  timeout      1m30s

service db
  run          docker compose up db
  starts after nothing: at once
  restarts on  nothing: it runs until devloop ends
  port         5432, always
  swap         exclusive, as the port is fixed: stop the old one, then start the new one
  ready when   its port accepts connections, within 1m
  stop         docker compose down, then SIGTERM, and SIGKILL after 5s

service api
  run          {{build}}
  cwd          web/app
  starts after step wire, step build, service db is ready
  restarts on  the artifact of build, the outputs of wire
  assets       static/: told to pages, no restart
  port         auto: a free one for each instance, in $PORT
  swap         auto: start the new one, then stop the old one within 1m
  ready when   GET /health answers 200 to 399, within 1m
  stop         SIGTERM, and SIGKILL after 5s

proxy
  listens on   http://localhost:3000 (127.0.0.1 and ::1); if it is taken, the next free port
  fresh        up to 5s after a save
  hold         30s, not counting a build that runs
  reload       pages, after each swap of their service
  waiting      a page about it, after 1s
  record       the last 500 requests, shown at /.devloop/

watch
  settle       auto
  backend      auto
  ignores      tmp/**, .gitignore and the built-in list
",
        plan.name,
        plan.root.display()
    );
    assert_eq!(describe(&plan), wanted);
}

#[test]
fn routes_are_described_in_the_order_in_which_they_count() {
    let routes = r#"
[[route]]
service = "api"

[[route]]
path = "/static/"
files = "web"
fallback = "index.html"

[[route]]
host = "*.App.test"
path = "/v1"
service = "api"
strip_prefix = true

[[route]]
host = "old.app.test"
redirect = "https://app.test/{path}"
status = 308
"#;
    let plan = plan(&(service("api", "") + routes));
    let wanted = "
routes, the first that fits
  old.app.test/ redirect to https://app.test/{path} (308)
  *.app.test/v1 service api, without /v1
  /static       files in web, and index.html for pages that do not exist
  /             service api
";
    let described = describe(&plan);
    assert!(described.contains(wanted), "{described}");
    let Target::Files(files) = &plan.routes[1].target else { panic!("{:?}", plan.routes) };
    assert_eq!(files.folder, plan.root.join("web"));
}
