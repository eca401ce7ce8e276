//! Working hours in the examples of a week, of clocks that change, of documents, and in general.

use super::*;
use crate::document::DocumentError;
use proptest::prelude::*;

/// An instant written in RFC 3339.
fn at(text: &str) -> Timestamp {
    Timestamp::from_millis(DateTime::parse_from_rfc3339(text).expect("an instant").timestamp_millis())
}

fn calendar(zone: &str, rest: &str) -> Calendar {
    hours(&format!("default:\n  time_zone: {zone}\n{rest}")).default
}

fn hours(text: &str) -> Hours {
    Hours::parse(text).unwrap_or_else(|errors| panic!("{errors:?}\n{text}"))
}

fn errors(text: &str) -> Vec<(u32, String)> {
    let tell = |error: DocumentError| (error.line, error.reason);
    Hours::parse(text).expect_err("errors").into_iter().map(tell).collect()
}

const OFFICE: &str = "  week:\n    mon: [\"09:00-12:00\", \"13:00-18:00\"]\n    tue: [\"09:00-18:00\"]\n    fri: [\"22:00-06:00\"]\n  holidays:\n    - 2026-11-24\n    - 2026-11-25: [\"10:00-11:00\"]\n";

#[test]
fn a_week_with_breaks_nights_and_holidays() {
    let office = calendar("Asia/Shanghai", OFFICE);
    for (instant, open, opens, closes) in [
        // Monday the 23rd.
        ("2026-11-23T08:59:59.999+08:00", false, "2026-11-23T09:00:00+08:00", None),
        ("2026-11-23T09:00:00+08:00", true, "2026-11-23T09:00:00+08:00", Some("2026-11-23T12:00:00+08:00")),
        (
            "2026-11-23T11:59:59.999+08:00",
            true,
            "2026-11-23T11:59:59.999+08:00",
            Some("2026-11-23T12:00:00+08:00"),
        ),
        ("2026-11-23T12:00:00+08:00", false, "2026-11-23T13:00:00+08:00", None),
        // Tuesday is a holiday, Wednesday opens for once.
        ("2026-11-23T18:00:00+08:00", false, "2026-11-25T10:00:00+08:00", None),
        ("2026-11-24T10:00:00+08:00", false, "2026-11-25T10:00:00+08:00", None),
        ("2026-11-25T10:30:00+08:00", true, "2026-11-25T10:30:00+08:00", Some("2026-11-25T11:00:00+08:00")),
        // The night from Friday to Saturday.
        ("2026-11-25T11:00:00+08:00", false, "2026-11-27T22:00:00+08:00", None),
        ("2026-11-28T03:00:00+08:00", true, "2026-11-28T03:00:00+08:00", Some("2026-11-28T06:00:00+08:00")),
        ("2026-11-28T06:00:00+08:00", false, "2026-11-30T09:00:00+08:00", None),
    ] {
        assert_eq!(office.is_open(at(instant)), open, "{instant}");
        assert_eq!(office.next_opening(at(instant)), Some(at(opens)), "{instant}");
        assert_eq!(office.closes_at(at(instant)), closes.map(at), "{instant}");
    }
}

#[test]
fn a_day_starts_by_the_clock_of_its_zone() {
    for (zone, now, start) in [
        ("Asia/Shanghai", "2026-11-23T23:59:59Z", "2026-11-24T00:00:00+08:00"),
        ("Asia/Shanghai", "2026-11-23T16:00:00Z", "2026-11-24T00:00:00+08:00"),
        ("UTC", "2026-11-23T23:59:59Z", "2026-11-23T00:00:00Z"),
        // On this day the clock jumps from 00:00 to 01:00.
        ("America/Asuncion", "2024-10-06T12:00:00Z", "2024-10-06T04:00:00Z"),
    ] {
        let calendar = calendar(zone, "  week: {}\n");
        assert_eq!(calendar.day_start(at(now)), at(start), "{zone} {now}");
    }
}

