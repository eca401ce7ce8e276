//! `switchboard regulator`: the part alone, or a replay of the past through a draft of its rules.

mod summary;

use clap::{Args, Subcommand};
use humantime_serde::re::humantime::{parse_duration, parse_rfc3339_weak};
use std::{
    fmt,
    io::Write as _,
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};
use switchboard_boot::{
    BuildError, Configured, Deps, Lifecycle, NodeConfig, Server, Tree,
    assemble::EXIT_USAGE,
    cli::Flags,
    system::{SystemClock, SystemRng},
};
use switchboard_domain::{Clock as _, ServiceName};
use switchboard_mesh::{CallContext, Directory, Mounted, loopback, reply::chain, status::from_status};
use switchboard_proto::regulator::v1::{
    WhatIfRequest, regulator_service_client::RegulatorServiceClient, what_if_request::Candidate,
    what_if_response::Event,
};

/// How long open work is given to finish when the replay is over.
const DRAIN: Duration = Duration::from_secs(5);

/// The escalation policy: alone, or what a draft of it would have done
#[derive(Args)]
pub(crate) struct Regulator {
    #[command(flatten)]
    flags: Flags,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Replay stored sessions through a draft and tell what would have been different
    WhatIf(WhatIf),
}

#[derive(Args)]
struct WhatIf {
    #[command(flatten)]
    flags: Flags,
    /// The draft: a rule document in YAML or JSON
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    /// Sessions touched within this time, like 7d or 12h
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    since: Duration,
    /// The end of that time in UTC, like 2026-05-01T00:00:00; left out: now. With it, the report can be made again
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<i64>,
    /// What the draft is compared with: "published", or the number of a version
    #[arg(long, default_value = "published", value_parser = base)]
    base: i64,
    /// At most so many sessions, newest first; 0: as many as the configuration allows
    #[arg(long, default_value_t = 0)]
    limit: u32,
    /// Agents who serve at once in the predicted queue; 0: as the configuration says
    #[arg(long, default_value_t = 0)]
    agents: u32,
    /// How long one takes; left out: the median of the sessions replayed
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    handling: Option<Duration>,
    /// The whole report as JSON
    #[arg(long)]
    json: bool,
}

fn base(text: &str) -> Result<i64, String> {
    match text {
        "published" => Ok(0),
        number => number
            .parse()
            .ok()
            .filter(|number| *number > 0)
            .ok_or_else(|| "neither `published` nor the number of a version".to_owned()),
    }
}

fn moment(text: &str) -> Result<i64, String> {
    let time = parse_rfc3339_weak(text).map_err(|error| error.to_string())?;
    let since_epoch = time.duration_since(UNIX_EPOCH).map_err(|error| error.to_string())?;
    i64::try_from(since_epoch.as_millis()).map_err(|error| error.to_string())
}

/// Runs the command.
pub(crate) fn run(regulator: &Regulator) -> ExitCode {
    match &regulator.command {
        None => crate::wiring::alone(ServiceName::Regulator, &regulator.flags),
        Some(Command::WhatIf(what_if)) => match what_if.run() {
            Ok(()) => ExitCode::SUCCESS,
            Err(problem) => {
                let _ = writeln!(std::io::stderr().lock(), "switchboard: {problem}");
                ExitCode::from(problem.exit)
            }
        },
    }
}

/// Why there is no report.
struct Problem {
    text: String,
    exit: u8,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Problem {
    fn usage(text: impl Into<String>) -> Self {
        Self { text: text.into(), exit: EXIT_USAGE }
    }

    fn failed(text: impl Into<String>) -> Self {
        Self { text: text.into(), exit: 1 }
    }
}

impl From<BuildError> for Problem {
    fn from(error: BuildError) -> Self {
        Self::failed(chain(&error))
    }
}

/// What both parts are built from.
struct House {
    tree: Tree,
    node: Arc<NodeConfig>,
    life: Lifecycle,
}

impl WhatIf {
    fn run(&self) -> Result<(), Problem> {
        let policy = std::fs::read_to_string(&self.policy)
            .map_err(|error| Problem::usage(format!("{}: {error}", self.policy.display())))?;
        let mut problems = Vec::new();
        let tree = Tree::load(&self.flags.sources("gateway.listen"), &mut problems);
        let node = tree.extract::<NodeConfig>(&mut problems);
        let Some(node) = node.filter(|_| problems.is_empty()) else { return Err(unusable(&problems)) };
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        let runtime =
            runtime.map_err(|error| Problem::failed(format!("the runtime cannot be started: {error}")))?;
        let house = House { tree, node: Arc::new(node), life: Lifecycle::new() };
        runtime.block_on(async {
            let report = self.report(&house, policy).await;
            // Whatever came of it, the databases are closed in order.
            house.life.stop(DRAIN).await;
            let report = report?;
            let text = if self.json { format!("{report}\n") } else { summary::of(&report)? };
            // A closed standard output wants no report.
            let _ = std::io::stdout().lock().write_all(text.as_bytes());
            Ok(())
        })
    }

