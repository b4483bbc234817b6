//! The JSON Schema of dev.toml, and the line by which an editor finds it. It lies in `.devloop/`: of this devloop's
//! version, without a network, and in no repository.

use std::path::Path;

use crate::{error::Problem, store};

/// The schema; tests/generated.rs keeps it true.
pub(super) const SCHEMA: &str = include_str!("../../docs/dev.schema.json");
/// The first line of dev.toml (taplo, Even Better TOML, Tombi).
pub(super) const LINE: &str = "#:schema ./.devloop/dev.schema.json\n";
/// Its name in `.devloop/`.
const NAME: &str = "dev.schema.json";

/// Puts the schema where the line of this dev.toml looks for it.
///
/// # Errors
/// It cannot be written.
pub(super) fn put_beside(file: &Path) -> Result<(), Problem> {
    let root = file.parent().filter(|root| !root.as_os_str().is_empty()).unwrap_or(Path::new("."));
    store::put(root, NAME, SCHEMA)
}

/// The same, if that dev.toml has the line. What cannot be written is only missing in an editor.
pub(super) fn put_if_named(file: &Path) {
    let named = std::fs::read_to_string(file).is_ok_and(|text| text.lines().any(|line| line == LINE.trim_end()));
    if named {
        _ = put_beside(file);
    }
}
