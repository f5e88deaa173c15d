//! ID-12: a number proved by an identity provider. The server signs a challenge, the provider endorses it by a token of its own.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use bytes::Bytes;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode};
use n2o::{Failure, Time};
use proto::ids::{DevKey, Phone};
use proto::limits::REGISTRATION_MS;
use serde::{Deserialize, Serialize};

use super::secret;
use crate::rows::Pending;
use crate::settings::{Issuer, Jwt};
use crate::vault::Vault;
use crate::{Chat, Cx};

/// Longest token that is looked at.
const TOKEN_MAX: usize = 16 * 1024;

/// What a challenge and its endorsement say. Times in seconds, as JWT has them.
#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    iss: Option<String>,
    sub: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dev: Option<String>,
    nonce: String,
    exp: u64,
}

/// Whether anybody may endorse.
pub(super) fn is_possible(jwt: &Jwt) -> bool {
    jwt.self_issue || !jwt.issuers.is_empty()
}

/// A challenge, and the nonce by which its endorsement is known.
pub(super) fn challenge(chat: &Chat, cx: &Cx<'_>, phone: &Phone, device: &DevKey) -> Result<(Bytes, Bytes), Failure> {
    let nonce = secret::token(cx);
    let claims = Claims {
        iss: None,
        sub: phone.to_string(),
        dev: Some(device.to_string()),
        nonce: String::from_utf8_lossy(&nonce).into_owned(),
        exp: (cx.now.0 + REGISTRATION_MS) / 1000,
    };
    let key = signing_key(&chat.vault);
    let pkcs8 = key.to_pkcs8v1().map_err(|_| Failure::new("the signing key has no PKCS#8 form"))?;
    let token = encode(&Header::new(Algorithm::EdDSA), &claims, &EncodingKey::from_ed_der(pkcs8.as_ref()));
    Ok((token.map_err(Failure::new)?.into(), nonce))
}

/// Whether `assertion` endorses the challenge that this registration waits for.
pub(super) fn proves(chat: &Chat, now: Time, phone: &Phone, pending: &Pending, assertion: &[u8]) -> bool {
    let (Ok(token), Some(nonce)) = (std::str::from_utf8(assertion), &pending.nonce) else { return false };
    let claims = match token.len() <= TOKEN_MAX {
        true => endorsed(&chat.settings.jwt, &chat.vault, token),
        false => None,
    };
    claims.is_some_and(|claims| {
        claims.sub == phone.as_str()
            && secret::is_same(claims.nonce.as_bytes(), &secret::hash(nonce))
            && claims.exp > now.0 / 1000
    })
}

/// The claims, if one who may has signed them: an issuer that is configured, or where that is allowed the server itself.
fn endorsed(jwt: &Jwt, vault: &Vault, token: &str) -> Option<Claims> {
    let algorithm = decode_header(token).ok()?.alg;
    let by_issuer = |issuer: &Issuer| {
        let claims = signed(token, issuer.algorithm, &issuer.key)?;
        (claims.iss.as_deref() == Some(&issuer.name)).then_some(claims)
    };
    let fitting = jwt.issuers.iter().filter(|issuer| issuer.algorithm == algorithm);
    fitting.filter_map(by_issuer).next().or_else(|| {
        let key = signing_key(vault);
        let own = DecodingKey::from_ed_der(key.public_key().as_ref());
        signed(token, Algorithm::EdDSA, &own).filter(|claims| jwt.self_issue && claims.iss.is_none())
    })
}

/// The claims, if the signature is by this key. When they end is judged by the server's clock, which is not the machine's in tests.
fn signed(token: &str, algorithm: Algorithm, key: &DecodingKey) -> Option<Claims> {
    let mut validation = Validation::new(algorithm);
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    decode::<Claims>(token, key, &validation).ok().map(|token| token.claims)
}

fn signing_key(vault: &Vault) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(vault.signing_seed()).expect("any 32 bytes are a seed of Ed25519")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::KEY_BYTES;

    const NOW: u64 = 1_000_000;

    /// An identity provider: its key, and what the configuration has of it.
    fn provider(seed: u8) -> (EncodingKey, Issuer) {
        let key = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
        let signing = EncodingKey::from_ed_der(key.to_pkcs8v1().unwrap().as_ref());
        let der =
            aws_lc_rs::encoding::AsDer::<aws_lc_rs::encoding::PublicKeyX509Der<'_>>::as_der(key.public_key()).unwrap();
        (signing, Issuer::new("https://id.example", "EdDSA", der.as_ref()).unwrap())
    }

    fn token(key: &EncodingKey, iss: Option<&str>, sub: &str, nonce: &str, exp: u64) -> String {
        let claims =
            Claims { iss: iss.map(str::to_owned), sub: sub.to_owned(), dev: None, nonce: nonce.to_owned(), exp };
        encode(&Header::new(Algorithm::EdDSA), &claims, key).unwrap()
    }

    fn accepts(jwt: &Jwt, token: &str) -> bool {
        endorsed(jwt, &Vault::new(&[1; KEY_BYTES]), token).is_some_and(|claims| claims.exp > NOW)
    }

    #[test]
    fn id_12_an_issuer_that_is_configured_endorses_and_no_other() {
        let ((key, issuer), (other, _)) = (provider(1), provider(2));
        let jwt = Jwt { issuers: vec![issuer], self_issue: false };
        assert!(accepts(&jwt, &token(&key, Some("https://id.example"), "ann", "n", NOW + 1)));
        assert!(!accepts(&jwt, &token(&key, Some("https://id.other"), "ann", "n", NOW + 1)));
        assert!(!accepts(&jwt, &token(&key, None, "ann", "n", NOW + 1)));
        assert!(!accepts(&jwt, &token(&other, Some("https://id.example"), "ann", "n", NOW + 1)));
        assert!(!accepts(&jwt, &token(&key, Some("https://id.example"), "ann", "n", NOW)));
        assert!(!accepts(&jwt, "no.token.atall"));
    }

    #[test]
    fn id_12_a_symmetric_signature_is_none_whatever_its_key() {
        let (_, issuer) = provider(1);
        let public = Ed25519KeyPair::from_seed_unchecked(&[1; 32]).unwrap().public_key().as_ref().to_vec();
        let jwt = Jwt { issuers: vec![issuer], self_issue: true };
        let claims = Claims {
            iss: Some("https://id.example".into()),
            sub: "ann".into(),
            dev: None,
            nonce: "n".into(),
            exp: NOW + 1,
        };
        let forged = encode(&Header::new(Algorithm::HS256), &claims, &EncodingKey::from_secret(&public)).unwrap();
        assert!(!accepts(&jwt, &forged));
        assert!(Issuer::new("https://id.example", "HS256", &public).is_err());
    }

    #[test]
    fn id_12_the_challenge_itself_counts_only_where_the_server_may_endorse() {
        let own = EncodingKey::from_ed_der(signing_key(&Vault::new(&[1; KEY_BYTES])).to_pkcs8v1().unwrap().as_ref());
        let challenge = token(&own, None, "ann", "n", NOW + 1);
        assert!(accepts(&Jwt { issuers: Vec::new(), self_issue: true }, &challenge));
        assert!(!accepts(&Jwt::default(), &challenge));
        assert!(!accepts(&Jwt { issuers: vec![provider(1).1], self_issue: false }, &challenge));
    }
}
