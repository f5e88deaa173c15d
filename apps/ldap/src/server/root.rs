//! What a server says of itself: the root's entry, and the schema's (RFC 4512 sections 4 and 5).

use super::dn::Dn;
use super::entry::{Entry, SUBSCHEMA};
use super::schema::{CLASSES, KINDS, RULES};

pub(super) const START_TLS: &str = "1.3.6.1.4.1.1466.20037";
pub(super) const WHO_AM_I: &str = "1.3.6.1.4.1.4203.1.11.3";
const PAGES: &str = "1.2.840.113556.1.4.319";
const MANAGE_DSA_IT: &str = "2.16.840.1.113730.3.4.2";
/// `+` (RFC 3673), and filters that are always true or false (RFC 4526).
const FEATURES: &[&str] = &["1.3.6.1.4.1.4203.1.5.1", "1.3.6.1.4.1.4203.1.5.3"];

/// The root's entry; `offers_external` when the client has shown a certificate.
pub(super) fn root(base: &Dn, offers_tls: bool, offers_external: bool) -> Entry {
    let mut entry = Entry { dn: Dn::root(), attributes: Vec::new() };
    entry.put("objectClass", &["top"]);
    entry.put("namingContexts", &[base.to_string()]);
    entry.put("subschemaSubentry", &[SUBSCHEMA]);
    entry.put("supportedLDAPVersion", &["3"]);
    entry.put("supportedControl", &[PAGES, MANAGE_DSA_IT]);
    entry.put("supportedExtension", &[WHO_AM_I]);
    if offers_tls {
        entry.put("supportedExtension", &[START_TLS]);
    }
    if offers_external {
        entry.put("supportedSASLMechanisms", &["EXTERNAL"]);
    }
    entry.put("supportedFeatures", FEATURES);
    entry.put("vendorName", &["CHAT"]);
    entry
}

/// The schema's.
pub(super) fn subschema() -> Entry {
    let mut entry = Entry { dn: subschema_name(), attributes: Vec::new() };
    entry.put("objectClass", &["top", "subschema"]);
    entry.put("structuralObjectClass", &["subschema"]);
    entry.put("cn", &["subschema"]);
    let kinds: Vec<String> = KINDS.iter().map(super::Kind::described).collect();
    entry.put("attributeTypes", &kinds);
    let classes: Vec<String> = CLASSES.iter().map(|class| described(*class)).collect();
    entry.put("objectClasses", &classes);
    let base = "1.3.6.1.4.1.1466.115.121.1";
    let rules: Vec<String> =
        RULES.iter().map(|(oid, name, syntax, _)| format!("( {oid} NAME '{name}' SYNTAX {base}.{syntax} )")).collect();
    entry.put("matchingRules", &rules);
    let mut syntaxes: Vec<String> = RULES.iter().map(|(_, _, syntax, _)| format!("( {base}.{syntax} )")).collect();
    syntaxes.sort_unstable();
    syntaxes.dedup();
    entry.put("ldapSyntaxes", &syntaxes);
    entry
}

pub(super) fn subschema_name() -> Dn {
    Dn::root().child("cn", "subschema")
}

fn described((name, oid, what, must, may): (&str, &str, &str, &str, &str)) -> String {
    let list = |word: &str, names: &str| if names.is_empty() { String::new() } else { format!(" {word} ( {names} )") };
    format!("( {oid} NAME '{name}' {what}{}{} )", list("MUST", must), list("MAY", may))
}
