//! Times as minutes write them: 北京时间, to the minute.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

/// One time zone in the whole country, without summer time.
const BEIJING: Offset = Offset::constant(8);

fn civil(us: i64) -> DateTime {
    BEIJING.to_datetime(Timestamp::from_microsecond(us).unwrap_or(Timestamp::UNIX_EPOCH))
}

/// 2026年11月21日
pub fn date(us: i64) -> String {
    let at = civil(us);
    format!("{}年{}月{}日", at.year(), at.month(), at.day())
}

/// 19:00
pub fn clock(us: i64) -> String {
    let at = civil(us);
    format!("{:02}:{:02}", at.hour(), at.minute())
}

/// 2026年11月21日19:00
pub fn moment(us: i64) -> String {
    date(us) + &clock(us)
}

/// 2026-11-21, as the daily chain names its days.
pub fn day(us: i64) -> String {
    let at = civil(us);
    format!("{:04}-{:02}-{:02}", at.year(), at.month(), at.day())
}

/// 2026年11月21日19:00至20:30; the second date only where it is another.
pub fn span(from_us: i64, to_us: i64) -> String {
    let to = if date(from_us) == date(to_us) { clock(to_us) } else { moment(to_us) };
    format!("{}至{to}", moment(from_us))
}

/// 1小时30分钟, 不足1分钟
pub fn length(seconds: i64) -> String {
    match (seconds / 3600, seconds / 60 % 60) {
        (0, 0) => "不足1分钟".into(),
        (0, minutes) => format!("{minutes}分钟"),
        (hours, 0) => format!("{hours}小时"),
        (hours, minutes) => format!("{hours}小时{minutes}分钟"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_of_beijing_and_to_the_minute() {
        let at = 1_795_258_800_000_000; // 2026-11-21T11:00Z
        assert_eq!(moment(at), "2026年11月21日19:00");
        assert_eq!(day(at), "2026-11-21");
        assert_eq!(day(at + 5 * 3600 * 1_000_000), "2026-11-22");
        assert_eq!(span(at, at + 90 * 60_000_000), "2026年11月21日19:00至20:30");
        assert!(span(at, at + 6 * 3_600_000_000).ends_with("至2026年11月22日01:00"));
        assert_eq!(
            (length(59), length(60), length(5400)),
            ("不足1分钟".into(), "1分钟".into(), "1小时30分钟".into())
        );
    }
}
