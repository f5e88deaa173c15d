//! X.509 identity (ID-9, ID-10): which account and device a certificate opens.

use kvs::View;
use n2o::Failure;
use proto::ids::{DevKey, Phone};

use crate::door::Certificate;
use crate::rows::{self, BINDING, Binding};
use crate::{Chat, Cx, Settings, names};

/// What the server knows of a certificate's key (ID-9 rule 1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Bound {
    /// It opens this device.
    To(Phone, DevKey),
    /// Its binding was ended: it is refused as blocked.
    Ended,
    /// Nothing.
    Not,
}

/// ID-9 rule 1.
pub(crate) fn bound(cx: &Cx<'_>, certificate: &Certificate) -> Result<Bound, Failure> {
    bound_at(cx.store, cx.now.0, certificate)
}

/// The same, outside of a step.
pub(super) fn bound_at(store: &dyn View, now: u64, certificate: &Certificate) -> Result<Bound, Failure> {
    let Some(binding) = rows::read::<Binding>(store, BINDING, &certificate.key)? else {
        return Ok(Bound::Not);
    };
    if binding.ended != 0 && binding.ended <= now {
        return Ok(Bound::Ended);
    }
    match (Phone::parse(&binding.phone), DevKey::parse(&binding.dev_key)) {
        (Ok(phone), Ok(device)) => Ok(Bound::To(phone, device)),
        _ => Err(Failure::new("a key is bound to no device")),
    }
}

/// ID-9 rule 2: the account that a certificate of our own authority names.
pub(crate) fn named(settings: &Settings, certificate: &Certificate) -> Option<Phone> {
    let counts = settings.auto_bind && certificate.own_authority && certificate.personal && !certificate.sys;
    counts.then(|| certificate.names.iter().find_map(|name| Phone::parse(name.as_bytes()).ok()))?
}

/// ID-9 rule 2: whether it names this device too; one that names none opens any device of its account.
fn fits(certificate: &Certificate, phone: &Phone, device: &DevKey) -> bool {
    match &certificate.device {
        Some((named, key)) => named == phone.as_str() && key == device.as_str(),
        None => true,
    }
}

/// ID-9 rule 2: whether it names this account and this device, and nobody has left the account's number since it was issued: it may have
/// been shown before that.
pub(super) fn is_named(
    chat: &Chat,
    cx: &Cx<'_>,
    certificate: &Certificate,
    phone: &Phone,
    device: &DevKey,
) -> Result<bool, Failure> {
    let is_meant = named(&chat.settings, certificate).as_ref() == Some(phone) && fits(certificate, phone, device);
    let left = || names::last_left(cx.store, &names::number(cx.store, phone)?);
    Ok(is_meant && left()?.is_none_or(|left| left <= certificate.issued))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(names: &[&str]) -> Certificate {
        Certificate {
            key: [7; 32],
            print: 7,
            names: names.iter().map(|name| name.to_string()).collect(),
            own_authority: true,
            personal: true,
            ..Certificate::default()
        }
    }

    #[test]
    fn id_9_the_first_attribute_that_is_an_account_key_names_the_account() {
        let settings = Settings::default();
        let named = |names: &[&str]| named(&settings, &certificate(names)).map(|phone| phone.to_string());
        assert_eq!(named(&["no/key", "+38 067", "anna"]), Some("38067".into()));
        assert_eq!(named(&["reg", "Anna"]), Some("anna".into()));
        assert_eq!(named(&[]), None);
    }

    #[test]
    fn id_9_rule_2_needs_our_authority_and_a_person() {
        let on = Settings::default();
        let off = Settings { auto_bind: false, ..Settings::default() };
        let good = certificate(&["anna"]);
        assert_eq!(named(&off, &good), None);
        for bad in [
            Certificate { own_authority: false, ..good.clone() },
            Certificate { personal: false, ..good.clone() },
            Certificate { sys: true, ..good.clone() },
        ] {
            assert_eq!(named(&on, &bad), None);
        }
    }

    #[test]
    fn id_9_a_certificate_that_names_its_device_opens_that_device_only() {
        let (anna, phone, laptop) =
            (Phone::parse(b"anna").unwrap(), DevKey::parse(b"phone").unwrap(), DevKey::parse(b"laptop").unwrap());
        let any = certificate(&["anna"]);
        let one = Certificate { device: Some(("anna".into(), "phone".into())), ..any.clone() };
        assert!(fits(&any, &anna, &phone) && fits(&any, &anna, &laptop));
        assert!(fits(&one, &anna, &phone) && !fits(&one, &anna, &laptop));
    }
}
