//! Days and dates of the proleptic Gregorian calendar.

/// A day by its year, month (1 to 12) and day (1 to 31).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Date {
    pub(crate) year: i64,
    pub(crate) month: i64,
    pub(crate) day: i64,
}

/// Days from 0000-03-01 to 1970-01-01.
const EPOCH: i128 = 719_468;
/// Days in 400 years, after which the calendar repeats.
const ERA: i128 = 146_097;

/// The days since 1970-01-01. Months and days may lie outside their range and carry over.
pub(crate) fn days(year: i128, month: i128, day: i128) -> i128 {
    let months = year * 12 + (month - 1);
    let (year, month) = (months.div_euclid(12), months.rem_euclid(12));
    // Years that begin in March have their odd day last.
    let (year, month) = if month < 2 {
        (year - 1, month + 10)
    } else {
        (year, month - 2)
    };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * month + 2) / 5 + day - 1;
    era * ERA + of_era * 365 + of_era / 4 - of_era / 100 + of_year - EPOCH
}

/// The date of a day, given in days since 1970-01-01.
pub(crate) fn date(days: i64) -> Date {
    let days = i128::from(days) + EPOCH;
    let (era, of_era) = (days.div_euclid(ERA), days.rem_euclid(ERA));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (year, month) = (
        era * 400 + year_of_era,
        if month < 10 { month + 3 } else { month - 9 },
    );
    let year = if month <= 2 { year + 1 } else { year };
    Date {
        year: year as i64,
        month: month as i64,
        day: day as i64,
    }
}

/// The day of the year, from 1.
pub(crate) fn year_day(date: Date) -> i64 {
    let since = |month, day| days(date.year.into(), month, day);
    (since(date.month.into(), date.day.into()) - since(1, 1)) as i64 + 1
}

/// 0 is Sunday.
pub(crate) fn weekday(days: i64) -> i64 {
    (days.rem_euclid(7) + 4) % 7
}

pub(crate) fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

pub(crate) fn days_in(month: i64, year: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_days_agree() {
        for day in (-1_000_000..1_000_000).step_by(97) {
            let Date {
                year,
                month,
                day: of_month,
            } = date(day);
            assert_eq!(days(year.into(), month.into(), of_month.into()), i128::from(day));
        }
        assert_eq!(
            date(0),
            Date {
                year: 1970,
                month: 1,
                day: 1
            }
        );
        assert_eq!(
            date(11_016),
            Date {
                year: 2000,
                month: 2,
                day: 29
            }
        );
        assert_eq!(days(1970, 14, 0), 395);
        assert_eq!(weekday(0), 4);
        assert_eq!(
            year_day(Date {
                year: 2024,
                month: 12,
                day: 31
            }),
            366
        );
    }
}
