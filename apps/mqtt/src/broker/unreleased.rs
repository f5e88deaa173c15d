//! QoS 2 that a client has sent and not yet released: it is published with PUBREL (section 4.3.3), so nobody sees it before, or twice.

use std::sync::Arc;

use super::mailbox::{Budget, Overrun};
use super::rows::{self, Clock, Letter, UNRELEASED};
use super::shelf::{Guard, Shelf};
use crate::message::Message;

/// Bytes that wait for one client's PUBREL: as much as it may send by its Receive Maximum. Beyond, its session ends.
const BYTES_MAX: usize = 33 << 20;

pub(crate) struct Unreleased {
    messages: Vec<(u16, Pending)>,
    bytes: usize,
    budget: Arc<Budget>,
    shelf: Arc<Shelf>,
    overrun: bool,
}

/// A message that waits for PUBREL.
pub(crate) struct Pending {
    message: Box<Message>,
    /// It goes when the message has been published.
    row: Option<Guard>,
}

impl Pending {
    /// The message, and what is to be dropped when it has been published.
    pub(crate) fn into_parts(self) -> (Box<Message>, impl Sized) {
        (self.message, self.row)
    }
}

impl Unreleased {
    pub(super) fn new(budget: Arc<Budget>, shelf: Arc<Shelf>) -> Unreleased {
        Unreleased { messages: Vec::new(), bytes: 0, budget, shelf, overrun: false }
    }

    /// # Errors
    /// More had to wait than may; the session is not good for anything any more.
    pub(crate) fn keep(&mut self, id: u16, message: Box<Message>) -> Result<(), Overrun> {
        if self.bytes + message.size() > self.budget.most(BYTES_MAX) {
            self.overrun = true;
            return Err(Overrun);
        }
        let row = self.shelf.lasts().then(|| self.row(id));
        if let Some(row) = &row {
            row.put(&Letter::of(&message, Clock::now()));
            self.shelf.hurry();
        }
        self.push(id, message, row);
        Ok(())
    }

    /// One that is kept.
    pub(super) fn found(&mut self, id: u16, message: Message) {
        let row = self.row(id);
        self.push(id, Box::new(message), Some(row));
    }

    fn row(&self, id: u16) -> Guard {
        Guard::new(&self.shelf.book, UNRELEASED, rows::key_of(self.shelf.number, id.into()))
    }

    fn push(&mut self, id: u16, message: Box<Message>, row: Option<Guard>) {
        self.bytes += message.size();
        self.budget.add(message.size());
        self.messages.push((id, Pending { message, row }));
    }

    pub(crate) fn take(&mut self, id: u16) -> Option<Pending> {
        let at = self.messages.iter().position(|(pending, _)| *pending == id)?;
        let (_, pending) = self.messages.remove(at);
        if self.messages.is_empty() {
            self.messages = Vec::new();
        }
        let bytes = pending.message.size();
        self.bytes -= bytes;
        self.budget.sub(bytes);
        if pending.row.is_some() {
            self.shelf.hurry();
        }
        Some(pending)
    }

    pub(super) fn is_overrun(&self) -> bool {
        self.overrun
    }
}

impl Drop for Unreleased {
    fn drop(&mut self) {
        self.budget.sub(self.bytes);
    }
}