#[test]
fn clocks_that_change_neither_lose_nor_double_a_shift() {
    // (zone, the day's interval, the spans that it is around the date)
    for (zone, day, interval, open, shut) in [
        // Spring: 02:00-03:00 does not exist. A start in it opens when the clock jumps.
        ("Europe/Berlin", "sun", "02:30-05:00", "2026-03-29T01:00:00Z", "2026-03-29T03:00:00Z"),
        ("Europe/Berlin", "sun", "01:00-02:30", "2026-03-29T00:00:00Z", "2026-03-29T01:00:00Z"),
        ("America/New_York", "sun", "02:15-04:00", "2026-03-08T07:00:00Z", "2026-03-08T08:00:00Z"),
        // Autumn: an hour comes twice. One span, from the first start to the last end.
        ("Europe/Berlin", "sun", "02:30-05:00", "2026-10-25T00:30:00Z", "2026-10-25T04:00:00Z"),
        ("Europe/Berlin", "sun", "00:00-02:30", "2026-10-24T22:00:00Z", "2026-10-25T01:30:00Z"),
        ("America/New_York", "sun", "01:00-02:00", "2026-11-01T05:00:00Z", "2026-11-01T07:00:00Z"),
        ("America/New_York", "sat", "22:00-01:30", "2026-11-01T02:00:00Z", "2026-11-01T06:30:00Z"),
        // Half an hour, back in April and forward in October.
        ("Australia/Lord_Howe", "sun", "01:45-03:00", "2026-04-04T14:45:00Z", "2026-04-04T16:30:00Z"),
        ("Australia/Lord_Howe", "sun", "02:15-03:00", "2026-10-03T15:30:00Z", "2026-10-03T16:00:00Z"),
        // No distance to UTC that is whole hours.
        ("Asia/Kathmandu", "mon", "09:00-18:00", "2026-11-23T03:15:00Z", "2026-11-23T12:15:00Z"),
    ] {
        let calendar = calendar(zone, &format!("  week:\n    {day}: [\"{interval}\"]\n"));
        let (open, shut) = (at(open), at(shut));
        let before = Timestamp::from_millis(open.millis() - 1);
        assert!(!calendar.is_open(before), "{zone} {interval}");
        assert_eq!(calendar.next_opening(before), Some(open), "{zone} {interval}");
        assert_eq!(calendar.closes_at(open), Some(shut), "{zone} {interval}");
        assert!(!calendar.is_open(shut), "{zone} {interval}");
    }
}

#[test]
fn what_the_clock_skips_is_no_shift() {
    // The 30th of December 2011, a Friday, did not exist in Samoa.
    let fridays = calendar("Pacific/Apia", "  week: {fri: [\"09:00-17:00\"]}\n");
    assert_eq!(fridays.next_opening(at("2011-12-29T00:00:00-10:00")), Some(at("2012-01-06T09:00:00+14:00")));
    let nights = calendar("Pacific/Apia", "  week: {thu: [\"22:00-06:00\"], sat: [\"00:00-01:00\"]}\n");
    let evening = at("2011-12-29T23:00:00-10:00");
    // Thursday's night ends with the day that was skipped; Saturday follows at once.
    assert_eq!(nights.closes_at(evening), Some(at("2011-12-31T01:00:00+14:00")));
    let gap = calendar("Europe/Berlin", "  week: {sun: [\"02:10-02:50\"]}\n");
    assert_eq!(gap.next_opening(at("2026-03-28T12:00:00Z")), Some(at("2026-04-05T02:10:00+02:00")));
}

