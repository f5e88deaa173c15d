//! The authority, the server's certificate and the operator's: made at the first start, renewed before they end.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use aws_lc_rs::hmac;
use ca::{Authority, Issued, Subject, Zeroizing};
use chat::KEY_BYTES;
use quic::RESETS_BYTES;
use rustls::client::verify_server_name;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::ParsedCertificate;

use crate::cli::Certify;
use crate::failure::Failure;
use crate::home::Home;
use crate::registrar::{Kind, Registrar, print_of};
use crate::settings::Settings;
use crate::terminal::say;
use crate::{remote, store};

/// A certificate that ends within this time is replaced.
const RENEW: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Characters of a name given to `certify`, which names files as well.
const NAME_MAX: usize = 64;

/// Names of keys in the authority's folder.
const ROOT_KEY: &str = "root.key";
const ISSUING_KEY: &str = "issuing.key";
/// Names of files in the folder of certificates.
pub(crate) const SERVER: &str = "server";
pub(crate) const ADMIN: &str = "admin";

/// A certificate, with those that lead from it to a root, and its key, for TLS.
pub(crate) struct Pair {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: PrivateKeyDer<'static>,
}

/// Reads the authority, or makes it where `first` says that nothing was ever issued by it.
pub(crate) fn authority(home: &Home, settings: &Settings, first: bool) -> Result<Authority, Failure> {
    let cert_path = home.root_certificate();
    if cert_path.exists() && authority_key(home).exists() {
        return load_authority(home);
    }
    if !first {
        let what = "root.crt, or root.key or issuing.key, is missing: put it back from a backup; without it no client can connect";
        return Err(Failure::Authority { path: home.authority(), what: what.into() });
    }
    let (organisation, now) = (&settings.server.organisation, SystemTime::now());
    let keep = |name: &str, authority: &Authority| {
        ca::files::write_secret(home.authority().join(name), authority.key_pem().unwrap_or_default())
    };
    let mut authority = Authority::create_on(settings.x509.curve.into(), organisation, now)?;
    keep(ROOT_KEY, &authority)?;
    if settings.x509.intermediate {
        authority = authority.below(organisation, now)?;
        keep(ISSUING_KEY, &authority)?;
    }
    ca::files::write_public(cert_path, authority.certificate_pem())?;
    Ok(authority)
}

/// The key by which certificates are issued: where there is one below the root's, that may lie elsewhere.
fn authority_key(home: &Home) -> PathBuf {
    let [issuing, root] = [ISSUING_KEY, ROOT_KEY].map(|name| home.authority().join(name));
    if issuing.exists() { issuing } else { root }
}

fn load_authority(home: &Home) -> Result<Authority, Failure> {
    let path = home.root_certificate();
    let certificate = fs::read_to_string(&path).map_err(Failure::file(&path))?;
    let key = text(ca::files::read_secret(authority_key(home))?)?;
    Ok(Authority::load(&certificate, &key)?)
}

/// The key under which secrets in the store are encrypted (SEC-12), made where `first` says that nothing was ever encrypted.
pub(crate) fn storage(home: &Home, first: bool) -> Result<Zeroizing<[u8; KEY_BYTES]>, Failure> {
    let path = home.store_key();
    if path.exists() {
        let bytes = ca::files::read_secret(&path)?;
        let damaged = || Failure::Damaged { path: path.clone(), what: format!("a storage key has {KEY_BYTES} bytes") };
        return Ok(Zeroizing::new(bytes.as_slice().try_into().map_err(|_| damaged())?));
    }
    if !first {
        let what = "it is gone: put it back from a backup; without it no secret in the store can be read and no file found. To give them up: \
                    head -c 32 /dev/urandom > store.key, chmod 600 store.key";
        return Err(Failure::Authority { path, what: what.into() });
    }
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    aws_lc_rs::rand::fill(key.as_mut_slice())
        .map_err(|_| Failure::Refused("the system gives no random bytes".into()))?;
    ca::files::write_secret(&path, key.as_slice())?;
    Ok(key)
}

/// By what the listeners of QUIC know connections that they had before a restart.
pub(crate) fn resets(home: &Home) -> Result<Zeroizing<[u8; RESETS_BYTES]>, Failure> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, storage(home, false)?.as_slice());
    let made = hmac::sign(&key, b"QUIC");
    let made =
        made.as_ref().try_into().map_err(|_| Failure::Refused("a hash has another length than it should".into()));
    made.map(Zeroizing::new)
}

/// The server's certificate, issued anew when it ends soon, is another authority's or lacks a name. Its key stays: by that the zone tells
/// clients the server (TLSA), and what they were told counts for a while.
pub(crate) fn server(home: &Home, settings: &Settings, registrar: &Registrar) -> Result<Pair, Failure> {
    let names = names(settings);
    let good = |subject: &Subject| subject.server_auth && covers(&subject.der, &names);
    let first = names.first().map_or("", String::as_str);
    keep(home, SERVER, registrar, good, |key| match key {
        Some(key) => registrar.certified_again(key, &names),
        None => registrar.certified(Kind::Server, first, &names),
    })
}

