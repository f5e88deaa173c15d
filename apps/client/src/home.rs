//! The folder in which a device keeps who it is.

use std::path::{Path, PathBuf};
use std::{fmt, fs};

use serde::{Deserialize, Serialize};

use crate::{Account, Error, Identity, Options, People, Replays, Seals, Tls, Url};

const ACCOUNT: &str = "account.json";
const KEY: &str = "device.key";
const CERTIFICATE: &str = "device.crt";
const AUTHORITY: &str = "ca.crt";
const KEYS: &str = "keys.json";
/// Those of further authorities have a number before the dot.
const REVOKED: [&str; 2] = ["ca", ".crl"];
const SEEN: &str = "seen";
const UPLOADS: &str = "uploads";
/// What is about to take the place of files that belong together.
const NEXT: &str = "next.json";

/// `account.json` (0600), and where there are: `device.key` (0600), `device.crt`, `ca.crt`; `keys.json`, the keys that people were seen
/// to have; `seen` (0600), which sealed messages were, and `seen.lock`, held by who reads or writes that; `ca.crl`, `ca1.crl` and so on, what the authorities have taken back; `uploads`,
/// files on their way to the server, with the keys of those that are sealed (0600). A key and its certificate, and the account that they
/// are of, are replaced together: `next.json` (0600) has the new ones until all of them are in place, whenever the program was stopped.
#[derive(Debug, Clone)]
pub struct Home {
    folder: PathBuf,
}

/// Files that are replaced together, or not at all.
#[derive(Serialize, Deserialize)]
struct Next {
    /// Key and certificate, PEM.
    pair: Option<(String, String)>,
    account: Option<Stored>,
}

impl Drop for Next {
    /// The key does not stay in memory.
    fn drop(&mut self) {
        if let Some((key, _)) = &mut self.pair {
            drop(ca::Zeroizing::new(std::mem::take(key)));
        }
    }
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

impl Drop for Stored {
    fn drop(&mut self) {
        drop(ca::Zeroizing::new(std::mem::take(&mut self.token)));
    }
}

impl Home {
    /// `folder`, made if it is not there.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Home, Error> {
        let folder = folder.into();
        fs::create_dir_all(&folder)?;
        let home = Home { folder };
        home.complete()?;
        Ok(home)
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
        let text = ca::files::read_secret(&path).map_err(local)?;
        serde_json::from_slice(&text).map(Some).map_err(|error| Error::local(format!("{}: {error}", path.display())))
    }

    /// Keeps `stored`, in place of what was kept.
    pub fn save(&self, stored: &Stored) -> Result<(), Error> {
        let text = serde_json::to_vec_pretty(stored).map_err(|error| Error::local(error.to_string()))?;
        ca::files::write_secret(self.folder.join(ACCOUNT), &*ca::Zeroizing::new(text)).map_err(local)
    }

    /// Keeps a new account with its key, and the certificate that was issued for it.
    pub fn save_account(&self, url: &impl fmt::Display, account: &Account, key_pem: &str) -> Result<Stored, Error> {
        let phone_id = account.phone_id().ok_or_else(|| Error::Unexpected("a profile without roster".into()))?;
        let (client_id, token) = (account.client_id.clone(), account.token.clone());
        let stored = Stored { url: url.to_string(), client_id, token, phone_id };
        let pair = account.certificate.as_ref().map(|der| (key_pem.to_owned(), ca::pem(der)));
        self.replace(&Next { pair, account: Some(stored.clone()) })?;
        Ok(stored)
    }

    /// Keeps a certificate (DER) with its key.
    pub fn save_certificate(&self, der: &[u8], key_pem: &str) -> Result<(), Error> {
        self.replace(&Next { pair: Some((key_pem.to_owned(), ca::pem(der))), account: None })
    }

    fn replace(&self, next: &Next) -> Result<(), Error> {
        let text = ca::Zeroizing::new(serde_json::to_vec(next).map_err(|error| Error::local(error.to_string()))?);
        ca::files::write_secret(self.folder.join(NEXT), &*text).map_err(local)?;
        self.complete()
    }

    /// Goes on where a replacement was stopped: from when `next.json` is there, it counts.
    fn complete(&self) -> Result<(), Error> {
        let path = self.folder.join(NEXT);
        if !path.exists() {
            return Ok(());
        }
        let text = ca::files::read_secret(&path).map_err(local)?;
        let next: Next =
            serde_json::from_slice(&text).map_err(|error| Error::local(format!("{}: {error}", path.display())))?;
        if let Some((key, certificate)) = &next.pair {
            ca::files::write_secret(self.folder.join(KEY), key).map_err(local)?;
            ca::files::write_public(self.folder.join(CERTIFICATE), certificate).map_err(local)?;
        }
        if let Some(account) = &next.account {
            self.save(account)?;
        }
        Ok(fs::remove_file(path)?)
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

    /// The sealed messages that were seen.
    pub fn replays(&self) -> Result<Replays, Error> {
        Replays::kept_in(&self.folder.join(SEEN))
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
            ca::files::write_public(path, list).map_err(local)?;
        }
        Ok(())
    }

