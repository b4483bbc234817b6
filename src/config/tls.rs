//! What is written about certificates, compared with what stands beside it.

use std::path::Path;

use super::{
    paths::file,
    table::Report,
    written::{self, At},
};
use crate::{
    error::Problem,
    plan::{ClientCerts, Demand, Port, Protocol, Tls, Trust},
};

/// The field of RFC 9440.
const CLIENT_CERT: &str = "client-cert";

/// `tls` of a service, and whether its `protocol` fits.
pub(super) fn of_service(report: &mut Report, root: &Path, service: &written::Service, port: Port) -> Option<Tls> {
    let protocol = service.protocol.as_ref();
    let Some(At { value: written, span }) = &service.tls else {
        if let Some(At { value: Protocol::H2, span }) = protocol {
            let problem = Problem::new("`protocol = \"h2\"` is HTTP/2 inside TLS, and there is no `tls`");
            let hint = "add `tls = true`; HTTP/2 without TLS is `protocol = \"h2c\"`";
            report.problem(problem.hint(hint), span.clone());
        }
        return None;
    };
    if let Some(At { value: Protocol::H2c, span }) = protocol {
        let problem = Problem::new("`protocol = \"h2c\"` is HTTP/2 without TLS, and there is a `tls`");
        report.problem(problem.hint("HTTP/2 inside TLS is `protocol = \"h2\"`"), span.clone());
    }
    if port == Port::None {
        let problem = Problem::new("`tls` has no effect: with `port = \"none\"` the program is not spoken to");
        report.problem(problem.hint("leave one of them out"), span.clone());
    }
    let insecure = written.insecure.as_ref().filter(|insecure| insecure.value);
    let trust = match (&written.ca, insecure) {
        (Some(_), Some(At { span, .. })) => {
            let problem = Problem::new("`insecure` contradicts `ca`: one checks certificates, the other does not");
            report.problem(problem.hint("keep `ca`"), span.clone());
            return None;
        }
        (None, Some(At { span, .. })) => {
            let warning = Problem::new("nobody checks who answers: any program on its port is taken for this service");
            report.warning(warning.hint("`tls = { ca = \"cert.pem\" }` believes one certificate only"), span.clone());
            Trust::Anybody
        }
        (Some(ca), None) => Trust::File(file(report, root, ca)?),
        (None, None) => Trust::Machine,
    };
    Some(Tls { trust, server_name: written.server_name.clone() })
}

/// `client_certs` of a proxy that speaks HTTPS, or not.
pub(super) fn client_certs(report: &mut Report, root: &Path, proxy: &written::Proxy) -> Option<ClientCerts> {
    let At { value: written, span } = proxy.client_certs.as_ref()?;
    if proxy.tls != Some(true) {
        let problem = Problem::new("`client_certs` has no effect: certificates are shown in HTTPS only");
        report.problem(problem.hint("add `tls = true`"), span.clone());
    }
    let ca = file(report, root, written.ca.as_ref()?)?;
    let demand = if written.required.unwrap_or(false) { Demand::Required } else { Demand::Optional };
    Some(ClientCerts { ca, demand, header: written.header.clone().unwrap_or_else(|| CLIENT_CERT.to_owned()) })
}
