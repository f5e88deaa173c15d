//! Registration, profile and sessions (SPEC 6.2, 6.4).

use std::fmt;

use bytes::Bytes;
use proto::{
    Auth, AuthAct, AuthPhone, AuthSettings, Data, Fake, Feature, Profile, ProfileStatus, Record, RosterEntry, RosterId,
};

use super::{bytes, text, unexpected};
use crate::{Answer, Client, Error};

/// How to prove that an account is one's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Enrolment {
    /// A code, sent by a provider or issued beforehand (ID-11).
    #[default]
    Code,
    /// None: a fake number of a server that is set up for tests (ID-15).
    Fake,
    /// The certificate that this connection shows (ID-13).
    Certificate,
}

/// A verified device: what it needs to connect again.
#[derive(Clone, PartialEq)]
pub struct Account {
    /// `emqttd_<phone>_<dev_key>`.
    pub client_id: String,
    /// The MQTT password (ID-7). A secret.
    pub token: String,
    /// The certificate issued for the CSR, DER.
    pub certificate: Option<Bytes>,
    pub profile: Profile,
}

/// Without the token.
impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").field("client_id", &self.client_id).finish_non_exhaustive()
    }
}

/// How far a registration is.
#[derive(Debug, Clone, PartialEq)]
pub enum Registered {
    /// A code is on its way: go on with [`Client::verify`].
    CodeSent,
    Done(Box<Account>),
}

impl Account {
    /// The address of the default roster (ID-3, ID-4), which the profile of a verified account has.
    pub fn phone_id(&self) -> Option<String> {
        own_phone_id(&self.profile)
    }
}

/// `<phone>_<lowest roster id>`.
fn own_phone_id(profile: &Profile) -> Option<String> {
    let ids = profile.rosters.iter().filter_map(|entry| match entry {
        RosterEntry::Roster(roster) => match &roster.id {
            Some(RosterId::Number(id)) => Some(*id),
            Some(RosterId::Name(name)) => roster_number(name),
            None => None,
        },
        RosterEntry::Id(id) => Some(*id),
        RosterEntry::Name(name) => roster_number(name),
    });
    Some(format!("{}_{}", text(&Some(profile.phone.clone()?)), ids.min()?))
}

fn roster_number(name: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(name).ok()?;
    text.rsplit('_').next()?.parse().ok()
}

impl Client {
    /// AUTH-1: begins a registration on a `reg_` connection. `csr` (PKCS#10, DER) asks for a certificate (ID-14).
    pub async fn register(
        &self,
        phone: &str,
        dev_key: &str,
        how: Enrolment,
        csr: Option<&[u8]>,
    ) -> Result<Registered, Error> {
        let number = Bytes::copy_from_slice(phone.as_bytes());
        let auth = Auth {
            dev_key: Some(Bytes::copy_from_slice(dev_key.as_bytes())),
            phone: Some(match how {
                Enrolment::Fake => AuthPhone::Fake(Fake { phone: number }),
                Enrolment::Code | Enrolment::Certificate => AuthPhone::Number(number),
            }),
            services: if how == Enrolment::Certificate { vec![etf::Term::atom("x509")] } else { Vec::new() },
            settings: settings(csr),
            r#type: Some(AuthAct::Reg.into()),
            ..Auth::default()
        };
        let answers = self.call(auth).await?;
        match account(&answers) {
            Some(account) => Ok(Registered::Done(Box::new(account))),
            None if matches!(answers.as_slice(), [Record::Io(io)] if io.success().is_some()) => {
                Ok(Registered::CodeSent)
            }
            None => Err(unexpected(&answers)),
        }
    }

    /// AUTH-4: ends it with the code.
    pub async fn verify(&self, code: &str, csr: Option<&[u8]>) -> Result<Account, Error> {
        let auth = Auth {
            sms_code: Some(Bytes::copy_from_slice(code.trim().as_bytes())),
            settings: settings(csr),
            r#type: Some(AuthAct::Verify.into()),
            ..Auth::default()
        };
        let answers = self.call(auth).await?;
        account(&answers).ok_or_else(|| unexpected(&answers))
    }

