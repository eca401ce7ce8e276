//! The scenarios: which lanes do the same work. Each starts its own processes, so that none inherits memory or warmth.

pub(crate) mod footprint;
pub(crate) mod reads;
pub(crate) mod resume;
pub(crate) mod streams;
pub(crate) mod turns;

use crate::{
    baselines::Baselines,
    bench::{Bench, Limits},
    error::Error,
    proc::Group,
    product::{Product, Shape},
    race::Table,
};

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Scenario {
    /// Everything
    All,
    /// An authenticated read against a bare HTTP server
    Edge,
    /// An authenticated read against a bare gRPC hop
    Read,
    /// Whole chat turns, kept on disk
    Turn,
    /// Streamed answers, as fast as they come and at a pace
    Stream,
    /// Listeners that drop and come back
    Resume,
    /// Start and memory
    Footprint,
}

/// Runs a scenario; gives each table to `tell` as soon as it is there.
///
/// # Errors
/// When a lane cannot be run.
pub(crate) async fn run(
    scenario: Scenario,
    bench: &Bench,
    baselines: &Baselines,
    tell: &mut dyn FnMut(Table),
) -> Result<(), Error> {
    let is_wanted = |one| scenario == one || scenario == Scenario::All;
    let given = &bench.options.callers;
    let callers = |meant: &[usize]| if given.is_empty() { meant.to_vec() } else { given.clone() };
    if is_wanted(Scenario::Footprint) {
        tell(footprint::run(bench).await?);
    }
    if is_wanted(Scenario::Edge) {
        for callers in callers(&[32]) {
            tell(reads::edge(bench, callers).await?);
        }
    }
    if is_wanted(Scenario::Read) {
        for callers in callers(if bench.options.short { &[32] } else { &[32, 256] }) {
            tell(reads::read(bench, callers).await?);
        }
    }
    if is_wanted(Scenario::Turn) {
        for callers in callers(&[1, 16, 64]) {
            tell(turns::run(bench, baselines, callers).await?);
        }
    }
    if is_wanted(Scenario::Stream) {
        for callers in callers(&[1, 16]) {
            tell(streams::burst(bench, callers).await?);
        }
        tell(streams::paced(bench).await?);
    }
    if is_wanted(Scenario::Resume) {
        tell(resume::run(bench).await?);
    }
    Ok(())
}

/// The limit programs, and Switchboard in both shapes if there is a binary.
struct Field {
    limits: Limits,
    products: Vec<Product>,
}

impl Field {
    async fn start(bench: &Bench) -> Result<Self, Error> {
        let limits = Limits::start(bench).await?;
        let upstream = limits.upstream();
        let mut products = Vec::new();
        for shape in [Shape::Single, Shape::Mesh] {
            products.extend(Product::start(bench, shape, &upstream).await?);
        }
        Ok(Self { limits, products })
    }

    /// All processes.
    fn ours(&self) -> Group {
        self.products.iter().fold(self.limits.all(), |all, product| all.and(&product.processes()))
    }
}
