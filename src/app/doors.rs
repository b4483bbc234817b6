//! The proxy as the plan has it: where it listens, what it speaks there, and by what rules; at the start and after
//! every change of dev.toml.

use std::{path::Path, sync::Arc};

use hyper::header::HeaderName;

use super::{App, Happening};
use crate::{
    certificates::{Authority, Leaves, Maker, Places},
    core::fact::Fact,
    error::Problem,
    model::on_disk,
    plan::{ClientCerts, Listen, Plan, Port},
    process::{Ports, Session},
    proxy::{
        Browser, Certify, Clients, Feeds, Forwarded, Https, Limits, Proxy, Recording, Rules, ServiceRoute, Settings,
    },
    sys,
    tls::roots_in,
};

/// A note and its hint.
pub(super) type Remark = (String, Option<String>);

/// The proxy, and what it was last told.
pub(super) struct Doors {
    pub(super) proxy: Arc<Proxy>,
    place: Place,
    https: Option<Https>,
    of: Scheme,
}

/// Where it is to listen.
#[derive(Clone, Debug, PartialEq)]
enum Place {
    /// Nobody could be answered, or nobody is to be.
    Nowhere,
    /// There.
    At(Listen),
    /// Where it did before: it could not be had otherwise.
    AsBefore,
}

/// Everything that HTTPS depends on.
#[derive(Clone, Debug, PartialEq)]
struct Scheme {
    tls: bool,
    hosts: Vec<String>,
    clients: Option<ClientCerts>,
}

impl Place {
    fn of(plan: &Plan) -> Place {
        let has_port = plan.services.iter().any(|service| service.port != Port::None);
        match plan.proxy.enabled && (has_port || !plan.routes.is_empty()) {
            true => Place::At(plan.proxy.listen.clone()),
            false => Place::Nowhere,
        }
    }
}

impl Scheme {
    fn of(plan: &Plan) -> Scheme {
        let tls = plan.proxy.enabled && plan.proxy.tls;
        Scheme { tls, hosts: hosts(plan), clients: plan.proxy.client_certs.clone() }
    }
}

impl Doors {
    /// Listens, if there is somebody to answer. With what is to be told about that.
    pub(super) async fn begin(plan: &Plan, session: &Session, feeds: Feeds) -> Result<(Doors, Vec<Remark>), Problem> {
        let of = Scheme::of(plan);
        let (https, remarks) = https(&plan.root, &of)?;
        let settings = Settings {
            listen: plan.proxy.listen.clone(),
            rules: rules(plan, https.clone()),
            project: plan.name.clone(),
            token: session.id().to_owned(),
            limits: Limits::default(),
        };
        let (proxy, place) = (Proxy::new(settings, feeds), Place::of(plan));
        if let Place::At(listen) = &place {
            proxy.listen(listen).await?;
        }
        Ok((Doors { proxy: Arc::new(proxy), place, https, of }, remarks))
    }
}

impl App {
    /// The proxy follows a plan that is about to be taken over.
    pub(super) fn adopt_proxy(&mut self, plan: &Plan) {
        let of = Scheme::of(plan);
        let before = self.doors.https.is_some();
        if of != self.doors.of {
            match https(&plan.root, &of) {
                Ok((https, remarks)) => {
                    (self.doors.https, self.doors.of) = (https, of);
                    remarks.into_iter().for_each(|(text, hint)| self.note(text, hint));
                }
                Err(problem) => {
                    let text = format!("the proxy goes on speaking as it did: {}", problem.one_line());
                    self.note(text, problem.hint);
                }
            }
        }
        self.doors.proxy.configure(rules(plan, self.doors.https.clone()));
        let place = Place::of(plan);
        if place != self.doors.place {
            self.doors.place = place.clone();
            self.move_proxy(place);
        } else if before != self.doors.https.is_some() {
            self.tell_where_it_listens();
        }
    }

    /// Elsewhere from now on; `Happening::Moved` tells how that went.
    fn move_proxy(&self, place: Place) {
        let (proxy, inbox) = (Arc::clone(&self.doors.proxy), self.inbox.clone());
        tokio::spawn(async move {
            let moved = match place {
                Place::At(listen) => proxy.listen(&listen).await,
                Place::Nowhere | Place::AsBefore => {
                    proxy.close_doors().await;
                    Ok(())
                }
            };
            // Without a receiver devloop is ending.
            _ = inbox.send(Happening::Moved(moved));
        });
    }

    /// It has moved, or cannot.
    pub(super) fn proxy_moved(&mut self, moved: Result<(), Problem>) {
        keep_off(&self.ports, &self.plan, &self.doors.proxy);
        match moved {
            Ok(()) => self.tell_where_it_listens(),
            Err(problem) => {
                self.doors.place = Place::AsBefore;
                let now = match self.url() {
                    Some(url) => format!("the proxy stays at {url}"),
                    None => "there is no proxy".to_owned(),
                };
                self.note(format!("{now}: {}", problem.one_line()), problem.hint);
            }
        }
    }

