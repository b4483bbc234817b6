//! Pages that are files of a route's folder, and pages of programs that show such files.

use std::{path::Path, sync::Arc};

use devloop::{
    model::Provider,
    plan::{Middleware, Prefix, Route, Target},
};
use serde_json::json;

use crate::{
    chrome::Chrome,
    overlay::{inside, sees},
    reload::{address, listens, open, shows, whole},
    stage::{App, Stage, failed, files_in, rules},
};

/// A stage with the folder at `/site` and the service everywhere else.
async fn with_folder(folder: &Path) -> Stage {
    let stage = Stage::new().await;
    let route = |path: &str, target| {
        Arc::new(Route { host: None, path: path.to_owned(), target, middleware: Arc::new(Middleware::default()) })
    };
    let routes = vec![
        route("/site", files_in(folder, None)),
        route("", Target::Service { name: "api".into(), prefix: Prefix::Kept }),
    ];
    stage.proxy.configure(devloop::proxy::Rules { routes, ..rules(&["api"]) });
    stage
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_a_folder_follows_its_files() {
    let Some(chrome) = Chrome::get() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("a file");
    let page_with = |title: &str| {
        let head = "<link rel=stylesheet href=site.css><script src=app.js></script>";
        format!("<!doctype html><head><title>{title}</title>{head}</head><h1>x</h1>")
    };
    write("index.html", &page_with("one"));
    write("site.css", "h1 { color: rgb(255, 0, 0) }");
    write("app.js", "window.app = 1");
    let stage = with_folder(folder.path()).await;
    let app = App::http(|_| async {
        let head = "<link rel=stylesheet href=/site/site.css><script src=/site/app.js></script>";
        whole("text/html", "", &format!("<!doctype html><head><title>app</title>{head}</head><h1>y</h1>"))
    })
    .await;
    stage.gate(open(stage.add(app.addr), 1));
    let told =
        |name: &str| stage.proxy.changed(Provider::Folder("public".into()), Some(vec![format!("public/{name}")]));
    let (page, other) = (chrome.page(), chrome.page());
    page.go(&format!("{}site/", address(&stage)));
    other.go(&address(&stage));
    listens(&other);
    shows(&page, "one");
    page.until("window.__devloop.folder === 'public'");
    // A style is exchanged where it is shown, whoever wrote the page.
    write("site.css", "h1 { color: rgb(0, 128, 0) }");
    told("site.css");
    for page in [&page, &other] {
        page.until("getComputedStyle(document.querySelector('h1')).color === 'rgb(0, 128, 0)'");
        assert_eq!(page.loads(), 1);
    }
    // A script brings a reload to every page that has loaded it; a page that has not keeps what it shows.
    write("app.js", "window.app = 2");
    told("app.js");
    for page in [&page, &other] {
        page.loaded(2);
        page.until("window.app === 2");
    }
    listens(&other);
    write("index.html", &page_with("two"));
    told("index.html");
    shows(&page, "two");
    assert_eq!(page.loads(), 3);
    told("site.css");
    other.until("document.querySelector('link[rel=stylesheet]').href.includes('devloop=')");
    assert_eq!(other.loads(), 2, "another page's text is none of its files");
    // A swap of the program is the other page's business.
    stage.gate(open(stage.add(app.addr), 2));
    other.loaded(3);
    listens(&other);
    stage.gate(failed("it is broken"));
    sees(&page, ".badge");
    assert_eq!(inside(&page, ".badge span", "textContent"), json!("api: it is broken"));
    assert_eq!(page.loads(), 3);
}
