//! The description of the API: committed, so that a change of it is seen in review.

use crate::{
    routes::access::Declared,
    testing::world::{edge, read},
};
use serde_json::{Value, json};

const COMMITTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");

#[tokio::test]
async fn the_committed_description_is_the_one_that_is_served() {
    let (status, served) = read(edge().get("/api/openapi.json", "").await).await;
    assert_eq!(status, 200);
    let text = serde_json::to_string_pretty(&served).unwrap() + "\n";
    #[expect(clippy::disallowed_methods, reason = "a switch for whoever changes the API, not configuration")]
    let update = std::env::var_os("UPDATE_OPENAPI").is_some();
    if update {
        std::fs::write(COMMITTED, &text).unwrap();
    }
    let committed = std::fs::read_to_string(COMMITTED).unwrap_or_default();
    assert!(committed == text, "openapi.json is not up to date: run the tests with UPDATE_OPENAPI=1");
}

#[tokio::test]
async fn every_operation_says_how_it_fails() {
    let edge = edge();
    let (_, described) = read(edge.get("/api/v1/openapi.json", "").await).await;
    assert_eq!(described["openapi"], "3.1.0");
    let paths = described["paths"].as_object().unwrap();
    let declared = crate::routes::declared(&edge.app);
    let operations = paths.values().map(|operations| operations.as_object().unwrap().len());
    assert_eq!(operations.sum::<usize>(), declared.len());
    for Declared { method, path, access } in declared {
        let operation = &paths[&format!("/api/v1{path}")][method.as_str().to_lowercase()];
        assert_eq!(operation["x-permission"], access.to_string(), "{method} {path}");
    }
    for (path, operations) in paths {
        assert!(path.starts_with("/api/v1/"), "{path}");
        for (method, operation) in operations.as_object().unwrap() {
            let responses = operation["responses"].as_object().unwrap();
            let failures: Vec<&Value> = responses
                .iter()
                .filter(|(status, _)| !status.starts_with('2'))
                .map(|(_, response)| response)
                .collect();
            assert!(!failures.is_empty(), "{method} {path}");
            for failure in failures.into_iter().filter(|_| !path.ends_with("/health")) {
                let body = &failure["content"]["application/problem+json"]["schema"];
                assert_eq!(*body, json!({ "$ref": "#/components/schemas/ProblemBody" }), "{method} {path}");
            }
        }
    }
}
