//! Which part of a file is asked for (RFC 9110 section 14).

/// What a `Range` header comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Whole,
    /// First and last byte.
    Bytes(u64, u64),
    /// Nothing of the file is asked for: 416.
    Nothing,
}

/// Of a file that is not empty. What is no range of bytes, and more than one of them, is as if it had not been said (section 14.2).
pub(super) fn part(said: &str, size: u64) -> Part {
    let Some(spec) = bytes(said) else { return Part::Whole };
    let (first, last) = spec;
    match (number(first), number(last)) {
        (Some(first), None) if last.is_empty() => within(first, size - 1, size),
        (Some(first), Some(last)) if first <= last => within(first, last, size),
        (None, Some(0)) if first.is_empty() => Part::Nothing,
        (None, Some(count)) if first.is_empty() => Part::Bytes(size - count.min(size), size - 1),
        (Some(_) | None, Some(_) | None) => Part::Whole,
    }
}

fn bytes(said: &str) -> Option<(&str, &str)> {
    let (unit, spec) = said.trim().split_once('=')?;
    let (first, last) = spec.trim().split_once('-')?;
    unit.trim().eq_ignore_ascii_case("bytes").then_some((first.trim(), last.trim()))
}

/// Digits; a number that no file reaches is the largest.
fn number(digits: &str) -> Option<u64> {
    let are_digits = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    are_digits.then(|| digits.parse().unwrap_or(u64::MAX))
}

fn within(first: u64, last: u64, size: u64) -> Part {
    if first < size { Part::Bytes(first, last.min(size - 1)) } else { Part::Nothing }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ftp_7_ranges_are_those_of_rfc_9110() {
        let big = "99999999999999999999999999";
        let rows = [
            ("bytes=0-4", Part::Bytes(0, 4)),
            ("bytes=3-", Part::Bytes(3, 9)),
            ("bytes=-3", Part::Bytes(7, 9)),
            ("Bytes = 9-9", Part::Bytes(9, 9)),
            ("bytes=5-100", Part::Bytes(5, 9)),
            ("bytes=-100", Part::Bytes(0, 9)),
            (&format!("bytes=5-{big}"), Part::Bytes(5, 9)),
            (&format!("bytes=-{big}"), Part::Bytes(0, 9)),
            ("bytes=10-", Part::Nothing),
            ("bytes=10-20", Part::Nothing),
            ("bytes=-0", Part::Nothing),
            (&format!("bytes={big}-"), Part::Nothing),
            ("bytes=4-3", Part::Whole),
            ("bytes=--3", Part::Whole),
            ("bytes=-", Part::Whole),
            ("bytes=+1-2", Part::Whole),
            ("bytes=a-b", Part::Whole),
            ("bytes=0-1,3-4", Part::Whole),
            ("items=0-1", Part::Whole),
            ("", Part::Whole),
        ];
        for (said, expected) in rows {
            assert_eq!(part(said, 10), expected, "{said}");
        }
    }
}
