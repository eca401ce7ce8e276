//! A report for people: the numbers, the first cases, the queue.

use super::Problem;
use serde::Deserialize;
use std::{fmt::Write as _, time::Duration};

/// Cases that are shown of each list; `--json` has them all.
const CASES: usize = 10;

#[derive(Deserialize)]
struct Report {
    base: Policy,
    draft: Policy,
    sessions: u64,
    turns: u64,
    limited: bool,
    escalated: Escalated,
    by_rule: Vec<ByRule>,
    newly_escalated: Cases,
    no_longer_escalated: Cases,
    earlier: Cases,
    later: Cases,
    other_rule: Cases,
    queue: Queues,
    #[serde(rename = "report_digest")]
    digest: String,
}

#[derive(Deserialize)]
struct Policy {
    version: String,
}

#[derive(Deserialize)]
struct Escalated {
    base: u64,
    draft: u64,
    on_record: u64,
}

#[derive(Deserialize)]
struct ByRule {
    rule: String,
    base: u64,
    draft: u64,
}

#[derive(Deserialize)]
struct Cases {
    count: u64,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    session: String,
    base: Option<Call>,
    draft: Option<Call>,
}

#[derive(Deserialize)]
struct Call {
    turn: u32,
    rule: String,
    evidence: Vec<String>,
    excerpt: String,
}

#[derive(Deserialize)]
struct Queues {
    agents: u32,
    handling_ms: u64,
    handling_from: String,
    base: Queue,
    draft: Queue,
}

#[derive(Deserialize)]
struct Queue {
    arrivals: u64,
    waited: u64,
    max_wait_ms: u64,
    mean_wait_ms: u64,
    most_waiting: u64,
    by_hour_utc: Vec<u64>,
}

/// The report as text.
pub(super) fn of(json: &str) -> Result<String, Problem> {
    let report: Report = serde_json::from_str(json)
        .map_err(|error| Problem::failed(format!("the report cannot be read: {error}")))?;
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write(&mut out, &report);
    Ok(out)
}

fn write(out: &mut String, report: &Report) -> std::fmt::Result {
    let Report { base, draft, sessions, turns, escalated, queue, .. } = report;
    writeln!(out, "{} against {}: {sessions} sessions, {turns} turns", draft.version, base.version)?;
    if report.limited {
        writeln!(out, "There may be more sessions in that time; the oldest were left out.")?;
    }
    writeln!(out, "\n{:<22}{:>10}{:>10}", "", "base", "draft")?;
    writeln!(out, "{:<22}{:>10}{:>10}", "a human is called", escalated.base, escalated.draft)?;
    for rule in &report.by_rule {
        writeln!(out, "  {:<20}{:>10}{:>10}", rule.rule, rule.base, rule.draft)?;
    }
    writeln!(out, "in reality one was called in {} of these sessions", escalated.on_record)?;
    for (title, list) in [
        ("newly escalated", &report.newly_escalated),
        ("no longer escalated", &report.no_longer_escalated),
        ("escalated earlier", &report.earlier),
        ("escalated later", &report.later),
        ("by another rule", &report.other_rule),
    ] {
        writeln!(out, "\n{title}: {}", list.count)?;
        for case in list.cases.iter().take(CASES) {
            cases(out, case)?;
        }
    }
    let minutes = Duration::from_millis(queue.handling_ms);
    writeln!(out, "\nqueue with {} agents, {minutes:?} each ({})", queue.agents, queue.handling_from)?;
    writeln!(out, "{:<22}{:>10}{:>10}", "", "base", "draft")?;
    let (one, other) = (&queue.base, &queue.draft);
    for (title, one, other) in [
        ("customers", one.arrivals.to_string(), other.arrivals.to_string()),
        ("of whom wait", one.waited.to_string(), other.waited.to_string()),
        ("mean wait", seconds(one.mean_wait_ms), seconds(other.mean_wait_ms)),
        ("longest wait", seconds(one.max_wait_ms), seconds(other.max_wait_ms)),
        ("wait at once, at most", one.most_waiting.to_string(), other.most_waiting.to_string()),
    ] {
        writeln!(out, "{title:<22}{one:>10}{other:>10}")?;
    }
    let hours = one.by_hour_utc.iter().zip(&other.by_hour_utc).enumerate();
    for (hour, (one, other)) in hours.filter(|(_, (one, other))| **one + **other > 0) {
        writeln!(out, "  {:<20}{one:>10}{other:>10}", format!("{hour:02}:00 UTC"))?;
    }
    writeln!(out, "\nreport {}", report.digest)
}

fn cases(out: &mut String, case: &Case) -> std::fmt::Result {
    for (whose, call) in [("base", &case.base), ("draft", &case.draft)] {
        if let Some(call) = call {
            let evidence = call.evidence.join(", ");
            let (session, turn, rule, excerpt) = (&case.session, call.turn, &call.rule, &call.excerpt);
            writeln!(out, "  {session}  {whose}, turn {turn}, {rule} ({evidence}): {excerpt}")?;
        }
    }
    Ok(())
}

fn seconds(ms: u64) -> String {
    let seconds = ms / 1000;
    format!("{}m{:02}s", seconds / 60, seconds % 60)
}
