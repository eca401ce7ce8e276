//! Lanes against each other: all of them in every round, each place in turn, so that a neighbour's load hits all alike.

use crate::{
    bench::Bench,
    error::Error,
    lane::{Job, Lane},
    metric::{Measure, Metric},
    proc::Group,
    stats,
};
use serde::Serialize;
use std::io::Write as _;

/// Lanes that do the same work.
#[derive(Debug)]
pub(crate) struct Race {
    pub(crate) scenario: &'static str,
    /// Callers, streams or listeners at once.
    pub(crate) callers: usize,
    pub(crate) lanes: Vec<Lane>,
    /// The lane without a gateway, whose times others add to.
    pub(crate) direct: Option<&'static str>,
    /// What the table shows.
    pub(crate) columns: &'static [Metric],
    /// All processes that run for this race.
    pub(crate) ours: Group,
}

/// What a race found.
#[derive(Debug, Serialize)]
pub(crate) struct Table {
    pub(crate) scenario: &'static str,
    pub(crate) callers: usize,
    #[serde(skip)]
    pub(crate) columns: &'static [Metric],
    /// What neighbours and the host took, in CPUs, median over all runs.
    pub(crate) others: Option<f64>,
    pub(crate) rows: Vec<Row>,
}

/// One lane of a table.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) lane: &'static str,
    pub(crate) limit: Option<&'static str>,
    pub(crate) rounds: Vec<Measure>,
}

impl Row {
    /// The values of one metric, round by round.
    pub(crate) fn values(&self, metric: Metric) -> Vec<Option<f64>> {
        self.rounds.iter().map(|round| round.values.get(&metric).copied()).collect()
    }

    /// The median over the rounds.
    pub(crate) fn median(&self, metric: Metric) -> Option<f64> {
        stats::median(self.values(metric).into_iter().flatten())
    }

    /// Whether every request had the answer it should have had.
    pub(crate) fn is_valid(&self) -> bool {
        self.rounds.iter().all(|round| round.bad + round.lost + round.doubled == 0)
    }
}

impl Table {
    /// A lane by its name.
    pub(crate) fn row(&self, lane: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.lane == lane)
    }
}

impl Race {
    /// Runs all rounds and one before them, which warms up and does not count.
    ///
    /// # Errors
    /// When a lane cannot be run.
    pub(crate) async fn run(mut self, bench: &Bench) -> Result<Table, Error> {
        let mut table = Table {
            scenario: self.scenario,
            callers: self.callers,
            columns: self.columns,
            others: None,
            rows: self
                .lanes
                .iter()
                .map(|lane| Row { lane: lane.name, limit: lane.limit, rounds: vec![] })
                .collect(),
        };
        let mut others = Vec::new();
        for round in 0..=bench.options.rounds {
            let mut measures = vec![Measure::default(); self.lanes.len()];
            for place in rotation(self.lanes.len(), round) {
                let found = self.lanes[place].measure(bench, &self.ours).await?;
                measures[place] = found.measure;
                if round > 0 {
                    others.extend(found.others);
                }
            }
            self.derive(&mut measures);
            if round > 0 {
                table.rows.iter_mut().zip(measures).for_each(|(row, measure)| row.rounds.push(measure));
            }
            // A dot for every round: the bench takes minutes.
            let _ = std::io::stderr().write_all(b".");
        }
        let _ = std::io::stderr().write_all(b"\n");
        table.others = stats::median(others);
        Ok(table)
    }

    /// Fills in what follows from the other lanes of the same round.
    fn derive(&self, measures: &mut [Measure]) {
        let place = |name: &str| self.lanes.iter().position(|lane| lane.name == name);
        for (at, lane) in self.lanes.iter().enumerate() {
            if let Job::Sum(parts) = &lane.job {
                let parts: Vec<(&Measure, f64)> = parts
                    .iter()
                    .filter_map(|(name, times)| Some((&measures[place(name)?], *times)))
                    .collect();
                measures[at] = Measure::sum(&parts);
            }
        }
        if let Some(direct) = self.direct.and_then(place) {
            let direct = measures[direct].values.clone();
            for measure in measures {
                measure.add_against(&direct);
            }
        }
    }
}

/// In which order `lanes` run in a round: one further each time.
fn rotation(lanes: usize, round: usize) -> impl Iterator<Item = usize> {
    (0..lanes).map(move |place| (place + round) % lanes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::Values;

    #[test]
    fn every_lane_takes_every_place() {
        assert_eq!(rotation(3, 0).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(rotation(3, 1).collect::<Vec<_>>(), [1, 2, 0]);
        assert_eq!(rotation(3, 5).collect::<Vec<_>>(), [2, 0, 1]);
        assert_eq!(rotation(0, 1).count(), 0);
    }

    #[test]
    fn sums_and_additions_come_from_the_same_round() {
        let lane = |name, job| Lane { name, limit: None, processes: Group::default(), job };
        let recorded = |first| {
            Job::Recorded(Values::from([
                (Metric::Rate, 100.0),
                (Metric::P50, first),
                (Metric::First50, first),
            ]))
        };
        let race = Race {
            scenario: "x",
            callers: 1,
            lanes: vec![
                lane("sum", Job::Sum(vec![("direct", 1.0), ("other", 1.0)])),
                lane("direct", recorded(10.0)),
                lane("other", recorded(30.0)),
            ],
            direct: Some("direct"),
            columns: &[],
            ours: Group::default(),
        };
        let mut measures: Vec<Measure> = race
            .lanes
            .iter()
            .map(|lane| {
                let Job::Recorded(values) = &lane.job else { return Measure::default() };
                Measure { values: values.clone(), ..Measure::default() }
            })
            .collect();
        race.derive(&mut measures);
        assert!((measures[0].values[&Metric::Rate] - 50.0).abs() < 1e-9);
        assert!((measures[0].values[&Metric::P50] - 40.0).abs() < 1e-9);
        assert!((measures[2].values[&Metric::Added50] - 20.0).abs() < 1e-9);
    }
}
