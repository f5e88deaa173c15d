//! AUTH-12: versions of clients, and of this server.

use etf::Term;
use proto::Refusal;
use proto::records::{Auth, AuthAct, AuthSettings, Feature};

use crate::protocol::feature::{self, AUTH_DATA};

/// AUTH-12: the answer to a client that says its version, and that version.
pub(crate) fn ver(least: u64, auth: &Auth) -> Result<(Auth, u64), Refusal> {
    let by_setting = feature::value(auth.features(), AUTH_DATA, b"VERSION")
        .or_else(|| {
            auth.features().iter().find(|feature| feature.key.as_deref() == Some(b"VERSION")).map(Feature::text)
        })
        .map(Term::binary);
    let version = check(auth.version().or(by_setting.as_ref()), least)?;
    let own = Feature { id: Some("1".into()), ..Feature::new("AUTH_DATA", "VERSION", env!("CARGO_PKG_VERSION")) };
    let answer = Auth {
        settings: Some(AuthSettings::Features(vec![own])),
        r#type: Some(AuthAct::Ver.into()),
        ..Auth::default()
    };
    Ok((answer, version))
}

/// AUTH-1, AUTH-12: a client that says no version counts as the oldest.
pub(super) fn check(version: Option<&Term>, least: u64) -> Result<u64, Refusal> {
    let number = match version {
        None => 0,
        Some(version) if version.is_nil() => 0,
        Some(version) => version.to::<u64>().or_else(|_| decimal(version))?,
    };
    if number >= least { Ok(number) } else { Err(Refusal::InvalidVersion) }
}

fn decimal(version: &Term) -> Result<u64, Refusal> {
    let digits = version.as_binary().and_then(|text| std::str::from_utf8(text).ok());
    digits.and_then(|digits| digits.parse().ok()).ok_or(Refusal::InvalidData)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auth_1_version_is_a_number_and_at_least_the_least() {
        assert_eq!(check(None, 0), Ok(0));
        assert_eq!(check(None, 1), Err(Refusal::InvalidVersion));
        assert_eq!(check(Some(&Term::int(2)), 3), Err(Refusal::InvalidVersion));
        assert_eq!(check(Some(&Term::binary(b"12")), 3), Ok(12));
        assert_eq!(check(Some(&Term::atom("new")), 0), Err(Refusal::InvalidData));
    }

    #[test]
    fn auth_12_a_version_comes_with_the_type_or_as_a_setting() {
        let said = |value: &str| Auth {
            settings: Some(AuthSettings::Features(vec![Feature::new("AUTH_DATA", "VERSION", value.to_owned())])),
            ..Auth::default()
        };
        assert_eq!(ver(3, &said("2")).map(|(_, version)| version), Err(Refusal::InvalidVersion));
        assert_eq!(ver(3, &said("4")).map(|(_, version)| version), Ok(4));
        assert_eq!(ver(0, &Auth::default()).map(|(_, version)| version), Ok(0));
    }
}
