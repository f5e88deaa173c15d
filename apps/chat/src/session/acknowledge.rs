//! What a device acknowledges: its cursors move, and authors hear that their messages have arrived.

use bytes::Bytes;
use mail::Cursor;
use n2o::Failure;
use proto::ids::ClientId;
use proto::records::Ack;

use super::queue::{Line, Place};
use super::{Link, Session};
use crate::effects;
use crate::input::Input;
use crate::rows::{self, CURSOR, NOTICES};
use crate::{Cx, Fx, Group, Name};

impl Session {
    /// The transport has handed an item over: room for the next.
    pub(super) fn confirmed(
        &mut self,
        cx: &Cx<'_>,
        fx: &mut Fx,
        connection: u64,
        delivery: u64,
    ) -> Result<(), Failure> {
        let client = self.client.clone();
        let Some(link) = self.link(connection) else {
            return Ok(());
        };
        let Some(sent) = link.queue.as_mut().and_then(|queue| queue.confirmed(delivery)) else {
            return Ok(());
        };
        match sent.place {
            Place::Notices => link.take_notice(&client, cx, fx, sent.seq),
            Place::Line(line) if sent.by_transport && link.is_open(line, sent.seq) => {
                link.acknowledge(&client, cx, fx, line, sent.seq, None)?
            }
            Place::Line(_) => {}
        }
        link.pump(&client, cx, fx)
    }
}

impl Link {
    fn is_open(&self, line: usize, seq: u64) -> bool {
        self.queue.as_ref().is_some_and(|queue| queue.is_open(line, seq))
    }

    /// DLV-3: a notice is acknowledged by the transport's confirmation. What all devices have is erased.
    pub(super) fn take_notice(&mut self, client: &str, cx: &Cx<'_>, fx: &mut Fx, seq: u64) {
        let Some(queue) = &mut self.queue else { return };
        for taken in queue.notices.covers.remove(&seq).unwrap_or_default().into_iter().chain([seq]) {
            queue.notices.inbox.take(taken, cx.now.0);
        }
        let (cursor, quiet) = (queue.notices.inbox.cursor(), queue.notices.inbox.is_quiet() && !queue.notices.waits);
        fx.put(CURSOR, rows::cursor_key(client, NOTICES), rows::encode(&cursor));
        if quiet && let Some(phone) = self.phone() {
            fx.tell(Name::Mail(phone.clone()), Input::Trim);
        }
    }

    /// MESSAGE-3, MESSAGE-12: the oldest item with this msg_id that was sent on this connection.
    pub(super) fn received(&mut self, client: &str, cx: &Cx<'_>, fx: &mut Fx, msg_id: &Bytes) -> Result<(), Failure> {
        let print = rows::fingerprint(msg_id);
        let Some(queue) = &mut self.queue else { return Ok(()) };
        let Some((line, seq)) = queue.find_print(print) else {
            return Ok(());
        };
        queue.forget_print(print, seq, line);
        self.acknowledge(client, cx, fx, line, seq, Some(msg_id))
    }

    /// HISTORY-3: what was sent of the feed up to message `id` counts as acknowledged.
    pub(super) fn read_up_to(
        &mut self,
        client: &str,
        cx: &Cx<'_>,
        fx: &mut Fx,
        key: &[u8],
        id: u64,
    ) -> Result<(), Failure> {
        let Some(line) = self.queue.as_ref().and_then(|queue| queue.find(key)) else {
            return Ok(());
        };
        let open: Vec<u64> = match self.queue.as_ref().and_then(|queue| queue.lines.get(line)) {
            Some(line) => line.stream.open().filter(|open| open.id <= id).map(|open| open.seq).collect(),
            None => return Ok(()),
        };
        for seq in open {
            self.acknowledge(client, cx, fx, line, seq, None)?;
        }
        if let Some(queue) = &mut self.queue {
            queue.forget_prints(line);
        }
        Ok(())
    }

    /// Moves the device's cursor; tells the sender, when this is the first of the receiver's devices (MESSAGE-12).
    fn acknowledge(
        &mut self,
        client: &str,
        cx: &Cx<'_>,
        fx: &mut Fx,
        line: usize,
        seq: u64,
        msg_id: Option<&Bytes>,
    ) -> Result<(), Failure> {
        let Some(queue) = &mut self.queue else { return Ok(()) };
        let Some((open, line)) = queue.acknowledge(line, seq) else {
            return Ok(());
        };
        line.keep_cursor(fx);
        if line.fleeting {
            fx.tell(Name::Conversation(line.feed.clone()), Input::Taken);
        }
        let (Some(peer), Some(account)) = (line.peer.clone().filter(|_| open.receipt), &self.account) else {
            return Ok(());
        };
        for device in account.devices.iter().filter(|_| account.devices.len() > 1) {
            let other = ClientId::device(&account.phone, device);
            if other.as_str() != client && has_taken(cx, other.as_str(), &line.key, seq)? {
                return Ok(());
            }
        }
        let stored = match msg_id {
            Some(_) => None,
            None => rows::message(cx.store, &line.key, seq)?.and_then(|message| message.msg_id),
        };
        let Some(msg_id) = msg_id.or(stored.as_ref()) else { return Ok(()) };
        let topic = match &line.receipts {
            Some(topic) => topic.clone(),
            None => line.receipts.insert(effects::ses(cx, &peer)?.to_string().into()).clone(),
        };
        let payload = etf::encode(&Ack { id: Some(msg_id.clone()), ..Ack::default() });
        fx.publish(Group::Account(peer.phone().clone()), Input::Receipt { topic, payload });
        Ok(())
    }
}

impl Line {
    /// The connection has had it as the answer to its call (G-8): taken, if it is its turn; else passed over when it is.
    pub(super) fn had(&mut self, fx: &mut Fx, seq: u64) {
        if self.waits {
            return self.pass_over(seq);
        }
        self.stream.sent(seq, seq, false);
        self.stream.acknowledge(seq);
        self.keep_cursor(fx);
    }

    /// What the device has taken of the feed.
    pub(super) fn keep_cursor(&self, fx: &mut Fx) {
        fx.put(CURSOR, rows::cursor_key(&self.client, &self.key), rows::encode(&self.stream.cursor()));
    }
}

fn has_taken(cx: &Cx<'_>, client: &str, key: &[u8], seq: u64) -> Result<bool, Failure> {
    let cursor: Option<Cursor> = rows::read(cx.store, CURSOR, &rows::cursor_key(client, key))?;
    Ok(cursor.is_some_and(|cursor| cursor.covers(seq)))
}
