//! A request comes in: decoded once, here, and from then on a typed record.

use std::sync::Arc;

use bytes::Bytes;
use n2o::Failure;
use proto::ids::FeedId;
use proto::records::{Ack, Io, Token};
use proto::{Record, Refusal};

use super::{Session, behalf, route};
use crate::door::{Bye, Origin, Role, Verdict};
use crate::effects::refused;
use crate::input::Call;
use crate::protocol::{Halt, auth};
use crate::{CALLS_MAX, Cx, Fx, Output, Port};

/// Every Erlang term begins with it (C-1).
const ETF_VERSION: u8 = 131;

impl Session {
    pub(super) fn request(
        &mut self,
        cx: &Cx<'_>,
        fx: &mut Fx,
        port: &Arc<Port>,
        call: u64,
        origin: Origin,
        payload: Bytes,
    ) -> Result<(), Failure> {
        let Some(link) = self.link(port.number()) else {
            // Its state was lost with a failed step, or it has been closed already: the client comes again.
            fx.emit(Output::Port(port.clone(), crate::door::Out::Close(Bye::Fault)));
            return Ok(());
        };
        if link.unfinished() >= CALLS_MAX {
            // The transport promised not to.
            link.emit(fx, crate::door::Out::Close(Bye::Fault));
            return Ok(());
        }
        if !link.rate.take(cx.now) {
            return self.too_often(cx, fx, call);
        }
        match origin {
            Origin::Events { token } => self.event(cx, fx, call, token, &payload),
            Origin::Broadcast(topic) => self.broadcast(cx, fx, call, topic, payload),
        }
    }

    /// C-9: what does not decode, or is no record, gets `invalid_data`; nothing at all is ignored.
    fn event(
        &mut self,
        cx: &Cx<'_>,
        fx: &mut Fx,
        call: u64,
        token: Option<Bytes>,
        payload: &Bytes,
    ) -> Result<(), Failure> {
        if let Some(token) = token
            && !self.knows_token(cx, &token)?
        {
            return self.conclude(cx, fx, call, Vec::new(), Verdict::NoRight);
        }
        if payload.is_empty() {
            return self.conclude(cx, fx, call, Vec::new(), Verdict::Done);
        }
        match etf::decode::<Record>(payload) {
            Ok(record) => self.perform(cx, fx, call, record, None),
            Err(_) => self.conclude(cx, fx, call, vec![refused(Refusal::InvalidData)], Verdict::Done),
        }
    }

    /// TOPIC-1: a token in the topic is the device's own, or the publish is refused.
    fn knows_token(&self, cx: &Cx<'_>, token: &[u8]) -> Result<bool, Failure> {
        let link = self.link.as_ref();
        match link.and_then(|link| Some((link.phone()?, link.device.as_ref()?))) {
            Some((phone, device)) => auth::has_token(cx, phone, device, token),
            None => Ok(false),
        }
    }

    /// PM-1: what the session does itself, then what an owner does. `topic` is the feed whose topic the request came on.
    pub(super) fn perform(
        &mut self,
        cx: &Cx<'_>,
        fx: &mut Fx,
        call: u64,
        record: Record,
        topic: Option<&FeedId>,
    ) -> Result<(), Failure> {
        match record {
            Record::Ack(ack) => self.acknowledge(cx, fx, call, &ack),
            // INIT-2 has no session variables yet: every token is unknown, so a fresh one is given.
            Record::Init(_) => {
                let token = Token { token: Some(hex(&cx.random::<32>()).into()) };
                let io = Io::empty().with(token);
                self.conclude(cx, fx, call, vec![etf::encode(&io)], Verdict::Done)
            }
            Record::PublishService(asked) if self.is_service() => self.publish_service(cx, fx, call, &asked),
            record => self.hand_over(cx, fx, call, record, topic),
        }
    }

    fn hand_over(
        &mut self,
        cx: &Cx<'_>,
        fx: &mut Fx,
        call: u64,
        record: Record,
        topic: Option<&FeedId>,
    ) -> Result<(), Failure> {
        let Some(link) = &self.link else { return Ok(()) };
        let who = behalf::fill(cx, link.who(&self.client, call), &record, topic)?;
        match route::owner(cx, &who, &record, topic) {
            Ok(owner) => {
                self.dispatch(fx, owner, Box::new(Call { who, record }));
                Ok(())
            }
            Err(Halt::Refused(refusal)) => self.conclude(cx, fx, call, vec![refused(refusal)], Verdict::Done),
            Err(Halt::Failed(failure)) => Err(failure),
        }
    }

    /// MESSAGE-3: a receiving device has it. Unknown or repeated: ignored.
    fn acknowledge(&mut self, cx: &Cx<'_>, fx: &mut Fx, call: u64, ack: &Ack) -> Result<(), Failure> {
        let client = self.client.clone();
        if let Some(link) = &mut self.link
            && link.role == Role::Device
            && let Some(msg_id) = &ack.id
        {
            link.received(&client, cx, fx, msg_id)?;
        }
        self.conclude(cx, fx, call, Vec::new(), Verdict::Done)
    }

    /// SEC-13: refused without being executed; a client that goes on is closed.
    fn too_often(&mut self, cx: &Cx<'_>, fx: &mut Fx, call: u64) -> Result<(), Failure> {
        if let Some(link) = &mut self.link
            && link.rate.is_stubborn()
        {
            link.emit(fx, crate::door::Out::Close(Bye::TooOften));
        }
        self.conclude(cx, fx, call, Vec::new(), Verdict::TooMuch)
    }
}

pub(super) fn is_term(payload: &[u8]) -> bool {
    payload.first() == Some(&ETF_VERSION)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
