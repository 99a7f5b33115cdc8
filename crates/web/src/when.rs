//! Times for people.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::Offset;
use retinue_model::usage::Month;

/// A time in three forms.
#[derive(Clone, Debug)]
pub(crate) struct When {
    /// RFC 3339, for programs.
    pub(crate) iso: String,
    /// "5 min ago".
    pub(crate) relative: String,
    /// "21 November 2026, 23:05 UTC".
    pub(crate) exact: String,
}

impl When {
    pub(crate) fn new(time: Timestamp, now: Timestamp) -> Self {
        let civil = Offset::UTC.to_datetime(time);
        Self {
            iso: time.to_string(),
            relative: relative(time, now),
            exact: format!("{}, {:02}:{:02} UTC", long_date(civil.date()), civil.hour(), civil.minute()),
        }
    }
}

fn relative(time: Timestamp, now: Timestamp) -> String {
    let seconds = now.as_second() - time.as_second();
    match seconds {
        ..60 => "just now".to_owned(),
        60..3_600 => format!("{} min ago", seconds / 60),
        3_600..86_400 => format!("{} h ago", seconds / 3_600),
        86_400..604_800 => match seconds / 86_400 {
            1 => "1 day ago".to_owned(),
            days => format!("{days} days ago"),
        },
        _ => long_date(date(time)),
    }
}

fn date(time: Timestamp) -> Date {
    Offset::UTC.to_datetime(time).date()
}

fn long_date(date: Date) -> String {
    format!("{} {} {}", date.day(), Month::of_date(date).name(), date.year())
}

/// The heading under which a time stands in a list: Today, Yesterday, Previous 7 days, or a month. Days are UTC's.
pub(crate) fn day_group(time: Timestamp, now: Timestamp) -> String {
    let (day, today) = (date(time), date(now));
    let days = today.duration_since(day).as_hours() / 24;
    match days {
        ..=0 => "Today".to_owned(),
        1 => "Yesterday".to_owned(),
        2..=7 => "Previous 7 days".to_owned(),
        _ if day.year() == today.year() => Month::of_date(day).name().to_owned(),
        _ => Month::of_date(day).in_words(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_as_a_person_would() {
        let now: Timestamp = "2026-11-21T00:30:00Z".parse().unwrap();
        let told = |text: &str| {
            let time = text.parse().unwrap();
            (When::new(time, now).relative, day_group(time, now))
        };
        let is = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(told("2026-11-21T00:29:30Z"), is("just now", "Today"));
        assert_eq!(told("2026-11-20T23:30:00Z"), is("1 h ago", "Yesterday"));
        assert_eq!(told("2026-11-19T00:00:00Z"), is("2 days ago", "Previous 7 days"));
        assert_eq!(told("2026-03-02T00:00:00Z"), is("2 March 2026", "March"));
        assert_eq!(told("2024-12-31T23:59:59Z"), is("31 December 2024", "December 2024"));
        assert_eq!(told("2026-11-21T01:00:00Z"), is("just now", "Today"));
        assert_eq!(When::new(now, now).exact, "21 November 2026, 00:30 UTC");
    }
}
