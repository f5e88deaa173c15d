//! What trusted services alone may do (SPEC 6.18): PUSH-5, PUSH-6.

use bytes::Bytes;
use etf::Term;
use n2o::Failure;
use proto::ids::{Address, Phone};
use proto::limits::RELAY_BYTES;
use proto::records::{PublishService, Push, PushService};
use proto::topic::Topic;
use proto::{Outcome, Refusal};

use super::Session;
use crate::door::Verdict;
use crate::effects::{done, refused};
use crate::protocol::push::{self, PAYLOAD_BYTES, TYPE_BYTES};
use crate::rows::Asked;
use crate::{Chat, Cx, Fx, names};

/// Recipients of one push of a service.
const RECIPIENTS_MAX: usize = 500;

impl Session {
    /// PUSH-5: to all devices of the recipients that have a push token.
    pub(super) fn push_service(
        &mut self,
        cx: &Cx<'_>,
        fx: &mut Fx,
        call: u64,
        asked: &PushService,
    ) -> Result<(), Failure> {
        let answer = match (recipients(asked), payload(asked)) {
            (Ok(recipients), Ok(push)) => {
                let asked = Asked { push, ttl: asked.ttl.unwrap_or_default() };
                recipients.into_iter().try_for_each(|phone| push::ask(cx, fx, phone, &asked))?;
                done(Outcome::Push)
            }
            (Err(refusal), _) | (_, Err(refusal)) => refused(refusal),
        };
        self.conclude(cx, fx, call, vec![answer], Verdict::Done)
    }

    /// PUSH-6: a service publishes what it likes on a topic of clients, `[T]`.
    pub(super) fn publish_service(
        &mut self,
        chat: &Chat,
        cx: &Cx<'_>,
        fx: &mut Fx,
        call: u64,
        asked: &PublishService,
    ) -> Result<(), Failure> {
        let name = std::str::from_utf8(asked.topic.as_deref().unwrap_or_default()).unwrap_or_default();
        let topic = names::understood_topic(&chat.names, cx, Topic::parse(name))?.short();
        let message = asked.message.as_ref().filter(|message| message.len() <= RELAY_BYTES);
        let answer = match message {
            Some(message) if is_stream(&topic) => {
                self.relay(cx, fx, &topic, message)?;
                done(Outcome::Publish)
            }
            Some(_) | None => refused(Refusal::InvalidData),
        };
        self.conclude(cx, fx, call, vec![answer], Verdict::Done)
    }
}

/// The accounts, each once.
fn recipients(asked: &PushService) -> Result<Vec<Phone>, Refusal> {
    if !(1..=RECIPIENTS_MAX).contains(&asked.recipients.len()) {
        return Err(Refusal::InvalidData);
    }
    let phone = |name: &Bytes| match Address::parse(name) {
        Ok(Address::Full(roster)) => Ok(roster.phone().clone()),
        Ok(Address::Phone(phone)) => Ok(phone),
        Ok(Address::Roster(_)) | Err(_) => Err(Refusal::InvalidData),
    };
    let mut phones = asked.recipients.iter().map(phone).collect::<Result<Vec<Phone>, Refusal>>()?;
    phones.sort();
    phones.dedup();
    Ok(phones)
}

/// The record `push` around what the service gives; its module is the type.
fn payload(asked: &PushService) -> Result<Bytes, Refusal> {
    let payload = asked.payload.as_ref().filter(|payload| payload.len() <= PAYLOAD_BYTES);
    if asked.module.as_ref().is_some_and(|module| module.len() > TYPE_BYTES) {
        return Err(Refusal::InvalidData);
    }
    let push = Push {
        model: Term::binary(payload.ok_or(Refusal::InvalidData)?),
        r#type: asked.module.clone(),
        ..Push::default()
    };
    Ok(etf::encode(&push))
}

/// The same and the others that devices receive, by the names that the server writes.
fn is_stream(topic: &Topic) -> bool {
    matches!(topic, Topic::Ses(_) | Topic::Ac(_) | Topic::Muc(_) | Topic::P2p(_) | Topic::Room(_))
}
