//! The records of the load as bytes: told apart and answered without decoding them.

use bytes::Bytes;
use proto::{Desc, Message, Record};

use super::flow::MessageId;
use super::side::placeholder;
use crate::Error;
use crate::client::REQUESTS;
use crate::mqtt::{self, Publication, Qos, Version};

/// How an Ack record begins, up to its id: `{'Ack','Message',<<Id>>}`.
const ACK_HEAD: &[u8] = b"\x83h\x03w\x03Ackw\x07Messagem";
/// How a Message record begins.
const MESSAGE_HEAD: &[u8] = b"\x83h\x11w\x07Message";

/// A Message record of `size` bytes of text to `to`, its id left open.
pub(super) fn message_payload(to: &str, size: usize) -> Bytes {
    etf::encode(&Message {
        msg_id: Some(Bytes::copy_from_slice(&placeholder())),
        to: Some(Bytes::copy_from_slice(to.as_bytes())),
        files: vec![Desc::text(vec![b'x'; size])],
        ..Message::default()
    })
}

/// Whether a payload is an Ack record for a message.
pub(super) fn is_ack(payload: &[u8]) -> bool {
    payload.starts_with(ACK_HEAD)
}

/// The message of this run that an Ack record names.
pub(super) fn accepted_id(payload: &[u8], run: [u8; 8]) -> Option<MessageId> {
    payload.get(ACK_HEAD.len() + 4..).and_then(|text| MessageId::parse(text, run))
}

/// An Ack record for a message received (MESSAGE-3). At QoS 0: lost only with the connection, and then the message comes again.
pub(super) fn acknowledge_record(out: &mut Vec<u8>, id: &[u8]) {
    let mut payload = Vec::with_capacity(ACK_HEAD.len() + 4 + id.len());
    payload.extend_from_slice(ACK_HEAD);
    payload.extend_from_slice(&(id.len() as u32).to_be_bytes());
    payload.extend_from_slice(id);
    let publication =
        Publication { topic: REQUESTS, payload: &payload, qos: Qos::AtMostOnce, id: 0, dup: false, retain: false };
    mqtt::publish(out, Version::V5, &publication);
}

/// Whether a payload is a Message record.
pub(super) fn is_message(payload: &[u8]) -> bool {
    payload.starts_with(MESSAGE_HEAD)
}

/// A message left over from an earlier run: acknowledge and forget it.
pub(super) fn acknowledge_stranger(out: &mut Vec<u8>, payload: &[u8]) {
    if let Ok(Message { msg_id: Some(id), .. }) = etf::decode::<Message>(payload) {
        acknowledge_record(out, &id);
    }
}

/// Any `io` error ends the run: what is measured would not be what was asked for.
pub(super) fn refuse_errors(payload: &[u8]) -> Result<(), Error> {
    let Ok(Record::Io(io)) = etf::decode::<Record>(payload) else { return Ok(()) };
    match io.failure() {
        Some((code, _)) => Err(Error::Refused { code: code.to_owned(), detail: None }),
        None => Ok(()),
    }
}
