//! What a file holds, in 32 bytes: SHA-256, by which the server names it (FTP-3).

use aws_lc_rs::digest::{Context, SHA256};

use crate::Error;

/// A sum that grows as bytes come.
#[derive(Clone)]
pub(crate) struct Sum(Context);

impl Default for Sum {
    fn default() -> Sum {
        Sum(Context::new(&SHA256))
    }
}

impl Sum {
    pub(crate) fn of(bytes: &[u8]) -> [u8; 32] {
        let mut sum = Sum::default();
        sum.add(bytes);
        sum.end()
    }

    pub(crate) fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(crate) fn end(self) -> [u8; 32] {
        let mut sum = [0; 32];
        self.0.finish().as_ref().iter().zip(&mut sum).for_each(|(byte, place)| *place = *byte);
        sum
    }
}

/// The half of a reference that names what the file holds, compared with what has come.
pub(crate) fn compare(reference: &str, sum: [u8; 32]) -> Result<(), Error> {
    let content = reference.rsplit('/').next().unwrap_or_default();
    match content.eq_ignore_ascii_case(&crate::sealed::hex(&sum)) {
        true => Ok(()),
        false => Err(Error::OtherBytes),
    }
}
