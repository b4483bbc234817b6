//! YAML of other tools as plain values.

use serde_json::Value;

/// The first document of a text; none if it is no YAML. JSON is YAML.
pub(super) fn parse(text: &str) -> Option<Value> {
    serde_saphyr::from_str(text).ok()
}

/// Every string below one of these keys, wherever they stand: a string, or a list of them.
pub(super) fn strings_at(value: &Value, keys: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    collect(value, keys, &mut found);
    found
}

fn collect(value: &Value, keys: &[&str], found: &mut Vec<String>) {
    match value {
        Value::Object(entries) => {
            for (key, inner) in entries {
                match inner {
                    Value::String(text) if keys.contains(&key.as_str()) => found.push(text.clone()),
                    Value::Array(list) if keys.contains(&key.as_str()) => {
                        found.extend(list.iter().filter_map(Value::as_str).map(str::to_owned));
                        list.iter().for_each(|inner| collect(inner, keys, found));
                    }
                    inner => collect(inner, keys, found),
                }
            }
        }
        Value::Array(list) => list.iter().for_each(|inner| collect(inner, keys, found)),
        _ => {}
    }
}
