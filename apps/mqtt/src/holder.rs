//! Who a client is by its certificate, beside which account it opens.

use std::fmt;
use std::sync::Arc;

use chat::Known;
use chat::door::Certificate;
use kvs::Store;
use n2o::Failure;
use proto::ids::Phone;

/// Who has shown a certificate. A number in it is the holder's until somebody leaves that number (PROFILE-11) or ends with it: then it may
/// be another's, and connections outlive that.
#[derive(Clone)]
pub(crate) struct Holder {
    pub(crate) certificate: Arc<Certificate>,
    store: Arc<dyn Store>,
    known: Arc<Known>,
}

impl Holder {
    pub(crate) fn new(certificate: Arc<Certificate>, store: Arc<dyn Store>, known: Arc<Known>) -> Holder {
        Holder { certificate, store, known }
    }

    /// Whether it has one of these names.
    pub(crate) fn is_among(&self, names: &[String]) -> bool {
        self.certificate.names.iter().any(|name| names.contains(name) && self.has_since(name).is_some())
    }

    /// What a session of its holder is kept by: the same when the certificate has been renewed. A number that somebody has left since then
    /// is another one: what is kept by it is not for whoever has it next.
    pub(crate) fn owner(&self) -> String {
        let named = |name: &String| match self.has_since(name)? {
            0 => Some(name.clone()),
            left => Some(format!("{name}@{left}")),
        };
        let names: Vec<String> = self.certificate.names.iter().filter_map(named).collect();
        match names.as_slice() {
            [] => self.certificate.key.iter().map(|byte| format!("{byte:02x}")).collect(),
            names => names.join("\n"),
        }
    }

    /// When somebody has left the name before it was the holder's, in milliseconds since 1970, or 0 where nobody has. `None`: it is the
    /// holder's no more.
    fn has_since(&self, name: &str) -> Option<u64> {
        let Ok(number) = Phone::parse(name.as_bytes()) else { return Some(0) };
        match self.last_left(&number) {
            Ok(left) => Some(left.unwrap_or(0)).filter(|left| *left <= self.certificate.issued),
            Err(failure) => {
                tracing::error!(%failure, "whether a number was left cannot be read: it gives no rights");
                None
            }
        }
    }

    fn last_left(&self, number: &Phone) -> Result<Option<u64>, Failure> {
        match self.known.left(&*self.store)? {
            true => chat::last_left(&*self.store.snapshot(), number),
            false => Ok(None),
        }
    }
}

impl fmt::Debug for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Holder").field(&self.certificate).finish()
    }
}

/// Where no account has ever changed its number.
#[cfg(any(test, feature = "hostile"))]
impl From<Arc<Certificate>> for Holder {
    fn from(certificate: Arc<Certificate>) -> Holder {
        Holder::new(certificate, Arc::new(kvs::Memory::new(chat::rows::TABLES)), Arc::default())
    }
}

#[cfg(test)]
mod tests {
    use chat::rows::{ALIAS, encode, path};
    use kvs::{Batch, Memory};

    use super::*;

    #[test]
    fn profile_11_a_number_in_a_certificate_is_its_holders_until_somebody_leaves_it() {
        let store = Arc::new(Memory::new(chat::rows::TABLES));
        let holder = |issued| {
            let names = vec!["38001".to_owned(), "lamp".to_owned()];
            let certificate = Certificate { names, issued, ..Certificate::default() };
            // What is known of names is looked up anew by each.
            Holder::new(Arc::new(certificate), store.clone(), Arc::default())
        };
        let (former, again) = (holder(1000), holder(1200));
        let is = |holder: &Holder, name: &str| holder.is_among(&[name.to_owned()]);
        let kept_by = former.owner();
        assert_eq!(kept_by, again.owner(), "it has been renewed");

        let mut batch = Batch::default();
        batch.put(ALIAS, path(&[b"38001", b"*"]), encode(&1500_u64));
        store.apply(&batch).unwrap();
        let (former, now, again) = (holder(1000), holder(2000), holder(3000));
        assert!(!is(&former, "38001") && is(&former, "lamp"), "also of a connection that was there before");
        assert!(is(&now, "38001"));
        assert_ne!(kept_by, now.owner(), "sessions are not another's who has the number now");
        assert_ne!(former.owner(), now.owner());
        assert_eq!(now.owner(), again.owner(), "it has been renewed");
    }
}
