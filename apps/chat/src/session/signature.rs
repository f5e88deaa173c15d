//! SEC-8: signatures beside the parts that they sign are verified before a message goes to its owner. That takes a processor's time, so
//! it is slow work (PM-5); the connection's later requests wait for it, as for any other (G-5), nobody else does.

use n2o::Failure;
use proto::records::{Desc, MessageLink};
use proto::{Record, Refusal};

use super::{Link, Session};
use crate::input::{Call, Tick, WorkError, WorkResult};
use crate::output::{Job, Signature, Work};
use crate::protocol::message::SIGNATURE;
use crate::{Cx, Fx, Input, Name, Output};

/// A session waits so long (SPEC section 9).
const VERIFY_MS: u64 = 5_000;

/// What is to be verified of a request, if anything. A signature that signs no part of its message proves nothing: it is a bad one.
pub(super) fn signatures(record: &Record) -> Result<Vec<Signature>, Refusal> {
    let Record::Message(message) = record else { return Ok(Vec::new()) };
    let mut found = of_parts(&message.files)?;
    if let Some(MessageLink::Message(original)) = &message.link {
        found.extend(of_parts(&original.files)?);
    }
    Ok(found)
}

fn of_parts(parts: &[Desc]) -> Result<Vec<Signature>, Refusal> {
    let signed = |part: &Desc| {
        let parent = part.parentid.as_ref().filter(|parent| !parent.is_empty())?;
        let other = |other: &&Desc| other.id.as_ref() == Some(parent) && other.mime.as_deref() != Some(SIGNATURE);
        let content = parts.iter().find(other)?.payload.clone().unwrap_or_default();
        Some(Signature { signature: part.payload.clone().unwrap_or_default(), content })
    };
    let signatures = parts.iter().filter(|part| part.mime.as_deref() == Some(SIGNATURE));
    signatures.map(|part| signed(part).ok_or(Refusal::InvalidSignature)).collect()
}

impl Session {
    /// Has them verified; the call goes to its owner afterwards.
    pub(super) fn verify(
        &mut self,
        cx: &Cx<'_>,
        fx: &mut Fx,
        owner: Name,
        call: Box<Call>,
        signatures: Vec<Signature>,
    ) -> Result<(), Failure> {
        let Some(link) = &mut self.link else { return Ok(()) };
        let job = cx.id()?;
        link.calls.verify(job, cx.now + VERIFY_MS, owner, call);
        link.watch(fx);
        let from = Name::Session(self.client.clone());
        fx.emit(Output::Work(Box::new(Job { from, number: job, work: Work::Verify(signatures) })));
        Ok(())
    }

    /// They are verified.
    pub(super) fn verified(&mut self, cx: &Cx<'_>, fx: &mut Fx, job: u64, result: WorkResult) -> Result<(), Failure> {
        let Some(link) = &mut self.link else { return Ok(()) };
        let good = match result {
            WorkResult::Verified => Ok(()),
            WorkResult::Failed(WorkError::Invalid) => Err(Refusal::InvalidSignature),
            WorkResult::Failed(WorkError::Unsupported | WorkError::Broken | WorkError::TooOften | WorkError::Full)
            | WorkResult::Sent
            | WorkResult::Read(_)
            | WorkResult::Issued(_)
            | WorkResult::Listed(_)
            | WorkResult::AsBefore(_) => Err(Refusal::Internal),
        };
        link.calls.verified(job, good);
        self.release(cx, fx)
    }

    /// Nobody has said so in time.
    pub(super) fn verify_over(&mut self, cx: &Cx<'_>, fx: &mut Fx, connection: u64) -> Result<(), Failure> {
        let Some(link) = self.link(connection) else { return Ok(()) };
        link.calls.unwatched();
        for job in link.calls.overdue(cx.now) {
            link.calls.verified(job, Err(Refusal::Internal));
        }
        link.watch(fx);
        self.release(cx, fx)
    }
}

impl Link {
    fn watch(&mut self, fx: &mut Fx) {
        if let Some(at) = self.calls.watch() {
            fx.timer(at, Input::Tick(Tick::VerifyOver { connection: self.connection() }));
        }
    }
}
