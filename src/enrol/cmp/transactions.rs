//! What has begun, until it is confirmed and may be forgotten: repeats are answered as before, and what nobody confirms is withdrawn.

use std::collections::HashMap;

use aws_lc_rs::{constant_time, digest};
use bytes::Bytes;
use ca::cmp::{Confirmation, Fault, NONCE_BYTES};

/// Transactions that are remembered at once. Beyond, those that are over are forgotten; then no further one begins.
const OPEN_MAX: usize = 10_000;

/// Who began a transaction, and alone may go on with it.
#[derive(Clone)]
pub(super) enum Party {
    /// By this invite, which is used up meanwhile.
    Secret(Bytes),
    /// SHA-256 of the key that signs.
    Key([u8; 32]),
}

impl Party {
    fn is(&self, other: &Party) -> bool {
        match (self, other) {
            (Party::Secret(one), Party::Secret(other)) => constant_time::verify_slices_are_equal(one, other).is_ok(),
            (Party::Key(one), Party::Key(other)) => one == other,
            (Party::Secret(_), Party::Key(_)) | (Party::Key(_), Party::Secret(_)) => false,
        }
    }
}

/// A certificate that has been handed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Grant {
    pub(super) certificate: Vec<u8>,
    pub(super) serial: Vec<u8>,
    /// How the client calls its request.
    pub(super) id: i64,
    /// Ours, which the confirmation answers.
    pub(super) nonce: [u8; NONCE_BYTES],
    /// It made a new device; otherwise the device has another certificate.
    pub(super) is_first: bool,
}

impl Grant {
    /// RFC 9810 section 5.3.18: the digest of the certificate's own signature. Any of these shows that it has come.
    fn has_hash(&self, hash: &[u8]) -> bool {
        let digests = [&digest::SHA256, &digest::SHA384, &digest::SHA512];
        digests.iter().any(|algorithm| digest::digest(algorithm, &self.certificate).as_ref() == hash)
    }
}

/// By the number that the client has drawn.
#[derive(Default)]
pub(super) struct Transactions(HashMap<Vec<u8>, Open>);

struct Open {
    party: Party,
    /// SHA-256 of the latest request, and its answer; none as long as it is worked on.
    heard: [u8; 32],
    answer: Option<Bytes>,
    /// Still to be confirmed.
    grant: Option<Grant>,
}

impl Transactions {
    /// The answer to a request that has come before: the answer may have been lost.
    pub(super) fn answered(&self, id: &[u8], request: &[u8; 32]) -> Option<Bytes> {
        self.0.get(id).filter(|open| open.heard == *request)?.answer.clone()
    }

    /// The invite by which it was begun.
    pub(super) fn secret(&self, id: &[u8]) -> Option<Bytes> {
        match &self.0.get(id)?.party {
            Party::Secret(code) => Some(code.clone()),
            Party::Key(_) => None,
        }
    }

    pub(super) fn begin(&mut self, id: &[u8], request: [u8; 32], party: Party) -> Result<(), Fault> {
        if self.0.contains_key(id) {
            return Err(Fault::TransactionIdInUse);
        }
        if self.0.len() >= OPEN_MAX {
            self.0.retain(|_, open| open.answer.is_none() || open.grant.is_some());
            if self.0.len() >= OPEN_MAX {
                return Err(Fault::SystemUnavail);
            }
        }
        self.0.insert(id.to_vec(), Open { party, heard: request, answer: None, grant: None });
        Ok(())
    }

    /// The request that began it is answered so; what is granted waits for its confirmation.
    pub(super) fn settle(&mut self, id: &[u8], answer: Bytes, grant: Option<Grant>) {
        if let Some(open) = self.0.get_mut(id) {
            (open.answer, open.grant) = (Some(answer), grant);
        }
    }

    /// A further request of it has been answered.
    pub(super) fn note(&mut self, id: &[u8], request: [u8; 32], answer: Bytes) {
        if let Some(open) = self.0.get_mut(id) {
            (open.heard, open.answer) = (request, Some(answer));
        }
    }

