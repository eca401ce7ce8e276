//! The tables, for people and for machines.

use crate::{
    baselines::{self, Baselines, Verdict},
    error::Error,
    metric::Metric,
    race::{Row, Table},
};
use serde::Serialize;
use std::{fmt::Write as _, fs, path::Path, path::PathBuf};

/// Ratios to the limit that every table shows, if both lanes have the figure.
const RATIOS: [(Metric, &str); 7] = [
    (Metric::Cpu, "cpu"),
    (Metric::P99, "p99"),
    (Metric::Rate, "rate"),
    (Metric::Added50, "+first"),
    (Metric::Age50, "age"),
    (Metric::BackMs, "back"),
    (Metric::RssKib, "rss"),
];

/// A whole run.
#[derive(Debug, Serialize)]
pub(crate) struct Report<'a> {
    pub(crate) cores: usize,
    pub(crate) rounds: usize,
    pub(crate) lane_ms: u128,
    pub(crate) tables: Vec<Judged<'a>>,
}

/// A table with its verdicts, row by row.
#[derive(Debug, Serialize)]
pub(crate) struct Judged<'a> {
    #[serde(flatten)]
    table: &'a Table,
    verdicts: Vec<Vec<Verdict>>,
    medians: Vec<std::collections::BTreeMap<Metric, f64>>,
    valid: Vec<bool>,
}

impl<'a> Judged<'a> {
    /// Judges a table.
    pub(crate) fn new(table: &'a Table, baselines: &Baselines) -> Self {
        let rows = || table.rows.iter();
        let metrics =
            |row: &Row| row.rounds.iter().flat_map(|round| round.values.keys().copied()).collect::<Vec<_>>();
        let medians = |row: &Row| {
            metrics(row).into_iter().filter_map(|metric| Some((metric, row.median(metric)?))).collect()
        };
        Self {
            table,
            verdicts: rows().map(|row| baselines.judge(table, row)).collect(),
            medians: rows().map(medians).collect(),
            valid: rows().map(Row::is_valid).collect(),
        }
    }

    /// The table as text.
    pub(crate) fn text(&self) -> String {
        let Table { scenario, callers, columns, others, rows } = self.table;
        let mut lines = vec![head(columns)];
        lines
            .extend(rows.iter().zip(&self.verdicts).map(|(row, verdicts)| self.line(row, columns, verdicts)));
        let mut text = format!("\n## {scenario}, {callers} at once");
        if let Some(others) = others {
            let _ = write!(text, "; neighbours took {others:.2} CPU"); // writing to a String cannot fail
        }
        text.push('\n');
        text.push_str(&aligned(&lines));
        for row in rows.iter().filter(|row| !row.is_valid()) {
            text.push_str(&complaint(row));
        }
        text
    }

    fn line(&self, row: &Row, columns: &[Metric], verdicts: &[Verdict]) -> Vec<String> {
        let mut line = vec![row.lane.to_owned()];
        line.extend(columns.iter().map(|metric| row.median(*metric).map_or_else(|| "-".to_owned(), figure)));
        line.push(row.limit.map_or_else(String::new, |limit| self.ratios(row, limit)));
        let invalid = (!row.is_valid()).then(|| "INVALID".to_owned());
        let told = invalid.into_iter().chain(verdicts.iter().map(Verdict::to_string));
        line.push(told.collect::<Vec<_>>().join(", "));
        line
    }

    fn ratios(&self, row: &Row, limit: &str) -> String {
        let known = RATIOS.iter().filter_map(|(metric, name)| {
            let ratio = baselines::ratio(self.table, row, limit, *metric)?;
            Some(format!("{name} {ratio:.2}"))
        });
        format!("{limit}: {}", known.collect::<Vec<_>>().join(" "))
    }
}

fn head(columns: &[Metric]) -> Vec<String> {
    let titles = columns.iter().map(|metric| metric.title().to_owned());
    std::iter::once("lane".to_owned())
        .chain(titles)
        .chain(["ratio to limit".to_owned(), "ratio to reach".to_owned()])
        .collect()
}

fn complaint(row: &Row) -> String {
    let count = |of: fn(&crate::metric::Measure) -> u64| row.rounds.iter().map(of).sum::<u64>();
    let (bad, lost, doubled) =
        (count(|round| round.bad), count(|round| round.lost), count(|round| round.doubled));
    let first = row.rounds.iter().find_map(|round| round.complaint.as_deref()).unwrap_or_default();
    format!("INVALID {}: {bad} failed, {lost} lost, {doubled} doubled {first}\n", row.lane)
}

/// Three digits that matter.
fn figure(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// Columns under each other: names and sentences to the left, figures to the right.
fn aligned(lines: &[Vec<String>]) -> String {
    let columns = lines.first().map_or(0, Vec::len);
    let cells = |column: usize| lines.iter().filter_map(move |line| line.get(column));
    let widths: Vec<usize> = (0..columns)
        .map(|column| cells(column).map(|cell| cell.chars().count()).max().unwrap_or(0))
        .collect();
    let mut text = String::new();
    for line in lines {
        for (column, cell) in line.iter().enumerate() {
            let width = widths[column];
            let is_figure = column > 0 && column + 2 < columns;
            let cell = if is_figure { format!("{cell:>width$}") } else { format!("{cell:<width$}") };
            text.push_str(if column > 0 { "  " } else { "" });
            text.push_str(&cell);
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    text
}

impl Report<'_> {
    /// Writes the run as JSON into `folder`, named by the time.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn save(&self, folder: &Path, seconds: u64) -> Result<PathBuf, Error> {
        let path = folder.join(format!("{seconds}.json"));
        let json =
            serde_json::to_vec_pretty(self).map_err(|error| Error::other("the report is no JSON", error))?;
        fs::write(&path, json).map_err(|error| Error::io("the report cannot be written", error))?;
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::{Measure, Values};

    #[test]
    fn figures_keep_three_digits() {
        assert_eq!([figure(76_912.3), figure(12.64), figure(0.854)], ["76912", "12.6", "0.85"]);
    }

    #[test]
    fn a_table_shows_ratios_and_what_makes_it_invalid() {
        let row = |lane, limit, cpu, lost| {
            let values = Values::from([(Metric::Cpu, cpu), (Metric::Rate, 1000.0 / cpu)]);
            Row { lane, limit, rounds: vec![Measure { values, lost, ..Measure::default() }] }
        };
        let table = Table {
            scenario: "edge",
            callers: 32,
            columns: &[Metric::Rate, Metric::Cpu],
            others: Some(0.25),
            rows: vec![row("a", None, 10.0, 0), row("single", Some("a"), 12.0, 3)],
        };
        let baselines = Baselines::load().unwrap();
        let text = Judged::new(&table, &baselines).text();
        let expected = "\n## edge, 32 at once; neighbours took 0.25 CPU\n\
            lane    rate/s  CPU us  ratio to limit          ratio to reach\n\
            a          100    10.0\n\
            single    83.3    12.0  a: cpu 1.20 rate 0.83   INVALID, CPU us/limit 1.20 (<= 1.25) ok, \
            rate/s/limit 0.83 (>= 0.85) MISSED\n\
            INVALID single: 0 failed, 3 lost, 0 doubled \n";
        let squeezed = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(squeezed(&text), squeezed(expected), "{text}");
    }
}