    pub fn save_people(&self, people: &People) -> Result<(), Error> {
        let text = serde_json::to_string(&people.to_remember()).map_err(|error| Error::local(error.to_string()))?;
        ca::files::write_public(self.folder.join(KEYS), text).map_err(local)
    }

    /// What this folder gives for TLS.
    pub fn tls(&self) -> Result<Option<Tls>, Error> {
        let (authority, cert, key) =
            (self.folder.join(AUTHORITY), self.folder.join(CERTIFICATE), self.folder.join(KEY));
        let identity = if cert.exists() && key.exists() { Some(identity(&cert, &key)?) } else { None };
        // A server that is found by its name is known without an authority.
        let ca_pem = if authority.exists() { fs::read_to_string(authority)? } else { String::new() };
        Ok((!ca_pem.is_empty() || identity.is_some()).then_some(Tls { ca_pem, identity }))
    }

    /// Trusts this authority from now on.
    pub fn trust(&self, ca_pem: &str) -> Result<(), Error> {
        let path = self.folder.join(AUTHORITY);
        ca::files::write_public(path, ca_pem).map_err(local)
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
    let key_pem = ca::files::read_secret(key).map_err(local)?;
    let key_pem = std::str::from_utf8(&key_pem).map_err(|_| Error::local(format!("{} is not PEM", key.display())))?;
    Ok(Identity { cert_pem: fs::read_to_string(cert)?, key_pem: key_pem.to_owned() })
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn local(error: ca::Error) -> Error {
    Error::local(error.to_string())
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    /// A key and a certificate for it, DER.
    fn pair(authority: &ca::Authority) -> (String, Vec<u8>) {
        let issued = authority.client("38001", SystemTime::now()).unwrap();
        (issued.key_pem.to_string(), issued.certificate.der.clone())
    }

    fn stored(client_id: &str) -> Stored {
        let (client_id, token) = (client_id.to_owned(), "secret".into());
        Stored { url: "mqtt://localhost:1883".into(), client_id, token, phone_id: "38001_1".into() }
    }

    /// Which certificate is used, with its own key, and whose account it is.
    fn kept(folder: &Path) -> (String, String) {
        let home = Home::open(folder).unwrap();
        let seals = home.seals().unwrap();
        assert!(seals.is_some(), "key and certificate are one pair");
        let account = home.load().unwrap().unwrap();
        (fs::read_to_string(folder.join(CERTIFICATE)).unwrap(), account.client_id.clone())
    }

    /// Stops a replacement where the file `at` would be written: a folder stands in its place.
    fn stopped(at: &str, replaced: impl Fn(&Home) -> Result<(), Error>) -> (String, String) {
        let folder = tempfile::tempdir().unwrap();
        let authority = ca::Authority::create("Test", SystemTime::now()).unwrap();
        let (home, (key, certificate)) = (Home::open(folder.path()).unwrap(), pair(&authority));
        home.replace(&Next { pair: Some((key, ca::pem(&certificate))), account: Some(stored("old")) }).unwrap();
        let old = kept(folder.path());

        let (path, aside) = (folder.path().join(at), folder.path().join("aside"));
        let _ = fs::rename(&path, &aside);
        fs::create_dir(&path).unwrap();
        assert!(replaced(&home).is_err(), "{at}");
        fs::remove_dir(&path).unwrap();
        let _ = fs::rename(&aside, &path);

        let now = kept(folder.path());
        assert!(!folder.path().join(NEXT).exists());
        assert_eq!(now == old, at == NEXT, "{at}");
        assert_eq!(kept(folder.path()), now, "and so it stays");
        now
    }

    #[test]
    fn auth_17_a_renewal_that_is_stopped_anywhere_leaves_the_old_pair_or_the_new_one() {
        for at in [NEXT, KEY, CERTIFICATE] {
            let authority = ca::Authority::create("Test", SystemTime::now()).unwrap();
            let (key, certificate) = pair(&authority);
            let (used, account) = stopped(at, |home| home.save_certificate(&certificate, &key));
            assert_eq!((used == ca::pem(&certificate), account.as_str()), (at != NEXT, "old"), "{at}");
        }
    }

    #[test]
    fn auth_4_a_registration_that_is_stopped_anywhere_leaves_the_old_account_or_the_new_one_with_its_key() {
        for at in [NEXT, KEY, CERTIFICATE, ACCOUNT] {
            let authority = ca::Authority::create("Test", SystemTime::now()).unwrap();
            let (key, certificate) = pair(&authority);
            let next = || Next { pair: Some((key.clone(), ca::pem(&certificate))), account: Some(stored("new")) };
            let (used, account) = stopped(at, |home| home.replace(&next()));
            let is_new = at != NEXT;
            assert_eq!((used == ca::pem(&certificate), account == "new"), (is_new, is_new), "{at}");
        }
    }

    #[test]
    fn sec_12_what_is_about_to_be_kept_is_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let home = Home::open(folder.path()).unwrap();
        fs::create_dir(folder.path().join(KEY)).unwrap();
        assert!(home.save_certificate(b"der", "key").is_err());
        let mode = |name: &str| fs::metadata(folder.path().join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(NEXT), 0o600);
        assert!(Home::open(folder.path()).is_err(), "what cannot be completed is said at the start");
    }
}
