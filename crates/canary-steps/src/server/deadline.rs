//! The deadline of a call.

use std::time::Duration;

use tonic::metadata::MetadataMap;

/// How much earlier than the client we give up at least, so that our own words reach it (`cmpTimeoutBuffer` in argo-cd
/// `cmpserver/plugin/plugin.go`). A busy machine may need more, and a long call can spare it.
const BUFFER: Duration = Duration::from_millis(100);

/// The most that a long call spares.
const MOST_BUFFER: Duration = Duration::from_millis(500);

/// The time a call may take by its `grpc-timeout`, less the buffer; at most `most`, which also holds where there is none.
///
/// tonic's own timeout would answer "Timeout expired", which tells nobody what was slow.
pub(super) fn time_for(metadata: &MetadataMap, most: Duration) -> Duration {
    let header = metadata.get("grpc-timeout").and_then(|value| value.to_str().ok());
    let asked = header.and_then(parse);
    let asked = asked.map(|time| time.saturating_sub((time / 20).clamp(BUFFER, MOST_BUFFER)));
    asked.unwrap_or(most).min(most)
}

/// A number of at most 8 digits and a unit (gRPC over HTTP/2, `Timeout`).
fn parse(text: &str) -> Option<Duration> {
    let unit_at = text.len().checked_sub(1)?;
    let (number, unit) = text.split_at_checked(unit_at)?;
    if number.is_empty() || number.len() > 8 || !number.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let number: u64 = number.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(number * 3600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_read() {
        let most = Duration::from_secs(90);
        for (header, expected) in [
            ("60S", Duration::from_millis(59_500)),
            ("4S", Duration::from_millis(3800)),
            ("59999999u", Duration::from_micros(59_499_999)),
            ("500m", Duration::from_millis(400)),
            ("50m", Duration::ZERO),
            ("1H", most),
            ("", most),
            ("5", most),
            ("123456789S", most),
            ("-5S", most),
            ("5é", most),
        ] {
            let mut metadata = MetadataMap::new();
            if let Ok(value) = header.parse() {
                metadata.insert("grpc-timeout", value);
            }
            assert_eq!(time_for(&metadata, most), expected, "{header}");
        }
        assert_eq!(time_for(&MetadataMap::new(), most), most);
    }
}
