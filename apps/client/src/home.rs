//! The folder in which a device keeps who it is.

use std::path::{Path, PathBuf};
use std::{fmt, fs};

use serde::{Deserialize, Serialize};

use crate::{Account, Error, Identity, Options, People, Seals, Tls, Url};

const ACCOUNT: &str = "account.json";
const KEY: &str = "device.key";
const CERTIFICATE: &str = "device.crt";
const AUTHORITY: &str = "ca.crt";
const KEYS: &str = "keys.json";
/// Those of further authorities have a number before the dot.
const REVOKED: [&str; 2] = ["ca", ".crl"];
const UPLOADS: &str = "uploads";

/// `account.json` (0600), and where there are: `device.key` (0600), `device.crt`, `ca.crt`; `keys.json`, the keys that people were seen
/// to have; `ca.crl`, `ca1.crl` and so on, what the authorities have taken back; `uploads`, files on their way to the server, with the
/// keys of those that are sealed (0600).
#[derive(Debug, Clone)]
pub struct Home {
    folder: PathBuf,
}

/// What is kept of a verified device.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    pub url: String,
    pub client_id: String,
    pub token: String,
    pub phone_id: String,
}

/// Without the token.
impl fmt::Debug for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stored").field("client_id", &self.client_id).finish_non_exhaustive()
    }
}

impl Home {
    /// `folder`, made if it is not there.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Home, Error> {
        let folder = folder.into();
        fs::create_dir_all(&folder)?;
        Ok(Home { folder })
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The device that was registered from here, if one was.
    pub fn load(&self) -> Result<Option<Stored>, Error> {
        let path = self.folder.join(ACCOUNT);
        if !path.exists() {
            return Ok(None);
        }
        let text = ca::files::read_secret(&path).map_err(|error| Error::local(error.to_string()))?;
        serde_json::from_slice(&text).map(Some).map_err(|error| Error::local(format!("{}: {error}", path.display())))
    }

    /// Keeps `stored`, in place of what was kept.
    pub fn save(&self, stored: &Stored) -> Result<(), Error> {
        let text = serde_json::to_vec_pretty(stored).map_err(|error| Error::local(error.to_string()))?;
        ca::files::write_secret(self.folder.join(ACCOUNT), text).map_err(|error| Error::local(error.to_string()))
    }

    /// Keeps a new account with its key, and the certificate that was issued for it.
    pub fn save_account(&self, url: &Url, account: &Account, key_pem: &str) -> Result<Stored, Error> {
        let phone_id = account.phone_id().ok_or_else(|| Error::Unexpected("a profile without roster".into()))?;
        let (client_id, token) = (account.client_id.clone(), account.token.clone());
        let stored = Stored { url: url.to_string(), client_id, token, phone_id };
        if let Some(der) = &account.certificate {
            self.save_certificate(der, key_pem)?;
        }
        self.save(&stored)?;
        Ok(stored)
    }

    /// Keeps a certificate (DER) with its key.
    pub fn save_certificate(&self, der: &[u8], key_pem: &str) -> Result<(), Error> {
        let local = |error: ca::Error| Error::local(error.to_string());
        ca::files::write_secret(self.folder.join(KEY), key_pem).map_err(local)?;
        ca::files::write_public(self.folder.join(CERTIFICATE), ca::pem(der)).map_err(local)
    }

    /// What content is sealed with, where the device has a certificate.
    pub fn seals(&self) -> Result<Option<Seals>, Error> {
        let (cert, key, authority) =
            (self.folder.join(CERTIFICATE), self.folder.join(KEY), self.folder.join(AUTHORITY));
        if !cert.exists() || !key.exists() {
            return Ok(None);
        }
        let identity = identity(&cert, &key)?;
        let authority = if authority.exists() { Some(fs::read_to_string(authority)?) } else { None };
        Seals::new(&identity.cert_pem, &identity.key_pem, authority.as_deref()).map(Some)
    }

    /// The keys that people were seen to have.
    pub fn people(&self) -> Result<People, Error> {
        let path = self.folder.join(KEYS);
        if !path.exists() {
            return Ok(People::default());
        }
        let known = serde_json::from_slice(&fs::read(&path)?);
        known.map(People::remembered).map_err(|error| Error::local(format!("{}: {error}", path.display())))
    }

    /// The lists that were last known of what the authorities have taken back, DER.
    pub fn revoked(&self) -> Result<Vec<Vec<u8>>, Error> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let [start, end] = REVOKED;
            let number = name.strip_prefix(start).and_then(|rest| rest.strip_suffix(end));
            if number.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit())) {
                found.push(fs::read(entry.path())?);
            }
        }
        Ok(found)
    }

    /// Keeps what [`Seals::lists`] has.
    pub fn save_revoked(&self, seals: &Seals) -> Result<(), Error> {
        for (place, list) in seals.lists() {
            let number = if place == 0 { String::new() } else { place.to_string() };
            let path = self.folder.join(REVOKED.join(&number));
            ca::files::write_public(path, list).map_err(|error| Error::local(error.to_string()))?;
        }
        Ok(())
    }

    pub fn save_people(&self, people: &People) -> Result<(), Error> {
        let text = serde_json::to_string(&people.to_remember()).map_err(|error| Error::local(error.to_string()))?;
        ca::files::write_public(self.folder.join(KEYS), text).map_err(|error| Error::local(error.to_string()))
    }

    /// What this folder gives for TLS.
    pub fn tls(&self) -> Result<Option<Tls>, Error> {
        let authority = self.folder.join(AUTHORITY);
        if !authority.exists() {
            return Ok(None);
        }
        let (cert, key) = (self.folder.join(CERTIFICATE), self.folder.join(KEY));
        let identity = if cert.exists() && key.exists() { Some(identity(&cert, &key)?) } else { None };
        Ok(Some(Tls { ca_pem: fs::read_to_string(authority)?, identity }))
    }

    /// Trusts this authority from now on.
    pub fn trust(&self, ca_pem: &str) -> Result<(), Error> {
        let path = self.folder.join(AUTHORITY);
        ca::files::write_public(path, ca_pem).map_err(|error| Error::local(error.to_string()))
    }

    /// As whom to connect.
    pub fn options(&self, stored: &Stored, url: Url) -> Result<Options, Error> {
        let mut options = Options::new(url, &stored.client_id);
        options.token = Some(stored.token.clone());
        options.tls = self.tls()?;
        options.uploads = Some(self.folder.join(UPLOADS));
        Ok(options)
    }
}

/// A certificate and its key from two PEM files.
pub(crate) fn identity(cert: &Path, key: &Path) -> Result<Identity, Error> {
    let key_pem = ca::files::read_secret(key).map_err(|error| Error::local(error.to_string()))?;
    let key_pem =
        String::from_utf8(key_pem.to_vec()).map_err(|_| Error::local(format!("{} is not PEM", key.display())))?;
    Ok(Identity { cert_pem: fs::read_to_string(cert)?, key_pem })
}