/// What listeners show to clients: another authority's certificate for this server, where the configuration names one.
pub(crate) fn shown(home: &Home, settings: &Settings, own: &Pair) -> Result<Pair, Failure> {
    let (chain, key) = (&settings.tls.certificate, &settings.tls.key);
    if chain.is_empty() {
        return Ok(Pair { chain: own.chain.clone(), key: own.key.clone_key() });
    }
    let unreadable = |why: rustls::pki_types::pem::Error| Failure::Refused(format!("tls.certificate: {chain}: {why}"));
    let certificates = CertificateDer::pem_file_iter(home.path().join(chain)).map_err(unreadable)?;
    let certificates: Vec<_> = certificates.collect::<Result<_, _>>().map_err(unreadable)?;
    let first = certificates.first().and_then(|first| ca::subject(first).ok());
    let what = match first {
        None => "it has no certificate",
        Some(subject) if !subject.server_auth => "its first certificate is no server's",
        Some(subject) if subject.not_after <= SystemTime::now() => "its certificate has expired",
        Some(_) => {
            let secret = ca::files::read_secret(home.path().join(key))?;
            let wrong = |why: rustls::pki_types::pem::Error| Failure::Refused(format!("tls.key: {key}: {why}"));
            return Ok(Pair { chain: certificates, key: PrivateKeyDer::from_pem_slice(&secret).map_err(wrong)? });
        }
    };
    Err(Failure::Refused(format!("tls.certificate: {chain}: {what}")))
}

/// The operator's certificate, by which the remote shell knows him.
pub(crate) fn admin(home: &Home, registrar: &Registrar) -> Result<Pair, Failure> {
    let good = |subject: &Subject| is_admin(subject);
    keep(home, ADMIN, registrar, good, |_| registrar.certified(Kind::Admin, "operator", &[]))
}

/// Issued to an operator, as far as its words go.
pub(crate) fn is_admin(subject: &Subject) -> bool {
    subject.client_auth && subject.units.iter().any(|unit| unit == "admin")
}

/// By what names clients of this machine and of others call the server.
pub(crate) fn names(settings: &Settings) -> Vec<String> {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).into();
    // A name that a certificate cannot carry is no name of this machine's.
    let usable = ServerName::try_from(host.as_str()).is_ok();
    names.extend(usable.then_some(host));
    names.extend(settings.server.names.iter().cloned());
    names.extend(Some(settings.ns.zone.trim_end_matches('.').to_ascii_lowercase()).filter(|zone| !zone.is_empty()));
    let mut seen = std::collections::BTreeSet::new();
    names.retain(|name| seen.insert(name.clone()));
    names
}

fn covers(der: &[u8], names: &[String]) -> bool {
    let der = CertificateDer::from(der);
    let Ok(certificate) = ParsedCertificate::try_from(&der) else { return false };
    // A wildcard is no server's name; one name below it stands for it.
    let name = |name: &String| ServerName::try_from(name.replacen('*', "any", 1));
    names.iter().all(|each| name(each).is_ok_and(|name| verify_server_name(&certificate, &name).is_ok()))
}

/// The pair of files `name`, if it is good for some time; else a new certificate, which is issued for the key of the one before or, where
/// that was revoked or is none, for a new one.
fn keep(
    home: &Home,
    name: &str,
    registrar: &Registrar,
    good: impl Fn(&Subject) -> bool,
    issue: impl FnOnce(Option<&str>) -> Result<Issued, Failure>,
) -> Result<Pair, Failure> {
    let (cert_path, key_path) = paths(&home.certificates(), name);
    let until = SystemTime::now() + RENEW;
    let is_revoked = |subject: &Subject| registrar.revocations.has(print_of(&subject.issuer, &subject.serial));
    let last = last(&cert_path, &key_path)?.filter(|last| !is_revoked(&last.subject));
    let key_pem = match last {
        Some(Last { subject, pair, .. })
            if subject.not_after > until && subject.issuer_is(&registrar.authority) && good(&subject) =>
        {
            return Ok(pair);
        }
        Some(last) => Some(last.key_pem),
        None => None,
    };
    let issued = issue(key_pem.as_ref().map(|pem| pem.as_str()))?;
    write(&cert_path, &key_path, &issued)?;
    tracing::info!(file = %cert_path.display(), "issued a certificate");
    let key = PrivateKeyDer::from_pem_slice(issued.key_pem.as_bytes()).map_err(Failure::tls)?;
    Ok(Pair { chain: chain(issued.cert_pem.as_bytes())?, key })
}

/// What was issued before.
struct Last {
    subject: Subject,
    pair: Pair,
    key_pem: Zeroizing<String>,
}