    /// Builds the two parts that are needed in this process, without ports, and asks.
    async fn report(&self, house: &House, policy: String) -> Result<String, Problem> {
        let none = Directory::new(ServiceName::Session);
        let session =
            switchboard_session::build(house.config()?, house.deps(ServiceName::Session, none)).await?;
        let session = mounted(session)?;
        let mut peers = Directory::new(ServiceName::Regulator);
        let channel = loopback(ServiceName::Regulator, house.node.mesh.call_timeout, session.guarded);
        peers.add(ServiceName::Session, channel).map_err(|error| Problem::failed(error.to_string()))?;
        let deps = house.deps(ServiceName::Regulator, peers);
        let regulator = mounted(switchboard_regulator::build(house.config()?, deps).await?)?;
        let channel = loopback(ServiceName::Gateway, house.node.mesh.call_timeout, regulator.guarded);
        let context = CallContext::background(ServiceName::Gateway, &SystemClock, &SystemRng);
        context.scope(self.ask(RegulatorServiceClient::new(channel), policy)).await
    }

    async fn ask(
        &self,
        mut regulator: RegulatorServiceClient<switchboard_mesh::Channel>,
        policy: String,
    ) -> Result<String, Problem> {
        let ms = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        let until = self.until.unwrap_or_else(|| SystemClock.now().millis());
        let request = WhatIfRequest {
            candidate: Some(Candidate::Document(policy)),
            base: self.base,
            since_ms: until.saturating_sub(ms(self.since)).max(1),
            until_ms: until,
            limit: self.limit,
            agents: self.agents,
            handling_ms: self.handling.map(ms).unwrap_or_default(),
        };
        let refused = |status: tonic::Status| {
            let failure = from_status(&status);
            match failure.code.as_ref() {
                "INVALID_RULES" => Problem::usage(format!("{}: {}", self.policy.display(), failure.message)),
                _ => Problem::failed(failure.to_string()),
            }
        };
        let mut answers = regulator.what_if(request).await.map_err(refused)?.into_inner();
        let mut report = String::new();
        while let Some(answer) = answers.message().await.map_err(refused)? {
            match answer.event {
                Some(Event::Progress(progress)) if !self.json => {
                    let _ = writeln!(std::io::stderr().lock(), "{} sessions replayed", progress.sessions);
                }
                Some(Event::Report(piece)) => report.push_str(&piece),
                Some(Event::Progress(_)) | None => {}
            }
        }
        Ok(report)
    }
}

impl House {
    fn config<C: Configured>(&self) -> Result<C, Problem> {
        let mut problems = Vec::new();
        self.tree.extract(&mut problems).ok_or_else(|| unusable(&problems))
    }

    fn deps(&self, name: ServiceName, peers: Directory) -> Deps {
        Deps {
            name,
            clock: Arc::new(SystemClock),
            rng: Arc::new(SystemRng),
            coord: switchboard_coord::Coord::alone(),
            peers,
            tasks: self.life.clone(),
            node: Arc::clone(&self.node),
        }
    }
}

fn mounted(server: Server) -> Result<Mounted, Problem> {
    server.mounted.ok_or_else(|| Problem::failed("a part answers no calls"))
}

fn unusable(problems: &[switchboard_boot::ConfigProblem]) -> Problem {
    let lines: Vec<String> = problems.iter().map(|problem| format!("\n  {problem}")).collect();
    Problem::usage(format!("the configuration cannot be used:{}", lines.concat()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        regulator: Regulator,
    }

    fn what_if(arguments: &[&str]) -> Result<WhatIf, clap::Error> {
        let line = ["regulator", "what-if", "--policy", "draft.yaml"].iter().chain(arguments);
        let line = Line::try_parse_from(line)?;
        Ok(match line.regulator.command {
            Some(Command::WhatIf(what_if)) => what_if,
            None => panic!("no command"),
        })
    }

    #[test]
    fn the_command_line() {
        let read = what_if(&["--since", "7d", "--until", "1970-01-02T00:00:00"]).unwrap();
        assert_eq!((read.base, read.since, read.until), (0, Duration::from_hours(168), Some(86_400_000)));
        assert_eq!(what_if(&["--since", "90m", "--base", "3"]).unwrap().base, 3);
        assert_eq!(what_if(&["--since", "90m", "--base", "published"]).unwrap().base, 0);
        for wrong in [
            &["--since", "7x"][..],
            &["--since", "7d", "--base", "0"],
            &["--since", "7d", "--base", "last"],
            &["--since", "7d", "--until", "tomorrow"],
            &[],
        ] {
            assert!(what_if(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_replay_of_nothing_and_a_draft_that_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let draft = folder.path().join("draft.yaml");
        std::fs::write(&draft, "rules: {vip: {enabled: false}}\n").unwrap();
        let mut command = what_if(&["--since", "7d", "--data-dir", data.to_str().unwrap()]).unwrap();
        command.policy.clone_from(&draft);
        let mut problems = Vec::new();
        let tree = Tree::load(&command.flags.sources("gateway.listen"), &mut problems);
        let node = Arc::new(tree.extract::<NodeConfig>(&mut problems).unwrap());
        let house = House { tree, node, life: Lifecycle::new() };
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let ask = |policy: &str| runtime.block_on(command.report(&house, policy.to_owned()));
        let Ok(report) = ask("rules: {vip: {enabled: false}}") else { panic!("a report") };
        let Ok(summary) = summary::of(&report) else { panic!("a summary") };
        assert!(summary.contains(": 0 sessions, 0 turns\n"), "{summary}");
        let Err(problem) = ask("rules:\n  vip: 1\n") else { panic!("a problem") };
        assert_eq!(problem.exit, EXIT_USAGE);
        assert!(problem.text.contains("draft.yaml: line 2"), "{}", problem.text);
        assert!(runtime.block_on(house.life.stop(DRAIN)));
    }
}
