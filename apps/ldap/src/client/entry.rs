//! An entry as a server has sent it. The library's own reader panics at what it does not expect.

use ldap3::ResultEntry;
use ldap3::asn1::StructureTag;

/// Attributes that are read of one entry; those beyond are not.
const ATTRIBUTES_MAX: usize = 1_000;
/// SearchResultEntry (RFC 4511, 4.5.2).
const ENTRY: u64 = 4;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) dn: String,
    attributes: Vec<(String, Vec<Vec<u8>>)>,
}

impl Entry {
    /// `None`: it is none.
    pub(super) fn read(from: ResultEntry) -> Option<Entry> {
        let mut parts = from.0.match_id(ENTRY)?.expect_constructed()?.into_iter();
        let dn = text(parts.next()?)?;
        let attributes = parts.next()?.expect_constructed()?;
        let attributes = attributes.into_iter().take(ATTRIBUTES_MAX).map(attribute).collect::<Option<_>>()?;
        Some(Entry { dn, attributes })
    }

    /// Bytes that it takes, about.
    pub(super) fn weight(&self) -> usize {
        let attribute =
            |(name, values): &(String, Vec<Vec<u8>>)| name.len() + values.iter().map(Vec::len).sum::<usize>();
        self.dn.len() + self.attributes.iter().map(attribute).sum::<usize>()
    }

    /// Names of attributes are the same in capitals.
    pub(super) fn values<'e>(&'e self, name: &str) -> impl Iterator<Item = &'e [u8]> {
        let found = self.attributes.iter().find(|(own, _)| own.eq_ignore_ascii_case(name));
        found.into_iter().flat_map(|(_, values)| values.iter().map(Vec::as_slice))
    }

    /// The part of a long list that the server has sent (Active Directory: `member;range=0-1499`) and the number of its last value;
    /// `None` for that: there are no more.
    pub(super) fn part(&self, name: &str) -> Option<(Option<usize>, Vec<String>)> {
        self.attributes.iter().find_map(|(own, values)| {
            let own = own.to_ascii_lowercase();
            let (_, last) = own.strip_prefix(&name.to_ascii_lowercase())?.strip_prefix(";range=")?.split_once('-')?;
            let texts = values.iter().filter_map(|value| std::str::from_utf8(value).ok());
            Some((last.parse().ok(), texts.map(|text| text.trim().to_owned()).collect()))
        })
    }

    /// Those that are texts.
    pub(super) fn texts<'e>(&'e self, name: &str) -> impl Iterator<Item = &'e str> {
        self.values(name).filter_map(|value| std::str::from_utf8(value).ok()).map(str::trim)
    }
}

fn attribute(from: StructureTag) -> Option<(String, Vec<Vec<u8>>)> {
    let mut parts = from.expect_constructed()?.into_iter();
    let name = text(parts.next()?)?;
    let values = parts.next()?.expect_constructed()?;
    Some((name, values.into_iter().map(StructureTag::expect_primitive).collect::<Option<_>>()?))
}

fn text(from: StructureTag) -> Option<String> {
    String::from_utf8(from.expect_primitive()?).ok()
}

#[cfg(test)]
mod tests {
    use ldap3::asn1::{PL, TagClass};

    use super::*;

    fn tag(id: u64, payload: PL) -> StructureTag {
        StructureTag { class: TagClass::Universal, id, payload }
    }

    fn value(bytes: &[u8]) -> StructureTag {
        tag(4, PL::P(bytes.to_vec()))
    }

    fn entry(attributes: Vec<StructureTag>) -> ResultEntry {
        ResultEntry::new(tag(ENTRY, PL::C(vec![value(b"uid=ann"), tag(16, PL::C(attributes))])))
    }

    #[test]
    fn attributes_are_found_in_any_case_and_binary_ones_are_no_texts() {
        let cn = tag(16, PL::C(vec![value(b"CN"), tag(17, PL::C(vec![value(b" Ann "), value(b"\xff")]))]));
        let entry = Entry::read(entry(vec![cn])).unwrap();
        assert_eq!((entry.dn.as_str(), entry.texts("cn").collect::<Vec<_>>()), ("uid=ann", vec!["Ann"]));
        assert_eq!((entry.values("cn").count(), entry.values("sn").count()), (2, 0));
    }

    #[test]
    fn what_is_no_entry_is_none_and_no_panic() {
        for strange in [
            ResultEntry::new(value(b"")),
            ResultEntry::new(tag(ENTRY, PL::P(Vec::new()))),
            ResultEntry::new(tag(ENTRY, PL::C(vec![value(b"\xff")]))),
            entry(vec![value(b"cn")]),
            entry(vec![tag(16, PL::C(vec![value(b"cn")]))]),
            entry(vec![tag(16, PL::C(vec![value(b"cn"), tag(17, PL::C(vec![tag(16, PL::C(Vec::new()))]))]))]),
        ] {
            assert_eq!(Entry::read(strange), None);
        }
    }
}
