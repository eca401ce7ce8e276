//! Arithmetic on measurements: percentiles, medians and ratios.

/// A count as a number to calculate with; exact up to 2^53.
#[expect(clippy::cast_precision_loss, reason = "counts and nanoseconds of one run stay far below 2^53")]
pub(crate) fn real(count: u64) -> f64 {
    count as f64
}

/// A length as a number to calculate with.
pub(crate) fn real_len(len: usize) -> f64 {
    real(u64::try_from(len).unwrap_or(u64::MAX))
}

/// The value below which `percent` of the sorted values lie; 0 without values.
pub(crate) fn percentile(sorted: &[u64], percent: usize) -> u64 {
    let Some(last) = sorted.len().checked_sub(1) else { return 0 };
    // Rounded to the nearest rank.
    sorted[(last * percent + 50) / 100]
}

/// The middle of the values, between the two middle ones for an even count; `None` without values.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        len if len % 2 == 1 => Some(values[middle]),
        _ => Some(f64::midpoint(values[middle - 1], values[middle])),
    }
}

/// The median of the ratios of values that belong together, round by round. Rounds in which either is missing, or the
/// lower one is 0, do not count.
pub(crate) fn median_ratio(upper: &[Option<f64>], lower: &[Option<f64>]) -> Option<f64> {
    median(upper.iter().zip(lower).filter_map(|pair| match pair {
        (Some(upper), Some(lower)) if *lower != 0.0 => Some(upper / lower),
        _ => None,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_take_the_nearest_rank() {
        let hundred_one: Vec<u64> = (0..=100).collect();
        assert_eq!(percentile(&hundred_one, 50), 50);
        assert_eq!(percentile(&hundred_one, 99), 99);
        assert_eq!(percentile(&[7], 99), 7);
        assert_eq!(percentile(&[1, 2], 0), 1);
        assert_eq!(percentile(&[1, 2], 100), 2);
        assert_eq!(percentile(&[], 50), 0);
    }

    #[test]
    fn medians_of_odd_even_and_no_values() {
        assert_eq!(median([3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median([4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median([f64::NAN, 1.0]), Some(1.0));
        assert_eq!(median([]), None);
    }

    #[test]
    fn ratios_are_made_within_a_round() {
        // The second round was twice as slow for both: the ratio stays.
        let upper = [Some(2.0), Some(4.0), None, Some(9.0)];
        let lower = [Some(1.0), Some(2.0), Some(1.0), Some(0.0)];
        assert_eq!(median_ratio(&upper, &lower), Some(2.0));
        assert_eq!(median_ratio(&[None], &[Some(1.0)]), None);
    }
}
