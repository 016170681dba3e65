//! The description of the HTTP interface names every route, and the file in `docs/` is the one
//! that is served.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;
use yuntang::http::{openapi, routes};

fn document() -> Value {
    serde_json::to_value(openapi::document()).unwrap()
}

fn named(table: Vec<(axum::http::Method, &'static str)>) -> BTreeSet<(String, String)> {
    table.into_iter().map(|(method, path)| (method.to_string(), path.to_owned())).collect()
}

#[test]
fn every_route_is_described_and_nothing_else() {
    let served = named(routes::table());
    assert_eq!(named(openapi::table()), served);
    let document = document();
    let mut described = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            described.insert((method.to_uppercase(), path.clone()));
            assert!(operation["responses"].as_object().unwrap().len() > 1, "{method} {path}");
        }
    }
    assert_eq!(described, served);
}

#[test]
fn every_reference_leads_somewhere_and_every_id_is_one() {
    let document = document();
    let mut references = BTreeSet::new();
    let mut ids = Vec::new();
    collect(&document, &mut references, &mut ids);
    assert!(references.len() > 10);
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
    let unique: BTreeSet<_> = ids.iter().collect();
    assert_eq!(unique.len(), ids.len(), "{ids:?}");
}

fn collect(value: &Value, references: &mut BTreeSet<String>, ids: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                match (key.as_str(), value.as_str()) {
                    ("$ref", Some(text)) => drop(references.insert(text.to_owned())),
                    ("operationId", Some(text)) => ids.push(text.to_owned()),
                    _ => collect(value, references, ids),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, references, ids)),
        _ => {}
    }
}

/// With `YUNTANG_WRITE` set (`cargo dev gen`) it is written instead.
#[test]
fn the_file_in_docs_is_current() {
    let root = std::env::var_os("CARGO_MANIFEST_DIR").expect("run by cargo");
    let file = Path::new(&root).join("docs/openapi.json");
    let wanted = openapi::text().unwrap();
    if std::env::var_os("YUNTANG_WRITE").is_some() {
        std::fs::write(&file, &wanted).unwrap();
    }
    let found = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(found == wanted, "docs/openapi.json is out of date: run `cargo dev gen` and commit it");
}
