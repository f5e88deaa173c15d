//! What is asked, and what comes of it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use aws_lc_rs::{digest, rand};
use bytes::Bytes;
use ca::cmp::{
    Answer, Ask, CA_CERTS, CRL_STATUS, CRLS, CURRENT_CRL, Confirmation, Envelope, Fault, Info, Kind, Message,
    NONCE_BYTES, ROOT_CERT, ROOT_UPDATE, Responder, Wish,
};
use ca::ocsp::Status;
use ca::{Reason, Refusal, Subject};
use chat::Vault;
use chat::door::Certificate;
use tokio::sync::Semaphore;
use web::Asked;

use super::kept;
use super::proof::{CLOCK, Who};
use super::transactions::{Grant, Left, Open, Transactions};
use crate::enrol::Office;
use crate::enrol::device::Refused;
use crate::failure::Failure;
use crate::keys;
use crate::registrar::{self, millis};

/// How devices are called that enrol so.
const DEVICE: &str = "cmp";
/// So long a transaction is known: in this time a certificate is to be confirmed. As long as a signed message counts.
const OPEN: Duration = CLOCK.saturating_mul(2);
/// Derivations of keys at once.
const DERIVATIONS_MAX: usize = 2;
/// The responder's certificate is replaced so long before it ends.
const REPLACED: Duration = Duration::from_secs(30 * 24 * 60 * 60);

pub(super) struct Desk {
    pub(super) office: Arc<Office>,
    pub(super) vault: Vault,
    pub(super) derivations: Semaphore,
    transactions: Mutex<Transactions>,
    responder: Mutex<Option<(Arc<Responder>, SystemTime)>>,
}

impl Desk {
    /// Goes on with what an earlier run has begun.
    pub(super) fn open(office: Arc<Office>, vault: Vault) -> Result<Arc<Desk>, Failure> {
        let derivations = Semaphore::new(DERIVATIONS_MAX);
        let begun = kept::all(office.registrar.store(), &vault)?;
        let desk = Desk { office, vault, derivations, transactions: Mutex::default(), responder: Mutex::default() };
        let desk = Arc::new(desk);
        for (id, open) in begun {
            let age = Duration::from_millis(millis(SystemTime::now()).saturating_sub(open.at));
            // Nobody works on it any more, and its client has heard nothing.
            let is_cut = open.answer.is_none();
            let rest = if is_cut { Duration::ZERO } else { OPEN.saturating_sub(age) };
            desk.end_in(rest, id.clone(), open.at);
            desk.transactions().again(id, open);
        }
        Ok(desk)
    }

    /// Answers a message, always, unless we fail.
    pub(super) async fn hear(self: &Arc<Desk>, asked: &Asked, message: &Arc<Message>) -> Result<Bytes, Failure> {
        let request = sha256(&asked.body);
        if let Some(before) = self.transactions().answered(message.transaction(), &request) {
            return Ok(before);
        }
        let who = match message.check() {
            Ok(()) => self.prove(message).await,
            Err(fault) => Err(fault),
        };
        let who = match who {
            Ok(who) => who,
            Err(fault) => {
                if matches!(fault, Fault::BadMessageCheck | Fault::SignerNotTrusted) {
                    self.office.has_failed(asked.peer.source);
                }
                return self.say(message, &Who::Nobody, Answer::Failed(fault));
            }
        };
        match message.ask() {
            Ok(Ask::Certificate(wish)) => self.certificate(asked, message, &who, request, wish).await,
            Ok(Ask::Revocation { issuer, serial, reason }) => {
                self.revocation(message, &who, request, issuer, serial, reason).await
            }
            Ok(Ask::Confirmation(said)) => self.confirmation(message, &who, request, &said).await,
            Ok(Ask::Information(asked_for)) => self.information(asked, message, &who, &asked_for),
            Err(fault) => self.say(message, &who, Answer::Failed(fault)),
        }
    }

