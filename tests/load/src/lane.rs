//! One lane: a way to do the work, and how it is measured for one round.

use crate::{
    bench::Bench,
    client::{Callers, Load},
    error::Error,
    limits::store::Found,
    metric::{Measure, Metric, Values},
    proc::{Group, Machine},
    scenarios::{footprint::Start, resume::Storm},
    stats,
};
use std::{path::PathBuf, time::Duration};
use tokio::{process::Command, time::Instant};

/// A way to do the work.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) name: &'static str,
    /// The lane that this one is held against.
    pub(crate) limit: Option<&'static str>,
    /// The processes whose CPU time counts.
    pub(crate) processes: Group,
    pub(crate) job: Job,
}

/// How a lane is measured.
#[derive(Debug)]
pub(crate) enum Job {
    /// Callers in a closed loop.
    Load(Load),
    /// Callers with one slow answer each, and the memory while all are open.
    Paced(Paced),
    /// Rows that are safe on disk, with so many waiters.
    Store(Store),
    /// Listeners that come back.
    Storm(Box<Storm>),
    /// A process from exec to its first answer.
    Start(Start),
    /// Parts of one path, each with how often it is walked.
    Sum(Vec<(&'static str, f64)>),
    /// Figures that were measured elsewhere.
    Recorded(Values),
}

/// Slow answers.
#[derive(Debug)]
pub(crate) struct Paced {
    pub(crate) load: Load,
    /// When all are open, from the start.
    pub(crate) all_open: Duration,
    /// Memory before the first of them, in KiB.
    pub(crate) idle_kib: u64,
}

/// Rows that are safe on disk.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) folder: PathBuf,
    pub(crate) postgres: Option<String>,
    pub(crate) waiters: usize,
}

/// What one round of one lane found, and what the neighbours took meanwhile, in CPUs.
#[derive(Debug)]
pub(crate) struct Round {
    pub(crate) measure: Measure,
    pub(crate) others: Option<f64>,
}

impl Lane {
    /// Measures once. `ours` are all processes of the bench, working or not.
    ///
    /// # Errors
    /// When the lane cannot be run; requests that fail are told in the measure.
    pub(crate) async fn measure(&mut self, bench: &Bench, ours: &Group) -> Result<Round, Error> {
        let all = Group::of(vec![std::process::id()]).and(ours);
        let (machine, used, began) = (Machine::now(), all.cpu(), Instant::now());
        let (measure, elsewhere) = match &mut self.job {
            Job::Load(load) => {
                (Self::callers(load.clone(), &self.processes, bench.options.time).await?, Duration::ZERO)
            }
            Job::Paced(paced) => (paced.measure(&self.processes).await?, Duration::ZERO),
            Job::Store(store) => store.measure(bench).await?,
            Job::Storm(storm) => (storm.measure(&self.processes).await?, Duration::ZERO),
            Job::Start(start) => start.measure(bench).await?,
            Job::Recorded(values) => {
                let measure = Measure { values: values.clone(), ..Measure::default() };
                return Ok(Round { measure, others: None });
            }
            Job::Sum(_) => return Ok(Round { measure: Measure::default(), others: None }),
        };
        let used = all.cpu().saturating_sub(used) + elsewhere;
        let others = Machine::now().others_since(machine, used, began.elapsed());
        Ok(Round { measure, others: Some(others) })
    }

    async fn callers(load: Load, processes: &Group, time: Duration) -> Result<Measure, Error> {
        let callers = Callers::connect(load).await?;
        let before = processes.cpu();
        let tally = callers.run().await?;
        Ok(Measure::of(&tally, time, processes.cpu().saturating_sub(before)))
    }
}

impl Paced {
    async fn measure(&self, processes: &Group) -> Result<Measure, Error> {
        let callers = Callers::connect(self.load.clone()).await?;
        let (before, began) = (processes.cpu(), Instant::now());
        let looking = async {
            tokio::time::sleep(self.all_open).await;
            processes.resident_kib()
        };
        let (tally, resident) = tokio::join!(callers.run(), looking);
        let mut measure = Measure::of(&tally?, began.elapsed(), processes.cpu().saturating_sub(before));
        let grown = stats::real(resident.saturating_sub(self.idle_kib));
        measure.values.insert(Metric::RssKib, grown / stats::real_len(self.load.requests.len()));
        Ok(measure)
    }
}

impl Store {
    async fn measure(&self, bench: &Bench) -> Result<(Measure, Duration), Error> {
        let mut command = Command::new(&bench.me);
        command.args(["limit", "store", "--waiters", &self.waiters.to_string()]);
        command.args(["--millis", &bench.options.time.as_millis().to_string(), "--folder"]).arg(&self.folder);
        if let Some(url) = &self.postgres {
            command.args(["--postgres", url]);
        }
        let postgres = Group::default().with_family(bench.postmaster.filter(|_| self.postgres.is_some()));
        let before = postgres.cpu();
        let output = command.kill_on_drop(true).output().await;
        let output = output.map_err(|error| Error::io("the store's limit cannot be started", error))?;
        if !output.status.success() {
            let problem = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(Error::Child { name: "limit-store".to_owned(), problem });
        }
        let found: Found = serde_json::from_slice(&output.stdout)
            .map_err(|error| Error::other("the store's limit cannot be read", error))?;
        let database = postgres.cpu().saturating_sub(before);
        let cpu_us = found.cpu_us + database.as_secs_f64() * 1e6;
        let rows = stats::real(found.rows);
        let values = Values::from([
            (Metric::Rate, rows / found.secs),
            (Metric::P50, found.p50_us),
            (Metric::P99, found.p99_us),
            (Metric::Cpu, cpu_us / rows.max(1.0)),
        ]);
        let bad = u64::from(found.rows == 0);
        Ok((Measure { values, bad, ..Measure::default() }, Duration::from_micros(whole_us(cpu_us))))
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "microseconds of one run")]
fn whole_us(us: f64) -> u64 {
    us.max(0.0) as u64
}
