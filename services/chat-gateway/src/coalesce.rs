//! Pieces of an answer gathered into chunks: a piece that comes after a pause goes at once (the first is what the customer
//! waits for, and a slow model needs no gathering), pieces that follow closely wait until enough is there or enough time
//! has passed. Small frames are what kills a shared HTTP/2 connection.

use std::time::Duration;
use tokio::time::Instant;

/// Gathers pieces.
#[derive(Debug)]
pub(crate) struct Coalescer {
    pending: String,
    last: Option<Instant>,
    hold: Duration,
    bytes: usize,
}

impl Coalescer {
    pub(crate) fn new(hold: Duration, bytes: usize) -> Self {
        Self { pending: String::new(), last: None, hold, bytes }
    }

    /// Adds a piece; gives a chunk if one is due.
    pub(crate) fn push(&mut self, piece: &str, now: Instant) -> Option<String> {
        self.pending.push_str(piece);
        let rested = self.last.is_none_or(|last| now.duration_since(last) >= self.hold);
        if rested || self.pending.len() >= self.bytes { self.flush(now) } else { None }
    }

    /// When the gathered pieces have to go; `None` when there are none.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.last.filter(|_| !self.pending.is_empty()).map(|last| last + self.hold)
    }

    /// Gives what is gathered.
    pub(crate) fn flush(&mut self, now: Instant) -> Option<String> {
        if self.pending.is_empty() {
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.pending))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_pause_at_once_then_by_time_or_size_and_nothing_is_dropped() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut coalescer = Coalescer::new(Duration::from_millis(40), 8);
        assert_eq!(coalescer.push("你", at(0)).as_deref(), Some("你"));
        assert_eq!(coalescer.due(), None);
        assert_eq!(coalescer.push("a", at(1)), None);
        assert_eq!(coalescer.due(), Some(at(40)));
        assert_eq!(coalescer.push("b", at(39)), None);
        assert_eq!(coalescer.push("c", at(40)).as_deref(), Some("abc"));
        assert_eq!(coalescer.push("12345678", at(41)).as_deref(), Some("12345678"));
        assert_eq!(coalescer.push("paced", at(91)).as_deref(), Some("paced"));
        assert_eq!(coalescer.push("z", at(92)), None);
        assert_eq!(coalescer.flush(at(93)).as_deref(), Some("z"));
        assert_eq!(coalescer.flush(at(94)), None);
    }
}
