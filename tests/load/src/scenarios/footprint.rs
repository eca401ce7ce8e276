//! From exec to the first 200, and the memory of a process that has nothing to do. Switchboard runs here as it comes:
//! five services and the edge in one process, the built-in knowledge, SQLite.

use crate::{
    bench::Bench,
    children::Running,
    error::Error,
    lane::{Job, Lane},
    metric::{Measure, Metric, Values},
    proc::Group,
    product::start_single,
    race::{Race, Table},
    stats,
};
use std::{path::PathBuf, time::Duration};
use tokio::time::Instant;

const COLUMNS: &[Metric] = &[Metric::StartMs, Metric::IdleMib, Metric::Cpu];
/// After so long a process has nothing to do any more.
const IDLE_AFTER: Duration = Duration::from_millis(500);

/// A start that is measured.
#[derive(Debug)]
pub(crate) enum Start {
    /// The edge of the limits.
    Limit,
    /// Switchboard, with nothing there yet.
    First(PathBuf),
    /// Switchboard, with a database that is there.
    Next(PathBuf),
}

/// Start and memory.
///
/// # Errors
/// When a lane cannot be run.
pub(crate) async fn run(bench: &Bench) -> Result<Table, Error> {
    let lane = |name, limit, start| Lane { name, limit, processes: Group::default(), job: Job::Start(start) };
    let mut lanes = vec![lane("limit edge", None, Start::Limit)];
    if let Some(binary) = &bench.options.switchboard {
        lanes.push(lane("first start", Some("limit edge"), Start::First(binary.clone())));
        lanes.push(lane("next start", Some("limit edge"), Start::Next(binary.clone())));
    }
    Race { scenario: "footprint", callers: 1, lanes, direct: None, columns: COLUMNS, ours: Group::default() }
        .run(bench)
        .await
}

impl Start {
    /// Starts, looks and ends; gives also the CPU time that it took.
    ///
    /// # Errors
    /// When the process does not serve.
    pub(crate) async fn measure(&self, bench: &Bench) -> Result<(Measure, Duration), Error> {
        let data = bench.data()?;
        if let Self::Next(binary) = self {
            let address = bench.ports.free()?;
            start_single(bench, binary, address, data.path())?.serves(address, "/readyz").await?;
        }
        let address = bench.ports.free()?;
        let began = Instant::now();
        let (mut child, path): (Running, _) = match self {
            Self::Limit => {
                let nowhere = ["--service", "127.0.0.1:1", "--upstream", "http://127.0.0.1:1", "--threads"];
                let mut arguments = vec!["limit".to_owned(), "edge".to_owned(), address.to_string()];
                arguments.extend(nowhere.map(str::to_owned));
                arguments.push(bench.cores.to_string());
                (Running::start("limit-start", &bench.me, &arguments, &bench.logs())?, "/ready")
            }
            Self::First(binary) | Self::Next(binary) => {
                (start_single(bench, binary, address, data.path())?, "/readyz")
            }
        };
        child.serves(address, path).await?;
        let started = began.elapsed();
        let processes = Group::of(vec![child.pid()]);
        let cpu = processes.cpu();
        tokio::time::sleep(IDLE_AFTER).await;
        let idle = stats::real(processes.resident_kib()) / 1024.0;
        let values = Values::from([
            (Metric::StartMs, started.as_secs_f64() * 1e3),
            (Metric::IdleMib, idle),
            (Metric::Cpu, cpu.as_secs_f64() * 1e6),
        ]);
        Ok((Measure { values, ..Measure::default() }, processes.cpu()))
    }
}
