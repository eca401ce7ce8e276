//! One World for all: both shapes have the same edge.

use serde_json::Value;
use std::sync::atomic::{AtomicU32, Ordering};
use switchboard_tests::{
    client::{Client, Visitor},
    settings::Settings,
    world::{Shape, World},
};
use tokio::sync::OnceCell;

/// The one other origin that may call.
pub(crate) const FRIEND: &str = "https://shop.example.com";

/// A client of the one World.
pub(crate) async fn client() -> Client {
    static WORLD: OnceCell<World> = OnceCell::const_new();
    let settings = Settings::new("compat").set("gateway.cors.origins", FRIEND);
    WORLD.get_or_init(async || World::start(Shape::OneProcess, &settings).await).await.client()
}

/// A customer whom nobody knows yet.
pub(crate) async fn customer() -> Visitor {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    client().await.visitor(&format!("compat-{}", COUNT.fetch_add(1, Ordering::Relaxed)))
}

/// Whether JSON is written without blanks between its tokens and without escapes for what needs none.
pub(crate) fn is_compact(json: &str) -> bool {
    let (mut in_string, mut escaped) = (false, false);
    for character in json.chars() {
        match character {
            'u' if escaped => return false,
            _ if escaped => escaped = false,
            '\\' if in_string => escaped = true,
            '"' => in_string = !in_string,
            _ if character.is_whitespace() && !in_string => return false,
            _ => {}
        }
    }
    true
}

/// The names of an object's members, sorted.
pub(crate) fn names(value: &Value) -> Vec<&str> {
    let mut names: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

#[test]
fn compact_is_noticed() {
    assert!(is_compact(r#"{"a":["b c","\"d\" \\ 你好"],"e":1}"#));
    for wide in [r#"{"a": 1}"#, r#"{"a":1, "b":2}"#, "{\"a\":1}\n", r#"{"a":"\u4f60"}"#] {
        assert!(!is_compact(wide), "{wide}");
    }
}
