//! RFC 8785 (JSON Canonicalization Scheme) for the JSON that is hashed: strings, integers,
//! booleans, null, arrays and objects. Fractions are refused, so no number formatting can differ.

use serde::Serialize;
use serde_json::Value;

/// Largest integer that every JSON reader keeps exactly (RFC 7493 §2.2).
pub const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;

#[derive(Debug, thiserror::Error)]
pub enum NotCanonical {
    #[error("a number is no integer within ±(2^53-1)")]
    Number,
    #[error("not JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// Canonical text of anything serialisable.
pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<String, NotCanonical> {
    text(&value_of(value)?)
}

pub(super) fn value_of<T: Serialize + ?Sized>(value: &T) -> Result<Value, NotCanonical> {
    Ok(serde_json::to_value(value)?)
}

/// Canonical text of a parsed value.
pub fn text(value: &Value) -> Result<String, NotCanonical> {
    let mut out = String::with_capacity(256);
    write(value, &mut out)?;
    Ok(out)
}

fn write(value: &Value, out: &mut String) -> Result<(), NotCanonical> {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => {
            let safe = match (number.as_u64(), number.as_i64()) {
                (Some(n), _) => n <= MAX_SAFE_INTEGER,
                (None, Some(n)) => n.unsigned_abs() <= MAX_SAFE_INTEGER,
                (None, None) => false,
            };
            if !safe {
                return Err(NotCanonical::Number);
            }
            out.push_str(&number.to_string());
        }
        Value::String(s) => write_string(s, out),
        Value::Array(items) => {
            out.push('[');
            for (n, item) in items.iter().enumerate() {
                if n > 0 {
                    out.push(',');
                }
                write(item, out)?;
            }
            out.push(']');
        }
        Value::Object(map) => {
            // §3.2.3: by UTF-16 code units, which differs from UTF-8 order beyond U+D7FF.
            let mut members: Vec<(&String, &Value)> = map.iter().collect();
            members.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
            out.push('{');
            for (n, (key, item)) in members.into_iter().enumerate() {
                if n > 0 {
                    out.push(',');
                }
                write_string(key, out);
                out.push(':');
                write(item, out)?;
            }
            out.push('}');
        }
    }
    Ok(())
}

/// §3.2.2.2: the two-letter escapes where they exist, `\u00xx` for other controls, all else as is.
fn write_string(s: &str, out: &mut String) {
    out.push('"');
    for c in s.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            c if c < ' ' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_are_ordered_by_utf16_as_in_the_rfc() {
        // RFC 8785 §3.2.3, its own example.
        let value = json!({
            "\u{20ac}": "Euro Sign", "\r": "Carriage Return", "\u{fb33}": "Hebrew Letter Dalet",
            "1": "One", "\u{1f600}": "Emoji: Grinning Face", "\u{80}": "Control",
            "\u{f6}": "Latin Small Letter O With Diaeresis"
        });
        let text = text(&value).unwrap();
        let order = ["Carriage", "One", "Control", "Latin", "Euro", "Emoji", "Hebrew"];
        let at: Vec<usize> = order.iter().map(|w| text.find(w).unwrap()).collect();
        assert!(at.is_sorted(), "{text}");
    }

    #[test]
    fn strings_are_escaped_as_in_the_rfc() {
        let text = text(&json!("\u{20ac}$\u{f}\nA'\u{42}\u{22}\u{5c}\\\"/")).unwrap();
        assert_eq!(text, "\"€$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"");
    }

    #[test]
    fn fractions_and_unsafe_integers_are_refused() {
        assert!(text(&json!(0.5)).is_err());
        assert!(text(&json!(1_u64 << 53)).is_err());
        assert!(text(&json!(-(1_i64 << 53))).is_err());
        assert_eq!(text(&json!(MAX_SAFE_INTEGER)).unwrap(), "9007199254740991");
    }

    proptest! {
        #[test]
        fn reading_back_gives_the_same_value_and_the_same_text(
            pairs in prop::collection::btree_map(".*", ".*", 0..6), n in -1000i64..1000
        ) {
            let value = json!({ "n": n, "map": pairs, "list": [null, true, false] });
            let once = text(&value).unwrap();
            let back: Value = serde_json::from_str(&once).unwrap();
            prop_assert_eq!(&back, &value);
            prop_assert_eq!(text(&back).unwrap(), once);
        }
    }
}
