//! What two deployments need to differ in, as far as the chat is concerned (SPEC section 11).

use std::collections::BTreeMap;

use bytes::Bytes;
use jsonwebtoken::{Algorithm, DecodingKey};
use proto::ids::Phone;
use proto::limits;

/// Read once at start and handed down as a value.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `auth.fake_numbers` (ID-15): tests only, loopback only.
    pub fake_numbers: bool,
    /// `auth.providers` (ID-11), in order of preference.
    pub providers: Vec<Provider>,
    /// `auth.static_codes` (ID-11): the fixed codes of test numbers.
    pub static_codes: BTreeMap<Phone, Bytes>,
    /// `auth.webhook.voice` (AUTH-2): the webhook calls as well.
    pub voice: bool,
    /// `directory` (ID-11): what the organisation's directory decides.
    pub directory: Directory,
    pub jwt: Jwt,
    /// `auth.min_version` (AUTH-1).
    pub min_version: u64,
    /// `x509.auto_bind` (ID-9 rule 2).
    pub auto_bind: bool,
    /// `auth.sys_secret` (CON-3): SHA-256 of the password by which services come in without a certificate.
    pub sys_secret: Option<[u8; 32]>,
    /// `push.preview` (PUSH-2): pushes carry what was written.
    pub push_preview: bool,
    /// `session.prolong` (INIT-2).
    pub session_prolong: bool,
    /// `ring.nodes` (INIT-1).
    pub ring_nodes: u64,
    /// Limits per second, hour, day and address hold (SEC-13); off in the `dev` profile.
    pub limits: bool,
    /// `queue.ack=puback` for all devices (DLV-13).
    pub puback: bool,
    /// `history.mode=transient` (DLV-6): what all devices have acknowledged goes, unless a room says otherwise.
    pub transient: bool,
    /// `security.require_cms` (SEC-7): content that is not sealed is refused.
    pub require_cms: bool,
    /// `security.verify` (SEC-8): a signature beside its part is verified, a bad one refused.
    pub verify: bool,
    /// Largest record, in bytes.
    pub packet_max: usize,
    /// `ftp.max` (FTP-8): largest file, in bytes.
    pub file_max: u64,
    /// `ftp.quota` (FTP-8): files of one account, in bytes.
    pub file_quota: u64,
}

/// A way to prove a number (ID-11).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    /// Codes issued beforehand.
    Invite,
    /// The code goes to an outbox file that only the operator can read.
    Log,
    /// A fixed code, for the numbers that have one.
    Static,
    /// The code is posted to a service that sends it; for telephone numbers.
    Webhook,
    /// The person's password, of which the organisation's directory knows whether it is.
    Directory,
}

/// What the organisation's directory decides (ID-11).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Directory {
    /// There is none.
    #[default]
    None,
    /// Whoever is in it may no longer come in when it has them no more. Others may register as well.
    Asked,
    /// Nobody may but those whom it has.
    Restricts,
}

/// Who endorses challenges (ID-12).
#[derive(Debug, Clone, Default)]
pub struct Jwt {
    pub issuers: Vec<Issuer>,
    /// The server itself does: tests only, loopback only.
    pub self_issue: bool,
}

/// An identity provider, known by its public key.
#[derive(Debug, Clone)]
pub struct Issuer {
    pub name: String,
    pub(crate) algorithm: Algorithm,
    pub(crate) key: DecodingKey,
}

/// An issuer that signs by no algorithm that we take: asymmetric ones only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is none of ES256, ES384, EdDSA, RS256, RS384, RS512, PS256, PS384, PS512")]
pub struct BadIssuer;

impl Issuer {
    /// `key`: its SubjectPublicKeyInfo, DER.
    pub fn new(name: &str, algorithm: &str, key: &[u8]) -> Result<Issuer, BadIssuer> {
        let (algorithm, key) = match algorithm {
            "ES256" => (Algorithm::ES256, DecodingKey::from_ec_der(key)),
            "ES384" => (Algorithm::ES384, DecodingKey::from_ec_der(key)),
            "EdDSA" => (Algorithm::EdDSA, DecodingKey::from_ed_der(key)),
            "RS256" => (Algorithm::RS256, DecodingKey::from_rsa_der(key)),
            "RS384" => (Algorithm::RS384, DecodingKey::from_rsa_der(key)),
            "RS512" => (Algorithm::RS512, DecodingKey::from_rsa_der(key)),
            "PS256" => (Algorithm::PS256, DecodingKey::from_rsa_der(key)),
            "PS384" => (Algorithm::PS384, DecodingKey::from_rsa_der(key)),
            "PS512" => (Algorithm::PS512, DecodingKey::from_rsa_der(key)),
            _ => return Err(BadIssuer),
        };
        Ok(Issuer { name: name.to_owned(), algorithm, key })
    }
}

impl Default for Settings {
    /// The `embedded` profile.
    fn default() -> Settings {
        Settings {
            fake_numbers: false,
            providers: vec![Provider::Invite, Provider::Log],
            static_codes: BTreeMap::new(),
            voice: false,
            directory: Directory::None,
            jwt: Jwt::default(),
            min_version: 0,
            auto_bind: true,
            sys_secret: None,
            push_preview: false,
            session_prolong: false,
            ring_nodes: 4,
            limits: true,
            puback: false,
            transient: false,
            require_cms: false,
            verify: false,
            packet_max: limits::PACKET_BYTES,
            file_max: limits::FTP_FILE_BYTES,
            file_quota: limits::FTP_QUOTA_BYTES,
        }
    }
}

impl Settings {
    /// The `dev` profile: loopback, fake numbers, challenges endorsed by the server itself, no limits per time.
    pub fn dev() -> Settings {
        let jwt = Jwt { self_issue: true, ..Jwt::default() };
        Settings { fake_numbers: true, jwt, limits: false, ..Settings::default() }
    }
}
