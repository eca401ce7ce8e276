//! Rows one by one, in the order of an index or of several that are merged.

use super::{
    Query,
    order::{self, Order, Place, Thin},
};
use crate::{error::SessionError, store::Store};
use std::{cmp::Ordering, collections::VecDeque};
use switchboard_db::sql;

/// Most rows that one statement gives.
const BATCH: usize = 500;

/// Rows in an order. A part of the order after the other; within a part several runs, merged.
#[derive(Debug)]
pub(super) struct Stream {
    order: Order,
    phases: VecDeque<(usize, Vec<Run>)>,
    /// What the first statement of a run gives. Each further one gives twice as much: whoever goes on past a page is
    /// filtering, and a statement for each page would cost more than its rows.
    batch: usize,
}

/// Rows in the order of one index.
#[derive(Debug)]
struct Run {
    text: &'static str,
    /// What the text asks for as `$4`.
    value: Option<i64>,
    after: (i64, String),
    /// Statements so far.
    asked: u32,
    rows: VecDeque<Thin>,
    is_done: bool,
}

impl Stream {
    pub(super) fn new(query: &Query, ranks: &[i64], after: Option<Place>) -> Self {
        let from = after.as_ref().map_or(0, |place| place.phase);
        let runs = |phase| (phase, runs(query, ranks, phase));
        let mut phases: VecDeque<_> = (from..phases(query.order)).map(runs).collect();
        if let (Some(place), Some((_, first))) = (after, phases.front_mut()) {
            for run in first {
                run.after = (place.key, place.name.clone());
            }
        }
        // What one page takes, and one more: that tells whether there is another.
        let batch = (query.offset.min(BATCH) + query.limit + 1).min(BATCH);
        Self { order: query.order, phases, batch }
    }

    pub(super) async fn next(&mut self, store: &Store) -> Result<Option<Thin>, SessionError> {
        while let Some((phase, runs)) = self.phases.front_mut() {
            for run in runs.iter_mut() {
                run.fill(store, self.batch).await?;
            }
            let order = self.order;
            let (is_waiting, phase) = (order == Order::WaitTime, *phase);
            let first = |one: &&mut Run, other: &&mut Run| match (one.rows.front(), other.rows.front()) {
                (Some(one), Some(other)) => order.compare(&order.place(one), &order.place(other)),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => Ordering::Equal,
            };
            match runs.iter_mut().min_by(first).and_then(Run::take) {
                // Who waits came before.
                Some(row) if is_waiting && phase == 1 && row.due_at.is_some() => {}
                Some(row) => return Ok(Some(row)),
                None => {
                    self.phases.pop_front();
                }
            }
        }
        Ok(None)
    }
}

/// How many parts an order has.
fn phases(order: Order) -> usize {
    match order {
        Order::Standard => 10,
        Order::Vip | Order::WaitTime => 2,
        Order::Newest | Order::Oldest | Order::Updated => 1,
    }
}

fn runs(query: &Query, ranks: &[i64], phase: usize) -> Vec<Run> {
    let (early, late) = ((i64::MIN, String::new()), (i64::MAX, String::new()));
    let ranked = |rank: &i64| Run::new(order::RANKED, Some(*rank), late.clone());
    let of = |wanted: &dyn Fn(i64) -> bool| ranks.iter().filter(|rank| wanted(**rank)).map(ranked).collect();
    let updated = || {
        let all = ranks.len() == super::RANKS;
        if all { vec![Run::new(order::UPDATED, None, late.clone())] } else { of(&|_| true) }
    };
    let until = query.until.unwrap_or(i64::MAX);
    let since = query.since.unwrap_or(i64::MIN);
    match query.order {
        Order::Standard => of(&|rank| usize::try_from(9 - rank) == Ok(phase)),
        Order::Vip => of(&|rank| usize::from(rank < 5) == phase),
        Order::WaitTime if phase == 0 => vec![Run::new(order::DUE, None, early)],
        Order::Updated | Order::WaitTime => updated(),
        Order::Newest => vec![Run::new(order::NEWEST, Some(since), (until, String::new()))],
        Order::Oldest => vec![Run::new(order::OLDEST, Some(until), (since, String::new()))],
    }
}

impl Run {
    fn new(text: &'static str, value: Option<i64>, after: (i64, String)) -> Self {
        Self { text, value, after, asked: 0, rows: VecDeque::new(), is_done: false }
    }

    fn take(&mut self) -> Option<Thin> {
        self.rows.pop_front()
    }

    async fn fill(&mut self, store: &Store, batch: usize) -> Result<(), SessionError> {
        if self.is_done || !self.rows.is_empty() {
            return Ok(());
        }
        let batch = batch.saturating_mul(1 << self.asked.min(9)).min(BATCH);
        self.asked += 1;
        let count = i64::try_from(batch).unwrap_or(i64::MAX);
        let mut statement = sql(self.text).bind(self.after.0).bind(self.after.1.as_str()).bind(count);
        if let Some(value) = self.value {
            statement = statement.bind(value);
        }
        self.rows = store.db.fetch_all::<Thin>(statement).await?.into();
        self.is_done = self.rows.len() < batch;
        if let Some(last) = self.rows.back() {
            let by_creation = self.text == order::NEWEST || self.text == order::OLDEST;
            let key = match last.due_at {
                Some(due_at) if self.text == order::DUE => due_at,
                _ if by_creation => last.created_at,
                _ => last.updated_at,
            };
            self.after = (key, last.name.clone());
        }
        Ok(())
    }
}
