//! What may be asked over the socket, and how answers look. The words are stable: new ones may come.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::model::Switch;

/// The version of the protocol. It grows when something changes its meaning.
pub const VERSION: u64 = 1;

/// One wish of a person or a program.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum Ask {
    /// What is going on.
    Status,
    /// Start a service again; all of them if none is named.
    Restart {
        /// Its name.
        service: Option<String>,
    },
    /// Run a step again, whatever is kept of it; all of them if none is named.
    Rebuild {
        /// Its name.
        step: Option<String>,
    },
    /// Go back to an earlier program: of this revision, or so many back (1 if nothing is said).
    Rollback {
        /// The revision.
        revision: Option<u64>,
        /// How many programs back.
        back: Option<usize>,
    },
    /// Start a service under its debugger, or without it again.
    Debug {
        /// Its name; may be left out where there is only one.
        service: Option<String>,
        /// Which of the two.
        #[serde(default)]
        switch: Switch,
    },
    /// Let saves start nothing for now.
    Pause,
    /// Let go of what was paused or rolled back.
    Resume,
    /// End devloop and everything it started.
    Stop,
    /// Answer when the outcome of every save so far is known.
    Wait(WaitAsk),
    /// What was said so far, each as `{"line":…}`, then the answer; with `follow` on and on.
    Logs(LogsAsk),
    /// Everything that a pane shows, on and on: what is going on, what is said, how many requests come.
    Attach(AttachAsk),
    /// What became of a revision; the newest if none is named.
    WhyRevision {
        /// The revision.
        revision: Option<u64>,
    },
    /// Who reads a file.
    WhyFile {
        /// Absolute, or from the project's root.
        file: String,
    },
    /// With which environment a service runs.
    Environment {
        /// Its name; the first one if none is named.
        service: Option<String>,
    },
}

/// What to wait for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WaitAsk {
    /// When to answer.
    #[serde(default)]
    pub until: Until,
    /// Not before there is this revision.
    pub revision: Option<u64>,
}

/// When a wait is over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Until {
    /// The outcome is known, whatever it is.
    #[default]
    Known,
    /// Everything is live and made of the newest content.
    Healthy,
}

/// Which of what was said.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LogsAsk {
    /// Goes on with what is said from now on.
    #[serde(default)]
    pub follow: bool,
    /// Only what was said in the last so many milliseconds.
    pub since_ms: Option<u64>,
    /// Only these steps and services; `devloop` are its own facts.
    #[serde(default)]
    pub sources: Vec<String>,
    /// Only the last so many.
    pub lines: Option<usize>,
    /// How it is written.
    #[serde(default)]
    pub format: Format,
}

/// How much an attached pane is told of what was said before it came.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AttachAsk {
    /// The last so many lines; all that are remembered if nothing is said.
    pub lines: Option<usize>,
}

/// How what was said is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// As `devloop up --json` prints it.
    #[default]
    Json,
    /// As `devloop up --plain` prints it.
    Plain,
    /// The same with colours.
    Coloured,
}

/// What was done.
pub type Done = Value;

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// One line.
    pub error: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Refused {
    /// A refusal without a hint.
    pub fn new(error: impl Into<String>) -> Refused {
        Refused { error: error.into(), hint: None }
    }

    /// The same with this hint.
    pub fn hint(mut self, hint: impl Into<String>) -> Refused {
        self.hint = Some(hint.into());
        self
    }
}

/// A line that came in.
#[derive(Clone, Debug, PartialEq)]
pub struct Request;

impl Request {
    /// Reads a line.
    ///
    /// # Errors
    /// No JSON, another version, an unknown wish, a value of another type.
    pub fn read(line: &str) -> Result<Ask, Refused> {
        let value: Value = serde_json::from_str(line).map_err(|error| {
            Refused::new(format!("this is no JSON object on one line: {error}"))
                .hint("such as {\"v\":1,\"ask\":\"status\"}")
        })?;
        match &value["v"] {
            version if version.as_u64() == Some(VERSION) => {}
            Value::Null => {
                return Err(Refused::new("no version is given").hint(format!("add \"v\":{VERSION}")));
            }
            other => {
                let error = format!("this devloop speaks version {VERSION} of the protocol, not {other}");
                return Err(Refused::new(error));
            }
        }
        Ask::deserialize(&value).map_err(|error| Refused::new(format!("this cannot be asked: {error}")))
    }

    /// Writes a line, without its end.
    pub fn line(ask: &Ask) -> String {
        let mut value = serde_json::to_value(ask).unwrap_or_default();
        value["v"] = json!(VERSION);
        value.to_string()
    }
}

/// The line that answers: `{"ok":true,…}` or `{"ok":false,"error":"…"}`.
pub(super) fn answer(result: Result<Done, Refused>) -> String {
    let value = match result {
        Ok(done) => {
            let mut value = if done.is_object() { done } else { json!({}) };
            value["ok"] = json!(true);
            value
        }
        Err(Refused { error, hint: None }) => json!({ "ok": false, "error": error }),
        Err(Refused { error, hint: Some(hint) }) => json!({ "ok": false, "error": error, "hint": hint }),
    };
    value.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let asks = [
            Ask::Status,
            Ask::Restart { service: Some("api".to_owned()) },
            Ask::Rollback { revision: Some(4), back: None },
            Ask::Wait(WaitAsk { until: Until::Healthy, revision: Some(7) }),
            Ask::Attach(AttachAsk { lines: Some(200) }),
            Ask::Logs(LogsAsk {
                follow: true,
                since_ms: Some(1),
                sources: vec!["api".to_owned()],
                lines: Some(3),
                format: Format::Plain,
            }),
        ];
        for ask in asks {
            assert_eq!(Request::read(&Request::line(&ask)), Ok(ask));
        }
    }

    #[test]
    fn what_is_left_out_has_its_default() {
        assert_eq!(Request::read(r#"{"v":1,"ask":"restart"}"#), Ok(Ask::Restart { service: None }));
        assert_eq!(Request::read(r#"{"v":1,"ask":"logs"}"#), Ok(Ask::Logs(LogsAsk::default())));
        assert_eq!(Request::read(r#"{"v":1,"ask":"wait"}"#), Ok(Ask::Wait(WaitAsk::default())));
    }

    #[test]
    fn what_cannot_be_asked_is_explained() {
        let error = |line: &str| Request::read(line).expect_err("it is wrong").error;
        assert!(error("hello").starts_with("this is no JSON object on one line: "), "{}", error("hello"));
        assert_eq!(error(r#"{"ask":"status"}"#), "no version is given");
        assert_eq!(error(r#"{"v":2,"ask":"status"}"#), "this devloop speaks version 1 of the protocol, not 2");
        let unknown = error(r#"{"v":1,"ask":"explode"}"#);
        assert!(unknown.starts_with("this cannot be asked: unknown variant `explode`"), "{unknown}");
    }
}