    /// Tells where it listens, and who steers devloop what to open in a browser.
    pub(super) fn tell_where_it_listens(&mut self) {
        for note in self.doors.proxy.notes() {
            self.note(note, None);
        }
        let url = self.url();
        self.about.send_modify(|about| Arc::make_mut(about).url.clone_from(&url));
        match url {
            Some(url) => {
                let addresses = self.doors.proxy.addresses().iter().map(ToString::to_string).collect();
                self.tell(Fact::Listening { url, addresses });
            }
            None if self.doors.place == Place::Nowhere && self.control.is_some() => {
                self.note("the proxy listens nowhere any more".to_owned(), None);
            }
            None => {}
        }
    }

    /// What to open in a browser.
    fn url(&self) -> Option<String> {
        let scheme = if self.doors.https.is_some() { "https" } else { "http" };
        let first = *self.doors.proxy.addresses().first()?;
        Some(match first.ip().is_loopback() {
            true => format!("{scheme}://localhost:{}", first.port()),
            false => format!("{scheme}://{first}"),
        })
    }
}

/// What HTTPS is spoken with, where that is wanted, and what is to be told about it.
fn https(root: &Path, of: &Scheme) -> Result<(Option<Https>, Vec<Remark>), Problem> {
    if !of.tls {
        return Ok((None, Vec::new()));
    }
    let places = Places::of(&sys::environment());
    let places = places.ok_or_else(|| Problem::new("`tls` needs a home folder for its keys: `HOME` is not set"))?;
    let leaves = Leaves::of(Authority::find_or_make(&places)?);
    let mut told = Vec::new();
    if leaves.authority().maker == Maker::New {
        let text = format!("a certificate authority was made for HTTPS: {}", leaves.authority().file.display());
        told.push((text, Some("`devloop trust` makes the browsers of this machine trust it".to_owned())));
    }
    for host in of.hosts.iter().filter(|host| !leaves.authority().covers(host.trim_start_matches("*."))) {
        let text =
            format!("there cannot be a certificate for `{host}`: devloop's authority is for localhost and .test");
        let hint = "use a name below .localhost or .test, or an authority of mkcert's";
        told.push((text, Some(hint.to_owned())));
    }
    let clients = of.clients.as_ref().map(|certs| clients(root, certs)).transpose()?;
    let https = Https::new(Certify(Arc::new(move |name| leaves.certificate(name))), &of.hosts, clients)?;
    Ok((Some(https), told))
}

fn clients(root: &Path, certs: &ClientCerts) -> Result<Clients, Problem> {
    let shown = certs.ca.display().to_string();
    let roots = Arc::new(roots_in(&on_disk(root, &certs.ca), &shown)?);
    let header = HeaderName::from_bytes(certs.header.as_bytes());
    let header = header.map_err(|error| Problem::new("`client_certs` has no header").caused_by(error))?;
    Ok(Clients { roots, demand: certs.demand, header })
}

/// The names that it answers to beside those of this machine: a host that a route names is one of them.
fn hosts(plan: &Plan) -> Vec<String> {
    let routed = plan.routes.iter().filter_map(|route| route.host.as_ref()).map(ToString::to_string);
    plan.proxy.hosts.iter().cloned().chain(routed).collect()
}

fn rules(plan: &Plan, tls: Option<Https>) -> Rules {
    let services = plan
        .services
        .iter()
        .map(|service| ServiceRoute { name: service.name.clone(), has_port: service.port != Port::None });
    let folders = plan.steps.iter().map(|step| &step.cwd).chain(plan.services.iter().map(|service| &service.cwd));
    let mut known = vec![plan.root.clone()];
    for folder in folders {
        if !known.contains(folder) {
            known.push(folder.clone());
        }
    }
    let browser = Browser {
        reload: plan.proxy.reload,
        editor: plan.proxy.editor.clone(),
        folders: known,
        waiting: plan.proxy.waiting,
        console: plan.proxy.console,
    };
    Rules {
        tls,
        hosts: hosts(plan),
        hold: plan.proxy.hold,
        services: services.collect(),
        routes: plan.routes.clone(),
        middleware: Arc::clone(&plan.proxy.middleware),
        recording: Recording { keep: plan.proxy.record, bodies: plan.proxy.record_bodies },
        server_timing: plan.proxy.server_timing,
        forwarded: if plan.proxy.trust_forwarded { Forwarded::Kept } else { Forwarded::Replaced },
        browser,
    }
}

/// Ports that are never given to instances: the proxy's, and those that services have fixed.
pub(super) fn keep_off(ports: &Ports, plan: &Plan, proxy: &Proxy) {
    proxy.addresses().iter().for_each(|address| ports.never(address.port()));
    for service in &plan.services {
        if let Port::Fixed(port) = service.port {
            ports.never(port);
        }
    }
}
