//! `load-bench`: Switchboard against limit programs that do the same work with the least there is, side by side in one
//! run. Absolute times drift on shared machines; the ratios within a round hold.

mod baselines;
mod bench;
mod children;
mod client;
mod clock;
mod error;
mod http1;
mod lane;
mod limits;
mod metric;
mod proc;
mod product;
mod race;
mod report;
mod scenarios;
mod sse;
mod stats;

use baselines::Baselines;
use bench::{Bench, Options};
use clap::{Parser, Subcommand};
use error::Error;
use report::{Judged, Report};
use scenarios::Scenario;
use std::{
    io::Write as _,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};
use tokio::signal::unix::{SignalKind, signal};

/// Where the Postgres for the mesh is found.
const POSTGRES: &str = "SWITCHBOARD_BENCH_POSTGRES";

/// Measures Switchboard against limit programs
#[derive(Parser)]
#[command(name = "load-bench", version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    limit: Option<Hidden>,
    #[command(flatten)]
    run: Run,
}

#[derive(clap::Args)]
struct Run {
    /// What to measure
    #[arg(value_enum, default_value = "all")]
    scenario: Scenario,
    /// Rounds that count; one more warms up [default: 5, 2 when short]
    #[arg(long)]
    rounds: Option<usize>,
    /// Seconds that each lane runs in a round [default: 1.5, 0.6 when short]
    #[arg(long)]
    secs: Option<f64>,
    /// Callers at once, for those scenarios that have callers [default: what each is meant for]
    #[arg(long, value_delimiter = ',')]
    callers: Vec<usize>,
    /// All scenarios in less than three minutes
    #[arg(long)]
    short: bool,
    /// Paced streams at once
    #[arg(long, default_value_t = 200)]
    streams: usize,
    /// Listeners that drop and come back
    #[arg(long, default_value_t = 200)]
    listeners: usize,
    /// Switchboard's binary [default: the one built beside this program, else of the quick or the release profile]
    #[arg(long)]
    switchboard: Option<PathBuf>,
    /// Measure the limit programs alone
    #[arg(long)]
    limits_only: bool,
    /// Any key of Switchboard's configuration, for comparisons
    #[arg(long, value_name = "SECTION.KEY=VALUE")]
    set: Vec<String>,
}

#[derive(Subcommand)]
enum Hidden {
    /// A limit program
    #[command(subcommand, hide = true)]
    Limit(Limit),
}

#[derive(Subcommand)]
enum Limit {
    FakeOpenai {
        address: SocketAddr,
        #[arg(long)]
        tokens: u32,
    },
    Service {
        address: SocketAddr,
        #[arg(long)]
        upstream: String,
    },
    Edge {
        address: SocketAddr,
        #[arg(long)]
        service: SocketAddr,
        #[arg(long)]
        upstream: String,
        #[arg(long)]
        threads: usize,
    },
    Store {
        #[arg(long)]
        folder: PathBuf,
        #[arg(long)]
        postgres: Option<String>,
        #[arg(long)]
        waiters: usize,
        #[arg(long)]
        millis: u64,
    },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match cli.limit {
        Some(Hidden::Limit(limit)) => limit.run(),
        // One thread, so that the load takes no more than one core.
        None => limits::run(1, interruptible(cli.run)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "load-bench: {}", error.chain());
            ExitCode::FAILURE
        }
    }
}

impl Limit {
    fn run(self) -> Result<(), Error> {
        match self {
            Self::FakeOpenai { address, tokens } => limits::run(1, limits::fake_openai::run(address, tokens)),
            Self::Service { address, upstream } => limits::run(1, limits::service::run(address, &upstream)),
            Self::Edge { address, service, upstream, threads } => {
                limits::run(threads, limits::edge::run(address, service, &upstream))
            }
            Self::Store { folder, postgres, waiters, millis } => {
                let time = Duration::from_millis(millis);
                let found = limits::run(1, limits::store::run(&folder, postgres.as_deref(), waiters, time))?;
                serde_json::to_writer(std::io::stdout(), &found)
                    .map_err(|error| Error::other("the figures cannot be written", error))
            }
        }
    }
}

