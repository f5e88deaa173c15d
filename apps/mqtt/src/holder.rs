//! Who a client is by its certificate, beside which account it opens.

use std::fmt;
use std::sync::Arc;

use chat::door::Certificate;
use kvs::Store;
use proto::ids::Phone;

/// Who has shown a certificate. A number in it is the holder's until somebody leaves that number (PROFILE-11) or ends with it: then it may
/// be another's, and connections outlive that.
#[derive(Clone)]
pub(crate) struct Holder {
    pub(crate) certificate: Arc<Certificate>,
    store: Arc<dyn Store>,
}

impl Holder {
    pub(crate) fn new(certificate: Arc<Certificate>, store: Arc<dyn Store>) -> Holder {
        Holder { certificate, store }
    }

    /// Whether it has one of these names.
    pub(crate) fn is_among(&self, names: &[String]) -> bool {
        self.certificate.names.iter().any(|name| names.contains(name) && self.has(name))
    }

    /// What a session of its holder is kept by: the same when the certificate has been renewed, another's when a number in it may be.
    pub(crate) fn owner(&self) -> String {
        let names: Vec<&str> =
            self.certificate.names.iter().map(String::as_str).filter(|name| self.has(name)).collect();
        match names.as_slice() {
            [] => self.certificate.key.iter().map(|byte| format!("{byte:02x}")).collect(),
            names => names.join("\n"),
        }
    }

    fn has(&self, name: &str) -> bool {
        !Phone::parse(name.as_bytes()).is_ok_and(|number| self.is_left(&number))
    }

    fn is_left(&self, number: &Phone) -> bool {
        chat::is_left(&*self.store.snapshot(), number, &self.certificate).unwrap_or_else(|failure| {
            tracing::error!(%failure, "whether a number was left cannot be read: it gives no rights");
            true
        })
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
        Holder::new(certificate, Arc::new(kvs::Memory::new(chat::rows::TABLES)))
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
            Holder::new(Arc::new(Certificate { names, issued, ..Certificate::default() }), store.clone())
        };
        let (former, now) = (holder(1000), holder(2000));
        let is = |holder: &Holder, name: &str| holder.is_among(&[name.to_owned()]);
        assert!(is(&former, "38001") && is(&former, "lamp") && !is(&former, "38002"));
        assert_eq!(former.owner(), now.owner(), "it has been renewed");

        let mut batch = Batch::default();
        batch.put(ALIAS, path(&[b"38001", b"*"]), encode(&1500_u64));
        store.apply(&batch).unwrap();
        assert!(!is(&former, "38001") && is(&former, "lamp"), "also of a connection that was there before");
        assert!(is(&now, "38001"));
        assert_ne!(former.owner(), now.owner(), "sessions are not another's who has the number now");
    }
}
