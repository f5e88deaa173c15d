//! What attributes there are and how their values compare (RFC 4512, 4517, 4519, 2798).

use unicode_normalization::UnicodeNormalization;

use super::dn::Dn;

/// A type of attribute.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    pub name: &'static str,
    /// Its other name, if it has one.
    pub also: &'static str,
    pub oid: &'static str,
    pub rule: Rule,
    /// The type that it is a kind of.
    pub sup: &'static str,
    /// Shown only to who asks for it.
    pub operational: bool,
    pub single: bool,
}

/// How values are compared; what they are is part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    CaseIgnore,
    CaseExact,
    /// Digits, whatever stands between them.
    Telephone,
    Name,
    Oid,
    Octets,
    Integer,
    Time,
    Boolean,
}

const fn user(name: &'static str, also: &'static str, oid: &'static str, rule: Rule, sup: &'static str) -> Kind {
    Kind { name, also, oid, rule, sup, operational: false, single: false }
}

const fn system(name: &'static str, oid: &'static str, rule: Rule, single: bool) -> Kind {
    Kind { name, also: "", oid, rule, sup: "", operational: true, single }
}

/// All of them.
pub(super) static KINDS: &[Kind] = &[
    user("objectClass", "", "2.5.4.0", Rule::Oid, ""),
    user("name", "", "2.5.4.41", Rule::CaseIgnore, ""),
    user("cn", "commonName", "2.5.4.3", Rule::CaseIgnore, "name"),
    user("sn", "surname", "2.5.4.4", Rule::CaseIgnore, "name"),
    user("givenName", "gn", "2.5.4.42", Rule::CaseIgnore, "name"),
    user("o", "organizationName", "2.5.4.10", Rule::CaseIgnore, "name"),
    user("ou", "organizationalUnitName", "2.5.4.11", Rule::CaseIgnore, "name"),
    user("title", "", "2.5.4.12", Rule::CaseIgnore, "name"),
    user("description", "", "2.5.4.13", Rule::CaseIgnore, ""),
    user("displayName", "", "2.16.840.1.113730.3.1.241", Rule::CaseIgnore, ""),
    user("uid", "userid", "0.9.2342.19200300.100.1.1", Rule::CaseIgnore, ""),
    user("mail", "rfc822Mailbox", "0.9.2342.19200300.100.1.3", Rule::CaseIgnore, ""),
    user("dc", "domainComponent", "0.9.2342.19200300.100.1.25", Rule::CaseIgnore, ""),
    user("telephoneNumber", "", "2.5.4.20", Rule::Telephone, ""),
    user("member", "", "2.5.4.31", Rule::Name, ""),
    user("owner", "", "2.5.4.32", Rule::Name, ""),
    user("seeAlso", "", "2.5.4.34", Rule::Name, ""),
    user("userCertificate", "", "2.5.4.36", Rule::Octets, ""),
    user("userPassword", "", "2.5.4.35", Rule::Octets, ""),
    system("structuralObjectClass", "2.5.21.9", Rule::Oid, true),
    system("createTimestamp", "2.5.18.1", Rule::Time, true),
    system("modifyTimestamp", "2.5.18.2", Rule::Time, true),
    system("subschemaSubentry", "2.5.18.10", Rule::Name, true),
    system("hasSubordinates", "2.5.18.9", Rule::Boolean, true),
    system("entryDN", "1.3.6.1.1.20", Rule::Name, true),
    system("namingContexts", "1.3.6.1.4.1.1466.101.120.5", Rule::Name, false),
    system("supportedExtension", "1.3.6.1.4.1.1466.101.120.7", Rule::Oid, false),
    system("supportedControl", "1.3.6.1.4.1.1466.101.120.13", Rule::Oid, false),
    system("supportedSASLMechanisms", "1.3.6.1.4.1.1466.101.120.14", Rule::CaseIgnore, false),
    system("supportedLDAPVersion", "1.3.6.1.4.1.1466.101.120.15", Rule::Integer, false),
    system("supportedFeatures", "1.3.6.1.4.1.4203.1.3.5", Rule::Oid, false),
    system("vendorName", "1.3.6.1.1.4", Rule::CaseExact, true),
    system("attributeTypes", "2.5.21.5", Rule::CaseIgnore, false),
    system("objectClasses", "2.5.21.6", Rule::CaseIgnore, false),
    system("matchingRules", "2.5.21.4", Rule::CaseIgnore, false),
    system("ldapSyntaxes", "1.3.6.1.4.1.1466.101.120.16", Rule::CaseIgnore, false),
];

