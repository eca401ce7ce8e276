//! What is measured, and what one round found.

use crate::{client::Tally, stats};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, time::Duration};

/// What is measured. Times in microseconds unless the name says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Metric {
    /// Answers a second.
    Rate,
    /// Time of a whole answer, median.
    P50,
    /// Time of a whole answer, 99th percentile.
    P99,
    /// CPU time of all server processes for one answer.
    Cpu,
    /// Time to the first token, median.
    First50,
    /// Time to the first token, 99th percentile.
    First99,
    /// What the lane adds to the first token of the model, median.
    Added50,
    /// What the lane adds to the first token of the model, 99th percentile.
    Added99,
    /// What the lane adds to the whole answer, median.
    AddedWhole,
    /// How long a token is on its way, median.
    Age50,
    /// How long a token is on its way, 99th percentile.
    Age99,
    /// Memory that one stream takes, in KiB.
    RssKib,
    /// Time until all listeners are back, in milliseconds.
    BackMs,
    /// Time from exec to the first 200, in milliseconds.
    StartMs,
    /// Memory when idle, in MiB.
    IdleMib,
}

impl Metric {
    /// The head of its column.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Rate => "rate/s",
            Self::P50 => "p50 us",
            Self::P99 => "p99 us",
            Self::Cpu => "CPU us",
            Self::First50 => "first p50",
            Self::First99 => "first p99",
            Self::Added50 => "+first p50",
            Self::Added99 => "+first p99",
            Self::AddedWhole => "+whole p50",
            Self::Age50 => "age p50",
            Self::Age99 => "age p99",
            Self::RssKib => "KiB/stream",
            Self::BackMs => "back ms",
            Self::StartMs => "start ms",
            Self::IdleMib => "idle MiB",
        }
    }
}

/// Values by metric.
pub(crate) type Values = BTreeMap<Metric, f64>;

/// What one lane found in one round.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Measure {
    /// The figures.
    pub(crate) values: Values,
    /// Requests without the answer they should have had.
    pub(crate) bad: u64,
    /// Tokens or events that never came.
    pub(crate) lost: u64,
    /// Tokens or events that came twice.
    pub(crate) doubled: u64,
    /// The first failure, for the reader.
    pub(crate) complaint: Option<String>,
}

impl Measure {
    /// The figures of callers who went on for `time` while the servers used `cpu`.
    pub(crate) fn of(tally: &Tally, time: Duration, cpu: Duration) -> Self {
        let us = |sorted: &[u64], percent| stats::real(stats::percentile(sorted, percent)) / 1e3;
        let mut values = Values::from([
            (Metric::Rate, stats::real_len(tally.whole.len()) / time.as_secs_f64()),
            (Metric::P50, us(&tally.whole, 50)),
            (Metric::P99, us(&tally.whole, 99)),
        ]);
        if tally.answers > 0 {
            values.insert(Metric::Cpu, cpu.as_secs_f64() * 1e6 / stats::real(tally.answers));
        }
        if !tally.first.is_empty() {
            values.insert(Metric::First50, us(&tally.first, 50));
            values.insert(Metric::First99, us(&tally.first, 99));
            values.insert(Metric::Age50, us(&tally.ages, 50));
            values.insert(Metric::Age99, us(&tally.ages, 99));
        }
        let (bad, lost, doubled) = (tally.bad, tally.lost, tally.doubled);
        let silent = (tally.answers == 0 && bad == 0).then(|| "no answer at all".to_owned());
        Self {
            values,
            bad: bad + u64::from(silent.is_some()),
            lost,
            doubled,
            complaint: tally.complaint.clone().or(silent),
        }
    }

    /// Parts of one path, each with how often it is walked: times and CPU add up, `1/rate` does too.
    pub(crate) fn sum(parts: &[(&Self, f64)]) -> Self {
        let add = |metric| {
            let terms = parts.iter().map(|(part, times)| part.values.get(&metric).map(|value| value * times));
            terms.sum::<Option<f64>>()
        };
        let rate = parts.iter().map(|(part, times)| part.values.get(&Metric::Rate).map(|rate| times / rate));
        let rate = rate.sum::<Option<f64>>().map(|per_answer| 1.0 / per_answer);
        let pairs = [Metric::P50, Metric::P99, Metric::Cpu].map(|metric| (metric, add(metric)));
        let all = pairs.into_iter().chain([(Metric::Rate, rate)]);
        Self {
            values: all.filter_map(|(metric, value)| Some((metric, value?))).collect(),
            bad: parts.iter().map(|(part, _)| part.bad).sum(),
            ..Self::default()
        }
    }

    /// Notes what this lane adds to the answer of the model itself.
    pub(crate) fn add_against(&mut self, direct: &Values) {
        for (metric, of) in [
            (Metric::Added50, Metric::First50),
            (Metric::Added99, Metric::First99),
            (Metric::AddedWhole, Metric::P50),
        ] {
            if let (Some(value), Some(base)) = (self.values.get(&of), direct.get(&of)) {
                self.values.insert(metric, value - base);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measure(rate: f64, p50: f64, cpu: f64) -> Measure {
        Measure {
            values: Values::from([(Metric::Rate, rate), (Metric::P50, p50), (Metric::Cpu, cpu)]),
            ..Measure::default()
        }
    }

    #[test]
    fn parts_of_a_path_add_up() {
        let (model, store) = (measure(1000.0, 500.0, 300.0), measure(4000.0, 100.0, 10.0));
        let sum = Measure::sum(&[(&model, 1.0), (&store, 2.0)]);
        // 1 ms + 2 * 0.25 ms
        assert!((sum.values[&Metric::Rate] - 1000.0 / 1.5).abs() < 1e-9);
        assert!((sum.values[&Metric::P50] - 700.0).abs() < 1e-9);
        assert!((sum.values[&Metric::Cpu] - 320.0).abs() < 1e-9);
        assert!(!sum.values.contains_key(&Metric::P99), "no part has one");
    }

    #[test]
    fn cpu_is_shared_by_all_answers_and_rate_counts_those_in_time() {
        let tally = Tally { whole: vec![1000, 2000, 3000], answers: 4, ..Tally::default() };
        let found = Measure::of(&tally, Duration::from_millis(500), Duration::from_millis(2));
        assert!((found.values[&Metric::Rate] - 6.0).abs() < 1e-9);
        assert!((found.values[&Metric::Cpu] - 500.0).abs() < 1e-9);
        assert!((found.values[&Metric::P50] - 2.0).abs() < 1e-9);
        assert!(!found.values.contains_key(&Metric::First50));
        assert_eq!(found.bad, 0);
        assert_eq!(Measure::of(&Tally::default(), Duration::from_secs(1), Duration::ZERO).bad, 1);
    }

    #[test]
    fn what_a_lane_adds_is_a_difference() {
        let direct = Values::from([(Metric::First50, 70.0), (Metric::P50, 82.0)]);
        let mut lane = Measure {
            values: Values::from([(Metric::First50, 251.0), (Metric::P50, 356.0)]),
            ..Measure::default()
        };
        lane.add_against(&direct);
        assert!((lane.values[&Metric::Added50] - 181.0).abs() < 1e-9);
        assert!((lane.values[&Metric::AddedWhole] - 274.0).abs() < 1e-9);
    }
}
