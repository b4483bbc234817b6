//! How editors attach: what to write into their settings, in one line each.

use super::{Attach, Debugger};

pub(super) fn lines(debugger: Option<Debugger>, port: u16) -> Vec<Attach> {
    let lines = match debugger {
        None => Vec::new(),
        Some(Debugger::Delve) => vec![
            (
                "VS Code",
                format!(
                    r#"{{ "name": "devloop", "type": "go", "request": "attach", "mode": "remote", "host": "127.0.0.1", "port": {port} }}"#
                ),
            ),
            ("GoLand", format!("a run configuration of type Go Remote, host localhost, port {port}")),
            ("terminal", format!("dlv connect 127.0.0.1:{port}")),
        ],
        Some(Debugger::Node) => vec![
            (
                "VS Code",
                format!(
                    r#"{{ "name": "devloop", "type": "node", "request": "attach", "address": "127.0.0.1", "port": {port}, "restart": true }}"#
                ),
            ),
            ("WebStorm", format!("a run configuration of type Attach to Node.js/Chrome, port {port}")),
            ("Chrome", format!("chrome://inspect, Configure, 127.0.0.1:{port}")),
            ("terminal", format!("node inspect 127.0.0.1:{port}")),
        ],
        Some(Debugger::Debugpy) => vec![
            (
                "VS Code",
                format!(
                    r#"{{ "name": "devloop", "type": "debugpy", "request": "attach", "connect": {{ "host": "127.0.0.1", "port": {port} }} }}"#
                ),
            ),
            ("any DAP client", format!("attach to 127.0.0.1:{port}")),
        ],
    };
    lines.into_iter().map(|(editor, how)| Attach { editor: editor.to_owned(), how }).collect()
}
