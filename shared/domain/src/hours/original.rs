//! The five values that existing installations have in their environment, and the same view of any calendar.

use super::{Calendar, DAY_MINUTES, Interval, clock_text, document::minutes};
use chrono::NaiveDate;
use chrono_tz::Tz;
use std::collections::BTreeMap;

const START: u16 = 9 * 60;
const END: u16 = 18 * 60;
const ZONE: Tz = Tz::Asia__Shanghai;

/// The five values as they stand in the environment.
#[derive(Debug, Clone, Copy)]
pub struct OriginalHours<'a> {
    /// `HUMAN_SHIFT_START`, `HH:MM`.
    pub shift_start: &'a str,
    /// `HUMAN_SHIFT_END`, `HH:MM`; before the start, the shift is overnight.
    pub shift_end: &'a str,
    /// `TIMEZONE`, an IANA name.
    pub time_zone: &'a str,
    /// `WEEKENDS_DISABLED`.
    pub weekends_disabled: bool,
    /// `HOLIDAYS`, dates of the form `2026-12-25` with commas between them.
    pub holidays: &'a str,
}

/// A calendar as one shift: exact for calendars that were one, else its first working day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shift {
    /// When the first working day starts, `HH:MM`; empty when there is none.
    pub start: String,
    /// When it ends; empty when there is none.
    pub end: String,
    /// Whether nobody works on Saturdays and Sundays.
    pub weekends_disabled: bool,
    /// The dates on which nobody works, `2026-12-25`, in order.
    pub holidays: Vec<String>,
}

impl Calendar {
    /// The calendar that the five values mean, and what was wrong with them, one clause each. As lenient as existing
    /// installations are used to: an unreadable start is 09:00, an unreadable end 18:00 (not 09:00, which made a shift
    /// of no length), an unknown zone Asia/Shanghai; unreadable dates are dropped.
    ///
    /// A day is a calendar day: of a night from Friday to Saturday the part after midnight belongs to Saturday, and a
    /// holiday shuts exactly its date.
    pub fn from_original(original: OriginalHours<'_>) -> (Self, Vec<String>) {
        let mut warnings = Vec::new();
        let start =
            minutes(original.shift_start.trim()).filter(|start| *start < DAY_MINUTES).unwrap_or_else(|| {
                warnings.push(format!("shift start {:?} is no time, 09:00 is used", original.shift_start));
                START
            });
        let end = minutes(original.shift_end.trim()).unwrap_or_else(|| {
            warnings.push(format!("shift end {:?} is no time, 18:00 is used", original.shift_end));
            END
        });
        let zone = original.time_zone.trim().parse().unwrap_or_else(|_| {
            warnings.push(format!("time zone {:?} is unknown, {} is used", original.time_zone, ZONE.name()));
            ZONE
        });
        if start == end {
            warnings.push("the shift starts when it ends, so it is never open".into());
        }
        let day = day(start, end);
        let week = std::array::from_fn(|weekday| {
            if original.weekends_disabled && weekday >= 5 { Vec::new() } else { day.clone() }
        });
        let mut holidays = BTreeMap::new();
        for text in original.holidays.split(',').map(str::trim).filter(|text| !text.is_empty()) {
            match NaiveDate::parse_from_str(text, "%Y-%m-%d") {
                Ok(date) => {
                    holidays.insert(date, Vec::new());
                }
                Err(_) => warnings.push(format!("holiday {text:?} is no date and is dropped")),
            }
        }
        (Self { zone, week, holidays }, warnings)
    }

    /// The calendar as clients of one shift want it.
    pub fn shift(&self) -> Shift {
        let first = self.week.iter().find(|day| !day.is_empty()).map(Vec::as_slice);
        let (start, end) = match first {
            None => (String::new(), String::new()),
            Some([morning, evening]) if morning.start == 0 && evening.end == DAY_MINUTES => {
                (clock_text(evening.start), clock_text(morning.end))
            }
            Some(day) => {
                let start = day.iter().map(|interval| interval.start).min().unwrap_or_default();
                let end = day.iter().map(|interval| interval.end).max().unwrap_or_default();
                (clock_text(start), clock_text(if end > DAY_MINUTES { end - DAY_MINUTES } else { end }))
            }
        };
        let shut = self.holidays.iter().filter(|(_, day)| day.is_empty());
        Shift {
            start,
            end,
            weekends_disabled: self.week[5].is_empty() && self.week[6].is_empty(),
            holidays: shut.map(|(date, _)| date.to_string()).collect(),
        }
    }
}

fn day(start: u16, end: u16) -> Vec<Interval> {
    let some = |start, end| (start < end).then_some(Interval { start, end });
    if start <= end {
        some(start, end).into_iter().collect()
    } else {
        [some(0, end), some(start, DAY_MINUTES)].into_iter().flatten().collect()
    }
}
