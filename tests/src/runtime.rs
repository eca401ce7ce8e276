//! The one runtime of a test program. Tests that share a World share what it talks to, and that must not end with the
//! test that happened to start it.

use std::{future::Future, sync::LazyLock};
use tokio::runtime::Runtime;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
});

/// Runs a test to its end.
pub fn run<F: Future>(work: F) -> F::Output {
    RUNTIME.block_on(work)
}
