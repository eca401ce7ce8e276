//! One tree of configuration; every mistake is told at once, with where it comes from.

use std::{
    fs,
    process::{Command, Output},
};
use switchboard_tests::program::switchboard;

fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let program = switchboard().unwrap_or_else(|hint| panic!("{hint}"));
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(program);
    command.args(arguments).envs(environment.iter().copied()).current_dir(&folder);
    let output = command.output().unwrap();
    assert_eq!(
        fs::read_dir(&folder).unwrap().count(),
        0,
        "nothing is made before the configuration is right"
    );
    output
}

#[test]
fn all_mistakes_at_once_with_their_sources() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("shop.toml");
    fs::write(&file, "[session]\nturn_lease = \"soon\"\n\n[sesion]\nturn_lease = \"10s\"\n").unwrap();
    let file = file.to_str().unwrap();
    let output = run(
        &["up", "--config", file, "--set", "gateway.max_body_bytes=many"],
        &[("SWITCHBOARD__GATEWAY__LISTEN", "nowhere"), ("SWITCHBOARD__NO_SUCH__KEY", "1")],
    );
    assert_eq!(output.status.code(), Some(64));
    let told = String::from_utf8(output.stderr).unwrap();
    for (key, source) in [
        ("session.turn_lease", "shop.toml"),
        ("sesion", "shop.toml"),
        ("gateway.max_body_bytes", "command line"),
        ("gateway.listen", "SWITCHBOARD__GATEWAY__LISTEN"),
        ("no_such", "SWITCHBOARD__NO_SUCH__KEY"),
    ] {
        let line = told.lines().find(|line| line.trim().starts_with(key));
        let line = line.unwrap_or_else(|| panic!("{key} is not told:\n{told}"));
        assert!(line.contains(source), "{line}");
    }
}

#[test]
fn each_part_alone_refuses_too() {
    for part in ["gateway", "chat-gateway", "session", "regulator", "agent-auth", "notifier"] {
        let output = run(&[part], &[("SWITCHBOARD__NODE__DRAIN_TIMEOUT", "never")]);
        assert_eq!(output.status.code(), Some(64), "{part}");
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(
            told.contains("node.drain_timeout") && told.contains("SWITCHBOARD__NODE__DRAIN_TIMEOUT"),
            "{told}"
        );
    }
}

#[test]
fn secrets_are_not_repeated() {
    let secret = "hunter2-hunter2";
    let output = run(
        &["up", "--set", "node.worker_threads=many"],
        &[
            ("SWITCHBOARD__GATEWAY__VISITOR__SHOP_SECRET", secret),
            ("SWITCHBOARD__MODEL__COZE__PRIVATE_KEY", secret),
        ],
    );
    assert_eq!(output.status.code(), Some(64));
    assert!(!String::from_utf8(output.stderr).unwrap().contains(secret));
}

#[test]
fn the_printed_configuration_is_one() {
    let output = run(&["config"], &[]);
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    let tree: toml::Table = text.parse().unwrap();
    for section in
        ["node", "gateway", "session", "chat_gateway", "regulator", "agent_auth", "notifier", "model"]
    {
        assert!(tree.contains_key(section), "[{section}] is missing");
    }
}