#[test]
fn without_end_and_without_beginning() {
    let all = "[\"00:00-24:00\"]";
    let week =
        ["mon", "tue", "wed", "thu", "fri", "sat", "sun"].map(|day| format!("{day}: {all}")).join(", ");
    let always = calendar("Europe/Berlin", &format!("  week: {{{week}}}\n"));
    let now = at("2026-11-23T10:00:00Z");
    assert_eq!(
        (always.next_opening(now), always.closes_at(now), always.next_change(now)),
        (Some(now), None, None)
    );
    let but_once = calendar("Europe/Berlin", &format!("  week: {{{week}}}\n  holidays: [2026-12-25]\n"));
    assert_eq!(but_once.closes_at(now), Some(at("2026-12-25T00:00:00+01:00")));
    assert_eq!(but_once.next_opening(at("2026-12-25T12:00:00+01:00")), Some(at("2026-12-26T00:00:00+01:00")));

    let never = calendar("Europe/Berlin", "  week: {}\n");
    assert_eq!((never.is_open(now), never.next_opening(now), never.next_change(now)), (false, None, None));
    let once = calendar("UTC", "  week: {}\n  holidays: {2026-11-23: [\"09:00-11:00\"]}\n");
    assert_eq!(once.closes_at(now), Some(at("2026-11-23T11:00:00Z")));
    assert_eq!(once.next_opening(at("2026-11-23T11:00:00Z")), None);
    for end_of_time in [i64::MIN, i64::MAX] {
        let end_of_time = Timestamp::from_millis(end_of_time);
        assert_eq!((always.is_open(end_of_time), always.next_opening(end_of_time)), (false, None));
    }
}

#[test]
fn queues_have_their_own_hours_or_the_default() {
    let hours = hours(
        "default: {time_zone: UTC, week: {mon: [\"09:00-17:00\"]}}\nqueues:\n  sales: {time_zone: UTC, week: {mon: [\"12:00-13:00\"]}}\n",
    );
    let now = at("2026-11-23T10:00:00Z");
    assert!(hours.calendar("default").is_open(now) && hours.calendar("unheard of").is_open(now));
    assert!(!hours.calendar("sales").is_open(now));
    assert_eq!(hours.next_change(now), Some(at("2026-11-23T12:00:00Z")));
    assert_eq!(hours.queues().collect::<Vec<_>>(), ["sales"]);
}

#[test]
fn an_instant_in_words() {
    let now = at("2026-11-24T01:00:00Z");
    let text = |zone, language| calendar(zone, "  week: {}\n").local_text(now, language);
    assert_eq!(text("Asia/Shanghai", Language::Zh), "11月24日 09:00（UTC+8）");
    assert_eq!(text("Europe/Berlin", Language::En), "Tue 24 Nov 02:00 (UTC+1)");
    assert_eq!(text("America/St_Johns", Language::En), "Mon 23 Nov 21:30 (UTC-3:30)");
    assert_eq!(text("UTC", Language::En), "Tue 24 Nov 01:00 (UTC)");
}

#[test]
fn every_error_names_its_line() {
    let text = "default:\n  time_zone: Europe/Berlon\n  week:\n    mon: [\"09:00-12:00\", \"11:00-18:00\"]\n    tue:\n      - 9-18\n      - 25:00-26:00\n      - 09:00-09:00\n  holidays:\n    - 2026-02-30\n    - 2026-12-25\n    - 2026-12-25: [\"10:00-24:30\"]\nqueues:\n  \"a b\": {time_zone: UTC, week: {}}\n";
    let told = errors(text);
    for (line, words) in [
        (2, "Europe/Berlon is no time zone"),
        (4, "11:00-18:00 overlaps 09:00-12:00"),
        (6, "9-18 is no interval"),
        (7, "25:00-26:00 is no interval"),
        (8, "starts when it ends"),
        (10, "2026-02-30 is no date"),
        (12, "10:00-24:30 is no interval"),
        (12, "2026-12-25 stands twice"),
        (14, "a queue's name"),
    ] {
        assert!(
            told.iter().any(|(at, reason)| *at == line && reason.contains(words)),
            "{line} {words}: {told:?}"
        );
    }
    assert_eq!(told.len(), 9, "{told:?}");
    for (text, line) in [
        ("default:\n  time_zone: UTC\n  week: {}\n  weekend: no\n", 4),
        ("default:\n  time_zone: UTC\n  week:\n    monday: []\n", 4),
        ("default:\n  time_zone: UTC\n", 2),
        ("default:\n  time_zone: UTC\n  week:\n    mon: 09:00-18:00\n", 4),
        ("default:\n  time_zone: UTC\n  week: {}\n  holidays: [[]]\n", 4),
        ("- 1\n", 1),
    ] {
        assert_eq!(errors(text).first().map(|(line, _)| *line), Some(line), "{text}: {:?}", errors(text));
    }
}