/// Ends the children also when told to stop.
async fn interruptible(run: Run) -> Result<(), Error> {
    let handler = |kind| signal(kind).map_err(|error| Error::io("signals cannot be received", error));
    let (mut stop, mut interrupt) = (handler(SignalKind::terminate())?, handler(SignalKind::interrupt())?);
    tokio::select! {
        outcome = bench(run) => outcome,
        _ = stop.recv() => Err(Error::Usage("stopped".to_owned())),
        _ = interrupt.recv() => Err(Error::Usage("interrupted".to_owned())),
    }
}

async fn bench(run: Run) -> Result<(), Error> {
    let scenario = run.scenario;
    let bench = Bench::new(options(run)?).await?;
    let baselines = Baselines::load()?;
    let mut tables = Vec::new();
    let mut out = std::io::stdout();
    let outcome = scenarios::run(scenario, &bench, &baselines, &mut |table| {
        // A closed standard output is no reason to stop measuring.
        let _ = writeln!(out, "{}", Judged::new(&table, &baselines).text());
        tables.push(table);
    })
    .await;
    let report = Report {
        cores: bench.cores,
        rounds: bench.options.rounds,
        lane_ms: bench.options.time.as_millis(),
        tables: tables.iter().map(|table| Judged::new(table, &baselines)).collect(),
    };
    let path = report.save(&bench.folder, clock::now_ns() / 1_000_000_000)?;
    let _ = writeln!(out, "{}", path.display());
    outcome
}

fn options(run: Run) -> Result<Options, Error> {
    let secs = run.secs.unwrap_or(if run.short { 0.6 } else { 1.5 });
    let time = Duration::try_from_secs_f64(secs).map_err(|error| Error::Usage(format!("--secs: {error}")))?;
    if time.is_zero()
        || run.rounds == Some(0)
        || run.streams == 0
        || run.listeners == 0
        || run.callers.contains(&0)
    {
        return Err(Error::Usage("nothing to measure".to_owned()));
    }
    Ok(Options {
        rounds: run.rounds.unwrap_or(if run.short { 2 } else { 5 }),
        time,
        short: run.short,
        callers: run.callers,
        streams: run.streams,
        listeners: run.listeners,
        set: run.set,
        postgres: std::env::var(POSTGRES).ok().filter(|url| !url.is_empty()),
        switchboard: if run.limits_only { None } else { Some(switchboard(run.switchboard)?) },
    })
}

/// Built with the same profile, if it is there.
fn switchboard(given: Option<PathBuf>) -> Result<PathBuf, Error> {
    let beside = std::env::current_exe().ok().and_then(|me| Some(me.parent()?.join("switchboard")));
    let built = ["target/quick/switchboard", "target/release/switchboard"]
        .map(|path| Some(Path::new(path).to_path_buf()));
    let mut places = match given {
        Some(path) => vec![path],
        None => [beside].into_iter().chain(built).flatten().collect(),
    };
    places.retain(|path| path.is_file());
    let found = places.into_iter().next();
    found.ok_or_else(|| {
        Error::Usage(
            "switchboard is not built: cargo build --profile quick -p switchboard, or --limits-only"
                .to_owned(),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
        let cli = Cli::parse_from(["load-bench", "turn", "--short", "--set", "a.b=c"]);
        assert_eq!((cli.run.scenario, cli.run.short, cli.run.set.len()), (Scenario::Turn, true, 1));
        assert!(cli.limit.is_none());
        let cli =
            Cli::parse_from(["load-bench", "limit", "service", "127.0.0.1:1", "--upstream", "http://x"]);
        assert!(matches!(cli.limit, Some(Hidden::Limit(Limit::Service { .. }))));
    }

    #[test]
    fn a_short_run_is_shorter_and_nothing_is_refused() {
        let run = |arguments: &[&str]| options(Cli::parse_from(arguments).run);
        let short = run(&["load-bench", "--short", "--limits-only"]).unwrap();
        let long = run(&["load-bench", "--limits-only"]).unwrap();
        assert!(short.rounds < long.rounds && short.time < long.time && short.switchboard.is_none());
        assert!(run(&["load-bench", "--rounds", "0", "--limits-only"]).is_err());
        assert!(run(&["load-bench", "--secs", "0", "--limits-only"]).is_err());
    }
}
