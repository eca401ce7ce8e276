//! A command of an operator that works on a part's data and ends: with the part's configuration, without its services.

use crate::{
    BuildError, Configured, Deps, Lifecycle, NodeConfig, Sources, Tree,
    assemble::{die, refuse},
    system::{SystemClock, SystemRng},
};
use std::{future::Future, io::Write as _, process::ExitCode, sync::Arc};
use switchboard_domain::ServiceName;
use switchboard_mesh::{Directory, reply::chain};

/// Runs `work` with the configuration of the part `name` and prints the line that it answers. The part itself may be
/// running elsewhere meanwhile.
pub fn run<C, F, Fut>(name: ServiceName, sources: &Sources, work: F) -> ExitCode
where
    C: Configured,
    F: FnOnce(C, Deps) -> Fut,
    Fut: Future<Output = Result<String, BuildError>>,
{
    let mut problems = Vec::new();
    let tree = Tree::load(sources, &mut problems);
    let node = tree.extract::<NodeConfig>(&mut problems);
    let config = tree.extract::<C>(&mut problems);
    let (Some(node), Some(config), true) = (node, config, problems.is_empty()) else {
        return refuse(&problems);
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return die(&format!("the runtime cannot be started: {error}")),
    };
    // Exactly one TLS provider is compiled in; an error means that it is installed already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let life = Lifecycle::new();
    let drain_timeout = node.node.drain_timeout;
    let deps = Deps {
        name,
        clock: Arc::new(SystemClock),
        rng: Arc::new(SystemRng),
        coord: switchboard_coord::Coord::alone(),
        peers: Directory::new(name),
        tasks: life.clone(),
        node: Arc::new(node),
    };
    let outcome = runtime.block_on(async {
        let outcome = work(config, deps).await;
        life.stop(drain_timeout).await;
        outcome
    });
    match outcome {
        Ok(line) => match writeln!(std::io::stdout().lock(), "{line}") {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => die(&format!("the answer cannot be printed: {error}")),
        },
        Err(error) => die(&chain(&error)),
    }
}
