//! What a connection of an account has proved: CON-3 as far as accounts judge it, ID-7, ID-9, ID-10.

use std::sync::Arc;

use bytes::Bytes;
use kvs::{Span, View};
use n2o::Failure;
use proto::ids::{DevKey, Phone};
use proto::limits::TOKEN_EXPIRY_MS;

use super::device::{DEVICES_MAX, dev_key};
use super::key::{self, Bound};
use super::secret;
use crate::Admit;
use crate::beside::Shown;
use crate::door::{Certificate, Denied};
use crate::rows::{self, DEVICE, Device};

/// What a connection has proved.
#[derive(Debug, PartialEq)]
pub(super) enum Proved {
    /// It is the device: by its token, or without one by its certificate.
    Device { token: Option<Token> },
    /// ID-9 rule 2: its certificate names account and device; to be bound.
    Named(Arc<Certificate>),
    /// CON-3: a client id that has no session row, and no password.
    Guest,
}

/// Which of a device's tokens was presented (AUTH-5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token {
    Current,
    /// The one before, valid until the current one has been used.
    Before,
}

/// CON-3, ID-9, ID-10. `foreign`: the certificate is of another account; `named`: it names this one and the device.
pub(super) fn judge(
    now: u64,
    phone: &Phone,
    admit: &Admit,
    row: Option<&Device>,
    bound: &Bound,
    foreign: bool,
    named: bool,
) -> Result<Proved, Denied> {
    let password = admit.password.as_deref().filter(|password| !password.is_empty());
    let token = row.zip(password).and_then(|(row, password)| token(row, password, now));
    match (bound, row, password, token) {
        (Bound::Ended, ..) => Err(Denied::Banned),
        // ID-10: the certificate of one account, the token of another, whichever of them the client id names.
        (_, _, Some(_), Some(_)) if foreign => Err(Denied::NotAuthorized),
        (Bound::To(owner, device), Some(_), Some(_), None) if owner == phone && *device == admit.device => {
            Err(Denied::NotAuthorized)
        }
        (Bound::To(owner, device), Some(_), None, _) if owner == phone && *device == admit.device => {
            Ok(Proved::Device { token: None })
        }
        (_, Some(_), Some(_), Some(token)) => Ok(Proved::Device { token: Some(token) }),
        // D-63: a wrong password is never taken for a guest's.
        (_, _, Some(_), _) => Err(Denied::BadCredentials),
        (Bound::Not, row, None, _) => by_name(named, admit, row),
        (Bound::To(..), None, None, _) => Ok(Proved::Guest),
        (Bound::To(..), Some(_), None, _) => Err(Denied::BadCredentials),
    }
}

/// ID-9 rule 2: a certificate that nobody has bound may name this account and device.
fn by_name(named: bool, admit: &Admit, row: Option<&Device>) -> Result<Proved, Denied> {
    match (admit.certificate.as_ref().filter(|_| named), row) {
        (Some(_), Some(row)) if row.key.is_some() => Err(Denied::BadCredentials),
        (Some(certificate), _) => Ok(Proved::Named(certificate.clone())),
        (None, Some(_)) => Err(Denied::BadCredentials),
        (None, None) => Ok(Proved::Guest),
    }
}

/// ID-7, AUTH-5: which token of the device this is, if any.
pub(super) fn token(row: &Device, password: &[u8], now: u64) -> Option<Token> {
    let is = |kept: &Option<Bytes>| kept.as_deref().is_some_and(|kept| secret::is_same(password, kept));
    if is(&row.token) {
        return Some(Token::Current);
    }
    (now < row.before_until && is(&row.token_before)).then_some(Token::Before)
}

/// AUTH-5: the device's token, and not used for a year.
pub(super) fn is_over(row: &Device, password: &[u8], now: u64) -> bool {
    let used = row.last_online.max(row.token_made);
    used.saturating_add(TOKEN_EXPIRY_MS) <= now && token(row, password, now).is_some()
}

/// Whether a connection that shows this token would be let in.
fn is_opened_by(row: &Device, shown: &[u8], now: u64) -> bool {
    token(row, shown, now).is_some() && !is_over(row, shown, now)
}

/// Which of an account's devices somebody is who shows this token alone. That is asked by people's programs, once a connection; most accounts
/// have a few devices, and each has [`DEVICES_MAX`] at most, whose rows are read once. An index would have to follow both tokens of each.
pub(crate) fn bearer(store: &dyn View, now: u64, phone: &Phone, shown: &[u8]) -> Result<Option<DevKey>, Failure> {
    let prefix = rows::path(&[phone.as_str().as_bytes(), b""]);
    for (_, row) in store.scan(DEVICE, &Span::prefix(prefix).limit(DEVICES_MAX))? {
        let row: Device = rows::decode(&row)?;
        if is_opened_by(&row, shown, now) {
            return dev_key(&row).map(Some);
        }
    }
    Ok(None)
}

/// Whether somebody beside the connections has shown that it is this device: by its token, or by a certificate bound to it.
pub(crate) fn is_device(
    store: &dyn View,
    now: u64,
    phone: &Phone,
    device: &DevKey,
    shown: &Shown,
) -> Result<bool, Failure> {
    let Some(row) = rows::read::<Device>(store, DEVICE, &rows::device_key(phone, device))? else { return Ok(false) };
    match shown {
        Shown::Token(shown) => Ok(is_opened_by(&row, shown, now)),
        Shown::Certificate(shown) => Ok(key::bound_at(store, now, shown)? == Bound::To(phone.clone(), device.clone())),
    }
}

#[cfg(test)]
mod tests {
    use kvs::{Batch, Memory, Store};

    use super::*;

    const NOW: u64 = 1_000_000;