    pub(super) fn transactions(&self) -> MutexGuard<'_, Transactions> {
        self.transactions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Certificates (ir, cr, p10cr, kur).
impl Desk {
    async fn certificate(
        self: &Arc<Desk>,
        asked: &Asked,
        message: &Message,
        who: &Who,
        request: [u8; 32],
        wish: Wish,
    ) -> Result<Bytes, Failure> {
        let Wish { kind, id, .. } = wish;
        let refused = |why| self.say(message, who, Answer::NotIssued { kind, id, why });
        if let Err(why) = may_ask(message, who, &wish) {
            return refused(why);
        }
        let key = ca::key_of_request(&wish.request).ok();
        if let Err(why) = self.begin(message, who, request, key) {
            return refused(why);
        }
        let issued = match self.issue(asked, who, wish.request.into()).await {
            Ok(issued) => issued,
            Err(why) => {
                let answer = refused(why)?;
                return self.settle(message, request, answer, None).await;
            }
        };
        let is_first = matches!(who, Who::Invited { .. });
        let root = self.office.registrar.authority.chain().pop().filter(|_| is_first);
        let nonce = random()?;
        let is_confirmed = message.wants_no_confirmation();
        let answer = Answer::Issued { kind, id, certificate: &issued, root };
        let answer = self.say_with(message, who, answer, nonce, is_confirmed)?;
        let serial = ca::subject(&issued)?.serial;
        let grant = Grant { certificate: issued, serial, id, nonce, is_first };
        self.settle(message, request, answer, (!is_confirmed).then_some(grant)).await
    }

    /// Whatever is answered is on the disk before: after a crash it is answered so again, and can be confirmed.
    async fn settle(
        &self,
        message: &Message,
        request: [u8; 32],
        answer: Bytes,
        grant: Option<Grant>,
    ) -> Result<Bytes, Failure> {
        let id = message.transaction().to_vec();
        let Some(open) = self.transactions().get(&id) else { return Ok(answer) };
        let open = Open { heard: request, answer: Some(answer.clone()), grant, ..open };
        let (store, row) = (self.office.registrar.store().clone(), open.clone());
        let key = id.clone();
        slowly(move || kept::put(&store, &key, &row, &[]).and_then(|()| kept::flush(&store))).await?;
        self.transactions().settle(&id, open);
        Ok(answer)
    }

    async fn issue(&self, asked: &Asked, who: &Who, request: Bytes) -> Result<Vec<u8>, Fault> {
        let source = asked.peer.source;
        let done = match who {
            Who::Invited { phone, by, .. } => {
                self.office.by_invite(source, phone, by.code.clone(), request, DEVICE).await
            }
            Who::Certified { certificate } => self.office.by_certificate(Some(certificate.clone()), request).await,
            Who::Nobody => Err(Refused::Unproved),
        };
        match done {
            Ok(issued) => {
                asked.peer.known();
                Ok(issued)
            }
            Err(why) => {
                if why == Refused::Unproved {
                    self.office.has_failed(source);
                }
                Err(fault(why))
            }
        }
    }

    /// It ends by itself; what is not confirmed by then is withdrawn. Kept before anything is issued, so that after a crash it is known
    /// what may have been.
    fn begin(
        self: &Arc<Desk>,
        message: &Message,
        who: &Who,
        request: [u8; 32],
        asked: Option<[u8; 32]>,
    ) -> Result<(), Fault> {
        let (id, at) = (message.transaction(), millis(SystemTime::now()));
        let party = who.party().ok_or(Fault::NotAuthorized)?;
        let open = Open { at, party, asked, heard: request, answer: None, grant: None };
        let forgotten = self.transactions().begin(id, open.clone())?;
        self.end_in(OPEN, id.to_vec(), at);
        kept::put(self.office.registrar.store(), id, &open, &forgotten).map_err(failed)
    }

    fn end_in(self: &Arc<Desk>, rest: Duration, id: Vec<u8>, at: u64) {
        let desk = self.clone();
        actix_rt::spawn(async move {
            tokio::time::sleep(rest).await;
            let Some(left) = desk.transactions().end(&id, at) else { return };
            let store = desk.office.registrar.store().clone();
            let ended = match desk.take_back(left).await {
                Ok(()) => slowly(move || kept::remove(&store, &id)).await,
                failure => failure,
            };
            if let Err(failure) = ended {
                tracing::error!(%failure, "cannot withdraw a certificate that nobody has confirmed");
            }
        });
    }