/// Classes of entries: name, OID, what they are (and of what), what they must and may have.
pub(super) static CLASSES: &[(&str, &str, &str, &str, &str)] = &[
    ("top", "2.5.6.0", "ABSTRACT", "objectClass", ""),
    ("organization", "2.5.6.4", "SUP top STRUCTURAL", "o", "description $ telephoneNumber $ seeAlso"),
    ("organizationalUnit", "2.5.6.5", "SUP top STRUCTURAL", "ou", "description $ telephoneNumber $ seeAlso"),
    ("domain", "0.9.2342.19200300.100.4.13", "SUP top STRUCTURAL", "dc", "o $ description"),
    ("person", "2.5.6.6", "SUP top STRUCTURAL", "sn $ cn", "userPassword $ telephoneNumber $ seeAlso $ description"),
    ("organizationalPerson", "2.5.6.7", "SUP person STRUCTURAL", "", "title $ ou"),
    (
        "inetOrgPerson",
        "2.16.840.1.113730.3.2.2",
        "SUP organizationalPerson STRUCTURAL",
        "",
        "displayName $ givenName $ mail $ o $ uid $ userCertificate",
    ),
    ("groupOfNames", "2.5.6.9", "SUP top STRUCTURAL", "member $ cn", "description $ o $ ou $ owner $ seeAlso"),
    ("uidObject", "1.3.6.1.1.3.1", "SUP top AUXILIARY", "uid", ""),
    ("subschema", "2.5.20.1", "AUXILIARY", "", "attributeTypes $ objectClasses $ matchingRules $ ldapSyntaxes"),
];

/// Rules that a search may name: OID, name, syntax.
pub(super) static RULES: &[(&str, &str, &str, Rule)] = &[
    ("2.5.13.0", "objectIdentifierMatch", "38", Rule::Oid),
    ("2.5.13.1", "distinguishedNameMatch", "12", Rule::Name),
    ("2.5.13.2", "caseIgnoreMatch", "15", Rule::CaseIgnore),
    ("2.5.13.5", "caseExactMatch", "15", Rule::CaseExact),
    ("2.5.13.13", "booleanMatch", "7", Rule::Boolean),
    ("2.5.13.14", "integerMatch", "27", Rule::Integer),
    ("2.5.13.17", "octetStringMatch", "40", Rule::Octets),
    ("2.5.13.20", "telephoneNumberMatch", "50", Rule::Telephone),
    ("2.5.13.27", "generalizedTimeMatch", "24", Rule::Time),
];

/// The type that an attribute description names, whatever its options.
pub fn kind(description: &str) -> Option<&'static Kind> {
    let name = description.split(';').next().unwrap_or_default();
    KINDS.iter().find(|kind| kind.is_called(name))
}

impl Kind {
    /// Whether this is one of its values.
    pub(super) fn has(&self, value: &[u8]) -> bool {
        self.rule.normal(value).is_some_and(|value| !value.is_empty())
    }

    fn is_called(&self, name: &str) -> bool {
        let is = |own: &str| !own.is_empty() && own.eq_ignore_ascii_case(name);
        is(self.name) || is(self.also) || self.oid == name
    }

    /// Whether it is `other`, or a kind of it.
    pub fn is_a(&self, other: &Kind) -> bool {
        self.name == other.name || self.sup == other.name
    }

    /// As answers name it: certificates are transferred as they are (RFC 4523).
    pub(super) fn shown(&self) -> &'static str {
        if self.name == "userCertificate" { "userCertificate;binary" } else { self.name }
    }

    /// As the subschema has it.
    pub(super) fn described(&self) -> String {
        let names = if self.also.is_empty() {
            format!("'{}'", self.name)
        } else {
            format!("( '{}' '{}' )", self.name, self.also)
        };
        let sup = if self.sup.is_empty() { String::new() } else { format!(" SUP {}", self.sup) };
        let named = RULES.iter().find(|(_, _, _, rule)| *rule == self.rule);
        let (_, equality, syntax, _) = named.copied().unwrap_or(("", "octetStringMatch", "40", Rule::Octets));
        let single = if self.single { " SINGLE-VALUE" } else { "" };
        let usage = if self.operational { " NO-USER-MODIFICATION USAGE directoryOperation" } else { "" };
        let base = "1.3.6.1.4.1.1466.115.121.1";
        format!("( {} NAME {names}{sup} EQUALITY {equality} SYNTAX {base}.{syntax}{single}{usage} )", self.oid)
    }
}

impl Rule {
    /// The rule of a name or OID.
    pub(super) fn named(name: &str) -> Option<Rule> {
        let is = |(oid, own, ..): &&(&str, &str, &str, Rule)| *oid == name || own.eq_ignore_ascii_case(name);
        // RFC 4517's caseIgnoreIA5Match: the same for the letters it knows.
        let ia5 = ["1.3.6.1.4.1.1466.109.114.2", "caseIgnoreIA5Match"];
        if ia5.iter().any(|own| own.eq_ignore_ascii_case(name)) {
            return Some(Rule::CaseIgnore);
        }
        RULES.iter().find(is).map(|(.., rule)| *rule)
    }