/// Nothing, if it is not a certificate with its key.
fn last(cert_path: &Path, key_path: &Path) -> Result<Option<Last>, Failure> {
    if key_path.exists()
        && let Ok(bytes) = fs::read(cert_path)
        && let Ok(chain) = chain(&bytes)
        && let Some(Ok(subject)) = chain.first().map(|first| ca::subject(first))
        && let Ok(key_pem) = text(ca::files::read_secret(key_path)?)
        && let Ok(key) = PrivateKeyDer::from_pem_slice(key_pem.as_bytes())
        && belongs(&subject.der, &key)
    {
        return Ok(Some(Last { subject, pair: Pair { chain, key }, key_pem }));
    }
    Ok(None)
}

/// A crash while both were replaced leaves the new key beside the old certificate.
fn belongs(certificate: &[u8], key: &PrivateKeyDer<'_>) -> bool {
    ca::cms::Identity::new(certificate, key.secret_der()).is_ok()
}

fn chain(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Failure> {
    CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(Failure::tls)
}

/// `chat certify`: works whether the server runs or not. The key is made here; a server that runs has the authority's books open, so it is
/// asked to sign.
pub(crate) fn certify(args: &Certify) -> Result<(), Failure> {
    let home = args.place.home()?;
    if !home.root_certificate().exists() {
        let what = "there is no authority yet; the first start of the server makes it".into();
        return Err(Failure::Authority { path: home.authority(), what });
    }
    check_name(&args.name)?;
    let folder = args.dir.clone().unwrap_or_else(|| home.certificates());
    let (key, request) = ca::request(&args.name)?;
    let kind = if args.service { Kind::Service } else { Kind::Client };
    let certificate = match home.lock() {
        Ok(_alone) => {
            let places = Settings::load(&home.config(), false, None)?.x509.places();
            let registrar = Registrar::open(&home, load_authority(&home)?.with_places(places)?, store::open(&home)?)?;
            ca::pem(&registrar.signed_for(&request, &args.name, kind)?.der)
        }
        Err(Failure::Running { .. }) => remote::sign(&home, &request, &args.name, kind)?,
        Err(other) => return Err(other),
    };
    let (cert_path, key_path) = paths(&folder, &args.name);
    ca::files::write_secret(&key_path, key.as_bytes())?;
    ca::files::write_public(&cert_path, &certificate)?;
    say(&format!("{}\n{}", cert_path.display(), key_path.display()));
    Ok(())
}

/// Issues a certificate with its key as `name.crt` and `name.key`; says where they are.
pub(crate) fn issue(registrar: &Registrar, folder: &Path, name: &str, kind: Kind) -> Result<String, Failure> {
    check_name(name)?;
    let issued = registrar.certified(kind, name, &[])?;
    let (cert_path, key_path) = paths(folder, name);
    write(&cert_path, &key_path, &issued)?;
    Ok(format!("{}\n{}", cert_path.display(), key_path.display()))
}

pub(crate) fn check_name(name: &str) -> Result<(), Failure> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if name.is_empty() || name.len() > NAME_MAX || name.starts_with('.') || !name.chars().all(plain) {
        return Err(Failure::Refused(format!(
            "a name is 1 to {NAME_MAX} letters, digits, dots, - and _, not {name:?}"
        )));
    }
    if [SERVER, ADMIN].contains(&name) {
        return Err(Failure::Refused(format!("{name} is this server's own")));
    }
    Ok(())
}

fn write(cert_path: &Path, key_path: &Path, issued: &Issued) -> Result<(), Failure> {
    ca::files::write_secret(key_path, issued.key_pem.as_bytes())?;
    Ok(ca::files::write_public(cert_path, &issued.cert_pem)?)
}

pub(crate) fn paths(folder: &Path, name: &str) -> (PathBuf, PathBuf) {
    (folder.join(format!("{name}.crt")), folder.join(format!("{name}.key")))
}

fn text(bytes: Zeroizing<Vec<u8>>) -> Result<Zeroizing<String>, Failure> {
    let text = std::str::from_utf8(&bytes).map_err(|_| ca::Error::Key)?;
    Ok(Zeroizing::new(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_belongs_to_its_certificate_only() {
        let authority = Authority::create("Test", SystemTime::now()).unwrap();
        let pair = || authority.server(&["localhost".to_owned()], SystemTime::now()).unwrap();
        let (one, other) = (pair(), pair());
        let key = |issued: &Issued| PrivateKeyDer::from_pem_slice(issued.key_pem.as_bytes()).unwrap();
        assert!(belongs(&one.certificate.der, &key(&one)));
        assert!(!belongs(&one.certificate.der, &key(&other)));
    }

    #[test]
    fn sec_12_the_storage_key_is_made_once_for_its_owner_alone_and_kept() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let home = Home::find(Some(folder.path().into())).unwrap();
        let made = storage(&home, true).unwrap();
        assert_ne!(*made, [0; KEY_BYTES]);
        assert_eq!(storage(&home, false).unwrap(), made);
        assert_eq!(fs::metadata(home.store_key()).unwrap().permissions().mode() & 0o777, 0o600);
        ca::files::write_secret(home.store_key(), b"short").unwrap();
        assert!(storage(&home, false).is_err());
        fs::remove_file(home.store_key()).unwrap();
        assert!(storage(&home, false).is_err() && !home.store_key().exists());
    }
}
