//! What operators change in the directory, asked of the chat as a trusted service asks for an account (ID-6).

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use chat::Port;
use chat::directory::{self, Asker, Person};
use chat::door::{Certificate, Gone, Hello, Origin, Out, Session, Verdict};
use kvs::{Store, View};
use ldap::server::{Change, ChangeKind, Code, Dn, Entry, Refused, kind};
use proto::Refusal;
use proto::ids::{Nick, Phone};
use proto::records::{Code as Said, Io, Profile, ProfileStatus, Roster, RosterStatus};

use super::{Directory, broken, by_number};

/// The chat may take so long for a step.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of an answer that are taken.
const ITEM_MAX: usize = 1 << 20;
/// A client that says no version (CON-6).
const VERSION: u32 = 101;

/// What is to be different of an account's default roster.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Face {
    pub(super) names: Option<Bytes>,
    pub(super) surnames: Option<Bytes>,
    pub(super) nick: Option<Bytes>,
}

impl Face {
    pub(super) fn is_empty(&self) -> bool {
        *self == Face::default()
    }
}

impl Directory {
    /// PROFILE-13: an account, without devices as yet; whoever proves the number has it.
    pub(super) async fn register(&self, entry: &Entry) -> Result<(), Refused> {
        let number = self.number(&entry.dn)?;
        let face = new_face(entry, &number)?;
        if by_number(&*self.store.snapshot(), Asker::Operator, &number).map_err(broken)?.is_some() {
            return Err(Refused::new(Code::EntryAlreadyExists, ""));
        }
        self.check(&number, &face)?;
        let mut clerk = Clerk::enter(self).await?;
        clerk.profile(&number, ProfileStatus::Create).await?;
        let Err(refused) = clerk.face(&number, face).await else { return Ok(()) };
        // All that the entry says, or nothing: somebody else may have taken the nick meanwhile. But the person may have come meanwhile.
        if is_sure(&refused) && is_nobodys(&*self.store.snapshot(), &number)? {
            clerk.profile(&number, ProfileStatus::Remove).await?;
        }
        Err(refused)
    }

    /// ROSTER-6, 7.
    pub(super) async fn change(&self, name: &Dn, changes: Vec<Change>) -> Result<(), Refused> {
        let (number, person) = self.known(name)?;
        let mut face = Face::default();
        for change in changes {
            let Change { operation, modification } = change;
            let name = kind(&modification.atype).map_or("", |kind| kind.name);
            let place = match name {
                "givenName" => &mut face.names,
                "sn" => &mut face.surnames,
                "uid" => &mut face.nick,
                _ => return Err(unwilling("givenName, sn and a uid beside the number may be changed")),
            };
            let mut values = modification.vals;
            // The number is a uid as well, and stays one.
            values.retain(|value| name != "uid" || Phone::parse(value).as_ref() != Ok(&number));
            match (operation, &values[..]) {
                (ChangeKind::Add | ChangeKind::Replace, [value]) => *place = Some(Bytes::copy_from_slice(value)),
                (ChangeKind::Add | ChangeKind::Replace | ChangeKind::Delete | ChangeKind::Increment, _) => {
                    return Err(unwilling("each is replaced by one value"));
                }
            }
        }
        self.set(&number, &person, face).await
    }

    /// All that is different, or nothing.
    pub(super) async fn set(&self, number: &Phone, person: &Person, face: Face) -> Result<(), Refused> {
        let before = |new: &Option<Bytes>, old: &Option<Bytes>| new.as_ref().map(|_| old.clone().unwrap_or_default());
        self.check(number, &face)?;
        let (names, surnames) = (before(&face.names, &person.names), before(&face.surnames, &person.surnames));
        let mut clerk = Clerk::enter(self).await?;
        let Err(refused) = clerk.face(number, face).await else { return Ok(()) };
        clerk.face(number, Face { names, surnames, nick: None }).await?;
        Err(refused)
    }

    /// Whether the chat would take it now.
    fn check(&self, number: &Phone, face: &Face) -> Result<(), Refused> {
        if !directory::may_be_called(face.names.as_ref(), face.surnames.as_ref()) {
            return Err(Refused::new(Code::InvalidAttributeSyntax, "givenName, sn: too short, too long or no name"));
        }
        let Some(nick) = &face.nick else { return Ok(()) };
        if Nick::parse(nick).is_err() {
            return Err(Refused::new(Code::InvalidAttributeSyntax, "uid: no nick"));
        }
        let holder = directory::by_nick(&*self.store.snapshot(), Asker::Operator, nick).map_err(broken)?;
        match holder.is_some_and(|holder| holder.number != *number) {
            true => Err(Refused::new(Code::ConstraintViolation, "uid: the nick is another's")),
            false => Ok(()),
        }
    }

