//! What the organisation's directory says of an account's person (ID-11): who may register, who may come in, and who has to leave.

use kvs::View;
use n2o::Failure;
use proto::Refusal;
use proto::ids::Phone;

use super::{Ask, Halt, Job, sessions};
use crate::door::Denied;
use crate::output::Work;
use crate::rows::{self, PROFILE, STANDING, Standing};
use crate::settings::Directory;
use crate::{Chat, Cx, Fx, Listed, WorkResult, names};

/// What the directory has answered.
#[derive(Debug, Clone)]
pub(super) enum Listing {
    Person(std::sync::Arc<Listed>),
    Nobody,
    /// It cannot be asked, and nothing is known.
    Silent,
}

impl Listing {
    pub(super) fn of(result: &WorkResult) -> Listing {
        match result {
            WorkResult::Listed(Some(person)) | WorkResult::AsBefore(Some(person)) => Listing::Person(person.clone()),
            WorkResult::Listed(None) => Listing::Nobody,
            WorkResult::AsBefore(None)
            | WorkResult::Sent
            | WorkResult::Read(_)
            | WorkResult::Verified
            | WorkResult::Issued(_)
            | WorkResult::Failed(_) => Listing::Silent,
        }
    }

    pub(super) fn person(&self) -> Option<&Listed> {
        match self {
            Listing::Person(person) => Some(person),
            Listing::Nobody | Listing::Silent => None,
        }
    }
}

/// Whether there is a directory to ask.
pub(super) fn is_asked(chat: &Chat) -> bool {
    match chat.settings.directory {
        Directory::None => false,
        Directory::Asked | Directory::Restricts => true,
    }
}

/// Whether the directory decides about this account: about every one, or about those that its people have made.
pub(super) fn is_judged(chat: &Chat, cx: &Cx<'_>, phone: &Phone) -> Result<bool, Failure> {
    match chat.settings.directory {
        Directory::None => Ok(false),
        Directory::Restricts => Ok(true),
        Directory::Asked => Ok(cx.store.get(STANDING, phone.as_str().as_bytes())?.is_some()),
    }
}

/// Asks who has this number.
pub(super) fn look(ask: &mut Ask<'_>, job: Job) -> Result<(), Halt> {
    let phone = names::number(ask.cx.store, ask.phone)?;
    ask.work(job, Work::Look { phone })
}

/// AUTH-1, AUTH-4: whether a registration may go on.
pub(super) fn allows(ask: &Ask<'_>, listing: &Listing) -> Result<(), Halt> {
    match listing {
        Listing::Person(_) => Ok(()),
        Listing::Nobody if is_judged(ask.chat, ask.cx, ask.phone)? => Err(Refusal::NumberNotAllowed.into()),
        Listing::Silent if is_judged(ask.chat, ask.cx, ask.phone)? => Err(Refusal::SmsSend.into()),
        Listing::Nobody | Listing::Silent => Ok(()),
    }
}

/// CON-3: whether a device of the account may come in, by what the directory has just said; who may not is signed out.
pub(super) fn admits(
    cx: &Cx<'_>,
    fx: &mut Fx,
    phone: &Phone,
    said: &WorkResult,
) -> Result<Result<(), Denied>, Failure> {
    match said {
        WorkResult::Listed(Some(_)) => {
            judged(cx, fx, phone, true)?;
            Ok(Ok(()))
        }
        WorkResult::Listed(None) => {
            judged(cx, fx, phone, false)?;
            Ok(Err(Denied::Banned))
        }
        WorkResult::AsBefore(_) if is_barred(cx, phone)? => Ok(Err(Denied::Banned)),
        WorkResult::AsBefore(_) => Ok(Ok(())),
        WorkResult::Sent
        | WorkResult::Read(_)
        | WorkResult::Verified
        | WorkResult::Issued(_)
        | WorkResult::Failed(_) => Ok(Err(Denied::Unavailable)),
    }
}

fn is_barred(cx: &Cx<'_>, phone: &Phone) -> Result<bool, Failure> {
    let row: Option<Standing> = rows::read(cx.store, STANDING, phone.as_str().as_bytes())?;
    Ok(row.is_some_and(|row| row.barred > 0))
}

/// The directory has the person of this account, or has no longer, or not as one who may come in: then its devices are ended, as AUTH-14
/// says, and none comes in until the directory has the person again, who registers anew.
pub(crate) fn judged(cx: &Cx<'_>, fx: &mut Fx, phone: &Phone, is_listed: bool) -> Result<(), Failure> {
    let row: Option<Standing> = rows::read(cx.store, STANDING, phone.as_str().as_bytes())?;
    let was_barred = row.as_ref().is_some_and(|row| row.barred > 0);
    match is_listed {
        true if row.is_none() || was_barred => put(fx, phone, &Standing::default()),
        true => {}
        false => {
            sessions::end_all(cx, fx, phone)?;
            if !was_barred {
                put(fx, phone, &Standing { barred: cx.now.0 });
            }
        }
    }
    Ok(())
}

/// The account is a listed person's from now on.
pub(super) fn note(fx: &mut Fx, phone: &Phone) {
    put(fx, phone, &Standing::default());
}

fn put(fx: &mut Fx, phone: &Phone, row: &Standing) {
    fx.put(STANDING, phone.to_bytes(), rows::encode(row));
}

/// An account that the directory decides about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    pub account: Phone,
    /// What it is called outside, and in the directory.
    pub number: Phone,
    pub is_barred: bool,
}

/// The accounts that the directory decides about, those behind `after`, at most `limit`; in the order of their keys.
///
/// # Errors
/// The store cannot be read.
pub fn directed(
    store: &dyn View,
    directory: Directory,
    after: Option<&Phone>,
    limit: usize,
) -> Result<Vec<Judged>, Failure> {
    let table = match directory {
        Directory::None => return Ok(Vec::new()),
        Directory::Restricts => PROFILE,
        Directory::Asked => STANDING,
    };
    let after = after.map(|after| after.as_str().as_bytes()).unwrap_or_default();
    let found = store.scan(table, &rows::beyond(b"", after).limit(limit))?;
    let accounts = found.into_iter().filter_map(|(key, _)| Phone::parse(&key).ok());
    let judged = accounts.map(|account| {
        let row: Option<Standing> = rows::read(store, STANDING, account.as_str().as_bytes())?;
        let number = names::number(store, &account)?;
        Ok(Judged { account, number, is_barred: row.is_some_and(|row| row.barred > 0) })
    });
    judged.collect()
}
