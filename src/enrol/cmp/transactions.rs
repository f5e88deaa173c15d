//! What has begun, until it is confirmed and may be forgotten: repeats are answered as before, and what nobody confirms is withdrawn.

use std::collections::HashMap;

use aws_lc_rs::{constant_time, digest};
use bytes::Bytes;
use ca::cmp::{Confirmation, Fault, NONCE_BYTES};
use chat::Invitation;

/// Transactions that are remembered at once. Beyond, those that are over are forgotten; then no further one begins.
const OPEN_MAX: usize = 10_000;

/// Who began a transaction, and alone may go on with it.
#[derive(Clone)]
pub(super) enum Party {
    /// By this invite, which is used up meanwhile.
    Secret(Box<Invitation>),
    /// SHA-256 of the key that signs.
    Key([u8; 32]),
}

impl Party {
    pub(super) fn is(&self, other: &Party) -> bool {
        match (self, other) {
            (Party::Secret(one), Party::Secret(other)) => {
                constant_time::verify_slices_are_equal(&one.code, &other.code).is_ok()
            }
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

#[derive(Clone)]
pub(super) struct Open {
    /// When it began, milliseconds since 1970.
    pub(super) at: u64,
    pub(super) party: Party,
    /// SHA-256 of the key for which a certificate is wanted.
    pub(super) asked: Option<[u8; 32]>,
    /// SHA-256 of the latest request, and its answer; none as long as it is worked on.
    pub(super) heard: [u8; 32],
    pub(super) answer: Option<Bytes>,
    /// Still to be confirmed.
    pub(super) grant: Option<Grant>,
}

/// What is to be withdrawn of a transaction whose time is over.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Left {
    Nothing,
    /// It was never confirmed.
    Granted(Grant),
    /// It was never answered: whatever was issued for this key since it began.
    Unanswered {
        key: [u8; 32],
        since: u64,
        is_first: bool,
    },
}

impl Open {
    pub(super) fn left(self) -> Left {
        match (self.grant, self.answer, self.asked) {
            (Some(grant), ..) => Left::Granted(grant),
            (None, None, Some(key)) => {
                Left::Unanswered { key, since: self.at, is_first: matches!(self.party, Party::Secret(_)) }
            }
            (None, Some(_), _) | (None, None, None) => Left::Nothing,
        }
    }
}

impl Transactions {
    /// The answer to a request that has come before: the answer may have been lost.
    pub(super) fn answered(&self, id: &[u8], request: &[u8; 32]) -> Option<Bytes> {
        self.0.get(id).filter(|open| open.heard == *request)?.answer.clone()
    }

    /// The invite by which it was begun.
    pub(super) fn secret(&self, id: &[u8]) -> Option<Invitation> {
        match &self.0.get(id)?.party {
            Party::Secret(invite) => Some(Invitation::clone(invite)),
            Party::Key(_) => None,
        }
    }

    /// Those that are forgotten for it.
    pub(super) fn begin(&mut self, id: &[u8], open: Open) -> Result<Vec<Vec<u8>>, Fault> {
        if self.0.contains_key(id) {
            return Err(Fault::TransactionIdInUse);
        }
        let mut forgotten = Vec::new();
        if self.0.len() >= OPEN_MAX {
            let is_over = |_: &Vec<u8>, open: &mut Open| open.answer.is_some() && open.grant.is_none();
            forgotten.extend(self.0.extract_if(is_over).map(|(id, _)| id));
            if self.0.len() >= OPEN_MAX {
                return Err(Fault::SystemUnavail);
            }
        }
        self.0.insert(id.to_vec(), open);
        Ok(forgotten)
    }

    /// One that an earlier run has begun.
    pub(super) fn again(&mut self, id: Vec<u8>, open: Open) {
        self.0.insert(id, open);
    }

    pub(super) fn get(&self, id: &[u8]) -> Option<Open> {
        self.0.get(id).cloned()
    }

    /// The latest request of it is answered so; what is granted waits for its confirmation.
    pub(super) fn settle(&mut self, id: &[u8], settled: Open) {
        if let Some(open) = self.0.get_mut(id).filter(|open| open.at == settled.at) {
            *open = settled;
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

    /// The time of the one that began then is over. `None`: it was forgotten, and another may have its number.
    pub(super) fn end(&mut self, id: &[u8], at: u64) -> Option<Left> {
        self.0.get(id).filter(|open| open.at == at)?;
        Some(self.0.remove(id)?.left())
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

    fn knows(code: &'static [u8]) -> Party {
        let account = proto::ids::Phone::parse(b"380670000001").unwrap();
        Party::Secret(Box::new(Invitation { account, expires: 1, code: Bytes::from_static(code) }))
    }

    fn ann() -> Party {
        knows(b"ann")
    }

    fn begun(request: u8) -> Open {
        Open { at: 5, party: ann(), asked: Some([9; 32]), heard: [request; 32], answer: None, grant: None }
    }

    fn settled(grant: Option<Grant>) -> Open {
        Open { answer: Some(Bytes::from_static(b"here")), grant, ..begun(1) }
    }

    fn waiting() -> Transactions {
        let mut all = Transactions::default();
        all.begin(b"t", begun(1)).unwrap();
        assert_eq!(all.answered(b"t", &[1; 32]), None, "it is worked on");
        all.settle(b"t", settled(Some(grant())));
        all
    }

    #[test]
    fn a_repeat_is_answered_as_before_and_another_request_has_another_number() {
        let mut all = waiting();
        assert_eq!(all.answered(b"t", &[1; 32]).as_deref(), Some(&b"here"[..]));
        assert_eq!(all.answered(b"t", &[2; 32]), None);
        assert_eq!(all.begin(b"t", begun(2)), Err(Fault::TransactionIdInUse));
        assert_eq!(all.secret(b"t").map(|invite| invite.code).as_deref(), Some(&b"ann"[..]));
        assert!(all.secret(b"u").is_none());
    }

    #[test]
    fn only_who_began_confirms_and_only_what_was_granted() {
        let mut all = waiting();
        let (good, other) = (accepted(b"certificate"), accepted(b"another"));
        let mut says = |party: &Party, nonce: &[u8], said| all.confirm(b"t", party, nonce, said);
        assert_eq!(says(&knows(b"ben"), &NONCE, &good), Err(Fault::BadRequest));
        assert_eq!(says(&Party::Key([0; 32]), &NONCE, &good), Err(Fault::BadRequest));
        assert_eq!(says(&ann(), &[8; NONCE_BYTES], &good), Err(Fault::BadRecipientNonce));
        assert_eq!(says(&ann(), &NONCE, &other), Err(Fault::BadCertId));
        assert_eq!(says(&ann(), &NONCE, &good), Ok(None));
        assert_eq!(says(&ann(), &NONCE, &good), Err(Fault::BadRequest), "once");
        assert_eq!(all.end(b"t", 4), None, "another had its number before");
        assert_eq!(all.end(b"t", 5), Some(Left::Nothing), "nothing is to be withdrawn");
        assert_eq!(all.end(b"t", 5), None);
    }

    #[test]
    fn what_is_given_back_or_never_confirmed_is_to_be_withdrawn() {
        assert_eq!(waiting().confirm(b"t", &ann(), &NONCE, &Confirmation::Rejected), Ok(Some(grant())));
        assert_eq!(waiting().end(b"t", 5), Some(Left::Granted(grant())));
        let unanswered = |is_first| Left::Unanswered { key: [9; 32], since: 5, is_first };
        assert_eq!(begun(1).left(), unanswered(true));
        assert_eq!(Open { party: Party::Key([0; 32]), ..begun(1) }.left(), unanswered(false));
        assert_eq!(Open { asked: None, ..begun(1) }.left(), Left::Nothing, "a revocation");
        assert_eq!(settled(None).left(), Left::Nothing, "it was refused");
    }

    #[test]
    fn they_are_bounded_and_those_that_wait_are_kept() {
        let mut all = waiting();
        for number in 1..OPEN_MAX {
            let id = number.to_be_bytes();
            all.begin(&id, begun(1)).unwrap();
            all.settle(&id, settled((number % 2 == 0).then(grant)));
        }
        let forgotten = all.begin(b"one more", begun(1)).unwrap();
        assert_eq!(forgotten.len(), OPEN_MAX / 2, "half of them were over");
        assert!(all.0.len() <= OPEN_MAX / 2 + 1 && all.secret(b"t").is_some());
        while all.0.len() < OPEN_MAX {
            all.begin(&all.0.len().to_be_bytes().repeat(2), begun(1)).unwrap();
        }
        assert_eq!(all.begin(b"too many", begun(1)), Err(Fault::SystemUnavail));
    }
}
