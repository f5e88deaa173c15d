//! What clients are told, in the names that the world uses.

use std::sync::Arc;

use bytes::Bytes;
use kvs::View;
use n2o::Failure;
use proto::Record;
use proto::ids::{ClientId, ClientKind, Phone, PhoneId};
use proto::naming::{Named, Naming};
use proto::topic::Topic;

use super::inward::renamed;
use super::{Known, LITERAL, number, number_as_of};
use crate::Fx;
use crate::Output;
use crate::door::Out;

/// All that was said to clients since `mark`, by the numbers that accounts have now.
pub(crate) fn outward(known: &Known, store: &dyn View, fx: &mut Fx, mark: usize) -> Result<(), Failure> {
    if fx.outputs(mark).next().is_none() || !known.differ(store)? {
        return Ok(());
    }
    for output in fx.outputs(mark) {
        match output {
            Output::Port(_, Out::Answer { payload: said, .. } | Out::Notice { payload: said }) => {
                *said = known.payload(store, said)?;
            }
            Output::Port(_, Out::Item { topic: on, payload: said, .. }) => {
                *on = topic(store, on)?;
                *said = known.payload(store, said)?;
            }
            Output::Port(
                _,
                Out::Welcome(..)
                | Out::Denied(_)
                | Out::Done { .. }
                | Out::Right { .. }
                | Out::Mail { .. }
                | Out::Close(_),
            )
            | Output::Work(_)
            | Output::Push(_)
            | Output::Lapsed
            | Output::Bound
            | Output::Published => {}
        }
    }
    Ok(())
}

/// A record, encoded; other bytes are left.
pub(super) fn payload(store: &dyn View, said: &Bytes) -> Result<Bytes, Failure> {
    let Ok(mut record) = etf::decode::<Record>(said) else { return Ok(said.clone()) };
    let mut names = Outward { store, as_of: None, changed: false };
    record.rename(&mut names)?;
    Ok(if names.changed { etf::encode(&record) } else { said.clone() })
}

/// A topic that the server writes on.
fn topic(store: &dyn View, name: &Arc<str>) -> Result<Arc<str>, Failure> {
    let account = |phone: Phone| number(store, &phone);
    let roster = |id: PhoneId| Ok(number(store, id.phone())?.roster(id.roster()));
    match Topic::parse(name) {
        Topic::Events(_) | Topic::Actions(..) | Topic::Room(_) | Topic::Version(_) | Topic::Free | Topic::Unknown => {
            Ok(name.clone())
        }
        topic => Ok(renamed(topic, account, roster)?.to_string().into()),
    }
}

/// To the numbers that accounts have.
struct Outward<'a> {
    store: &'a dyn View,
    as_of: Option<u64>,
    changed: bool,
}

impl Outward<'_> {
    fn set(&mut self, name: &mut Bytes, shown: Bytes) {
        if *name != shown {
            (*name, self.changed) = (shown, true);
        }
    }

    /// One that is meant as it stands.
    fn is_literal(&mut self, name: &mut Bytes) -> bool {
        let literal = name.first() == Some(&LITERAL);
        if literal {
            let meant = name.slice(1..);
            self.set(name, meant);
        }
        literal
    }
}

impl Naming for Outward<'_> {
    type Error = Failure;
    const SORTS: bool = true;

    fn phone(&mut self, name: &mut Bytes) -> Result<(), Failure> {
        if !self.is_literal(name)
            && let Ok(account) = Phone::parse(name)
            && account.as_str().as_bytes() == &name[..]
        {
            let number = number_as_of(self.store, &account, self.as_of)?;
            self.set(name, number.to_bytes());
        }
        Ok(())
    }

    fn number(&mut self, name: &mut Bytes) -> Result<(), Failure> {
        self.phone(name)
    }

    fn roster(&mut self, name: &mut Bytes) -> Result<(), Failure> {
        if !self.is_literal(name)
            && let Ok(id) = PhoneId::parse(name)
        {
            let number = number_as_of(self.store, id.phone(), self.as_of)?;
            self.set(name, number.roster(id.roster()).to_bytes());
        }
        Ok(())
    }

    fn client(&mut self, name: &mut Bytes) -> Result<(), Failure> {
        if let Ok(ClientKind::Device(account, device)) = ClientId::parse(name).map(|client| client.kind()) {
            let client = super::client(self.store, &account, &device)?;
            self.set(name, client.to_bytes());
        }
        Ok(())
    }

    fn as_of(&mut self, message: Option<u64>) -> Option<u64> {
        std::mem::replace(&mut self.as_of, message)
    }
}
