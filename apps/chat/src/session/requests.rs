//! A request comes in: decoded once, here, and from then on a typed record.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use n2o::Failure;
use proto::ids::FeedId;
use proto::records::{Ack, Auth, AuthAct, Room, RoomStatus};
use proto::{Record, Refusal};

use super::rate::{Class, Turn};
use super::signature::signatures;
use super::{Session, behalf, route};
use crate::door::{Bye, Origin, Out, Role, Verdict};
use crate::effects::refused;
use crate::input::{Call, Input, Tick};
use crate::protocol::message::seek;
use crate::protocol::{Halt, auth, init};
use crate::{CALLS_MAX, Chat, Cx, Fx, Name, Output, Port, Who, names};

/// Every Erlang term begins with it (C-1).
const ETF_VERSION: u8 = 131;

/// A request as it came.
pub(super) struct Asked {
    pub(super) call: u64,
    pub(super) origin: Origin,
    pub(super) payload: Bytes,
}

/// What is in a payload.
pub(super) enum Content {
    Nothing,
    Record(Record),
    /// A term that is no record, or bytes that begin like a term.
    Junk,
    /// Other bytes.
    Bytes,
}

impl Session {
    pub(super) fn request(
        &mut self,
        chat: &Chat,
        cx: &Cx<'_>,
        fx: &mut Fx,
        port: &Arc<Port>,
        asked: Asked,
    ) -> Result<(), Failure> {
        let Some(link) = self.link(port.number()) else {
            // Its state was lost with a failed step, or it has been closed already: the client comes again.
            fx.emit(Output::Port(port.clone(), Out::Close(Bye::Fault)));
            return Ok(());
        };
        if link.unfinished() >= CALLS_MAX {
            // The transport promised not to.
            link.emit(fx, Out::Close(Bye::Fault));
            return Ok(());
        }
        if !link.late.is_empty() {
            // It keeps its turn (G-5).
            link.late.push_back(asked);
            return Ok(());
        }
        self.take_up(chat, cx, fx, asked).map(drop)
    }

    /// SEC-13: what came too early is due by now. While it waits it is unfinished, and a transport reads no further than
    /// [`CALLS_MAX`] unfinished requests.
    pub(super) fn go_on(&mut self, chat: &Chat, cx: &Cx<'_>, fx: &mut Fx, connection: u64) -> Result<(), Failure> {
        while let Some(asked) = self.link(connection).and_then(|link| link.late.pop_front()) {
            if !self.take_up(chat, cx, fx, asked)? {
                return Ok(());
            }
        }
        if let Some(link) = self.link(connection) {
            link.late = VecDeque::new();
        }
        Ok(())
    }

    /// Executes a request, or refuses it; false: it is too early, and waits.
    fn take_up(&mut self, chat: &Chat, cx: &Cx<'_>, fx: &mut Fx, asked: Asked) -> Result<bool, Failure> {
        let content = Content::of(chat, cx, &asked.payload)?;
        let Some(link) = &mut self.link else { return Ok(true) };
        match link.rate.turn(cx.now, content.class()) {
            Turn::Now => self.execute(chat, cx, fx, asked, content)?,
            Turn::At(time) => {
                fx.timer(time, Input::Tick(Tick::GoOn { connection: link.connection() }));
                link.late.push_front(asked);
                return Ok(false);
            }
            Turn::Refused => self.conclude(cx, fx, asked.call, Vec::new(), Verdict::TooMuch)?,
            Turn::RefusedForGood => {
                self.conclude(cx, fx, asked.call, Vec::new(), Verdict::TooMuch)?;
                self.close(fx, Bye::TooOften);
            }
        }
        Ok(true)
    }

    fn execute(
        &mut self,
        chat: &Chat,
        cx: &Cx<'_>,
        fx: &mut Fx,
        asked: Asked,
        content: Content,
    ) -> Result<(), Failure> {
        let Asked { call, origin, payload } = asked;
        match origin {
            Origin::Events { token } => self.event(chat, cx, fx, call, token, content),
            Origin::Broadcast(topic) => {
                let topic = names::understood_topic(&chat.names, cx, topic)?;
                self.broadcast(chat, cx, fx, call, topic, content, payload)
            }
        }
    }

