//! Working hours as people write them.
//!
//! ```yaml
//! default:
//!   time_zone: Europe/Berlin
//!   week:
//!     mon: ["09:00-12:00", "13:00-18:00"]
//!     fri: ["22:00-06:00"]          # until Saturday morning
//!     sat: ["00:00-24:00"]
//!   holidays:
//!     - 2026-12-25                  # shut
//!     - 2026-12-24: ["09:00-12:00"]
//! queues:
//!   sales:                          # a whole calendar of its own
//!     time_zone: America/New_York
//!     week: {mon: ["08:00-20:00"]}
//! ```

use super::{Calendar, DAY_MINUTES, Hours, Interval, WEEKDAYS};
use crate::document::{self, DocumentError, Located};
use chrono::NaiveDate;
use chrono_tz::Tz;
use serde::{Deserialize, Deserializer, de};
use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
};

/// Longest name of a queue, in characters.
const QUEUE_NAME_MAX: usize = 64;
/// Most intervals of one day.
const INTERVALS_MAX: usize = 24;
/// Most errors that one reading tells.
const ERRORS_MAX: usize = 20;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HoursText {
    default: CalendarText,
    #[serde(default)]
    queues: BTreeMap<Located<String>, CalendarText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CalendarText {
    time_zone: Located<String>,
    week: WeekText,
    #[serde(default)]
    holidays: HolidaysText,
}

type DayText = Vec<Located<String>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
struct WeekText {
    mon: DayText,
    tue: DayText,
    wed: DayText,
    thu: DayText,
    fri: DayText,
    sat: DayText,
    sun: DayText,
}

/// Dates with their intervals, in the order of the document.
#[derive(Default)]
struct HolidaysText(Vec<(Located<String>, DayText)>);

impl Hours {
    /// Reads a document.
    ///
    /// # Errors
    /// All that is wrong with it, at most 20 at a time, in the order of the lines.
    pub fn parse(text: &str) -> Result<Self, Vec<DocumentError>> {
        let text: HoursText = document::parse(text).map_err(|error| vec![error])?;
        let mut errors = Vec::new();
        let default = text.default.read(&mut errors);
        let mut queues = BTreeMap::new();
        for (name, calendar) in text.queues {
            if !is_queue_name(&name.value) {
                let reason =
                    format!("a queue's name is 1 to {QUEUE_NAME_MAX} letters, digits, '.', '_' or '-'");
                errors.push(DocumentError::at(&name, reason));
            }
            if let Some(calendar) = calendar.read(&mut errors) {
                queues.insert(name.value, calendar);
            }
        }
        errors.sort_by_key(|error| (error.line, error.column));
        errors.truncate(ERRORS_MAX);
        match default {
            Some(default) if errors.is_empty() => Ok(Self { default, queues }),
            _ => Err(errors),
        }
    }

    /// The document that reads as these hours.
    pub fn to_document(&self) -> String {
        let mut text = String::from("default:\n");
        self.default.print(&mut text, "  ");
        if !self.queues.is_empty() {
            text.push_str("queues:\n");
        }
        for (name, calendar) in &self.queues {
            let _ = writeln!(text, "  \"{name}\":");
            calendar.print(&mut text, "    ");
        }
        text
    }
}

impl Calendar {
    fn print(&self, text: &mut String, indent: &str) {
        let _ = writeln!(text, "{indent}time_zone: {}\n{indent}week:", self.zone.name());
        for ((name, _), intervals) in WEEKDAYS.iter().zip(&self.week) {
            let _ = writeln!(text, "{indent}  {name}: {}", List(intervals));
        }
        if !self.holidays.is_empty() {
            let _ = writeln!(text, "{indent}holidays:");
        }
        for (date, intervals) in &self.holidays {
            let _ = match intervals.as_slice() {
                [] => writeln!(text, "{indent}  - {date}"),
                some => writeln!(text, "{indent}  - {date}: {}", List(some)),
            };
        }
    }
}

impl CalendarText {
    /// `None` exactly when an error was added.
    fn read(self, errors: &mut Vec<DocumentError>) -> Option<Calendar> {
        let told = errors.len();
        let zone = self.time_zone.value.parse::<Tz>();
        if zone.is_err() {
            let reason = format!("{} is no time zone of the IANA list", self.time_zone.value);
            errors.push(DocumentError::at(&self.time_zone, reason));
        }
        let WeekText { mon, tue, wed, thu, fri, sat, sun } = self.week;
        let week = [mon, tue, wed, thu, fri, sat, sun].map(|day| intervals(&day, errors));
        let mut holidays = BTreeMap::new();
        for (date, day) in &self.holidays.0 {
            let intervals = intervals(day, errors);
            let known =
                NaiveDate::parse_from_str(&date.value, "%Y-%m-%d").ok().filter(|_| date.value.len() == 10);
            let Some(known) = known else {
                let reason = format!("{} is no date of the form 2026-12-25", date.value);
                errors.push(DocumentError::at(date, reason));
                continue;
            };
            if holidays.insert(known, intervals).is_some() {
                errors.push(DocumentError::at(date, format!("{known} stands twice")));
            }
        }
        (errors.len() == told).then_some(Calendar { zone: zone.ok()?, week, holidays })
    }
}

fn intervals(day: &DayText, errors: &mut Vec<DocumentError>) -> Vec<Interval> {
    let mut read: Vec<(Interval, &Located<String>)> = Vec::with_capacity(day.len().min(INTERVALS_MAX));
    for (place, text) in day.iter().enumerate() {
        match interval(&text.value) {
            Err(reason) => errors.push(DocumentError::at(text, reason)),
            Ok(_) if place == INTERVALS_MAX => {
                errors.push(DocumentError::at(text, format!("a day has at most {INTERVALS_MAX} intervals")));
            }
            Ok(_) if place > INTERVALS_MAX => {}
            Ok(interval) => read.push((interval, text)),
        }
    }
    read.sort_by_key(|(interval, _)| *interval);
    for pair in read.windows(2) {
        if let [(before, _), (after, text)] = pair
            && after.start < before.end
        {
            errors.push(DocumentError::at(text, format!("{after} overlaps {before} of the same day")));
        }
    }
    read.into_iter().map(|(interval, _)| interval).collect()
}

fn interval(text: &str) -> Result<Interval, String> {
    let shape = || format!("{text} is no interval of the form 09:00-18:00");
    let (start, end) = text.split_once('-').ok_or_else(shape)?;
    let start = minutes(start.trim()).filter(|start| *start < DAY_MINUTES).ok_or_else(shape)?;
    let end = minutes(end.trim()).ok_or_else(shape)?;
    match start.cmp(&end) {
        std::cmp::Ordering::Less => Ok(Interval { start, end }),
        std::cmp::Ordering::Equal => Err(format!("{text} starts when it ends; a whole day is 00:00-24:00")),
        std::cmp::Ordering::Greater => Ok(Interval { start, end: end + DAY_MINUTES }),
    }
}

/// `HH:MM` as minutes, up to 24:00.
pub(super) fn minutes(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let number = |digits: &str| {
        let known = (1..=2).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
        known.then(|| digits.parse::<u16>().ok()).flatten()
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    let total = hours * 60 + minutes;
    (minutes < 60 && total <= DAY_MINUTES).then_some(total)
}

fn is_queue_name(name: &str) -> bool {
    let known = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-');
    (1..=QUEUE_NAME_MAX).contains(&name.chars().count()) && name.chars().all(known)
}

struct List<'a>(&'a [Interval]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (place, interval) in self.0.iter().enumerate() {
            write!(f, "{}\"{interval}\"", if place == 0 { "" } else { ", " })?;
        }
        f.write_str("]")
    }
}

