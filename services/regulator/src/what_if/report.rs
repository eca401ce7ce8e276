//! The report: what the two policies do differently.

use super::replay::Point;
use crate::{RegulatorError, document::digest, wire::phase_name};
use serde::Serialize;
use switchboard_domain::regulation::{RuleId, Severity};

/// What the two policies do differently. Everything is a whole number or a text; lists are sorted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Report {
    pub(crate) base: Policy,
    pub(crate) draft: Policy,
    /// The span that was asked for, ms since the Unix epoch.
    pub(crate) since_ms: i64,
    pub(crate) until_ms: i64,
    /// Sessions that were replayed, the turns in them, and sessions of which only the beginning was.
    pub(crate) sessions: u64,
    pub(crate) turns: u64,
    pub(crate) cut: u64,
    /// Whether there were more sessions in the span than may be replayed: the oldest were left out.
    pub(crate) limited: bool,
    /// Sessions in which a human is called.
    pub(crate) escalated: Escalated,
    /// The same by rule.
    pub(crate) by_rule: Vec<ByRule>,
    pub(crate) newly_escalated: Cases,
    pub(crate) no_longer_escalated: Cases,
    /// Both call a human, the draft earlier, later, or at the same place by another rule.
    pub(crate) earlier: Cases,
    pub(crate) later: Cases,
    pub(crate) other_rule: Cases,
    pub(crate) queue: Queues,
    /// SHA-256 of everything that was replayed.
    pub(crate) input_digest: String,
}

/// One of the two.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Policy {
    pub(crate) version: String,
    pub(crate) digest: String,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Escalated {
    pub(crate) base: u64,
    pub(crate) draft: u64,
    /// In reality, for whatever reason.
    pub(crate) on_record: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct ByRule {
    pub(crate) rule: RuleId,
    pub(crate) base: u64,
    pub(crate) draft: u64,
}

/// Sessions with the same difference.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Cases {
    /// All of them.
    pub(crate) count: u64,
    /// The first ones by time, as many as a report may show.
    pub(crate) cases: Vec<Case>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Case {
    pub(crate) session: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) base: Option<Call>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) draft: Option<Call>,
}

/// Where a human is called, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Call {
    pub(crate) at_ms: i64,
    /// Which stretch of the bot, and which turn in it, both from 1.
    pub(crate) episode: usize,
    pub(crate) turn: u32,
    pub(crate) phase: &'static str,
    pub(crate) rule: RuleId,
    pub(crate) severity: Severity,
    pub(crate) evidence: Vec<String>,
    pub(crate) excerpt: String,
}

/// The queue under both policies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Queues {
    pub(crate) agents: u32,
    pub(crate) handling_ms: i64,
    /// given, median or default
    pub(crate) handling_from: &'static str,
    pub(crate) base: Queue,
    pub(crate) draft: Queue,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Queue {
    /// Customers who are handed over: by a rule, or because they pressed the button.
    pub(crate) arrivals: u64,
    /// The same for each hour of the day, UTC.
    pub(crate) by_hour_utc: Vec<u64>,
    /// How many of them wait at all.
    pub(crate) waited: u64,
    pub(crate) max_wait_ms: i64,
    pub(crate) mean_wait_ms: i64,
    /// Most who wait at the same time.
    pub(crate) most_waiting: u64,
}

impl From<Point> for Call {
    fn from(point: Point) -> Self {
        Self {
            at_ms: point.at,
            episode: point.place.0,
            turn: point.place.1,
            phase: phase_name(point.phase),
            rule: point.rule,
            severity: point.severity,
            evidence: point.evidence,
            excerpt: point.excerpt,
        }
    }
}

impl Report {
    /// The report as JSON, with its own digest at the end.
    ///
    /// # Errors
    /// None that could happen: it has no maps and no fractions.
    pub(crate) fn to_json(&self) -> Result<String, RegulatorError> {
        let mut json = serde_json::to_string(self)?;
        let digest = digest(json.as_bytes());
        json.truncate(json.len() - 1); // the closing brace
        json.push_str(",\"report_digest\":\"");
        json.push_str(&digest);
        json.push_str("\"}");
        Ok(json)
    }
}
