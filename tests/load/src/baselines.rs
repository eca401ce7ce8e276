//! The ratios to reach, and whether they are reached.

use crate::{
    error::Error,
    metric::{Metric, Values},
    race::{Row, Table},
    stats,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const BASELINES: &str = include_str!("../baselines.json");

/// The ratios to reach, and figures that were measured elsewhere.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Baselines {
    /// Figures of systems that do not run here, by name.
    recorded: BTreeMap<String, Values>,
    reach: Vec<Reach>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Reach {
    scenario: String,
    lane: String,
    /// For these numbers of callers; none: for all.
    callers: Vec<usize>,
    checks: Vec<Check>,
}

/// One thing to reach.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Check {
    metric: Metric,
    /// `value`: the figure itself. Else a ratio: to the lane's `limit`, or to the lane of this name.
    of: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    min: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max: Option<f64>,
}

/// One thing to reach, and what was found.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Verdict {
    check: Check,
    found: Option<f64>,
    /// `None`: nothing was found to judge.
    pub(crate) reached: Option<bool>,
}

impl Baselines {
    /// Reads those that are compiled in.
    ///
    /// # Errors
    /// When they are no baselines.
    pub(crate) fn load() -> Result<Self, Error> {
        serde_json::from_str(BASELINES).map_err(|error| Error::other("baselines.json cannot be read", error))
    }

    /// Figures of a system that does not run here.
    pub(crate) fn recorded(&self, name: &str) -> Values {
        self.recorded.get(name).cloned().unwrap_or_default()
    }

    /// Judges one lane.
    pub(crate) fn judge(&self, table: &Table, row: &Row) -> Vec<Verdict> {
        let meant = |reach: &&Reach| {
            reach.scenario == table.scenario
                && reach.lane == row.lane
                && (reach.callers.is_empty() || reach.callers.contains(&table.callers))
        };
        let checks = self.reach.iter().filter(meant).flat_map(|reach| &reach.checks);
        checks.map(|check| check.judge(table, row)).collect()
    }
}

impl Check {
    fn judge(&self, table: &Table, row: &Row) -> Verdict {
        let found = match self.of.as_str() {
            "value" => row.median(self.metric),
            "limit" => row.limit.and_then(|limit| ratio(table, row, limit, self.metric)),
            lane => ratio(table, row, lane, self.metric),
        };
        let within =
            |found: f64| self.min.is_none_or(|min| found >= min) && self.max.is_none_or(|max| found <= max);
        Verdict { check: self.clone(), found, reached: found.map(within) }
    }
}

/// How a lane stands to another one: the median of the ratios within the rounds.
pub(crate) fn ratio(table: &Table, row: &Row, lane: &str, metric: Metric) -> Option<f64> {
    stats::median_ratio(&row.values(metric), &table.row(lane)?.values(metric))
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Check { metric, of, min, max } = &self.check;
        write!(f, "{}", metric.title())?;
        if of != "value" {
            write!(f, "/{of}")?;
        }
        match self.found {
            Some(found) => write!(f, " {found:.2}")?,
            None => write!(f, " ?")?,
        }
        match (min, max) {
            (Some(min), _) => write!(f, " (>= {min})")?,
            (None, Some(max)) => write!(f, " (<= {max})")?,
            (None, None) => {}
        }
        let mark = match self.reached {
            Some(true) => " ok",
            Some(false) => " MISSED",
            None => "",
        };
        write!(f, "{mark}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::Measure;

    fn row(lane: &'static str, limit: Option<&'static str>, cpu: [f64; 3]) -> Row {
        let measure = |cpu| Measure { values: Values::from([(Metric::Cpu, cpu)]), ..Measure::default() };
        Row { lane, limit, rounds: cpu.map(measure).to_vec() }
    }

    fn table(single: [f64; 3]) -> Table {
        let rows = vec![row("a", None, [10.0, 20.0, 10.0]), row("single", Some("a"), single)];
        Table { scenario: "edge", callers: 32, columns: &[], others: None, rows }
    }

    #[test]
    fn the_committed_file_can_be_read_and_checks_bound_something() {
        let baselines = Baselines::load().unwrap();
        assert!(baselines.recorded("original").contains_key(&Metric::Rate));
        for check in baselines.reach.iter().flat_map(|reach| &reach.checks) {
            assert!(check.min.is_some() != check.max.is_some(), "{check:?}");
        }
    }

    #[test]
    fn a_ratio_is_held_against_what_is_to_be_reached() {
        let baselines = Baselines::load().unwrap();
        let reached = |single: [f64; 3]| {
            let table = table(single);
            let verdicts = baselines.judge(&table, &table.rows[1]);
            verdicts.iter().map(|verdict| verdict.reached).collect::<Vec<_>>()
        };
        // CPU is known, the rate is not.
        assert_eq!(reached([12.0, 24.0, 12.0]), [Some(true), None]);
        assert_eq!(reached([13.0, 26.0, 13.0]), [Some(false), None]);
        let table = table([12.0, 24.0, 12.0]);
        assert!(baselines.judge(&table, &table.rows[0]).is_empty());
        let told = baselines.judge(&table, &table.rows[1])[0].to_string();
        assert_eq!(told, "CPU us/limit 1.20 (<= 1.25) ok");
    }
}
