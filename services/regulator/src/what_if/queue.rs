//! The queue that a policy would make: customers served in the order in which they were handed over, by so many agents, each
//! for the same time. Whole milliseconds, no chance: a comparison, not a forecast of any single day. Shut hours are not
//! looked at.

use super::report::Queue;
use std::{cmp::Reverse, collections::BinaryHeap};

const HOUR: i64 = 3_600_000;

/// Runs the queue over arrivals in the order of time.
pub(crate) fn simulate(arrivals: &[i64], agents: u32, handling: i64) -> Queue {
    let mut by_hour = vec![0_u64; 24];
    let mut free: BinaryHeap<Reverse<i64>> = (0..agents.max(1)).map(|_| Reverse(i64::MIN)).collect();
    let (mut longest, mut all, mut waited) = (0, 0_i128, 0);
    // When those who came before begin to be served: whoever has not begun by then still waits.
    let mut begins: Vec<i64> = Vec::with_capacity(arrivals.len());
    let mut most_waiting = 0;
    for arrival in arrivals {
        let hour = usize::try_from(arrival.rem_euclid(24 * HOUR) / HOUR).unwrap_or(0);
        by_hour[hour] += 1;
        let Reverse(ready) = free.pop().unwrap_or(Reverse(i64::MIN));
        let begin = ready.max(*arrival);
        free.push(Reverse(begin.saturating_add(handling)));
        let wait = begin - arrival;
        longest = longest.max(wait);
        all += i128::from(wait);
        waited += u64::from(wait > 0);
        begins.push(begin);
        // Nobody begins to be served before those who came earlier: the list is in order.
        let waiting = begins.len() - begins.partition_point(|begin| begin <= arrival);
        most_waiting = most_waiting.max(waiting);
    }
    let count = i128::try_from(arrivals.len()).unwrap_or(1).max(1);
    Queue {
        arrivals: u64::try_from(arrivals.len()).unwrap_or(u64::MAX),
        by_hour_utc: by_hour,
        waited,
        max_wait_ms: longest,
        mean_wait_ms: i64::try_from(all / count).unwrap_or(i64::MAX),
        most_waiting: u64::try_from(most_waiting).unwrap_or(u64::MAX),
    }
}

/// The lower median; `None` of nothing.
pub(crate) fn median(mut times: Vec<i64>) -> Option<i64> {
    times.sort_unstable();
    times.get(times.len().saturating_sub(1) / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;

    #[test]
    fn nobody_waits_while_somebody_is_free() {
        let queue = simulate(&[0, 1, 2], 3, MINUTE);
        assert_eq!((queue.waited, queue.max_wait_ms, queue.most_waiting), (0, 0, 0));
        assert_eq!(simulate(&[], 3, MINUTE).mean_wait_ms, 0);
    }

    #[test]
    fn one_agent_serves_one_after_the_other() {
        let queue = simulate(&[0, 0, MINUTE, 10 * MINUTE], 1, 2 * MINUTE);
        // Begin at 0, 2, 4 and 10 minutes.
        assert_eq!((queue.arrivals, queue.waited, queue.max_wait_ms), (4, 2, 3 * MINUTE));
        assert_eq!((queue.mean_wait_ms, queue.most_waiting), (5 * MINUTE / 4, 2));
    }

    #[test]
    fn hours_are_those_of_the_day() {
        let queue = simulate(&[-1, 0, HOUR - 1, HOUR, 25 * HOUR], 9, 1);
        assert_eq!((queue.by_hour_utc[23], queue.by_hour_utc[0], queue.by_hour_utc[1]), (1, 2, 2));
    }

    #[test]
    fn the_median_is_the_lower_one() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![5]), Some(5));
        assert_eq!(median(vec![4, 1, 3, 2]), Some(2));
    }
}
