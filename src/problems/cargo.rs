//! cargo's messages as JSON (`--message-format=json`): one object a line.

use serde_json::Value;

use super::{Hit, Weight, place};

/// A `compiler-message`, or the bare diagnostic of `rustc --error-format=json`. Other lines of cargo's are understood
/// and about no place.
pub(super) fn message(lines: &[&str]) -> Option<Hit> {
    let line = lines[0].strip_prefix('{').map(|_| lines[0])?;
    let told: Value = serde_json::from_str(line).ok()?;
    let message = match told["reason"].as_str() {
        Some("compiler-message") => &told["message"],
        Some("compiler-artifact" | "build-script-executed" | "build-finished") => return Some(nothing()),
        Some(_) => return None,
        None if told["$message_type"] == "diagnostic" => &told,
        None => return None,
    };
    let weight = match message["level"].as_str()? {
        level if level.starts_with("error") => Weight::Error,
        "warning" => Weight::Warning,
        _ => return Some(nothing()),
    };
    let text = message["message"].as_str()?;
    let spans = message["spans"].as_array()?;
    let Some(span) = spans.iter().find(|span| span["is_primary"] == true) else { return Some(nothing()) };
    let number = |key: &str| span[key].as_u64().and_then(|number| u32::try_from(number).ok());
    let found = place(span["file_name"].as_str()?, number("line_start")?, number("column_start"), text);
    Some(Hit { weight, place: Some(found), lines: 1 })
}

fn nothing() -> Hit {
    Hit { weight: Weight::Warning, place: None, lines: 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_messages_with_a_place_are_places() {
        let hit =
            |line: &str| message(&[line]).map(|hit| hit.place.map(|place| (place.file, place.line, place.message)));
        let error = r#"{"reason":"compiler-message","message":{"level":"error","message":"no x","spans":[{"is_primary":false,"file_name":"b.rs","line_start":1,"column_start":1},{"is_primary":true,"file_name":"a.rs","line_start":3,"column_start":7}]}}"#;
        assert_eq!(hit(error), Some(Some(("a.rs".to_owned(), 3, "no x".to_owned()))));
        let aborted = r#"{"reason":"compiler-message","message":{"level":"error","message":"aborting","spans":[]}}"#;
        assert_eq!(hit(aborted), Some(None));
        assert_eq!(hit(r#"{"reason":"build-finished","success":false}"#), Some(None));
        for other in ["{", "{}", r#"{"level":"info","msg":"a.rs:1:2: x"}"#, r#"{"reason":7}"#] {
            assert_eq!(hit(other), None, "{other}");
        }
    }
}
