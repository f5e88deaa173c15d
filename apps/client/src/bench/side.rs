//! One connection of a pair: its outgoing messages, cut from a template, and what it finds in incoming ones.

use std::collections::VecDeque;
use std::time::Instant;

use super::flow::{Flow, ID_LEN, MessageId};
use super::traffic::{Peer, Shape};
use crate::mqtt::{self, Publication, Qos, Version};

/// One connection's side of a pair.
pub(super) struct Side {
    pub(super) flow: Flow,
    /// A whole PUBLISH, whose packet id and message id are overwritten for each message.
    template: Vec<u8>,
    packet_id_at: usize,
    message_id_at: Vec<usize>,
    next_packet: u16,
    pub(super) unacknowledged: u16,
    pub(super) quota: u16,
    pub(super) ready: bool,
    /// Broker: which message a packet id stands for.
    pub(super) packets: VecDeque<(u16, u32)>,
    /// Where the id was in the last packet received; it mostly stays there.
    hint: usize,
}

impl Side {
    /// `payload` holds [`placeholder`] wherever the message's id belongs.
    pub(super) fn new(topic: &str, payload: &[u8], qos: Qos) -> Side {
        let mut template = Vec::new();
        let publication = Publication { topic, payload, qos, id: 1, dup: false, retain: false };
        mqtt::publish(&mut template, Version::V5, &publication);
        let message_id_at = template
            .windows(ID_LEN)
            .enumerate()
            .filter_map(|(at, window)| (window == placeholder()).then_some(at))
            .collect();
        let packet_id_at = template.len() - payload.len() - 1 - 2;
        Side {
            flow: Flow::default(),
            template,
            packet_id_at,
            message_id_at,
            next_packet: 1,
            unacknowledged: 0,
            quota: u16::MAX,
            ready: false,
            packets: VecDeque::new(),
            hint: 0,
        }
    }

    /// Appends the next message to `out`, as number `at` of the run's senders.
    pub(super) fn send(&mut self, at: usize, run: [u8; 8], shape: &Shape, now: Instant, out: &mut Vec<u8>) {
        let number = self.flow.send(now, shape.wait_for_receiver);
        let text = MessageId { sender: at as u32, number }.text(run);
        for from in &self.message_id_at {
            if let Some(place) = self.template.get_mut(*from..*from + ID_LEN) {
                place.copy_from_slice(&text);
            }
        }
        if shape.qos != Qos::AtMostOnce {
            if let Some(place) = self.template.get_mut(self.packet_id_at..self.packet_id_at + 2) {
                place.copy_from_slice(&self.next_packet.to_be_bytes());
            }
            self.unacknowledged += 1;
            if shape.peer == Peer::Broker {
                self.packets.push_back((self.next_packet, number));
            }
            self.next_packet = self.next_packet.checked_add(1).unwrap_or(1);
        }
        out.extend_from_slice(&self.template);
    }

    /// The id of this run in a packet, wherever it is.
    pub(super) fn find(&mut self, run: [u8; 8], payload: &[u8]) -> Option<MessageId> {
        let there = |from: usize| payload.get(from..).and_then(|text| MessageId::parse(text, run));
        if let Some(id) = there(self.hint) {
            return Some(id);
        }
        let from = payload.windows(run.len()).position(|window| window == run)?;
        self.hint = from;
        there(from)
    }
}

/// Stands for a message's id in a template.
pub(super) fn placeholder() -> [u8; ID_LEN] {
    [b'?'; ID_LEN]
}

#[cfg(test)]
mod tests {
    use proto::Ack;

    use super::*;
    use crate::bench::wording::{acknowledge_record, is_message, message_payload};
    use crate::client::REQUESTS;
    use crate::mqtt::Packet;
    use bytes::Bytes;
    use proto::Message;

    #[test]
    fn a_template_names_its_message_and_the_ack_names_it_back() {
        let mut side = Side::new(REQUESTS, &message_payload("38001_1", 3), Qos::AtLeastOnce);
        let [from] = side.message_id_at.as_slice() else { panic!("one place for the id") };
        let id = MessageId { sender: 7, number: 0xabcdef };
        side.template[*from..*from + ID_LEN].copy_from_slice(&id.text(*b"run00001"));
        let (packet, _) = mqtt::decode(&side.template, Version::V5, 4096).unwrap().unwrap();
        let Packet::Publish(publish) = packet else { panic!("a PUBLISH") };
        assert!(is_message(publish.payload));
        let message = etf::decode::<Message>(publish.payload).unwrap();
        assert_eq!(MessageId::parse(&message.msg_id.unwrap(), *b"run00001"), Some(id));

        let mut out = Vec::new();
        acknowledge_record(&mut out, &id.text(*b"run00001"));
        let Some((Packet::Publish(publish), _)) = mqtt::decode(&out, Version::V5, 4096).unwrap() else { panic!() };
        let ack = etf::decode::<Ack>(publish.payload).unwrap();
        assert_eq!(ack, Ack { id: Some(Bytes::copy_from_slice(&id.text(*b"run00001"))), ..Ack::default() });
    }
}
