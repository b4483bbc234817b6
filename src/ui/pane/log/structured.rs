//! A line that is a JSON object (slog, zap, zerolog, pino, tracing, bunyan, structlog) as a person reads it.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::Value;

use super::level::Level;

/// What a line of a log in JSON says.
#[derive(Debug, PartialEq)]
pub(in super::super) struct Record {
    pub(in super::super) level: Option<Level>,
    pub(in super::super) message: String,
    /// Everything else but the time, in the order written.
    pub(in super::super) fields: Vec<(String, String)>,
}

const LEVELS: [&str; 5] = ["level", "lvl", "severity", "levelname", "log.level"];
const MESSAGES: [&str; 5] = ["msg", "message", "event", "@message", "short_message"];
/// The pane has its own times; these say nothing new, nor do these ids.
const LEFT_OUT: [&str; 9] = ["time", "ts", "timestamp", "@timestamp", "t", "pid", "hostname", "v", "datetime"];

impl Record {
    /// None if the line is no object, or has neither a message nor a level.
    pub(in super::super) fn read(line: &str) -> Option<Record> {
        let line = line.trim();
        if !line.starts_with('{') || !line.ends_with('}') {
            return None;
        }
        let Object(fields) = serde_json::from_str(line).ok()?;
        let mut record = Record { level: None, message: String::new(), fields: Vec::new() };
        let mut is_log = false;
        record.take(fields, &mut is_log);
        is_log.then_some(record)
    }

    /// As one text: `ERR cannot connect  host=db`. A message of several lines keeps its fields behind the first one.
    pub(in super::super) fn text(&self) -> String {
        let level = self.level.map(|level| format!("{} ", level.short())).unwrap_or_default();
        let (first, rest) = self.message_parts();
        let fields: String = self.fields.iter().map(|(name, value)| format!("  {name}={value}")).collect();
        format!("{level}{first}{fields}{rest}")
    }

    /// The first line of the message, and the rest with the line end before it.
    pub(in super::super) fn message_parts(&self) -> (&str, &str) {
        self.message.split_at(self.message.find('\n').unwrap_or(self.message.len()))
    }

    fn take(&mut self, fields: Vec<(String, Value)>, is_log: &mut bool) {
        for (name, value) in fields {
            match (name.as_str(), value) {
                (known, value) if self.level.is_none() && LEVELS.contains(&known) => {
                    self.level = Level::named(&shown(&value));
                    *is_log |= self.level.is_some();
                }
                (known, Value::String(text)) if self.message.is_empty() && MESSAGES.contains(&known) => {
                    self.message = text.trim_end().replace('\r', "");
                    *is_log = true;
                }
                (known, _) if LEFT_OUT.contains(&known) => {}
                // tracing puts what was said one level down.
                ("fields", Value::Object(inner)) => self.take(inner.into_iter().collect(), is_log),
                (_, value) => self.fields.push((name, shown(&value))),
            }
        }
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) if !text.is_empty() && !text.contains([' ', '"', '\n', '=']) => text.clone(),
        other => other.to_string(),
    }
}

/// A JSON object that keeps its order.
struct Object(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Object, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Object;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Object(fields))
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> (Option<Level>, String, String) {
        let record = Record::read(line).unwrap_or_else(|| panic!("{line}"));
        let fields: Vec<String> = record.fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
        (record.level, record.message, fields.join(" "))
    }

    #[test]
    fn the_libraries_of_the_day_are_read() {
        let wanted = |level, message: &str, fields: &str| (Some(level), message.to_owned(), fields.to_owned());
        for (line, read_as) in [
            // log/slog
            (
                r#"{"time":"2026-11-26T12:00:00.1Z","level":"WARN","msg":"slow query","took":1.5,"table":"a b"}"#,
                wanted(Level::Warning, "slow query", r#"took=1.5 table="a b""#),
            ),
            // zap
            (
                r#"{"level":"error","ts":1764158400.1,"caller":"api/main.go:12","msg":"no","error":"EOF"}"#,
                wanted(Level::Error, "no", "caller=api/main.go:12 error=EOF"),
            ),
            // pino
            (
                r#"{"level":30,"time":1764158400100,"pid":7,"hostname":"h","msg":"listening","port":3000}"#,
                wanted(Level::Info, "listening", "port=3000"),
            ),
            // tracing
            (
                r#"{"timestamp":"t","level":"DEBUG","fields":{"message":"hit","key":"k"},"target":"app::cache"}"#,
                wanted(Level::Debug, "hit", "key=k target=app::cache"),
            ),
        ] {
            assert_eq!(read(line), read_as, "{line}");
        }
    }

    #[test]
    fn what_is_no_log_line_stays_as_it_is() {
        for line in ["{}", r#"{"a":1}"#, "{ not json }", "[1]", "text", r#"{"level":"high"}"#, ""] {
            assert_eq!(Record::read(line), None, "{line}");
        }
    }
}
