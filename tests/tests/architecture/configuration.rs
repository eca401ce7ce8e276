//! The default configuration is the reference: every key is explained, and every part starts with it.

use crate::report;
use std::collections::BTreeSet;
use switchboard_boot::{Configured, NodeConfig, Sources, Tree, config::DEFAULTS};
use toml::Table;

#[test]
fn every_key_is_explained() {
    let lines: Vec<&str> = DEFAULTS.lines().collect();
    let mut problems = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        if !is_key(line) {
            continue;
        }
        // Keys that stand together are explained together, by the comment above them or above their table.
        let above = lines[..at].iter().rev().find(|line| !is_key(line) && !line.starts_with('['));
        let explained = above.is_some_and(|line| line.starts_with("# ") && !line.starts_with("# ---"));
        if !explained {
            problems.push(format!("line {}: {line}", at + 1));
        }
    }
    report("keys without a comment above them", &problems);
    assert!(lines.iter().filter(|line| is_key(line)).count() > 100);
}

fn is_key(line: &str) -> bool {
    let name = line.split('=').next().unwrap_or_default().trim();
    let plain = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_';
    line.contains('=') && !name.is_empty() && name.chars().all(plain)
}

#[test]
fn every_part_starts_with_the_defaults() {
    let mut read = BTreeSet::new();
    accepts::<NodeConfig>(&mut read);
    accepts::<switchboard_agent_auth::Config>(&mut read);
    accepts::<switchboard_chat_gateway::Config>(&mut read);
    accepts::<switchboard_gateway::Config>(&mut read);
    accepts::<switchboard_notifier::Config>(&mut read);
    accepts::<switchboard_regulator::Config>(&mut read);
    accepts::<switchboard_session::Config>(&mut read);
    let tables: Table = DEFAULTS.parse().unwrap();
    let there: BTreeSet<&str> = tables.keys().map(String::as_str).collect();
    assert_eq!(there, read, "every table is some part's");
}

fn accepts<C: Configured>(read: &mut BTreeSet<&str>) {
    let mut problems = Vec::new();
    let config = Tree::load(&Sources::default(), &mut problems).extract::<C>(&mut problems);
    report(std::any::type_name::<C>(), &problems.iter().map(ToString::to_string).collect::<Vec<_>>());
    assert!(config.is_some());
    read.extend(C::SECTIONS);
}

#[test]
fn every_problem_is_told_at_once() {
    let environment = [
        ("SWITCHBOARD__SESSION__TURN_LEASE", "soon"),
        ("SWITCHBOARD__SESSION__TURN_LAESE", "10s"),
        ("SWITCHBOARD__DATABASE__MAX_CONNECTIONS", "many"),
    ];
    let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let mut problems = Vec::new();
    let tree = Tree::load(&Sources { environment, ..Sources::default() }, &mut problems);
    assert!(tree.extract::<NodeConfig>(&mut problems).is_none());
    assert!(tree.extract::<switchboard_session::Config>(&mut problems).is_none());
    let keys: BTreeSet<&str> = problems.iter().map(|problem| problem.key.as_str()).collect();
    assert_eq!(
        keys,
        BTreeSet::from(["database.max_connections", "session.turn_laese", "session.turn_lease"])
    );
}
