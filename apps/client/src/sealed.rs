//! Content end to end (SEC-5, SEC-6, SEC-11): sealed for every device of every party, signed by this one, and judged when it comes.

mod people;
mod replays;
mod file;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use ca::cms::{self, Fault, Trust};
use proto::ids::PhoneId;
use proto::{Desc, Feature, Mark, Message, MessageLink, Several};

use crate::Error;

pub(crate) use file::sealed_part;
pub use file::{file_key, file_part};
pub use people::{News, People};
pub use replays::Replays;

/// The kind of a part that is an envelope.
pub(crate) const ENVELOPE: &[u8] = b"application/cms";

/// This device's certificate with its key, and the authority that it has pinned (SEC-9).
pub struct Seals {
    own: cms::Identity,
    /// The authorities, DER.
    roots: Vec<Vec<u8>>,
    /// Absent where no authority is known: then nothing is sealed, and nothing that comes is believed.
    trust: Option<Trust>,
    /// What each of the authorities, in their order, is known to have taken back.
    lists: Vec<Option<List>>,
}

/// The latest revocation list of an authority.
struct List {
    der: Vec<u8>,
    /// When it was made, and its number.
    version: (SystemTime, u128),
    until: Option<SystemTime>,
}

/// What a message turned out to be.
#[derive(Debug, Clone, PartialEq)]
pub enum Opened {
    /// Its content is in the clear; nobody vouches for it.
    Plain,
    /// Its author's device sealed and signed it, and it says of itself what the server says of it.
    Genuine(Box<Found>),
    /// Not to be taken for its author's. What was found in it, where only an authority is missing to judge it by.
    Unverifiable(Doubt, Option<Box<Message>>),
}

/// What was found in an envelope.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// `msg_id, feed_id, from, to, files, mentioned, link`, as the author wrote them.
    pub message: Message,
    /// SHA-256 of the key that signed.
    pub key: [u8; 32],
    /// When it was signed, as the signer says.
    pub time: Option<SystemTime>,
}