/// A list of dates and of `date: intervals`, or a map of dates to intervals.
impl<'de> Deserialize<'de> for HolidaysText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Days(HolidaysText);
        impl<'de> de::Visitor<'de> for Days {
            type Value = HolidaysText;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of dates, or dates with their intervals")
            }
            fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
                Ok(self.0)
            }
            fn visit_map<M: de::MapAccess<'de>>(mut self, mut map: M) -> Result<Self::Value, M::Error> {
                while let Some(day) = map.next_entry()? {
                    self.0.0.push(day);
                }
                Ok(self.0)
            }
            fn visit_seq<S: de::SeqAccess<'de>>(mut self, mut list: S) -> Result<Self::Value, S::Error> {
                while let Some(Located { value, line, column }) = list.next_element::<Located<ItemText>>()? {
                    match value {
                        ItemText::Date(value) => self.0.0.push((Located { value, line, column }, Vec::new())),
                        ItemText::Days(days) => self.0.0.extend(days),
                    }
                }
                Ok(self.0)
            }
        }
        deserializer.deserialize_any(Days(Self::default()))
    }
}

enum ItemText {
    Date(String),
    Days(Vec<(Located<String>, DayText)>),
}

impl<'de> Deserialize<'de> for ItemText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Item;
        impl<'de> de::Visitor<'de> for Item {
            type Value = ItemText;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a date, or a date with its intervals")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(ItemText::Date(text.to_owned()))
            }
            fn visit_map<M: de::MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut days = Vec::new();
                while let Some(day) = map.next_entry()? {
                    days.push(day);
                }
                Ok(ItemText::Days(days))
            }
        }
        deserializer.deserialize_any(Item)
    }
}
