//! Pieces of an answer gathered into chunks: the first goes at once (it is what the customer waits for), later ones when
//! enough is there or enough time has passed. Small frames are what kills a shared HTTP/2 connection.

use std::time::Duration;
use tokio::time::Instant;

/// Gathers pieces.
#[derive(Debug)]
pub(crate) struct Coalescer {
    pending: String,
    since: Option<Instant>,
    begun: bool,
    hold: Duration,
    bytes: usize,
}

impl Coalescer {
    pub(crate) fn new(hold: Duration, bytes: usize) -> Self {
        Self { pending: String::new(), since: None, begun: false, hold, bytes }
    }

    /// Adds a piece; gives a chunk if one is due.
    pub(crate) fn push(&mut self, piece: &str, now: Instant) -> Option<String> {
        self.pending.push_str(piece);
        let since = *self.since.get_or_insert(now);
        let due = !self.begun || self.pending.len() >= self.bytes || now.duration_since(since) >= self.hold;
        if due { self.flush() } else { None }
    }

    /// When the gathered pieces have to go.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.since.map(|since| since + self.hold)
    }

    /// Gives what is gathered.
    pub(crate) fn flush(&mut self) -> Option<String> {
        self.since = None;
        if self.pending.is_empty() {
            return None;
        }
        self.begun = true;
        Some(std::mem::take(&mut self.pending))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_at_once_then_by_time_or_size_and_nothing_is_dropped() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut coalescer = Coalescer::new(Duration::from_millis(40), 8);
        assert_eq!(coalescer.push("你", at(0)).as_deref(), Some("你"));
        assert_eq!(coalescer.push("a", at(1)), None);
        assert_eq!(coalescer.due(), Some(at(41)));
        assert_eq!(coalescer.push("b", at(39)), None);
        assert_eq!(coalescer.push("c", at(41)).as_deref(), Some("abc"));
        assert_eq!(coalescer.due(), None);
        assert_eq!(coalescer.push("12345678", at(42)).as_deref(), Some("12345678"));
        assert_eq!(coalescer.push("z", at(43)), None);
        assert_eq!(coalescer.flush().as_deref(), Some("z"));
        assert_eq!(coalescer.flush(), None);
    }
}
