//! Who a message comes from: nothing else is done before its protection is known to be good.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use ca::cmp::{Fault, Mac, MacKey, Message, Seal};
use chat::Invitation;
use chat::door::Certificate;
use proto::ids::Phone;

use super::desk::Desk;
use super::transactions::Party;
use crate::tls;

/// How far a signed message's time may be from ours. One that is recorded and sent again is too old, or known.
pub(super) const CLOCK: Duration = Duration::from_secs(5 * 60);

/// Who asks, as proved.
pub(super) enum Who {
    /// Knows an invite for this number.
    Invited { phone: Phone, by: Box<Invitation>, key: Box<MacKey> },
    /// Has the key of a certificate of ours that is not over.
    Certified { certificate: Arc<Certificate> },
    /// Does not say.
    Nobody,
}

impl Who {
    /// How it is answered.
    pub(super) fn seal(&self) -> Seal<'_> {
        match self {
            Who::Invited { key, .. } => Seal::Secret(key),
            Who::Certified { .. } | Who::Nobody => Seal::Signature,
        }
    }

    pub(super) fn party(&self) -> Option<Party> {
        match self {
            Who::Invited { by, .. } => Some(Party::Secret(by.clone())),
            Who::Certified { certificate } => Some(Party::Key(certificate.key)),
            Who::Nobody => None,
        }
    }
}

impl Desk {
    pub(super) async fn prove(&self, message: &Arc<Message>) -> Result<Who, Fault> {
        if !message.is_protected() {
            return Ok(Who::Nobody);
        }
        match message.mac()? {
            Some(mac) => self.by_secret(message, mac).await,
            None => self.by_signature(message),
        }
    }

    async fn by_secret(&self, message: &Arc<Message>, mac: Mac) -> Result<Who, Fault> {
        let phone = Phone::parse(message.reference()).map_err(|_| Fault::BadMessageCheck)?;
        let invites = match self.transactions().secret(message.transaction()) {
            // In a transaction that has begun the invite is used up already.
            Some(invite) => vec![invite],
            None => self.invites(&phone)?,
        };
        // Milliseconds, for each of a few invites: not on a thread of the ring, and not many at once.
        let _place = self.derivations.acquire().await.map_err(|_| Fault::SystemUnavail)?;
        let message = message.clone();
        let found = tokio::task::spawn_blocking(move || {
            invites.into_iter().find_map(|invite| {
                let key = mac.key(&invite.code);
                message.is_sealed_by(&key).then_some((invite, key))
            })
        });
        let (by, key) = found.await.map_err(|_| Fault::SystemFailure)?.ok_or(Fault::BadMessageCheck)?;
        Ok(Who::Invited { phone, by: Box::new(by), key: Box::new(key) })
    }

    /// Where there is no invite, one is made up that nobody knows, so that time tells nobody.
    fn invites(&self, phone: &Phone) -> Result<Vec<Invitation>, Fault> {
        let mut invites = self.office.registrar.invites(&self.vault, phone).map_err(|failure| {
            tracing::error!(%failure, "cannot look for invites");
            Fault::SystemFailure
        })?;
        if invites.is_empty() {
            let random: [u8; 32] = super::desk::random().map_err(|_| Fault::SystemFailure)?;
            let (account, code) = (phone.clone(), Bytes::copy_from_slice(&random));
            invites.push(Invitation { account, expires: 0, code });
        }
        Ok(invites)
    }

    fn by_signature(&self, message: &Message) -> Result<Who, Fault> {
        let shown = message.signer().ok_or(Fault::SignerNotTrusted)?;
        let certificate = tls::good(&self.office.registrar, shown).filter(|shown| shown.own_authority);
        let certificate = certificate.ok_or(Fault::SignerNotTrusted)?;
        if !message.is_signed_by(shown) {
            return Err(Fault::BadMessageCheck);
        }
        let (said, now) = (message.time().ok_or(Fault::BadTime)?, SystemTime::now());
        let apart = now.duration_since(said).unwrap_or_else(|ahead| ahead.duration());
        if apart > CLOCK {
            return Err(Fault::BadTime);
        }
        Ok(Who::Certified { certificate: Arc::new(certificate) })
    }
}
