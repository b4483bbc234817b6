//! How a service is debugged, from what a person wrote about it.

use super::{
    command::debug_command,
    names::Names,
    table::Report,
    written::{self, At},
};
use crate::{
    error::Problem,
    plan::{Begin, Debug, With},
};

pub(super) fn debug(report: &mut Report, written: Option<&written::Debug>, names: &Names) -> Debug {
    let Some(written) = written else { return Debug::default() };
    let with = match &written.with {
        None => With::Fitting,
        Some(written::With::Known(debugger)) => With::Known(*debugger),
        Some(written::With::Own(run)) => debug_command(report, run, names).map_or(With::Fitting, With::Own),
    };
    if let (Some(written::With::Own(_)), Some(At { span, .. })) = (&written.with, &written.wait) {
        let problem = Problem::new("`wait` has no effect: whether the program waits is up to the command in `run`");
        report.problem(problem.hint("leave `wait` out"), span.clone());
    }
    let begin = match &written.wait {
        Some(At { value: true, .. }) => Begin::Wait,
        Some(_) | None => Begin::Run,
    };
    Debug { with, port: written.port.as_ref().map(|port| port.value), begin }
}