    /// PROFILE-8.
    pub(super) async fn end(&self, name: &Dn) -> Result<(), Refused> {
        let (number, _) = self.known(name)?;
        Clerk::enter(self).await?.profile(&number, ProfileStatus::Remove).await
    }

    /// Only people are made here; rooms are people's.
    fn number(&self, name: &Dn) -> Result<Phone, Refused> {
        self.names.person(name).ok_or_else(|| match name.parent().as_ref() == Some(&self.names.people) {
            true => Refused::new(Code::NamingViolation, "uid=NUMBER names a person"),
            false => unwilling("only what lies in ou=people is written"),
        })
    }

    fn known(&self, name: &Dn) -> Result<(Phone, Person), Refused> {
        let number = self.number(name)?;
        match by_number(&*self.store.snapshot(), Asker::Operator, &number).map_err(broken)? {
            Some(person) => Ok((number, person)),
            None => Err(Refused::new(Code::NoSuchObject, "")),
        }
    }
}

/// What an entry says of a person. The common name is made of the others, so what it says beyond them is not kept.
pub(super) fn new_face(entry: &Entry, number: &Phone) -> Result<Face, Refused> {
    let (mut face, mut whole) = (Face::default(), None);
    let mut is_person = false;
    for own in &entry.attributes {
        let first = own.values.first().map(|value| Bytes::copy_from_slice(value));
        match own.kind.name {
            "objectClass" => {
                let is = |class: &Vec<u8>| class.eq_ignore_ascii_case(b"inetOrgPerson");
                is_person = own.values.iter().any(is);
            }
            "cn" => whole = first,
            "displayName" => {}
            "givenName" => face.names = first,
            "sn" => face.surnames = first,
            "uid" => {
                let mut others = own.values.iter().filter(|value| Phone::parse(value).as_ref() != Ok(number));
                face.nick = others.next().map(|nick| Bytes::copy_from_slice(nick));
                if others.next().is_some() {
                    return Err(Refused::new(Code::ConstraintViolation, "uid: the number, and one nick"));
                }
            }
            "telephoneNumber" => {
                if !own.values.iter().all(|value| Phone::parse(value).as_ref() == Ok(number)) {
                    return Err(Refused::new(
                        Code::ConstraintViolation,
                        "telephoneNumber is the number that names the entry",
                    ));
                }
            }
            other => return Err(unwilling(&format!("{other} is the person's own to say"))),
        }
    }
    if is_stand_in(&face, whole.as_deref(), number) {
        face.surnames = None;
    }
    match is_person {
        true => Ok(face),
        false => Err(Refused::new(Code::ObjectClassViolation, "objectClass: inetOrgPerson")),
    }
}

/// Every person of LDAP has a surname: whoever has none is shown with another name in its place, which is all that the common name has.
fn is_stand_in(face: &Face, whole: Option<&[u8]>, number: &Phone) -> bool {
    let Some(surname) = face.surnames.as_deref() else { return false };
    let others = [face.names.as_deref(), face.nick.as_deref(), Some(number.as_str().as_bytes())];
    whole == Some(surname) && others.contains(&Some(surname))
}

/// Whoever did not hear the chat's answer does not know that nothing was done.
fn is_sure(refused: &Refused) -> bool {
    refused.code != Code::Unavailable
}

/// PROFILE-8 ends an account for its devices as well, so nobody may have one by now.
fn is_nobodys(store: &dyn View, number: &Phone) -> Result<bool, Refused> {
    match directory::holder(store, number).map_err(broken)? {
        Some(account) => directory::has_devices(store, &account).map(|has| !has).map_err(broken),
        None => Ok(false),
    }
}

fn unwilling(why: &str) -> Refused {
    Refused::new(Code::UnwillingToPerform, why)
}

/// A session of a trusted service, for one change.
struct Clerk {
    session: Option<Session>,
    port: Arc<Port>,
    asked: u64,
}

/// Each has a name of its own, so that none takes another's place (CON-7).
static CLERKS: AtomicU64 = AtomicU64::new(0);

impl Clerk {
    async fn enter(directory: &Directory) -> Result<Clerk, Refused> {
        let port = Arc::new(Port::default());
        let name = format!("sys_directory-{}", CLERKS.fetch_add(1, Ordering::Relaxed));
        // The server trusts itself.
        let own = Certificate { sys: true, own_authority: true, not_after: u64::MAX, ..Certificate::default() };
        let hello = Hello {
            client_id: name.into(),
            password: None,
            certificate: Some(Arc::new(own)),
            source: None,
            version: VERSION,
            window: 1,
            item_max: ITEM_MAX,
            acknowledges: true,
        };
        let session = Session::connect(directory.handle.clone(), hello, port.clone()).map_err(|_| late())?;
        let clerk = Clerk { session: Some(session), port, asked: 0 };
        loop {
            for out in clerk.outs().await? {
                match out {
                    Out::Welcome(..) => return Ok(clerk),
                    Out::Denied(_) | Out::Close(_) => return Err(late()),
                    _ => {}
                }
            }
        }
    }

