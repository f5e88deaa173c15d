//! Who holds the authority's key: a file by default; a module of hardware, or a process that guards the key, fits as well.

pub use rcgen::{Error as SignerError, PublicKeyData, SignatureAlgorithm, SigningKey};

/// Signs what the authority says. [`rcgen::KeyPair`] is the one that has its key in memory.
pub type Signer = dyn SigningKey + Send + Sync;

/// A signer as rcgen takes it.
pub(crate) struct Key(pub(crate) Box<Signer>);

impl PublicKeyData for Key {
    fn der_bytes(&self) -> &[u8] {
        self.0.der_bytes()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        self.0.algorithm()
    }
}

impl SigningKey for Key {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignerError> {
        self.0.sign(message)
    }
}
