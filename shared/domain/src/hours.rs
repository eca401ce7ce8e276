//! Working hours: calendars with several intervals a day, holidays and a time zone, one for each queue that has its own.
//!
//! An interval belongs to the day it starts on, also when it ends on the next one; a holiday replaces the intervals that
//! start on its date. Half-open: at the instant of the end it is closed. What an interval means where clocks change:
//! open from the first moment the clock on the wall shows the start or later, until the last moment it shows less than
//! the end. So an interval is one span of time, also in the hour that comes twice, and an interval inside an hour (or a
//! day) that is skipped is none.

mod document;
mod original;
#[cfg(test)]
mod tests;
mod zone;

pub use original::{OriginalHours, Shift};

use crate::{Language, Timestamp};
use chrono::{DateTime, Datelike, Days, NaiveDate, Offset, Timelike, Utc, Weekday};
use chrono_tz::Tz;
use std::{collections::BTreeMap, fmt};

/// How far an opening or a closing is looked for, in days.
pub const HORIZON_DAYS: u64 = 400;
const DAY_MINUTES: u16 = 24 * 60;

/// Minutes of a day's clock from `start` until before `end`; an end beyond 24:00 lies on the next day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Interval {
    start: u16,
    end: u16,
}

/// When one team works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calendar {
    zone: Tz,
    /// From Monday; each day's intervals in order, none overlapping another.
    week: [Vec<Interval>; 7],
    /// The intervals of single dates instead of their weekday's; none at all means shut.
    holidays: BTreeMap<NaiveDate, Vec<Interval>>,
}

/// The working hours of all queues.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hours {
    default: Calendar,
    queues: BTreeMap<String, Calendar>,
}

impl Hours {
    /// The same hours for every queue.
    pub fn of(default: Calendar) -> Self {
        Self { default, queues: BTreeMap::new() }
    }

    /// The calendar of queues that have none of their own.
    pub fn default_calendar(&self) -> &Calendar {
        &self.default
    }

    /// The calendar of a queue.
    pub fn calendar(&self, queue: &str) -> &Calendar {
        self.queues.get(queue).unwrap_or(&self.default)
    }

    /// The names of the queues that have their own calendar, in order.
    pub fn queues(&self) -> impl Iterator<Item = &str> {
        self.queues.keys().map(String::as_str)
    }

    /// The next instant after `now` at which some queue opens or shuts; `None` when nothing does within
    /// [`HORIZON_DAYS`].
    pub fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        let all = std::iter::once(&self.default).chain(self.queues.values());
        all.filter_map(|calendar| calendar.next_change(now)).min()
    }
}

impl Calendar {
    /// Whether the team works at `now`.
    pub fn is_open(&self, now: Timestamp) -> bool {
        let Some(date) = self.date(now) else { return false };
        self.spans(date).take_while(|span| span.start <= now).any(|span| span.contains(now))
    }

    /// The first instant from `now` on at which the team works: `now` itself when it does; `None` when it does not
    /// within [`HORIZON_DAYS`].
    pub fn next_opening(&self, now: Timestamp) -> Option<Timestamp> {
        // First occurrences grow with the date, so the first span that has not ended is the earliest.
        self.spans(self.date(now)?).find(|span| span.end > now).map(|span| span.start.max(now))
    }

    /// When the team that works at `now` stops; `None` when it does not work now, or does not stop within
    /// [`HORIZON_DAYS`].
    pub fn closes_at(&self, now: Timestamp) -> Option<Timestamp> {
        let date = self.date(now)?;
        let mut open_until: Option<Timestamp> = None;
        for span in self.spans(date) {
            match open_until {
                None if span.contains(now) => open_until = Some(span.end),
                None if span.start > now => return None,
                None => {}
                // Spans that touch or overlap are one.
                Some(until) if span.start <= until => open_until = Some(until.max(span.end)),
                Some(until) => return Some(until),
            }
        }
        let horizon = zone::first_from(self.zone, date.checked_add_days(Days::new(HORIZON_DAYS))?, 0)?;
        open_until.filter(|until| *until < horizon)
    }