    async fn profile(&mut self, number: &Phone, status: ProfileStatus) -> Result<(), Refused> {
        let asked = Profile { phone: Some(number.to_bytes()), status: Some(status), ..Profile::default() };
        self.ask(etf::encode(&asked)).await
    }

    async fn face(&mut self, number: &Phone, face: Face) -> Result<(), Refused> {
        let Face { names, surnames, nick } = face;
        let blank = Roster { phone: Some(number.to_bytes()), ..Roster::default() };
        if names.is_some() || surnames.is_some() {
            let asked = Roster { names, surnames, status: Some(RosterStatus::Patch), ..blank.clone() };
            self.ask(etf::encode(&asked)).await?;
        }
        if nick.is_some() {
            let asked = Roster { nick, status: Some(RosterStatus::Nick), ..blank };
            self.ask(etf::encode(&asked)).await?;
        }
        Ok(())
    }

    /// Asks, and waits until it is done.
    async fn ask(&mut self, record: Bytes) -> Result<(), Refused> {
        let call = self.asked;
        self.asked += 1;
        let session = self.session.as_ref().ok_or_else(late)?;
        session.request(call, Origin::Events { token: None }, record).map_err(|_| late())?;
        let mut refused = None;
        loop {
            for out in self.outs().await? {
                match out {
                    Out::Answer { call: other, payload } if other == call => refused = refused.or(refusal(&payload)),
                    Out::Done { call: other, verdict } if other == call => {
                        return refused.or((verdict != Verdict::Done).then(late)).map_or(Ok(()), Err);
                    }
                    Out::Denied(_) | Out::Close(_) => return Err(late()),
                    _ => {}
                }
            }
        }
    }

    async fn outs(&self) -> Result<VecDeque<Out>, Refused> {
        tokio::time::timeout(PATIENCE, poll_fn(|cx| self.port.poll_drain(cx))).await.map_err(|_| late())
    }
}

impl Drop for Clerk {
    fn drop(&mut self) {
        if let Some(session) = self.session.take() {
            session.gone(Gone::Left);
        }
    }
}

fn late() -> Refused {
    Refused::new(Code::Unavailable, "the chat does not answer")
}

/// What the chat turns down, in LDAP's words.
fn refusal(payload: &Bytes) -> Option<Refused> {
    let io: Io = etf::decode(payload).ok()?;
    let Some(Said::Failure(failure)) = io.code else { return None };
    let code = match failure.refusal() {
        Some(Refusal::ProfileNotFound | Refusal::RosterNotFound) => Code::NoSuchObject,
        Some(Refusal::AlreadyPresent) => Code::EntryAlreadyExists,
        Some(Refusal::InvalidData | Refusal::InvalidNick) => Code::InvalidAttributeSyntax,
        Some(Refusal::Nick) => Code::ConstraintViolation,
        Some(Refusal::Limit) => Code::AdminLimitExceeded,
        Some(Refusal::Internal) | None => Code::OperationsError,
        Some(_) => Code::UnwillingToPerform,
    };
    Some(Refused::new(code, failure.refusal().map_or("", |refusal| etf::Atoms::text(&refusal))))
}

#[cfg(test)]
mod tests {
    use chat::rows;
    use kvs::Batch;
    use proto::ids::DevKey;

    use super::*;

    #[test]
    fn profile_13_what_failed_half_way_is_taken_back_unless_the_person_has_come_or_the_chat_may_have_done_it() {
        let folder = tempfile::tempdir().unwrap();
        let home = crate::home::Home::find(Some(folder.path().join("home"))).unwrap();
        home.make().unwrap();
        let store = crate::store::open(&home).unwrap();
        let (number, longer) = (Phone::parse(b"380670000001").unwrap(), Phone::parse(b"3806700000012").unwrap());
        let device = |phone: &Phone| {
            let mut batch = Batch::default();
            batch.put(
                rows::DEVICE,
                rows::device_key(phone, &DevKey::parse(b"d1").unwrap()),
                Bytes::from_static(b"row"),
            );
            store.apply(&batch).unwrap();
        };
        device(&longer);
        assert!(is_nobodys(&*store.snapshot(), &number).unwrap());
        device(&number);
        assert!(!is_nobodys(&*store.snapshot(), &number).unwrap());

        assert!(is_sure(&Refused::new(Code::ConstraintViolation, "")) && !is_sure(&late()));
    }
}