fn original() -> OriginalHours<'static> {
    OriginalHours {
        shift_start: "09:00",
        shift_end: "18:00",
        time_zone: "Asia/Shanghai",
        weekends_disabled: true,
        holidays: "",
    }
}

#[test]
fn the_five_values_of_existing_installations() {
    let (office, warnings) =
        Calendar::from_original(OriginalHours { holidays: "2026-11-24, 2026-12-25", ..original() });
    assert_eq!(warnings, Vec::<String>::new());
    assert_eq!(office.next_opening(at("2026-11-23T18:00:00+08:00")), Some(at("2026-11-25T09:00:00+08:00")));
    assert_eq!(office.next_opening(at("2026-11-27T18:00:00+08:00")), Some(at("2026-11-30T09:00:00+08:00")));
    let shift = office.shift();
    assert_eq!((shift.start.as_str(), shift.end.as_str(), shift.weekends_disabled), ("09:00", "18:00", true));
    assert_eq!(shift.holidays, ["2026-11-24", "2026-12-25"]);

    // A night that starts on Friday ends at midnight, one that ends on Monday starts then.
    let (nights, _) =
        Calendar::from_original(OriginalHours { shift_start: "22:00", shift_end: "06:00", ..original() });
    assert_eq!(nights.closes_at(at("2026-11-26T23:00:00+08:00")), Some(at("2026-11-27T06:00:00+08:00")));
    assert_eq!(nights.closes_at(at("2026-11-27T23:00:00+08:00")), Some(at("2026-11-28T00:00:00+08:00")));
    assert_eq!(nights.next_opening(at("2026-11-28T00:00:00+08:00")), Some(at("2026-11-30T00:00:00+08:00")));
    assert_eq!((nights.shift().start, nights.shift().end), ("22:00".to_owned(), "06:00".to_owned()));
}

#[test]
fn bad_values_are_replaced_and_told() {
    let (calendar, warnings) = Calendar::from_original(OriginalHours {
        shift_start: "nine",
        shift_end: "18.00",
        time_zone: "Mars/Base",
        weekends_disabled: false,
        holidays: "2026-13-01,,2026-12-25",
    });
    let shift = calendar.shift();
    assert_eq!((shift.start.as_str(), shift.end.as_str()), ("09:00", "18:00"));
    assert_eq!((calendar.time_zone(), shift.weekends_disabled), ("Asia/Shanghai", false));
    assert_eq!(shift.holidays, ["2026-12-25"]);
    for (warning, words) in warnings.iter().zip(["shift start", "shift end", "time zone", "2026-13-01"]) {
        assert!(warning.contains(words), "{warnings:?}");
    }
    assert_eq!(warnings.len(), 4);
    let (never, warnings) = Calendar::from_original(OriginalHours { shift_end: "09:00", ..original() });
    assert_eq!((never.next_opening(at("2026-11-23T09:00:00+08:00")), warnings.len()), (None, 1));
}

const ZONES: [&str; 8] = [
    "UTC",
    "Asia/Shanghai",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Africa/Casablanca",
    "America/Havana",
];

fn some_intervals() -> impl Strategy<Value = Vec<Interval>> {
    // Cuts of the day in order, taken in pairs; the last may reach into the next day.
    proptest::collection::btree_set(0_u16..DAY_MINUTES, 0..6).prop_map(|cuts| {
        let cuts: Vec<u16> = cuts.into_iter().collect();
        cuts.chunks(2)
            .map(|pair| match pair {
                [start, end] => Interval { start: *start, end: *end },
                [start] if *start > 0 => Interval { start: *start, end: DAY_MINUTES + start / 2 },
                _ => Interval { start: 0, end: DAY_MINUTES },
            })
            .collect()
    })
}

fn some_calendar() -> impl Strategy<Value = Calendar> {
    let week = proptest::collection::vec(some_intervals(), 7);
    let holidays = proptest::collection::btree_map(0_u64..40, some_intervals(), 0..4);
    (proptest::sample::select(ZONES.as_slice()), week, holidays).prop_map(|(zone, week, holidays)| {
        let first = NaiveDate::from_ymd_opt(2026, 10, 10).expect("a date");
        Calendar {
            zone: zone.parse().expect("a zone"),
            week: week.try_into().expect("seven days"),
            holidays: holidays
                .into_iter()
                .map(|(day, intervals)| (first + Days::new(day), intervals))
                .collect(),
        }
    })
}

