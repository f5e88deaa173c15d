//! From which keys on answers of DNS are proven.

use std::path::Path;
use std::str::FromStr;
use std::{fmt, fs};

use data_encoding::{BASE64, HEXUPPER_PERMISSIVE};
use hickory_net::proto::dnssec::rdata::{DNSKEY, DS};
use hickory_net::proto::dnssec::{Algorithm, DigestType, PublicKeyBuf};
use hickory_net::proto::rr::Name;

use crate::Error;

/// Lines of a file of anchors.
const ANCHORS_MAX: usize = 32;

/// Whose signatures prove answers.
#[derive(Clone, PartialEq, Eq)]
pub enum Anchors {
    /// Those of the root of the DNS, as IANA publishes them.
    Root,
    /// Those of the zones that are named, and of what lies below.
    Given(Vec<Anchor>),
}

#[derive(Clone, PartialEq, Eq)]
pub struct Anchor {
    pub(super) zone: Name,
    pub(super) key: Key,
}

#[derive(Clone, PartialEq, Eq)]
pub(super) enum Key {
    Digest(DS),
    Whole(DNSKEY),
}

impl Anchors {
    /// Records of DS, as `zone ds` of a server prints them, or of DNSKEY, one in a line; what follows a semicolon does not count.
    pub fn read(path: &Path) -> Result<Anchors, Error> {
        let wrong = |why: &dyn fmt::Display| Error::local(format!("{}: {why}", path.display()));
        fs::read_to_string(path).map_err(|why| wrong(&why))?.parse().map_err(|why: Error| wrong(&why))
    }
}

impl FromStr for Anchors {
    type Err = Error;

    fn from_str(text: &str) -> Result<Anchors, Error> {
        let lines = text.lines().enumerate().map(|(at, line)| (at, line.split(';').next().unwrap_or_default().trim()));
        let anchors = lines.filter(|(_, line)| !line.is_empty()).map(|(at, line)| {
            anchor(line).ok_or_else(|| Error::local(format!("line {} is no anchor (DS or DNSKEY)", at + 1)))
        });
        let anchors: Vec<_> = anchors.take(ANCHORS_MAX).collect::<Result<_, _>>()?;
        if anchors.is_empty() {
            return Err(Error::local("there is no anchor (DS or DNSKEY)"));
        }
        Ok(Anchors::Given(anchors))
    }
}

/// `zone [ttl] [IN] DS tag algorithm digest hash` or `zone [ttl] [IN] DNSKEY flags 3 algorithm key`.
fn anchor(line: &str) -> Option<Anchor> {
    let mut words = line.split_whitespace();
    let mut zone = Name::from_ascii(words.next()?).ok()?;
    zone.set_fqdn(true);
    let kind = words.find(|word| !word.eq_ignore_ascii_case("IN") && word.parse::<u32>().is_err())?;
    let first: u16 = words.next()?.parse().ok()?;
    let (second, third): (u8, u8) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let data = words.collect::<String>();
    let key = match kind.to_ascii_uppercase().as_str() {
        "DS" => {
            let digest = HEXUPPER_PERMISSIVE.decode(data.as_bytes()).ok()?;
            Key::Digest(DS::new(first, Algorithm::from_u8(second), DigestType::from(third), digest))
        }
        "DNSKEY" if second == 3 => {
            let public = PublicKeyBuf::new(BASE64.decode(data.as_bytes()).ok()?, Algorithm::from_u8(third));
            Key::Whole(DNSKEY::with_flags(first, public))
        }
        _ => return None,
    };
    Some(Anchor { zone: zone.to_lowercase(), key })
}

impl fmt::Debug for Anchors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Anchors::Root => f.write_str("Root"),
            Anchors::Given(anchors) => {
                f.debug_list().entries(anchors.iter().map(|anchor| anchor.zone.to_string())).finish()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anchors_are_ds_and_dnskey_with_or_without_what_may_be_left_out() {
        let text = "; ours\nChat.Example. 3600 IN DS 12345 13 2 00112233 44556677 ; new\n\n\
                    . IN DNSKEY 257 3 8 AwEAAQ==\nother. DS 1 15 2 ab\n";
        let Ok(Anchors::Given(anchors)) = text.parse() else { panic!("{text}") };
        let zones: Vec<_> = anchors.iter().map(|anchor| anchor.zone.to_string()).collect();
        assert_eq!(zones, ["chat.example.", ".", "other."]);
        assert!(matches!(&anchors[0].key, Key::Digest(ds) if ds.digest().len() == 8 && ds.key_tag() == 12345));
        assert!(matches!(&anchors[1].key, Key::Whole(key) if key.flags() == 257));
    }

    #[test]
    fn what_is_no_anchor_is_told_with_its_line() {
        let told = |text: &str| text.parse::<Anchors>().unwrap_err().to_string();
        assert!(told("; nothing\n").contains("no anchor"));
        assert!(told(". DS 1 8 2 ab\n. DS 1 8 2 xy\n").contains("line 2"));
        assert!(told(". DNSKEY 257 4 8 AwEAAQ==\n").contains("line 1"));
        assert!(told("a. A 192.0.2.1\n").contains("line 1"));
    }
}
