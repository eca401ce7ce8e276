//! How long to wait before a peer is asked again.

use crate::Rng;
use std::time::Duration;

/// The pause after so many failures in a row (at least 1): doubles from `min` up to `max`; between half of that and all
/// of it as chance says, so that replicas that failed together do not come back together.
pub fn backoff(failures: u32, min: Duration, max: Duration, rng: &dyn Rng) -> Duration {
    let mut chance = [0_u8; 4];
    rng.fill(&mut chance);
    let doublings = failures.saturating_sub(1).min(31);
    let whole = min.saturating_mul(1 << doublings).min(max);
    whole / 2 + (whole / 2).mul_f64(f64::from(u32::from_le_bytes(chance)) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives the same byte for ever.
    #[derive(Debug)]
    struct Byte(u8);

    impl Rng for Byte {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(self.0);
        }
    }

    #[test]
    fn pauses_double_up_to_the_longest_and_spread() {
        let (min, max) = (Duration::from_millis(200), Duration::from_secs(30));
        for (failures, longest) in
            [(1, min), (2, 2 * min), (5, 16 * min), (32, max), (33, max), (60, max), (u32::MAX, max)]
        {
            assert_eq!(backoff(failures, min, max, &Byte(0xff)), longest);
            assert_eq!(backoff(failures, min, max, &Byte(0)), longest / 2);
        }
        let middle = backoff(3, min, max, &Byte(0x7f));
        assert!(middle > 2 * min && middle < 4 * min, "{middle:?}");
    }
}