    fn certificate() -> Certificate {
        Certificate {
            key: [7; 32],
            print: 7,
            names: vec!["anna".into()],
            own_authority: true,
            personal: true,
            not_after: u64::MAX,
            ..Certificate::default()
        }
    }

    fn row() -> Device {
        Device {
            token: Some(secret::hash(b"new")),
            token_before: Some(secret::hash(b"old")),
            before_until: NOW + 1,
            last_online: NOW,
            ..Device::default()
        }
    }

    fn to(phone: &str, device: &str) -> Bound {
        Bound::To(phone.parse().unwrap(), device.parse().unwrap())
    }

    /// What anna's device d1 gets with this password, row and bound key.
    fn judged(
        password: &'static str,
        row: Option<&Device>,
        bound: Bound,
        has_certificate: bool,
    ) -> Result<Proved, Denied> {
        let admit = Admit {
            session: "emqttd_anna_d1".into(),
            connection: 1,
            device: DevKey::parse(b"d1").unwrap(),
            password: Some(Bytes::from(password)),
            certificate: has_certificate.then(|| Arc::new(certificate())),
            called: Bytes::from_static(b"emqttd_anna_d1"),
            in_use: false,
        };
        let anna = Phone::parse(b"anna").unwrap();
        let foreign = matches!(&bound, Bound::To(owner, _) if *owner != anna);
        judge(NOW, &anna, &admit, row, &bound, foreign, has_certificate)
    }

    #[test]
    fn con_3_a_device_comes_in_by_its_token() {
        let row = row();
        assert_eq!(judged("new", Some(&row), Bound::Not, false), Ok(Proved::Device { token: Some(Token::Current) }));
        assert_eq!(judged("wrong", Some(&row), Bound::Not, false), Err(Denied::BadCredentials));
        assert_eq!(judged("", Some(&row), Bound::Not, false), Err(Denied::BadCredentials));
    }

    #[test]
    fn auth_5_the_token_before_counts_for_its_time() {
        let row = row();
        assert_eq!(judged("old", Some(&row), Bound::Not, false), Ok(Proved::Device { token: Some(Token::Before) }));
        let over = Device { before_until: NOW, ..row };
        assert_eq!(judged("old", Some(&over), Bound::Not, false), Err(Denied::BadCredentials));
    }

    #[test]
    fn d_63_without_a_row_an_empty_password_is_a_guest_and_a_wrong_one_is_refused() {
        assert_eq!(judged("", None, Bound::Not, false), Ok(Proved::Guest));
        assert_eq!(judged("wrong", None, Bound::Not, false), Err(Denied::BadCredentials));
        assert_eq!(judged("", None, to("ben", "d1"), true), Ok(Proved::Guest));
    }

    #[test]
    fn id_9_a_binding_opens_its_own_device_only() {
        let row = row();
        assert_eq!(judged("", Some(&row), to("anna", "d1"), true), Ok(Proved::Device { token: None }));
        assert_eq!(judged("", Some(&row), to("anna", "d2"), true), Err(Denied::BadCredentials));
        assert_eq!(judged("", Some(&row), Bound::Ended, true), Err(Denied::Banned));
    }

    #[test]
    fn id_9_rule_2_binds_a_certificate_that_names_the_account_unless_another_key_is_bound() {
        let bound = Device { key: Some(Bytes::from_static(b"another")), ..row() };
        assert!(matches!(judged("", None, Bound::Not, true), Ok(Proved::Named(_))));
        assert!(matches!(judged("", Some(&row()), Bound::Not, true), Ok(Proved::Named(_))));
        assert_eq!(judged("", Some(&bound), Bound::Not, true), Err(Denied::BadCredentials));
    }

    #[test]
    fn id_10_the_certificate_of_one_account_with_the_token_of_another_is_refused() {
        let row = row();
        assert_eq!(judged("new", Some(&row), to("ben", "d1"), true), Err(Denied::NotAuthorized));
        assert_eq!(judged("token of ben", Some(&row), to("anna", "d1"), true), Err(Denied::NotAuthorized));
    }

    #[test]
    fn id_7_each_of_an_account_s_devices_is_known_by_its_tokens() {
        let store = Memory::new(&[DEVICE]);
        let anna = Phone::parse(b"anna").unwrap();
        let mut batch = Batch::default();
        for number in 0..DEVICES_MAX {
            let device = DevKey::parse(format!("d{number:04}").as_bytes()).unwrap();
            let [new, old] = ["new", "old"].map(|which| Some(secret::hash(format!("{which} {number}").as_bytes())));
            let row = Device { dev_key: device.to_bytes(), token: new, token_before: old, ..row() };
            batch.put(DEVICE, rows::device_key(&anna, &device), rows::encode(&row));
        }
        store.apply(&batch).unwrap();
        let is = |shown: &str, now| {
            let found = bearer(&*store.snapshot(), now, &anna, shown.as_bytes()).unwrap();
            found.map(|device| device.as_str().to_owned())
        };
        assert_eq!(is("new 0", NOW).as_deref(), Some("d0000"));
        assert_eq!(is("old 999", NOW).as_deref(), Some("d0999"));
        assert_eq!([is("old 999", NOW + 1), is("new 1000", NOW), is("", NOW)], [None, None, None]);
        assert_eq!(is("new 999", NOW + TOKEN_EXPIRY_MS), None);
    }

    #[test]
    fn auth_5_a_token_unused_for_a_year_is_over() {
        let row = Device { last_online: 0, ..row() };
        assert!(is_over(&row, b"new", TOKEN_EXPIRY_MS) && !is_over(&row, b"new", TOKEN_EXPIRY_MS - 1));
        assert!(!is_over(&row, b"wrong", TOKEN_EXPIRY_MS));
    }
}
