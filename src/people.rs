//! The organisation's directory decides who people are (ID-11): who may register, by which password, under which names, and who is signed
//! out. The chat asks when somebody comes; `sync` looks from time to time whether somebody has gone.

mod certificates;
mod groups;
mod sync;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use chat::{Listed, WorkError, WorkResult};
use kvs::Disk;
use ldap::client::{self, Attributes, Directory, Person};
use proto::ids::Phone;
use rustls::ClientConfig;
use rustls::crypto::aws_lc_rs;
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::home::Home;
use crate::settings::{self, Settings};
use certificates::Waiting;
pub(crate) use certificates::{TABLES, Unpublished};
use groups::Group;

/// A server has this long to answer; callers of the chat wait five seconds in all.
const ANSWER: Duration = Duration::from_secs(2);
/// Connections to the directory.
const CONNECTIONS: usize = 8;

/// The directory, and what is done with it.
pub(crate) struct People {
    directory: Directory,
    decides: chat::Directory,
    /// Its time says when the directory has last been read as a whole; what was known then holds for `keep`.
    seen: PathBuf,
    keep: Duration,
    sync: Duration,
    /// Certificates, where the configuration says that they are written.
    unpublished: Option<Waiting>,
    /// Whether it has been said that the directory lists not all of its people to us.
    is_cut: AtomicBool,
    groups: Vec<Group>,
    /// The account that owns their rooms.
    owner: Phone,
    runtime: tokio::runtime::Handle,
}

impl People {
    /// `None` when the configuration names no server.
    pub(crate) fn new(home: &Home, settings: &Settings, store: Arc<Disk>) -> Result<Option<Arc<People>>, Failure> {
        let from = &settings.directory;
        if from.servers.is_empty() {
            return Ok(None);
        }
        let keep = Duration::from_secs(from.keep);
        let failed = |source| Failure::Store { path: home.store(), source };
        let unpublished = (!from.certificate.is_empty()).then(|| Waiting::new(store));
        let setup = client::Setup {
            servers: from.servers.clone(),
            start_tls: from.start_tls,
            tls: tls(home, from)?,
            bind_dn: from.bind_dn.clone(),
            password: password(home, from)?,
            base: from.base.clone(),
            people: from.people.clone(),
            attributes: Attributes {
                keys: from.keys.clone(),
                given: from.given.clone(),
                surname: from.surname.clone(),
                display: from.display.clone(),
                certificate: from.certificate.clone(),
                member: from.member.clone(),
            },
            timeout: ANSWER,
            connections: CONNECTIONS,
            keep,
        };
        Ok(Some(Arc::new(People {
            directory: Directory::new(setup),
            decides: from.decides(),
            seen: home.path().join("directory.seen"),
            keep,
            sync: Duration::from_secs(from.sync),
            groups: from.groups().map_err(Failure::Refused)?.into_iter().map(|(room, dn)| Group { room, dn }).collect(),
            owner: from.owner().map_err(Failure::Refused)?,
            unpublished: unpublished.transpose().map_err(failed)?,
            is_cut: AtomicBool::new(false),
            runtime: tokio::runtime::Handle::current(),
        })))
    }

    /// Who has this number. While nobody can be asked, what was known holds; nothing that the directory itself says counts as that.
    pub(crate) async fn look(&self, phone: &Phone) -> WorkResult {
        match self.find(phone).await {
            Ok(person) => WorkResult::Listed(person.as_ref().map(listed)),
            Err(failure) => {
                complain(phone, &failure);
                match failure {
                    client::Error::Away(_) | client::Error::Busy if self.is_known() => {
                        WorkResult::AsBefore(self.directory.recall(&as_strs(&spellings(phone))).as_ref().map(listed))
                    }
                    client::Error::Away(_)
                    | client::Error::Busy
                    | client::Error::Refused(_)
                    | client::Error::Several(_) => WorkResult::Failed(WorkError::Broken),
                }
            }
        }
    }

    /// Who has this number, if this is the person's password.
    pub(crate) async fn check(&self, phone: &Phone, password: &Bytes) -> WorkResult {
        let Ok(password) = std::str::from_utf8(password).map(|text| Zeroizing::new(text.to_owned())) else {
            return WorkResult::Failed(WorkError::Invalid);
        };
        let checked = async {
            let Some(person) = self.find(phone).await? else { return Ok(WorkResult::Listed(None)) };
            match self.directory.check(&person.dn, &password).await? {
                true => Ok(WorkResult::Listed(Some(listed(&person)))),
                false => Ok(WorkResult::Failed(WorkError::Invalid)),
            }
        };
        checked.await.unwrap_or_else(|failure: client::Error| {
            complain(phone, &failure);
            WorkResult::Failed(WorkError::Broken)
        })
    }

    async fn find(&self, phone: &Phone) -> Result<Option<Person>, client::Error> {
        self.directory.find(&as_strs(&spellings(phone))).await
    }

    /// Whether what the chat has kept may still be believed.
    fn is_known(&self) -> bool {
        let seen = std::fs::metadata(&self.seen).and_then(|file| file.modified());
        let age = seen.ok().map(|seen| SystemTime::now().duration_since(seen).unwrap_or_default());
        age.is_some_and(|age| age < self.keep)
    }
}

/// Says why somebody does not come in, or comes in as before.
fn complain(phone: &Phone, failure: &client::Error) {
    match failure {
        client::Error::Several(_) => {
            tracing::error!(%phone, %failure, "a number is two people's in the directory: nobody comes in by it");
        }
        client::Error::Away(_) | client::Error::Busy | client::Error::Refused(_) => {
            tracing::warn!(%failure, "cannot ask the directory for a person");
        }
    }
}

/// How a directory may write an account key: telephone numbers with and without the plus.
fn spellings(phone: &Phone) -> Vec<String> {
    match phone.is_number() {
        true => vec![phone.to_string(), format!("+{phone}")],
        false => vec![phone.to_string()],
    }
}

fn as_strs(spellings: &[String]) -> Vec<&str> {
    spellings.iter().map(String::as_str).collect()
}

fn listed(person: &Person) -> Arc<Listed> {
    Arc::new(Listed { given: person.given.clone(), surname: person.surname.clone() })
}

fn tls(home: &Home, from: &settings::Directory) -> Result<Arc<ClientConfig>, Failure> {
    let refused = |why: &dyn std::fmt::Display| Failure::Refused(format!("directory.roots: {why}"));
    let file = match from.roots.is_empty() {
        true => String::new(),
        false => home.path().join(&from.roots).to_string_lossy().into_owned(),
    };
    let roots = fetch::trusted(&file).map_err(|why| refused(&why))?;
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(|why| refused(&why))?;
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}

fn password(home: &Home, from: &settings::Directory) -> Result<Zeroizing<String>, Failure> {
    if from.password_file.is_empty() {
        return Ok(Zeroizing::default());
    }
    let bytes = ca::files::read_secret(home.path().join(&from.password_file))?;
    let text = std::str::from_utf8(&bytes).map_err(|_| Failure::Refused("directory.password_file: no text".into()))?;
    Ok(Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned()))
}
