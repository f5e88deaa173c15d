//! Tokens that we sign for gateways (RFC 7519): ES256 and RS256, by keys in files.

use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD as BASE64};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use serde::Serialize;
use zeroize::Zeroizing;

/// Letters of a line of PEM.
const LINE: usize = 64;

/// A private key.
pub enum Signer {
    Es256(EcdsaKeyPair),
    Rs256(Box<RsaKeyPair>),
}

/// A key that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    #[error("no private key, PEM")]
    Pem,
    #[error("the key is none of P-256")]
    NotP256,
    #[error("the key is none of RSA")]
    NotRsa,
}

/// `alg`, and which key it was.
#[derive(Serialize)]
struct Header<'a> {
    alg: &'static str,
    typ: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<&'a str>,
}

impl Signer {
    /// A key of P-256, PKCS#8, as Apple gives it.
    pub fn es256(pem: &[u8]) -> Result<Signer, BadKey> {
        let key = PrivateKeyDer::from_pem_slice(pem).map_err(|_| BadKey::Pem)?;
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key.secret_der());
        key.map(Signer::Es256).map_err(|_| BadKey::NotP256)
    }

    /// A fresh key of P-256, PEM.
    pub fn generate() -> Result<Zeroizing<String>, BadKey> {
        let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
        let text = Zeroizing::new(STANDARD.encode(key.map_err(|_| BadKey::NotP256)?));
        let (first, rest) = text.split_at(text.len().min(LINE));
        let (second, third) = rest.split_at(rest.len().min(LINE));
        let lines = ["-----BEGIN PRIVATE KEY-----", first, second, third, "-----END PRIVATE KEY-----", ""];
        Ok(Zeroizing::new(lines.join("\n")))
    }

    /// A key of RSA, PKCS#8 as Google gives it, or PKCS#1.
    pub fn rs256(pem: &[u8]) -> Result<Signer, BadKey> {
        let key = PrivateKeyDer::from_pem_slice(pem).map_err(|_| BadKey::Pem)?;
        let key = match &key {
            PrivateKeyDer::Pkcs1(key) => RsaKeyPair::from_der(key.secret_pkcs1_der()),
            other => RsaKeyPair::from_pkcs8(other.secret_der()),
        };
        key.map(|key| Signer::Rs256(Box::new(key))).map_err(|_| BadKey::NotRsa)
    }

    /// The public key: a point of P-256, not compressed; what RSA has is of no use to anybody here.
    pub fn public(&self) -> &[u8] {
        match self {
            Signer::Es256(key) => key.public_key().as_ref(),
            Signer::Rs256(key) => key.public_key().as_ref(),
        }
    }

    /// The token.
    pub(crate) fn sign(&self, key_id: Option<&str>, claims: &impl Serialize) -> String {
        let alg = match self {
            Signer::Es256(_) => "ES256",
            Signer::Rs256(_) => "RS256",
        };
        let mut token = part(&Header { alg, typ: "JWT", kid: key_id });
        token.push('.');
        token.push_str(&part(claims));
        let signature = self.signature(token.as_bytes());
        token.push('.');
        token.push_str(&BASE64.encode(signature));
        token
    }

    fn signature(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Signer::Es256(key) => {
                let signature = key.sign(&random, message).expect("a key that was read signs whatever it is");
                signature.as_ref().to_vec()
            }
            Signer::Rs256(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                    .expect("a key of 2048 bits or more signs");
                signature
            }
        }
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer")
    }
}

fn part(of: &impl Serialize) -> String {
    BASE64.encode(serde_json::to_vec(of).expect("names and numbers are JSON"))
}
