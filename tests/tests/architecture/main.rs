//! How the house is built: who may depend on whom, what may stand in a source file, that the protos, the call graph and
//! the configuration say the same.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod configuration;
mod floors;
mod manifests;
mod roles;
mod shape;
mod sources;
mod wire;

use cargo_metadata::{Metadata, MetadataCommand, Package};
use std::{
    path::{Path, PathBuf},
    sync::LazyLock,
};

/// The workspace as cargo sees it. Asks no network and resolves nothing.
static WORKSPACE: LazyLock<Metadata> = LazyLock::new(|| {
    let manifest = root().join("Cargo.toml");
    MetadataCommand::new()
        .manifest_path(manifest)
        .no_deps()
        .other_options(["--offline".to_owned()])
        .exec()
        .expect("cargo metadata")
});

/// The root of the repository.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the root")
}

fn members() -> Vec<&'static Package> {
    WORKSPACE.workspace_packages()
}

/// The folder of a member, from the root.
fn folder(package: &Package) -> PathBuf {
    let folder = package.manifest_path.parent().expect("a manifest lies in a folder").as_std_path();
    folder.strip_prefix(root()).expect("members lie in the root").to_owned()
}

/// Fails with all problems at once.
#[track_caller]
fn report(rule: &str, problems: &[String]) {
    assert!(problems.is_empty(), "{rule}:\n  {}\n", problems.join("\n  "));
}
