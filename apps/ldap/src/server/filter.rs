//! Filters (RFC 4511 section 4.5.1.7): understood once, then put to each entry. What a filter cannot know is neither true nor false.

use ldap3_proto::proto::{LdapFilter, LdapMatchingRuleAssertion, LdapSubstringFilter};

use super::entry::Entry;
use super::schema::{Kind, Place, Rule, kind};

/// Filters within filters.
pub const DEPTH_MAX: usize = 24;
/// Parts of a filter in all.
pub const PARTS_MAX: usize = 256;

/// A filter that has been understood.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter(Part);

#[derive(Debug, Clone, PartialEq)]
enum Part {
    And(Vec<Part>),
    Or(Vec<Part>),
    Not(Box<Part>),
    Present(&'static Kind),
    Equal(&'static Kind, Vec<u8>),
    About(&'static Kind, Vec<u8>),
    AtLeast(&'static Kind, Vec<u8>),
    AtMost(&'static Kind, Vec<u8>),
    Pieces(&'static Kind, Pieces),
    ByRule(ByRule),
    /// It names what we do not know.
    Unknown,
}

#[derive(Debug, Clone, PartialEq)]
struct Pieces {
    initial: Vec<u8>,
    any: Vec<Vec<u8>>,
    last: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq)]
struct ByRule {
    /// Of any type that has this rule, where none is named.
    kind: Option<&'static Kind>,
    rule: Rule,
    value: Vec<u8>,
    /// The entry's name counts too.
    name: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the filter is too large")]
pub struct TooLarge;

impl Filter {
    /// # Errors
    /// It has too many parts, or too many within each other.
    pub fn new(asked: &LdapFilter) -> Result<Filter, TooLarge> {
        let mut left = PARTS_MAX;
        part(asked, DEPTH_MAX, &mut left).map(Filter)
    }

    /// Whether it is true of the entry.
    pub fn fits(&self, entry: &Entry) -> bool {
        self.0.is_true(entry) == Some(true)
    }

    /// Values of which an entry must have one for the filter to be true, if `indexed` types allow to say so.
    pub fn keys(&self, indexed: &dyn Fn(&Kind) -> bool) -> Option<Vec<(&'static Kind, &[u8])>> {
        self.0.keys(indexed)
    }
}

fn part(asked: &LdapFilter, depth: usize, left: &mut usize) -> Result<Part, TooLarge> {
    *left = left.checked_sub(1).ok_or(TooLarge)?;
    let deeper = depth.checked_sub(1).ok_or(TooLarge)?;
    let valued = |name: &str, value: &str, of: fn(&'static Kind, Vec<u8>) -> Part| {
        let kind = kind(name)?;
        kind.rule.normal(value.as_bytes()).map(|value| of(kind, value))
    };
    let known = match asked {
        LdapFilter::And(all) => Some(Part::And(parts(all, deeper, left)?)),
        LdapFilter::Or(all) => Some(Part::Or(parts(all, deeper, left)?)),
        LdapFilter::Not(one) => Some(Part::Not(Box::new(part(one, deeper, left)?))),
        LdapFilter::Present(name) => kind(name).map(Part::Present),
        LdapFilter::Equality(name, value) => valued(name, value, Part::Equal),
        LdapFilter::Approx(name, value) => {
            kind(name).and_then(|kind| kind.rule.loose(value.as_bytes()).map(|value| Part::About(kind, value)))
        }
        LdapFilter::GreaterOrEqual(name, value) => valued(name, value, Part::AtLeast).filter(|_| is_ordered(name)),
        LdapFilter::LessOrEqual(name, value) => valued(name, value, Part::AtMost).filter(|_| is_ordered(name)),
        LdapFilter::Substring(name, pieces) => {
            *left = left.checked_sub(pieces.any.len()).ok_or(TooLarge)?;
            kind(name).and_then(|kind| Pieces::new(kind.rule, pieces).map(|pieces| Part::Pieces(kind, pieces)))
        }
        LdapFilter::Extensible(asked) => by_rule(asked).map(Part::ByRule),
    };
    Ok(known.unwrap_or(Part::Unknown))
}

fn parts(all: &[LdapFilter], depth: usize, left: &mut usize) -> Result<Vec<Part>, TooLarge> {
    all.iter().map(|one| part(one, depth, left)).collect()
}

fn is_ordered(name: &str) -> bool {
    kind(name).is_some_and(|kind| kind.rule.is_ordered())
}

fn by_rule(asked: &LdapMatchingRuleAssertion) -> Option<ByRule> {
    let kind = match asked.type_.as_deref().filter(|name| !name.is_empty()) {
        Some(name) => Some(kind(name)?),
        None => None,
    };
    let rule = match &asked.matching_rule {
        Some(name) => Rule::named(name)?,
        None => kind?.rule,
    };
    let value = rule.normal(asked.match_value.as_bytes())?;
    Some(ByRule { kind, rule, value, name: asked.dn_attributes })
}

impl Part {
    /// `None`: neither.
    fn is_true(&self, entry: &Entry) -> Option<bool> {
        match self {
            Part::And(all) => decided(all.iter().map(|one| one.is_true(entry)), false),
            Part::Or(all) => decided(all.iter().map(|one| one.is_true(entry)), true),
            Part::Not(one) => one.is_true(entry).map(|truth| !truth),
            Part::Present(kind) => Some(entry.values(kind).next().is_some()),
            Part::Equal(kind, wanted) => any(entry, kind, |value| value == *wanted),
            Part::AtLeast(kind, wanted) => any(entry, kind, |value| value >= *wanted),
            Part::AtMost(kind, wanted) => any(entry, kind, |value| value <= *wanted),
            Part::Pieces(kind, pieces) => any(entry, kind, |value| pieces.fit(&value)),
            Part::About(kind, wanted) => {
                Some(entry.values(kind).any(|(own, value)| own.rule.loose(value).as_ref() == Some(wanted)))
            }
            Part::ByRule(asked) => Some(asked.is_true(entry)),
            Part::Unknown => None,
        }
    }

    fn keys(&self, indexed: &dyn Fn(&Kind) -> bool) -> Option<Vec<(&'static Kind, &[u8])>> {
        match self {
            Part::Equal(kind, value) if indexed(kind) => Some(vec![(kind, value)]),
            // The fewest of those that any part allows.
            Part::And(all) => all.iter().filter_map(|one| one.keys(indexed)).min_by_key(Vec::len),
            Part::Or(all) => {
                all.iter().map(|one| one.keys(indexed)).collect::<Option<Vec<_>>>().map(|all| all.concat())
            }
            // Of nobody it is true.
            Part::Unknown => Some(Vec::new()),
            Part::Not(_)
            | Part::Present(_)
            | Part::Equal(..)
            | Part::About(..)
            | Part::AtLeast(..)
            | Part::AtMost(..)
            | Part::Pieces(..)
            | Part::ByRule(_) => None,
        }
    }
}

/// `deciding` wherever there is one; else what is not known makes all unknown.
fn decided(all: impl Iterator<Item = Option<bool>>, deciding: bool) -> Option<bool> {
    let mut truth = Some(!deciding);
    for one in all {
        match one {
            Some(one) if one == deciding => return Some(deciding),
            Some(_) => {}
            None => truth = None,
        }
    }
    truth
}

fn any(entry: &Entry, kind: &Kind, fits: impl Fn(Vec<u8>) -> bool) -> Option<bool> {
    Some(entry.values(kind).any(|(own, value)| own.rule.normal(value).is_some_and(&fits)))
}

impl Pieces {
    fn new(rule: Rule, asked: &LdapSubstringFilter) -> Option<Pieces> {
        let one = |piece: &Option<String>, place| rule.piece(piece.as_deref().unwrap_or_default(), place);
        Some(Pieces {
            initial: one(&asked.initial, Place::Initial)?,
            any: asked.any.iter().map(|piece| rule.piece(piece, Place::Any)).collect::<Option<_>>()?,
            last: one(&asked.final_, Place::Final)?,
        })
    }

    fn fit(&self, value: &[u8]) -> bool {
        let Some(mut rest) = value.strip_prefix(&self.initial[..]).and_then(|rest| rest.strip_suffix(&self.last[..]))
        else {
            return false;
        };
        for piece in self.any.iter().filter(|piece| !piece.is_empty()) {
            let Some(at) = rest.windows(piece.len()).position(|window| window == piece) else { return false };
            rest = rest.get(at + piece.len()..).unwrap_or_default();
        }
        true
    }
}

impl ByRule {
    fn is_true(&self, entry: &Entry) -> bool {
        let is = |value: &[u8]| self.rule.normal(value).as_ref() == Some(&self.value);
        let counts = |own: &Kind| match self.kind {
            Some(kind) => own.is_a(kind),
            None => own.rule == self.rule,
        };
        let has = entry.attributes.iter().filter(|own| counts(own.kind)).flat_map(|own| &own.values).any(|own| is(own));
        let of_name = |(name, value): (&str, &str)| kind(name).is_some_and(counts) && is(value.as_bytes());
        has || self.name && entry.dn.parts().any(of_name)
    }
}