    /// What was granted is confirmed, or given back.
    ///
    /// # Errors
    /// `BadRequest` when nothing waits for `party`; `BadRecipientNonce`, `BadCertId` when it is not what was granted: it waits on.
    pub(super) fn confirm(
        &mut self,
        id: &[u8],
        party: &Party,
        nonce: &[u8],
        said: &Confirmation,
    ) -> Result<Option<Grant>, Fault> {
        let open = self.0.get_mut(id).filter(|open| open.party.is(party)).ok_or(Fault::BadRequest)?;
        let grant = open.grant.as_ref().ok_or(Fault::BadRequest)?;
        if grant.nonce != nonce {
            return Err(Fault::BadRecipientNonce);
        }
        match said {
            Confirmation::Accepted { hash, id } if grant.has_hash(hash) && grant.id == *id => {
                open.grant = None;
                Ok(None)
            }
            Confirmation::Accepted { .. } => Err(Fault::BadCertId),
            Confirmation::Rejected => Ok(open.grant.take()),
        }
    }

    /// Its time is over, or nothing came of it; what was granted and never confirmed.
    pub(super) fn end(&mut self, id: &[u8]) -> Option<Grant> {
        self.0.remove(id)?.grant
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONCE: [u8; NONCE_BYTES] = [7; NONCE_BYTES];

    fn grant() -> Grant {
        Grant { certificate: b"certificate".to_vec(), serial: vec![1], id: 0, nonce: NONCE, is_first: true }
    }

    fn accepted(certificate: &[u8]) -> Confirmation {
        let hash = digest::digest(&digest::SHA256, certificate).as_ref().to_vec();
        Confirmation::Accepted { hash, id: 0 }
    }

    fn ann() -> Party {
        Party::Secret(Bytes::from_static(b"ann"))
    }

    fn waiting() -> Transactions {
        let mut all = Transactions::default();
        all.begin(b"t", [1; 32], ann()).unwrap();
        assert_eq!(all.answered(b"t", &[1; 32]), None, "it is worked on");
        all.settle(b"t", Bytes::from_static(b"here"), Some(grant()));
        all
    }

    #[test]
    fn a_repeat_is_answered_as_before_and_another_request_has_another_number() {
        let mut all = waiting();
        assert_eq!(all.answered(b"t", &[1; 32]).as_deref(), Some(&b"here"[..]));
        assert_eq!(all.answered(b"t", &[2; 32]), None);
        assert_eq!(all.begin(b"t", [2; 32], ann()), Err(Fault::TransactionIdInUse));
        assert_eq!(all.secret(b"t").as_deref(), Some(&b"ann"[..]));
        assert_eq!(all.secret(b"u"), None);
    }

    #[test]
    fn only_who_began_confirms_and_only_what_was_granted() {
        let mut all = waiting();
        let (good, other) = (accepted(b"certificate"), accepted(b"another"));
        let mut says = |party: &Party, nonce: &[u8], said| all.confirm(b"t", party, nonce, said);
        assert_eq!(says(&Party::Secret(Bytes::from_static(b"ben")), &NONCE, &good), Err(Fault::BadRequest));
        assert_eq!(says(&Party::Key([0; 32]), &NONCE, &good), Err(Fault::BadRequest));
        assert_eq!(says(&ann(), &[8; NONCE_BYTES], &good), Err(Fault::BadRecipientNonce));
        assert_eq!(says(&ann(), &NONCE, &other), Err(Fault::BadCertId));
        assert_eq!(says(&ann(), &NONCE, &good), Ok(None));
        assert_eq!(says(&ann(), &NONCE, &good), Err(Fault::BadRequest), "once");
        assert_eq!(all.end(b"t"), None, "nothing is to be withdrawn");
    }

    #[test]
    fn what_is_given_back_or_never_confirmed_is_to_be_withdrawn() {
        assert_eq!(waiting().confirm(b"t", &ann(), &NONCE, &Confirmation::Rejected), Ok(Some(grant())));
        assert_eq!(waiting().end(b"t"), Some(grant()));
    }

    #[test]
    fn they_are_bounded_and_those_that_wait_are_kept() {
        let mut all = waiting();
        for number in 1..OPEN_MAX {
            let id = number.to_be_bytes();
            all.begin(&id, [0; 32], ann()).unwrap();
            all.settle(&id, Bytes::new(), (number % 2 == 0).then(grant));
        }
        assert_eq!(all.begin(b"one more", [0; 32], ann()), Ok(()), "half of them were over");
        assert!(all.0.len() <= OPEN_MAX / 2 + 1 && all.secret(b"t").is_some());
        while all.0.len() < OPEN_MAX {
            all.begin(&all.0.len().to_be_bytes().repeat(2), [0; 32], ann()).unwrap();
        }
        assert_eq!(all.begin(b"too many", [0; 32], ann()), Err(Fault::SystemUnavail));
    }
}
