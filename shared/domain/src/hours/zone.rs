//! From the clock on the wall to instants, where clocks are put forward and back.

use crate::Timestamp;
use chrono::{Days, LocalResult, NaiveDate, NaiveDateTime, TimeDelta, TimeZone};
use chrono_tz::Tz;

/// Further than any zone's clock is from UTC.
const FARTHEST: TimeDelta = TimeDelta::hours(26);

/// The first instant at which the clock shows `minutes` of `day` or later.
pub(super) fn first_from(zone: Tz, day: NaiveDate, minutes: u16) -> Option<Timestamp> {
    let local = at(day, minutes)?;
    match zone.from_local_datetime(&local) {
        LocalResult::Single(at) | LocalResult::Ambiguous(at, _) => {
            Some(Timestamp::from_millis(at.timestamp_millis()))
        }
        LocalResult::None => end_of_gap(zone, local),
    }
}

/// The instant until which the clock shows less than `minutes` of `day`, for the last time.
pub(super) fn last_before(zone: Tz, day: NaiveDate, minutes: u16) -> Option<Timestamp> {
    let local = at(day, minutes)?;
    match zone.from_local_datetime(&local) {
        LocalResult::Single(at) | LocalResult::Ambiguous(_, at) => {
            Some(Timestamp::from_millis(at.timestamp_millis()))
        }
        LocalResult::None => end_of_gap(zone, local),
    }
}

fn at(day: NaiveDate, minutes: u16) -> Option<NaiveDateTime> {
    let day = day.checked_add_days(Days::new(u64::from(minutes / (24 * 60))))?;
    day.and_hms_opt(u32::from(minutes / 60 % 24), u32::from(minutes % 60), 0)
}

/// The instant at which the clock was put forward over `local`.
fn end_of_gap(zone: Tz, local: NaiveDateTime) -> Option<Timestamp> {
    let shows_less = |at: NaiveDateTime| zone.from_utc_datetime(&at).naive_local() < local;
    let (mut before, mut after) = (local.checked_sub_signed(FARTHEST)?, local.checked_add_signed(FARTHEST)?);
    // Clocks change at whole seconds.
    while (after - before).num_seconds() > 1 {
        let middle = before + TimeDelta::seconds((after - before).num_seconds() / 2);
        if shows_less(middle) {
            before = middle;
        } else {
            after = middle;
        }
    }
    Some(Timestamp::from_millis(after.and_utc().timestamp_millis()))
}
