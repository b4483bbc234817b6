//! The keys about certificates: `tls` of a service, `client_certs` of `[proxy]`.

use hyper::header::HeaderName;
use toml::de::DeValue;

use super::{
    super::{
        table::{Report, Table, kind, listed},
        units,
        written::{At, ClientCerts, Tls},
    },
    middleware::FRAMING,
};
use crate::{error::Problem, plan::HostPattern};

const TLS: &[&str] = &["ca", "server_name", "insecure"];
const CLIENT_CERTS: &[&str] = &["ca", "required", "header"];

/// `tls` of a service.
pub(super) fn of_service(report: &mut Report, table: &Table<'_, '_>) -> Option<At<Tls>> {
    let value = table.get("tls")?;
    let tls = match value.get_ref() {
        DeValue::Boolean(false) => return None,
        DeValue::Boolean(true) => Tls::default(),
        DeValue::Table(entries) => {
            let table = Table::new(report, "`tls`", entries, value.span(), TLS);
            Tls {
                ca: table.string(report, "ca"),
                server_name: server_name(report, &table),
                insecure: table
                    .boolean(report, "insecure")
                    .map(|insecure| At::new(insecure, table.key_span("insecure"))),
            }
        }
        other => {
            let problem = Problem::new(format!("`tls` must be `true`, `false` or a table, not {}", kind(other)));
            let hint = format!("the keys of the table are {}", listed(TLS).replace(" or ", " and "));
            report.problem(problem.hint(hint), value.span());
            return None;
        }
    };
    Some(At::new(tls, table.key_span("tls")))
}

fn server_name(report: &mut Report, table: &Table<'_, '_>) -> Option<String> {
    let name = table.string(report, "server_name")?;
    match HostPattern::new(&name.value) {
        Some(HostPattern::Exactly(exact)) => Some(exact),
        Some(HostPattern::Below(_)) => {
            let problem = Problem::new(format!("`server_name` is one name, not a pattern like `{}`", name.value));
            report.problem(problem.hint("a name that the certificate is for, such as `\"www.app.test\"`"), name.span);
            None
        }
        None => {
            report.wrong(units::no_host(&name.value), name.span);
            None
        }
    }
}

/// `client_certs`.
pub(super) fn client_certs(report: &mut Report, table: &Table<'_, '_>) -> Option<At<ClientCerts>> {
    let span = table.key_span("client_certs");
    let table = table.table(report, "client_certs", "`client_certs`", CLIENT_CERTS)?;
    if !table.has("ca") {
        let problem = Problem::new("`client_certs` has no `ca`");
        let hint = "the authority that signs certificates of clients, such as `ca = \"certs/clients.pem\"`";
        report.problem(problem.hint(hint), span.clone());
    }
    let certs = ClientCerts {
        ca: table.string(report, "ca"),
        required: table.boolean(report, "required"),
        header: header(report, &table),
    };
    Some(At::new(certs, span))
}

fn header(report: &mut Report, table: &Table<'_, '_>) -> Option<String> {
    let name = table.string(report, "header")?;
    let lower = name.value.to_lowercase();
    if HeaderName::from_bytes(lower.as_bytes()).is_err() {
        report.problem(Problem::new(format!("`{}` is not the name of a field", name.value)), name.span);
        return None;
    }
    if lower == "host" || FRAMING.contains(&&*lower) {
        let problem = Problem::new(format!("`{}` cannot carry a certificate", name.value));
        report.problem(problem.hint("leave `header` out for `Client-Cert`, as RFC 9440 has it"), name.span);
        return None;
    }
    Some(lower)
}