/// Instants around the autumn of 2026 and the day that Samoa skipped.
fn some_instant() -> impl Strategy<Value = Timestamp> {
    let around = |text: &str| {
        let middle = at(text).millis();
        (-20 * 86_400_000_i64..20 * 86_400_000)
            .prop_map(move |offset| Timestamp::from_millis(middle + offset))
    };
    prop_oneof![
        around("2026-10-30T00:00:00Z"),
        around("2026-03-20T00:00:00Z"),
        around("2011-12-30T00:00:00Z"),
    ]
}

proptest! {
    #[test]
    fn an_opening_is_the_first(calendar in some_calendar(), now in some_instant(), parts in 1_i64..40) {
        if let Some(opens) = calendar.next_opening(now) {
            prop_assert!(opens >= now);
            prop_assert!(calendar.is_open(opens));
            prop_assert_eq!(opens == now, calendar.is_open(now));
            let between = opens.millis() - now.millis();
            for part in 0..parts {
                let sample = Timestamp::from_millis(now.millis() + between * part / parts);
                prop_assert_eq!(calendar.is_open(sample), sample == opens);
            }
        } else {
            prop_assert!(!calendar.is_open(now));
        }
    }

    #[test]
    fn a_closing_is_the_first(calendar in some_calendar(), now in some_instant(), parts in 1_i64..40) {
        let closes = calendar.closes_at(now);
        prop_assert!(closes.is_none() || calendar.is_open(now));
        if let Some(closes) = closes {
            prop_assert!(closes > now && !calendar.is_open(closes));
            let between = closes.millis() - now.millis();
            for part in 0..parts {
                let sample = Timestamp::from_millis(now.millis() + between * part / parts);
                prop_assert!(calendar.is_open(sample));
                prop_assert_eq!(calendar.closes_at(sample), Some(closes));
            }
            prop_assert_eq!(calendar.next_change(now), Some(closes));
        }
    }

    /// Where no clock changes, the clock on the wall decides.
    #[test]
    fn the_clock_on_the_wall_decides(calendar in some_calendar(), now in some_instant()) {
        let steady = |by: i64| {
            let at = Timestamp::from_millis(now.millis() + by * 86_400_000);
            calendar.local(at).map(|local| local.offset().fix())
        };
        prop_assume!((-3..=3).all(|days| steady(days) == steady(0)));
        let local = calendar.local(now).expect("a date");
        let minute = u16::try_from(local.hour() * 60 + local.minute()).expect("a day");
        let yesterday = local.date_naive() - Days::new(1);
        let shows = |day: NaiveDate, minute: u16| {
            calendar.of_day(day).iter().any(|interval| (interval.start..interval.end).contains(&minute))
        };
        let open = shows(local.date_naive(), minute) || shows(yesterday, minute + DAY_MINUTES);
        prop_assert_eq!(calendar.is_open(now), open);
    }

    #[test]
    fn a_document_reads_as_it_was_written(default in some_calendar(), queue in some_calendar()) {
        let queues = BTreeMap::from([("vip.2-售后".to_owned(), queue)]);
        let hours = Hours { default, queues };
        prop_assert_eq!(Hours::parse(&hours.to_document()), Ok(hours));
    }

    #[test]
    fn nothing_that_is_written_breaks_the_reader(text in "\\PC*", lines in "([a-z ]{0,6}[:\\-\\[\\]{}\"]?[0-9:\\- ]{0,8}\n){0,8}") {
        for text in [text, lines.clone(), format!("default:\n  time_zone: UTC\n  week: {{}}\n  holidays:\n{lines}")] {
            if let Err(errors) = Hours::parse(&text) {
                prop_assert!(!errors.is_empty() && errors.iter().all(|error| !error.reason.is_empty()));
            }
        }
    }
}
