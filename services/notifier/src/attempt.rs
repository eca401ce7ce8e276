//! What became of an attempt, and what follows from it. Pure.

use crate::config::Delivery;
use std::time::Duration;

/// What became of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attempt {
    /// How it ended.
    pub(crate) outcome: Outcome,
    /// The other side's number for it: SMTP reply code or HTTP status.
    pub(crate) code: Option<u16>,
    /// The failure in words that are ours: no addresses, no texts, no secrets.
    pub(crate) error: Option<String>,
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The other side has taken it.
    Delivered,
    /// It did not work, and may the next time.
    Failed {
        /// Whether that speaks against the destination as a whole.
        blame: bool,
        /// When the other side wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// The other side refuses for good.
    Refused {
        /// Whether that speaks against the destination as a whole.
        blame: bool,
    },
    /// There is nothing to send.
    Dropped,
}

/// What follows from an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Nothing more to do.
    Done,
    /// Nothing to send.
    Cancelled,
    /// Again after this pause.
    Again(Duration),
    /// Given up.
    Dead,
}

impl Attempt {
    /// It arrived.
    pub(crate) fn delivered(code: Option<u16>) -> Self {
        Self { outcome: Outcome::Delivered, code, error: None }
    }

    /// The destination could not be reached, or did not behave.
    pub(crate) fn failed(error: impl Into<String>) -> Self {
        let outcome = Outcome::Failed { blame: true, retry_after: None };
        Self { outcome, code: None, error: Some(error.into()) }
    }

    /// It did not work for a reason that is not the destination's.
    pub(crate) fn hindered(error: impl Into<String>) -> Self {
        let outcome = Outcome::Failed { blame: false, retry_after: None };
        Self { outcome, code: None, error: Some(error.into()) }
    }

    /// It will never work.
    pub(crate) fn refused(error: impl Into<String>) -> Self {
        Self { outcome: Outcome::Refused { blame: false }, code: None, error: Some(error.into()) }
    }

    /// There is nothing to send.
    pub(crate) fn dropped(why: impl Into<String>) -> Self {
        Self { outcome: Outcome::Dropped, code: None, error: Some(why.into()) }
    }

    /// What the other side called it.
    pub(crate) fn with_code(self, code: u16) -> Self {
        Self { code: Some(code), ..self }
    }

    /// What follows; `failures` counts those before this attempt, `chance` moves the pause.
    pub(crate) fn next(&self, settings: &Delivery, failures: u32, chance: u32) -> Next {
        let (permanent, wanted) = match self.outcome {
            Outcome::Delivered => return Next::Done,
            Outcome::Dropped => return Next::Cancelled,
            Outcome::Failed { retry_after, .. } => (false, retry_after),
            Outcome::Refused { .. } => (true, None),
        };
        if permanent && failures + 1 >= settings.permanent_attempts {
            return Next::Dead;
        }
        let Some(base) = settings.retries.get(usize::try_from(failures).unwrap_or(usize::MAX)) else {
            return Next::Dead;
        };
        let share = f64::from(chance) / f64::from(u32::MAX) * 2.0 - 1.0;
        let moved = base.0.mul_f64(1.0 + share * f64::from(settings.jitter_percent) / 100.0);
        // What the other side asks for counts, but nobody may hold a delivery back for a year, or be asked too soon.
        Next::Again(wanted.map_or(moved, |wanted| wanted.clamp(base.0, base.0 * 2)))
    }
}

impl Outcome {
    /// Its name in the log of attempts and in metrics.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Failed { .. } => "failed",
            Self::Refused { .. } => "refused",
            Self::Dropped => "dropped",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    fn settings() -> Delivery {
        config::tests::with(&[]).delivery
    }

    const MIDDLE: u32 = u32::MAX / 2;

    fn seconds(next: Next) -> u64 {
        let Next::Again(pause) = next else { panic!("{next:?}") };
        (pause + Duration::from_millis(500)).as_secs()
    }

    #[test]
    fn failures_are_tried_again_on_the_schedule_and_then_given_up() {
        let (settings, failed) = (settings(), Attempt::failed("away"));
        let pauses: Vec<u64> =
            (0..6).map(|failures| seconds(failed.next(&settings, failures, MIDDLE))).collect();
        assert_eq!(pauses, [5, 30, 120, 600, 3600, 21600]);
        assert_eq!(failed.next(&settings, 6, MIDDLE), Next::Dead);
        assert_eq!(failed.next(&settings, u32::MAX, MIDDLE), Next::Dead);
    }

    #[test]
    fn chance_moves_a_pause_by_a_fifth_at_most() {
        let (settings, failed) = (settings(), Attempt::failed("away"));
        assert_eq!(seconds(failed.next(&settings, 1, 0)), 24);
        assert_eq!(seconds(failed.next(&settings, 1, u32::MAX)), 36);
    }

    #[test]
    fn a_refusal_gets_few_attempts() {
        let (settings, refused) = (settings(), Attempt::refused("no such mailbox").with_code(550));
        assert_eq!(seconds(refused.next(&settings, 0, MIDDLE)), 5);
        assert_eq!(seconds(refused.next(&settings, 1, MIDDLE)), 30);
        assert_eq!(refused.next(&settings, 2, MIDDLE), Next::Dead);
    }

    #[test]
    fn the_other_side_may_ask_for_twice_the_pause_and_no_more() {
        let settings = settings();
        let asked = |seconds| {
            let outcome = Outcome::Failed { blame: true, retry_after: Some(Duration::from_secs(seconds)) };
            Attempt { outcome, code: Some(503), error: None }
        };
        for (wanted, given) in [(0, 30), (30, 30), (45, 45), (60, 60), (86400, 60)] {
            assert_eq!(seconds(asked(wanted).next(&settings, 1, MIDDLE)), given, "{wanted}");
        }
    }

    #[test]
    fn what_has_arrived_or_has_no_content_is_over() {
        assert_eq!(Attempt::delivered(Some(250)).next(&settings(), 3, 0), Next::Done);
        assert_eq!(Attempt::dropped("no address").next(&settings(), 0, 0), Next::Cancelled);
    }
}
