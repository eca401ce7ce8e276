//! How long to wait before asking again.

use std::time::Duration;

/// The pause after so many failures in a row (at least 1): doubles from `min` up to `max`; between half of that and all
/// of it as `chance` says, so that those who failed together do not come back together.
pub(crate) fn pause(failures: u32, min: Duration, max: Duration, chance: u32) -> Duration {
    let doubled = min.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1)));
    let whole = doubled.min(max);
    whole / 2 + (whole / 2).mul_f64(f64::from(chance) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_limit_and_spread() {
        let (min, max) = (Duration::from_millis(200), Duration::from_secs(30));
        let longest = |failures| pause(failures, min, max, u32::MAX);
        assert_eq!(longest(1), min);
        assert_eq!(longest(2), 2 * min);
        assert_eq!(longest(5), 16 * min);
        assert_eq!(longest(60), max);
        assert_eq!(longest(u32::MAX), max);
        assert_eq!(pause(1, min, max, 0), min / 2);
        let half = pause(3, min, max, u32::MAX / 2);
        assert!(half > 2 * min && half < 4 * min, "{half:?}");
    }
}