    async fn take_back(&self, left: Left) -> Result<(), Failure> {
        match left {
            Left::Nothing => Ok(()),
            Left::Granted(grant) => self.withdraw(grant.serial, grant.is_first).await,
            Left::Unanswered { key, since, is_first } => {
                let registrar = self.office.registrar.clone();
                for serial in slowly(move || registrar.issued_since(&key, since)).await? {
                    self.withdraw(serial, is_first).await?;
                }
                Ok(())
            }
        }
    }

    async fn confirmation(
        &self,
        message: &Message,
        who: &Who,
        request: [u8; 32],
        said: &Confirmation,
    ) -> Result<Bytes, Failure> {
        let id = message.transaction();
        let done = match who.party() {
            Some(party) => self.transactions().confirm(id, &party, message.answers(), said),
            None => Err(Fault::NotAuthorized),
        };
        match done {
            Err(fault) => return self.say(message, who, Answer::Failed(fault)),
            Ok(Some(rejected)) => self.withdraw(rejected.serial, rejected.is_first).await?,
            Ok(None) => {}
        }
        let answer = self.say(message, who, Answer::Noted)?;
        self.settle(message, request, answer, None).await
    }

    /// A new device ends with its certificate; another goes on with the one before.
    async fn withdraw(&self, serial: Vec<u8>, is_first: bool) -> Result<(), Failure> {
        let (registrar, handle) = (self.office.registrar.clone(), self.office.handle.clone());
        slowly(move || match is_first {
            true => registrar.take_back(&serial, Reason::CessationOfOperation, &handle).map(drop),
            false => registrar.withdraw(&serial),
        })
        .await
    }
}

/// What can be seen before anybody is asked: what would be turned down uses up no invite.
fn may_ask(message: &Message, who: &Who, wish: &Wish) -> Result<(), Fault> {
    if !message.answers().is_empty() {
        return Err(Fault::BadRecipientNonce);
    }
    match who {
        Who::Nobody => return Err(Fault::NotAuthorized),
        Who::Invited { .. } if wish.kind == Kind::Renewal => return Err(Fault::NotAuthorized),
        Who::Invited { .. } => {}
        Who::Certified { certificate } => {
            let own = own(certificate)?.serial;
            if wish.renews.as_ref().is_some_and(|renews| *renews != own) {
                return Err(Fault::BadCertId);
            }
        }
    }
    ca::key_of_request(&wish.request).map(drop).map_err(|why| match why {
        Refusal::TooLong | Refusal::Malformed => Fault::BadDataFormat,
        Refusal::Key | Refusal::Authority | Refusal::Name => Fault::BadCertTemplate,
        Refusal::Signature => Fault::BadPop,
    })
}

fn own(certificate: &Certificate) -> Result<Subject, Fault> {
    ca::subject(&certificate.der).map_err(|_| Fault::SystemFailure)
}

fn fault(why: Refused) -> Fault {
    match why {
        Refused::Unproved | Refused::Insecure => Fault::NotAuthorized,
        Refused::TooOften | Refused::Late => Fault::SystemUnavail,
        Refused::By(proto::Refusal::AttemptsExpired | proto::Refusal::Limit) => Fault::SystemUnavail,
        Refused::By(proto::Refusal::InvalidData | proto::Refusal::MismatchUserData) => Fault::BadCertTemplate,
        Refused::By(proto::Refusal::Internal) => Fault::SystemFailure,
        Refused::By(_) => Fault::NotAuthorized,
    }
}

/// Revocation (rr).
impl Desk {
    async fn revocation(
        self: &Arc<Desk>,
        message: &Message,
        who: &Who,
        request: [u8; 32],
        issuer: Option<Vec<u8>>,
        serial: Vec<u8>,
        reason: Reason,
    ) -> Result<Bytes, Failure> {
        let may = self.may_revoke(who, issuer, &serial).and_then(|()| self.begin(message, who, request, None));
        if let Err(why) = may {
            return self.say(message, who, Answer::NotRevoked(why));
        }
        let (registrar, handle) = (self.office.registrar.clone(), self.office.handle.clone());
        let done = slowly(move || registrar.take_back(&serial, reason, &handle)).await;
        let answer = match done.map_err(failed) {
            Ok(_) => self.say(message, who, Answer::Revoked)?,
            Err(why) => self.say(message, who, Answer::NotRevoked(why))?,
        };
        self.settle(message, request, answer, None).await
    }