    /// AUTH-17: a certificate for this device, DER; its key is that of the request (PKCS#10, DER).
    pub async fn enrol(&self, csr: &[u8]) -> Result<Bytes, Error> {
        let auth = Auth { settings: settings(Some(csr)), r#type: Some(AuthAct::Update.into()), ..Auth::default() };
        let answers = self.call_for(&auth.into(), Answer::Io).await?;
        answers.iter().find_map(certificate_of).ok_or_else(|| unexpected(&answers))
    }

    /// PROFILE-1: everything about the own account; its parts put together.
    pub async fn profile(&self) -> Result<Profile, Error> {
        let ask = Profile { status: Some(ProfileStatus::Get), ..Profile::default() };
        let answers = self.call(ask).await?;
        let parts = answers.into_iter().filter_map(|record| match record {
            Record::Profile(part) => Some(*part),
            _ => None,
        });
        parts.reduce(joined).ok_or(Error::Unexpected("nothing".into()))
    }

    /// AUTH-8: the account's sessions, oldest first.
    pub async fn sessions(&self) -> Result<Vec<Auth>, Error> {
        let answers = self.call(Auth { r#type: Some(AuthAct::Get.into()), ..Auth::default() }).await?;
        Ok(answers
            .into_iter()
            .filter_map(|record| if let Record::Auth(auth) = record { Some(*auth) } else { None })
            .collect())
    }

    /// AUTH-10: ends another session of the account, named by its client id or its dev_key.
    pub async fn end_session(&self, device: &str) -> Result<(), Error> {
        let auth = Auth { r#type: Some(AuthAct::Delete.into()), ..Auth::default() };
        let auth = match device.starts_with("emqttd_") {
            true => Auth { client_id: bytes(device), ..auth },
            false => Auth { dev_key: bytes(device), ..auth },
        };
        self.call(auth).await.map(drop)
    }

    /// AUTH-6: ends the own session; the server closes the connection.
    pub async fn logout(&self) -> Result<(), Error> {
        self.call(Auth { r#type: Some(AuthAct::Logout.into()), ..Auth::default() }).await.map(drop)
    }
}

/// Rosters that both parts name are one; its lists follow each other (PROFILE-1).
fn joined(mut whole: Profile, part: Profile) -> Profile {
    for entry in part.rosters {
        let RosterEntry::Roster(more) = entry else {
            whole.rosters.push(entry);
            continue;
        };
        let same = whole.rosters.iter_mut().find_map(|entry| match entry {
            RosterEntry::Roster(roster) if roster.id == more.id => Some(roster),
            _ => None,
        });
        match same {
            Some(roster) => {
                roster.userlist.extend(more.userlist);
                roster.roomlist.extend(more.roomlist);
                roster.favorite.extend(more.favorite);
                roster.tags.extend(more.tags);
            }
            None => whole.rosters.push(RosterEntry::Roster(more)),
        }
    }
    Profile { update: part.update, rosters: whole.rosters, ..whole }
}

fn settings(csr: Option<&[u8]>) -> Option<AuthSettings> {
    csr.map(|der| AuthSettings::Features(vec![Feature::new("AUTH_DATA", "CSR", Bytes::copy_from_slice(der))]))
}

fn account(answers: &[Record]) -> Option<Account> {
    let (client_id, token) = answers.iter().find_map(login_of)?;
    let certificate = answers.iter().find_map(certificate_of);
    let profile = answers.iter().find_map(|record| match record {
        Record::Profile(profile) => Some((**profile).clone()),
        _ => None,
    })?;
    Some(Account { client_id, token, certificate, profile })
}

fn certificate_of(record: &Record) -> Option<Bytes> {
    match record {
        Record::Io(io) => match &io.data {
            Some(Data::Cert(cert)) => cert.der.clone(),
            _ => None,
        },
        _ => None,
    }
}

/// ClientId and Token of `{io,{ok,login,{ClientId,Token}},_}` (D-24).
pub(crate) fn login_of(record: &Record) -> Option<(String, String)> {
    let Record::Io(io) = record else { return None };
    let ("login", src) = io.success()? else { return None };
    match src.as_tuple()? {
        [client_id, token] => {
            let text = |bytes: &Bytes| std::str::from_utf8(bytes).ok().map(str::to_owned);
            Some((text(client_id.as_binary()?)?, text(token.as_binary()?)?))
        }
        _ => None,
    }
}