/// Why a message is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Doubt {
    #[error("{0}")]
    Fault(#[from] Fault),
    #[error("no authority is known here to judge it by")]
    NoAuthority,
    #[error("it is more than one envelope, or none")]
    NotOne,
    #[error("what is sealed is no message")]
    NoMessage,
    /// A field inside is not what it is outside.
    #[error("it was written as another message: {0} differs")]
    Differs(&'static str),
    #[error("its signer is not its author")]
    NotAuthors,
    #[error("it came before, as another message")]
    Replayed,
    #[error("a later version of it came before")]
    Outdated,
}

impl Seals {
    /// Certificate and key as PEM, and the certificates of the authorities (PEM), if there are any.
    pub fn new(cert_pem: &str, key_pem: &str, ca_pem: Option<&str>) -> Result<Seals, Error> {
        let own = cms::Identity::from_pem(cert_pem, key_pem)?;
        let roots = match ca_pem {
            Some(pem) => crate::tls::authorities(pem)?.iter().map(|root| root.to_vec()).collect(),
            None => Vec::new(),
        };
        let lists = roots.iter().map(|_| None).collect();
        let mut seals = Seals { own, roots, trust: None, lists };
        if ca_pem.is_some() {
            seals.trust = Some(Trust::new(&seals.issuers(), &[])?);
        }
        Ok(seals)
    }

    fn issuers(&self) -> Vec<&[u8]> {
        self.roots.iter().map(Vec::as_slice).collect()
    }

    /// SEC-6: what an authority has taken back, by its list (DER), beside what others have. False: this list, or a later one of the same
    /// authority, is known, so nobody can take back a revocation.
    ///
    /// # Errors
    /// When it is no list of a pinned authority.
    pub fn know_revoked(&mut self, list: &[u8]) -> Result<bool, Error> {
        let read = ca::read_list(list, &self.issuers()).map_err(|error| Error::local(error.to_string()))?;
        // Two authorities may have one name; whose list it is their keys tell.
        let of = self.roots.iter().position(|root| ca::read_list(list, &[root]).is_ok());
        let Some(known) = of.and_then(|of| self.lists.get_mut(of)) else { return Ok(false) };
        let version = (read.this_update, read.number);
        if known.as_ref().is_some_and(|known| version <= known.version) {
            return Ok(false);
        }
        *known = Some(List { der: list.to_vec(), version, until: read.next_update });
        let lists: Vec<&[u8]> = self.lists().map(|(_, list)| list).collect();
        self.trust = Some(Trust::new(&self.issuers(), &lists)?);
        Ok(true)
    }

    /// The lists (DER) that are known, each with the place of its authority among the pinned ones.
    pub fn lists(&self) -> impl Iterator<Item = (usize, &[u8])> {
        let numbered = self.lists.iter().enumerate();
        numbered.filter_map(|(place, list)| Some((place, list.as_ref()?.der.as_slice())))
    }

    /// Whether it is known what the authorities have taken back: by a list that is not over of each that issues. One that only stands
    /// above another pinned one does not: its key may be locked away, and nobody publishes its list.
    pub fn knows_revoked(&self, now: SystemTime) -> bool {
        let is_good = |list: &List| list.until.is_none_or(|until| now < until);
        let mut all = self.roots.iter().zip(&self.lists);
        self.can_judge()
            && all.all(|(root, list)| list.as_ref().is_some_and(is_good) || self.stands_above_another(root))
    }

    fn stands_above_another(&self, root: &[u8]) -> bool {
        let others = self.roots.iter().filter(|other| other.as_slice() != root);
        others.into_iter().any(|other| ca::is_issued_by(other, root))
    }

    /// The own certificate, DER.
    pub fn certificate(&self) -> &[u8] {
        self.own.certificate()
    }

    /// Whether an authority is known by which others are judged.
    pub fn can_judge(&self) -> bool {
        self.trust.is_some()
    }

    /// SEC-11: SignedData (DER) with the content inside.
    pub fn sign(&self, content: &[u8], now: SystemTime) -> Result<Vec<u8>, Error> {
        Ok(cms::sign(content, &self.own, now)?)
    }

    /// SEC-11: the content, and the certificate of its signer, whom the pinned authority knows.
    pub fn verify(&self, signed: &[u8], at: SystemTime) -> Result<cms::Signed, Doubt> {
        let trust = self.trust.as_ref().ok_or(Doubt::NoAuthority)?;
        Ok(cms::verify(signed, trust, at)?)
    }

    /// SEC-11: AuthEnvelopedData (DER) for these certificates (DER) and the own one.
    pub fn seal(&self, content: &[u8], recipients: &[Bytes]) -> Result<Vec<u8>, Error> {
        let own = self.own.certificate();
        let others = recipients.iter().map(AsRef::as_ref).filter(|other: &&[u8]| *other != own);
        let all: Vec<&[u8]> = others.chain([own].into_iter().filter(|own| cms::can_receive(own))).collect();
        Ok(cms::seal(content, &all)?)
    }

    /// SEC-11: what was sealed for this device.
    pub fn open(&self, sealed: &[u8]) -> Result<Vec<u8>, Error> {
        Ok(cms::open(sealed, &self.own)?)
    }

    /// Whether a certificate (DER) may stand for a device of `phone`: the pinned authority knows it, and it names nobody else.
    pub(crate) fn vouches(&self, certificate: &[u8], phone: &str, at: SystemTime) -> Option<[u8; 32]> {
        self.trust.as_ref()?.check(certificate, &[], at).ok()?;
        let subject = ca::subject(certificate).ok()?;
        let is_named = subject.device.as_ref().is_none_or(|(named, _)| named == phone);
        is_named.then_some(subject.spki_sha256)
    }

    /// SEC-5: the message with its content, mentions and link signed and sealed for these certificates and the own one. It must say
    /// `msg_id`, `feed_id`, `from` and `to` as the server will show them: they are signed with it.
    pub fn seal_message(&self, message: Message, recipients: &[Bytes], now: SystemTime) -> Result<Message, Error> {
        if message.msg_id.is_none() || message.feed_id.is_none() || message.from.is_none() || message.to.is_none() {
            return Err(Error::local("a message that is sealed says its msg_id, feed, author and receiver"));
        }
        let files_named = file::named(&message.files);
        let inner = inner(&message);
        let sealed = self.seal(&self.sign(&etf::encode(&inner), now)?, recipients)?;
        let data = files_named.map(|names| Feature::new("FILE_DATA", "FILE", names)).into_iter().collect();
        let (id, mime) = (Some(Bytes::from_static(b"1")), Some(Bytes::from_static(ENVELOPE)));
        let envelope = Desc { id, mime, payload: Some(sealed.into()), data, ..Desc::default() };
        // What is passed on is content as well; a reply says to which message it belongs.
        let (link, r#type) = match message.link {
            Some(MessageLink::Message(_)) => (None, without(message.r#type, Mark::Forward)),
            link => (link, message.r#type),
        };
        Ok(Message { files: vec![envelope], link, r#type, ..message })
    }

    /// SEC-6: opens and judges a message as it came. `is_author` says whether a key (SHA-256) is one of the author's.
    pub fn open_message(&self, outer: &Message, is_author: impl Fn(&[u8; 32]) -> bool, now: SystemTime) -> Opened {
        if !is_sealed(outer) {
            return Opened::Plain;
        }
        match self.judged(outer, is_author, now) {
            Ok(found) => Opened::Genuine(Box::new(found)),
            Err(Doubt::NoAuthority) => Opened::Unverifiable(Doubt::NoAuthority, self.unjudged(outer)),
            Err(doubt) => Opened::Unverifiable(doubt, None),
        }
    }

    fn judged(&self, outer: &Message, is_author: impl Fn(&[u8; 32]) -> bool, now: SystemTime) -> Result<Found, Doubt> {
        let signed = cms::open(envelope(outer)?, &self.own)?;
        // A certificate that has ended since was good when the message was sent.
        let sent = outer.created.map_or(now, |created| UNIX_EPOCH + Duration::from_millis(created.0));
        let signed = self.verify(&signed, sent.min(now))?;
        let message: Message = etf::decode(&signed.content).map_err(|_| Doubt::NoMessage)?;
        same(&message, outer)?;
        let subject = ca::subject(&signed.certificate).map_err(|_| Doubt::NotAuthors)?;
        let phone = outer.from.as_deref().and_then(|from| PhoneId::parse(from).ok()).ok_or(Doubt::NotAuthors)?;
        let is_named = subject.device.as_ref().is_none_or(|(named, _)| named == phone.phone().as_str());
        match is_named && is_author(&subject.spki_sha256) {
            true => Ok(Found { message, key: subject.spki_sha256, time: signed.time }),
            false => Err(Doubt::NotAuthors),
        }
    }

    /// What seems to be in it, for whom nobody vouches.
    fn unjudged(&self, outer: &Message) -> Option<Box<Message>> {
        let signed = cms::open(envelope(outer).ok()?, &self.own).ok()?;
        etf::decode(&cms::content(&signed)?).ok().map(Box::new)
    }
}

/// SEC-5: what is signed of a message.
fn inner(message: &Message) -> Message {
    Message {
        msg_id: message.msg_id.clone(),
        feed_id: message.feed_id.clone(),
        from: message.from.clone(),
        to: message.to.clone(),
        files: message.files.clone(),
        mentioned: message.mentioned.clone(),
        link: message.link.clone(),
        ..Message::default()
    }
}

fn without(marks: Several<Mark>, not: Mark) -> Several<Mark> {
    Several(marks.iter().copied().filter(|mark| *mark != not).collect())
}

/// Whether the content of a message is sealed: an envelope is among its parts.
pub(crate) fn is_sealed(message: &Message) -> bool {
    message.files.iter().any(|part| part.mime.as_deref() == Some(ENVELOPE))
}

/// The one envelope of a message. What was added to it in the clear is not its author's word.
fn envelope(message: &Message) -> Result<&[u8], Doubt> {
    let mut whole = message.files.iter().filter(|part| part.parentid.as_ref().is_none_or(Bytes::is_empty));
    match (whole.next(), whole.next()) {
        (Some(part), None) if part.mime.as_deref() == Some(ENVELOPE) => Ok(part.payload.as_deref().unwrap_or_default()),
        _ => Err(Doubt::NotOne),
    }
}

/// SEC-6: the author meant this message, in this place, about the same other message; and nobody has been mentioned in its name.
fn same(inner: &Message, outer: &Message) -> Result<(), Doubt> {
    let same = |field, is: bool| if is { Ok(()) } else { Err(Doubt::Differs(field)) };
    same("msg_id", inner.msg_id.is_some() && inner.msg_id == outer.msg_id)?;
    same("feed", inner.feed_id.is_some() && inner.feed_id == outer.feed_id)?;
    same("author", inner.from.is_some() && inner.from == outer.from)?;
    same("receiver", inner.to.is_some() && inner.to == outer.to)?;
    same(
        "link",
        match (&inner.link, &outer.link) {
            (Some(MessageLink::Message(_)) | None, None) => true,
            (Some(MessageLink::Id(inside)), Some(MessageLink::Id(outside))) => inside == outside,
            (_, Some(_)) | (Some(MessageLink::Id(_)), None) => false,
        },
    )?;
    same("mentions", outer.mentioned.iter().all(|member| inner.mentioned.contains(member)))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn unhex(text: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(text).ok()?;
    let byte = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    (0..text.len()).step_by(2).map(byte).collect()
}