    /// What equal values have in common; `None` for what is no value of this kind.
    pub fn normal(self, value: &[u8]) -> Option<Vec<u8>> {
        let text = || std::str::from_utf8(value).ok();
        match self {
            Rule::Octets => Some(value.to_vec()),
            Rule::CaseIgnore => Some(collapsed(&folded(text()?)).trim_matches(' ').as_bytes().to_vec()),
            Rule::CaseExact => Some(collapsed(&text()?.nfkc().collect::<String>()).trim_matches(' ').into()),
            Rule::Telephone => Some(dialled(text()?)),
            Rule::Name => Dn::parse(text()?).ok().map(|name| name.key().into_bytes()),
            Rule::Oid => Some(oid(text()?)),
            Rule::Integer => {
                let number: i64 = text()?.trim().parse().ok()?;
                // In the order of its numbers.
                Some(format!("{:020}", i128::from(number) - i128::from(i64::MIN)).into_bytes())
            }
            Rule::Time => moment(text()?),
            Rule::Boolean => {
                let text = text()?.to_ascii_uppercase();
                matches!(&text[..], "TRUE" | "FALSE").then(|| text.into_bytes())
            }
        }
    }

    /// A piece of a substring assertion. `None` where there is no such thing.
    pub(super) fn piece(self, piece: &str, place: Place) -> Option<Vec<u8>> {
        let trimmed = |text: String| match place {
            Place::Initial => text.trim_start_matches(' ').as_bytes().to_vec(),
            Place::Any => text.into_bytes(),
            Place::Final => text.trim_end_matches(' ').as_bytes().to_vec(),
        };
        match self {
            Rule::CaseIgnore => Some(trimmed(collapsed(&folded(piece)))),
            Rule::CaseExact => Some(trimmed(collapsed(&piece.nfkc().collect::<String>()))),
            Rule::Telephone => Some(dialled(piece)),
            Rule::Name | Rule::Oid | Rule::Octets | Rule::Integer | Rule::Time | Rule::Boolean => None,
        }
    }

    /// Whether "greater" means anything.
    pub(super) fn is_ordered(self) -> bool {
        match self {
            Rule::CaseIgnore | Rule::CaseExact | Rule::Telephone | Rule::Integer | Rule::Time => true,
            Rule::Name | Rule::Oid | Rule::Octets | Rule::Boolean => false,
        }
    }

    /// What values that are about the same have in common.
    pub(super) fn loose(self, value: &[u8]) -> Option<Vec<u8>> {
        let normal = self.normal(value)?;
        match self {
            Rule::CaseIgnore | Rule::CaseExact => {
                let text = folded(std::str::from_utf8(&normal).ok()?);
                Some(text.chars().filter(|char| char.is_alphanumeric()).collect::<String>().into_bytes())
            }
            Rule::Telephone | Rule::Name | Rule::Oid | Rule::Octets | Rule::Integer | Rule::Time | Rule::Boolean => {
                Some(normal)
            }
        }
    }
}

/// Where a piece of a substring assertion has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Initial,
    Any,
    Final,
}

/// RFC 4518: compatible forms are the same, so are capitals and small letters.
fn folded(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    text.nfkc().flat_map(char::to_lowercase).nfkc().collect()
}

/// Any space is one.
fn collapsed(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        match char.is_whitespace() {
            true if out.ends_with(' ') => {}
            true => out.push(' '),
            false => out.push(char),
        }
    }
    out
}

fn dialled(text: &str) -> Vec<u8> {
    let drop = |char: &char| !matches!(char, '+' | '-' | '(' | ')' | '.') && !char.is_whitespace();
    text.chars().filter(drop).flat_map(char::to_lowercase).collect::<String>().into_bytes()
}

/// A class or type by its name, which is what entries have.
fn oid(text: &str) -> Vec<u8> {
    let class = CLASSES.iter().find(|(name, oid, ..)| *oid == text || name.eq_ignore_ascii_case(text));
    class.map_or(text, |(name, ..)| *name).to_ascii_lowercase().into_bytes()
}

/// `YYYYMMDDHH[MM[SS]][.fraction]Z` to the second.
fn moment(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_suffix('Z')?.split(['.', ',']).next()?;
    let good = matches!(digits.len(), 10 | 12 | 14) && digits.bytes().all(|byte| byte.is_ascii_digit());
    good.then(|| format!("{digits:0<14}").into_bytes())
}
