//! Every member takes lints, edition, licence and dependencies from the workspace.

use crate::{folder, members, report, root};
use std::fs;
use toml::{Table, Value};

const INHERITED: [&str; 5] = ["version", "edition", "rust-version", "license", "publish"];
const DEPENDENCIES: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];

fn manifests() -> Vec<(String, Table)> {
    let read = |package| {
        let path = folder(package).join("Cargo.toml");
        let text = fs::read_to_string(root().join(&path)).unwrap();
        (path.display().to_string(), text.parse().unwrap())
    };
    members().into_iter().map(read).collect()
}

fn from_workspace(value: Option<&Value>) -> bool {
    value.and_then(|value| value.get("workspace")).and_then(Value::as_bool) == Some(true)
}

#[test]
fn members_inherit_from_the_workspace() {
    let mut problems = Vec::new();
    for (path, manifest) in manifests() {
        if !from_workspace(manifest.get("lints")) {
            problems.push(format!("{path}: [lints] workspace = true"));
        }
        let package = &manifest["package"];
        let missing = INHERITED.iter().filter(|key| !from_workspace(package.get(**key)));
        problems.extend(missing.map(|key| format!("{path}: {key}.workspace = true")));
        for table in DEPENDENCIES {
            let dependencies = manifest.get(table).and_then(Value::as_table);
            let own = dependencies.into_iter().flatten().filter(|(_, value)| !from_workspace(Some(value)));
            problems.extend(own.map(|(name, _)| format!("{path}: {name}.workspace = true")));
        }
    }
    report("what the workspace decides stands in a member", &problems);
}

#[test]
fn the_workspace_forbids_what_it_must() {
    let text = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let manifest: Table = text.parse().unwrap();
    let lints = &manifest["workspace"]["lints"];
    assert_eq!(lints["rust"]["unsafe_code"].as_str(), Some("forbid"));
    for lint in
        ["mod_module_files", "allow_attributes", "await_holding_lock", "dbg_macro", "todo", "print_stdout"]
    {
        assert_eq!(lints["clippy"][lint].as_str(), Some("deny"), "{lint}");
    }
}
