//! The floors: dependencies point down only, each adapter wraps one outside thing, and nobody else may touch that thing.

use crate::{members, report};
use cargo_metadata::{Dependency, DependencyKind};
use std::collections::BTreeSet;

/// Each crate with those of our own that it may depend on. An edge that is not in here fails.
const FLOORS: [(&str, &[&str]); 16] = [
    // 0: the core.
    ("switchboard-domain", &[]),
    // 1: adapters, each around one outside thing; they do not see each other.
    ("switchboard-proto", &["switchboard-domain"]),
    ("switchboard-mesh", &["switchboard-domain"]),
    ("switchboard-coord", &["switchboard-domain"]),
    ("switchboard-db", &["switchboard-domain"]),
    ("switchboard-model", &["switchboard-domain"]),
    ("switchboard-knowledge", &["switchboard-domain"]),
    // … but for the one that opens the others from configuration.
    (
        "switchboard-boot",
        &[
            "switchboard-domain",
            "switchboard-coord",
            "switchboard-db",
            "switchboard-mesh",
            "switchboard-proto",
        ],
    ),
    // 2: services know each other through the protos only.
    ("switchboard-agent-auth", SERVICE),
    ("switchboard-chat-gateway", SERVICE),
    ("switchboard-notifier", SERVICE),
    ("switchboard-regulator", SERVICE),
    ("switchboard-session", SERVICE),
    // 3: the edge.
    (
        "switchboard-gateway",
        &[
            "switchboard-domain",
            "switchboard-boot",
            "switchboard-coord",
            "switchboard-mesh",
            "switchboard-proto",
        ],
    ),
    // 4: wiring.
    ("switchboard", ALL),
    // Beside the house: nobody depends on them.
    ("switchboard-tests", ALL),
];

const SERVICE: &[&str] = &[
    "switchboard-domain",
    "switchboard-boot",
    "switchboard-coord",
    "switchboard-db",
    "switchboard-knowledge",
    "switchboard-mesh",
    "switchboard-model",
    "switchboard-proto",
];

const ALL: &[&str] = &[
    "switchboard-agent-auth",
    "switchboard-boot",
    "switchboard-chat-gateway",
    "switchboard-coord",
    "switchboard-db",
    "switchboard-domain",
    "switchboard-gateway",
    "switchboard-knowledge",
    "switchboard-mesh",
    "switchboard-model",
    "switchboard-notifier",
    "switchboard-proto",
    "switchboard-regulator",
    "switchboard-session",
];

/// The bench measures the product from outside: it depends on none of ours.
const BENCH: &str = "switchboard-load";

/// Outside crates with those who may depend on them directly, the two test crates aside.
const WRAPPERS: [(&[&str], &[&str]); 16] = [
    (
        &["sqlx"],
        &[
            "switchboard-db",
            "switchboard-boot",
            "switchboard-session",
            "switchboard-agent-auth",
            "switchboard-notifier",
            "switchboard-regulator",
        ],
    ),
    (&["axum", "axum-extra", "tower-http"], &["switchboard-gateway"]),
    (&["redis"], &["switchboard-coord"]),
    (&["governor"], &["switchboard-coord"]),
    (&["utoipa", "utoipa-axum", "utoipa-swagger-ui", "rust-embed"], &["switchboard-gateway"]),
    (&["reqwest"], &["switchboard-model", "switchboard-notifier"]),
    (&["lettre", "minijinja"], &["switchboard-notifier"]),
    (&["tantivy", "jieba-rs", "pulldown-cmark"], &["switchboard-knowledge"]),
    (&["jsonwebtoken"], &["switchboard-gateway", "switchboard-agent-auth", "switchboard-model"]),
    (&["argon2"], &["switchboard-agent-auth"]),
    (&["tonic-types", "tonic-reflection"], &["switchboard-mesh"]),
    (&["prost-types", "tonic-prost", "protox", "tonic-prost-build"], &["switchboard-proto"]),
    (
        &["figment", "tracing-subscriber", "metrics-exporter-prometheus", "opentelemetry-otlp"],
        &["switchboard-boot"],
    ),
    (&["opentelemetry", "tracing-opentelemetry"], &["switchboard-boot", "switchboard-mesh"]),
    (&["getrandom", "rustls"], &["switchboard-boot"]),
    (&["clap"], &["switchboard-boot", "switchboard"]),
];

/// What the core may be made of: no runtime, no I/O.
const CORE: [&str; 7] =
    ["thiserror", "serde", "uuid", "unicode-normalization", "chrono", "chrono-tz", "serde-saphyr"];

fn is_ours(dependency: &Dependency) -> bool {
    dependency.path.is_some()
}

#[test]
fn dependencies_point_down() {
    let (mut problems, mut edges) = (Vec::new(), 0);
    for package in members() {
        let name = package.name.as_str();
        let allowed = match FLOORS.iter().find(|(floor, _)| *floor == name) {
            Some((_, allowed)) => *allowed,
            None if name == BENCH => &[],
            None => {
                problems.push(format!("{name} stands on no floor: add it to the table"));
                continue;
            }
        };
        let own =
            package.dependencies.iter().filter(|dependency| is_ours(dependency)).inspect(|_| edges += 1);
        let wrong = own.filter(|dependency| !allowed.contains(&dependency.name.as_str()));
        problems
            .extend(wrong.map(|dependency| format!("{name} -> {} ({})", dependency.name, dependency.kind)));
    }
    report("dependencies that the floors do not allow", &problems);
    assert!(edges > 50, "{edges} edges were looked at");
}

#[test]
fn the_table_knows_no_crate_that_is_gone() {
    let present: BTreeSet<&str> = members().iter().map(|package| package.name.as_str()).collect();
    let gone: Vec<String> = FLOORS
        .iter()
        .flat_map(|(name, allowed)| allowed.iter().chain([name]))
        .filter(|name| !present.contains(*name))
        .map(ToString::to_string)
        .collect();
    report("crates in the table that the workspace does not have", &gone);
    assert!(present.contains(BENCH));
}

#[test]
fn the_core_is_pure() {
    let core = members().into_iter().find(|package| package.name.as_str() == "switchboard-domain").unwrap();
    let dependencies =
        core.dependencies.iter().filter(|dependency| dependency.kind != DependencyKind::Development);
    let impure: Vec<String> = dependencies
        .map(|dependency| dependency.name.clone())
        .filter(|name| !CORE.contains(&name.as_str()))
        .collect();
    report("dependencies of the core", &impure);
}

#[test]
fn each_outside_thing_has_its_wrapper() {
    let mut problems = Vec::new();
    for package in members() {
        let name = package.name.as_str();
        if name == "switchboard-tests" || name == BENCH {
            continue;
        }
        for dependency in
            package.dependencies.iter().filter(|dependency| dependency.kind != DependencyKind::Development)
        {
            let wrapper = WRAPPERS.iter().find(|(outside, _)| outside.contains(&dependency.name.as_str()));
            if wrapper.is_some_and(|(_, wrappers)| !wrappers.contains(&name)) {
                problems.push(format!("{name} -> {}", dependency.name));
            }
        }
    }
    report("outside crates that somebody else wraps", &problems);
}