    /// The next instant after `now` at which the team starts or stops.
    pub fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        if self.is_open(now) { self.closes_at(now) } else { self.next_opening(now) }
    }

    /// The first instant of the day on which `now` lies, by this calendar's clock.
    pub fn day_start(&self, now: Timestamp) -> Timestamp {
        self.date(now).and_then(|date| zone::first_from(self.zone, date, 0)).unwrap_or(now)
    }

    /// The zone's IANA name.
    pub fn time_zone(&self) -> &'static str {
        self.zone.name()
    }

    /// An instant as people of this calendar write it, with the distance to UTC: `11月24日 09:00（UTC+8）`,
    /// `Tue 24 Nov 09:00 (UTC+1)`.
    pub fn local_text(&self, at: Timestamp, language: Language) -> String {
        let Some(local) = self.local(at) else { return String::new() };
        let (month, day, hour, minute) = (local.month(), local.day(), local.hour(), local.minute());
        let zone = zone_text(local.offset().fix().local_minus_utc());
        match language {
            Language::Zh => format!("{month}月{day}日 {hour:02}:{minute:02}（{zone}）"),
            Language::En => {
                let months =
                    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
                let name = months.get(local.month0() as usize).copied().unwrap_or_default();
                format!("{} {day} {name} {hour:02}:{minute:02} ({zone})", local.weekday())
            }
        }
    }

    /// The date and the time of an instant by this calendar's clock: `2026-11-24`, `09:00`.
    pub fn local_date_and_time(&self, at: Timestamp) -> (String, String) {
        let Some(local) = self.local(at) else { return Default::default() };
        let date = format!("{:04}-{:02}-{:02}", local.year(), local.month(), local.day());
        (date, format!("{:02}:{:02}", local.hour(), local.minute()))
    }

    fn local(&self, at: Timestamp) -> Option<DateTime<Tz>> {
        let local = DateTime::<Utc>::from_timestamp_millis(at.millis())?.with_timezone(&self.zone);
        // Far from the ends of what can be counted, so that a few days more or less always exist.
        (1..=9999).contains(&local.year()).then_some(local)
    }

    fn date(&self, at: Timestamp) -> Option<NaiveDate> {
        Some(self.local(at)?.date_naive())
    }

    /// The spans from two days before `date`, so that none that reaches into it is missed, to the horizon, in the order
    /// of their starts.
    fn spans(&self, date: NaiveDate) -> impl Iterator<Item = Span> {
        let first = date.checked_sub_days(Days::new(2)).unwrap_or(date);
        let days = (0..HORIZON_DAYS + 2).filter_map(move |day| first.checked_add_days(Days::new(day)));
        days.flat_map(|day| self.of_day(day).iter().map(move |interval| (day, *interval)))
            .filter_map(|(day, interval)| self.span(day, interval))
    }

    fn of_day(&self, day: NaiveDate) -> &[Interval] {
        let weekday = || &self.week[day.weekday().num_days_from_monday() as usize];
        self.holidays.get(&day).unwrap_or_else(weekday)
    }

    fn span(&self, day: NaiveDate, interval: Interval) -> Option<Span> {
        let start = zone::first_from(self.zone, day, interval.start)?;
        let end = zone::last_before(self.zone, day, interval.end)?;
        (start < end).then_some(Span { start, end })
    }
}

/// A span of time, half-open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    start: Timestamp,
    end: Timestamp,
}

impl Span {
    fn contains(&self, at: Timestamp) -> bool {
        self.start <= at && at < self.end
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = if self.end > DAY_MINUTES { self.end - DAY_MINUTES } else { self.end };
        write!(f, "{}-{}", clock_text(self.start), clock_text(end))
    }
}

fn clock_text(minutes: u16) -> String {
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}

/// `UTC+8`, `UTC-3:30`, `UTC`.
fn zone_text(seconds: i32) -> String {
    let sign = if seconds < 0 { '-' } else { '+' };
    let (hours, minutes) = (seconds.abs() / 3600, seconds.abs() % 3600 / 60);
    match (hours, minutes) {
        (0, 0) => "UTC".into(),
        (hours, 0) => format!("UTC{sign}{hours}"),
        (hours, minutes) => format!("UTC{sign}{hours}:{minutes:02}"),
    }
}

/// Monday to Sunday, as documents name them.
const WEEKDAYS: [(&str, Weekday); 7] = [
    ("mon", Weekday::Mon),
    ("tue", Weekday::Tue),
    ("wed", Weekday::Wed),
    ("thu", Weekday::Thu),
    ("fri", Weekday::Fri),
    ("sat", Weekday::Sat),
    ("sun", Weekday::Sun),
];