    /// A device takes back its own certificates; an operator any. It counts as what the operator revokes by the shell (ID-10).
    fn may_revoke(&self, who: &Who, issuer: Option<Vec<u8>>, serial: &[u8]) -> Result<(), Fault> {
        let Who::Certified { certificate } = who else { return Err(Fault::NotAuthorized) };
        let signer = own(certificate)?;
        if issuer.is_some_and(|named| named != signer.issuer) {
            return Err(Fault::BadCertId);
        }
        let registrar = &self.office.registrar;
        let issued = registrar.issued(serial).map_err(failed)?.ok_or(Fault::BadCertId)?;
        let device = registrar.bound_to(&certificate.key);
        let is_own = serial == signer.serial || (device.is_some() && device == registrar.bound_to(&issued.key));
        if !is_own && !keys::is_admin(&signer) {
            return Err(Fault::NotAuthorized);
        }
        if matches!(registrar.status(serial).map_err(failed)?, Status::Revoked { .. }) {
            return Err(Fault::CertRevoked);
        }
        Ok(())
    }
}

fn failed(failure: Failure) -> Fault {
    tracing::error!(%failure, "the books of CMP fail");
    Fault::SystemFailure
}

/// Support (genm): what anybody may know, so nobody has to prove anything.
impl Desk {
    fn information(&self, asked: &Asked, message: &Message, who: &Who, wanted: &[Info]) -> Result<Bytes, Failure> {
        if !self.office.may_ask(asked.peer.source) {
            return self.say(message, who, Answer::Failed(Fault::SystemUnavail));
        }
        let known = wanted.iter().filter_map(|info| self.known(info)).collect::<Result<Vec<_>, _>>()?;
        self.say(message, who, Answer::Information(known))
    }

    /// What is not known is passed over (RFC 9810 section 5.3.19).
    fn known(&self, wanted: &Info) -> Option<Result<Info, Failure>> {
        let registrar = &self.office.registrar;
        let info = match wanted.kind {
            CA_CERTS => Info::list(CA_CERTS, &registrar.authority.chain()),
            CURRENT_CRL => Info::one(CURRENT_CRL, &registrar.list()),
            CRL_STATUS => Info::list(CRLS, &[&registrar.list()]),
            // There is none to replace it.
            ROOT_CERT => Ok(Info { kind: ROOT_UPDATE, value: None }),
            _ => return None,
        };
        Some(info.map_err(Failure::from))
    }
}

/// How it is said.
impl Desk {
    fn say(&self, message: &Message, who: &Who, answer: Answer<'_>) -> Result<Bytes, Failure> {
        self.say_with(message, who, answer, random()?, false)
    }

    fn say_with(
        &self,
        message: &Message,
        who: &Who,
        answer: Answer<'_>,
        nonce: [u8; NONCE_BYTES],
        is_confirmed: bool,
    ) -> Result<Bytes, Failure> {
        let responder = &*self.responder()?;
        let mut between = self.office.registrar.authority.chain();
        between.pop();
        let (seal, now) = (who.seal(), SystemTime::now());
        let envelope = Envelope { seal, responder, between: &between, nonce, is_confirmed, now };
        Ok(message.answer(answer, &envelope)?.into())
    }

    /// Made when it is wanted first; its key is in memory only.
    fn responder(&self) -> Result<Arc<Responder>, Failure> {
        let mut kept = self.responder.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((responder, until)) = &*kept
            && SystemTime::now() + REPLACED < *until
        {
            return Ok(responder.clone());
        }
        let issued = self.office.registrar.certified(registrar::Kind::Responder, "CMP responder", &[])?;
        let responder = Arc::new(Responder::new(&issued)?);
        *kept = Some((responder.clone(), issued.certificate.not_after));
        Ok(responder)
    }
}

pub(super) fn random<const N: usize>() -> Result<[u8; N], Failure> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(|_| Failure::Refused("the system gives no random bytes".into()))?;
    Ok(bytes)
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    out
}

/// What waits for the disk runs on no thread of the ring.
async fn slowly<T: Send + 'static>(work: impl FnOnce() -> Result<T, Failure> + Send + 'static) -> Result<T, Failure> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Failure::Start(n2o::Failure::new(error)))?
}