    /// C-9: what does not decode, or is no record, gets `invalid_data`; nothing at all is ignored.
    fn event(
        &mut self,
        chat: &Chat,
        cx: &Cx<'_>,
        fx: &mut Fx,
        call: u64,
        token: Option<Bytes>,
        content: Content,
    ) -> Result<(), Failure> {
        if let Some(token) = token
            && !self.knows_token(cx, &token)?
        {
            return self.conclude(cx, fx, call, Vec::new(), Verdict::NoRight);
        }
        match content {
            Content::Nothing => self.conclude(cx, fx, call, Vec::new(), Verdict::Done),
            Content::Record(Record::Init(asked)) => {
                let token = init::init(chat, cx, asked.token.as_ref());
                self.conclude(cx, fx, call, vec![token], Verdict::Done)
            }
            Content::Record(Record::Auth(asked)) if asked.act() == Some(AuthAct::Ver) && !self.is_service() => {
                self.version(chat, cx, fx, call, &asked)
            }
            Content::Record(record) => self.perform(chat, cx, fx, call, record, None),
            Content::Junk | Content::Bytes => {
                self.conclude(cx, fx, call, vec![refused(Refusal::InvalidData)], Verdict::Done)
            }
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
        chat: &Chat,
        cx: &Cx<'_>,
        fx: &mut Fx,
        call: u64,
        record: Record,
        topic: Option<&FeedId>,
    ) -> Result<(), Failure> {
        match record {
            Record::Ack(ack) => self.acknowledge(cx, fx, call, &ack),
            Record::PushService(asked) if self.is_service() => self.push_service(cx, fx, call, &asked),
            Record::PublishService(asked) if self.is_service() => self.publish_service(chat, cx, fx, call, &asked),
            Record::Room(room) => self.hand_over(chat, cx, fx, call, named(cx, *room).into(), topic),
            record => self.hand_over(chat, cx, fx, call, record, topic),
        }
    }

    /// AUTH-12.
    fn version(&mut self, chat: &Chat, cx: &Cx<'_>, fx: &mut Fx, call: u64, asked: &Auth) -> Result<(), Failure> {
        let answer = match auth::ver(chat.settings.min_version, asked) {
            Ok((answer, version)) => {
                if let Some(link) = &mut self.link {
                    link.hello.version = u32::try_from(version).unwrap_or(u32::MAX);
                }
                etf::encode(&answer)
            }
            Err(refusal) => refused(refusal),
        };
        self.conclude(cx, fx, call, vec![answer], Verdict::Done)
    }

    fn hand_over(
        &mut self,
        chat: &Chat,
        cx: &Cx<'_>,
        fx: &mut Fx,
        call: u64,
        mut record: Record,
        topic: Option<&FeedId>,
    ) -> Result<(), Failure> {
        let Some(link) = &self.link else { return Ok(()) };
        let who = behalf::fill(cx, link.who(&self.client, call), &record, topic)?;
        let signed = if chat.settings.verify { signatures(&record) } else { Ok(Vec::new()) };
        let owner = signed.map_err(Halt::from).and_then(|signed| Ok((route::owner(cx, &who, &record, topic)?, signed)));
        let owner = match owner {
            Ok((owner, signed)) => {
                forwarded(cx, &who, owner, &mut record).map(|owner| (owner, signed)).map_err(Halt::from)
            }
            Err(halt) => Err(halt),
        };
        match owner {
            Ok((owner, signed)) if signed.is_empty() => self.dispatch(cx, fx, owner, Box::new(Call { who, record })),
            Ok((owner, signed)) => self.verify(cx, fx, owner, Box::new(Call { who, record }), signed),
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
        self.conclude_patiently(cx, fx, call)
    }
}

impl Content {
    fn of(chat: &Chat, cx: &Cx<'_>, payload: &Bytes) -> Result<Content, Failure> {
        Ok(match payload.first() {
            None => Content::Nothing,
            Some(&ETF_VERSION) => match etf::decode_parts::<Record>(payload) {
                Ok(record) => Content::Record(names::understood(&chat.names, cx, record)?),
                Err(_) => Content::Junk,
            },
            Some(_) => Content::Bytes,
        })
    }

    fn class(&self) -> Class {
        match self {
            Content::Record(record) => Class::of(record),
            Content::Nothing | Content::Junk | Content::Bytes => Class::Other,
        }
    }
}

/// MESSAGE-9: what is forwarded from another feed is looked for by the sender's roster first.
fn forwarded(cx: &Cx<'_>, who: &Who, owner: Name, record: &mut Record) -> Result<Name, Failure> {
    if let (Name::Conversation(feed), Record::Message(message), Some(account)) = (&owner, &*record, &who.account)
        && seek::is_needed(cx, feed, message)?
        && let Some((roster, addressed)) = seek::addressed(account, feed, (**message).clone())
    {
        *record = addressed;
        return Ok(roster);
    }
    Ok(owner)
}

/// ID-16: a room that is created without a name is given one.
fn named(cx: &Cx<'_>, room: Room) -> Room {
    let is_new = room.status == Some(RoomStatus::Create) && room.id.as_ref().is_none_or(Bytes::is_empty);
    if is_new { Room { id: Some(uuid(cx.random::<16>()).into()), ..room } } else { room }
}

/// A random UUID (RFC 9562, version 4).
fn uuid(mut bytes: [u8; 16]) -> String {
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let text = hex(&bytes);
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|part| text.get(part).unwrap_or_default());
    parts.join("-")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
