//! Numbers of record types that the server itself has to know.

pub(crate) const A: u16 = 1;
pub(crate) const NS: u16 = 2;
pub(crate) const CNAME: u16 = 5;
pub(crate) const SOA: u16 = 6;
pub(crate) const AAAA: u16 = 28;
pub(crate) const DNAME: u16 = 39;
pub(crate) const OPT: u16 = 41;
pub(crate) const DS: u16 = 43;
pub(crate) const RRSIG: u16 = 46;
pub(crate) const NSEC: u16 = 47;
pub(crate) const DNSKEY: u16 = 48;
pub(crate) const NSEC3: u16 = 50;
pub(crate) const NSEC3PARAM: u16 = 51;
pub(crate) const CDS: u16 = 59;
pub(crate) const CDNSKEY: u16 = 60;
pub(crate) const TSIG: u16 = 250;
pub(crate) const IXFR: u16 = 251;
pub(crate) const AXFR: u16 = 252;
pub(crate) const ANY: u16 = 255;
/// Types of questions and of transactions begin here; no name has such records.
pub(crate) const META: std::ops::RangeInclusive<u16> = 128..=255;

pub(crate) const IN: u16 = 1;

/// What follows from the zone and its keys, and so comes from nobody else.
pub(crate) fn is_made_here(kind: u16) -> bool {
    matches!(kind, OPT | RRSIG | NSEC | DNSKEY | NSEC3 | NSEC3PARAM | CDS | CDNSKEY) || META.contains(&kind)
}
