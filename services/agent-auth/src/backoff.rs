//! How long to wait before a peer is called again.

use std::time::Duration;

/// The pause after so many failures in a row (at least 1): doubles from `min` up to `max`; between half of that and all
/// of it as `chance` says, so that replicas that failed together do not come back together.
pub(crate) fn pause(failures: u32, min: Duration, max: Duration, chance: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(31);
    let whole = min.saturating_mul(1 << doublings).min(max);
    whole / 2 + (whole / 2).mul_f64(f64::from(chance) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_spread() {
        let (min, max) = (Duration::from_millis(100), Duration::from_secs(10));
        for (failures, longest) in [(1, min), (2, 2 * min), (4, 8 * min), (40, max), (u32::MAX, max)] {
            assert_eq!(pause(failures, min, max, u32::MAX), longest);
            assert_eq!(pause(failures, min, max, 0), longest / 2);
        }
    }
}
