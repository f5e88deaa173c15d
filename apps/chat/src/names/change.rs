//! Accounts change their numbers.

use bytes::Bytes;
use kvs::View;
use n2o::Failure;
use proto::ids::Phone;
use proto::limits::ALIAS_MS;

use super::{ANY, Known, holder, number};
use crate::protocol::presence;
use crate::rows::{self, ALIAS, CALLED, Called, NUMBER, PROFILE};
use crate::{Cx, Fx};

/// Numbers of an account that are remembered for what was sealed with them; the first and the latest stay.
const CALLED_MAX: usize = 32;

/// Whether an account that is not there yet may come into being under this key: its number is not another's by now.
pub(crate) fn seat_is_taken(store: &dyn View, key: &Phone) -> Result<bool, Failure> {
    Ok(holder(store, &number(store, key)?)?.as_ref() != Some(key))
}

/// The number that was `seat`'s, which has no account, is `account`'s from now on.
pub(crate) fn give(
    known: &Known,
    store: &dyn View,
    fx: &mut Fx,
    seat: &Phone,
    account: &Phone,
) -> Result<Phone, Failure> {
    known.will_differ();
    let number = number(store, seat)?;
    fx.put(NUMBER, ANY, Bytes::new());
    fx.put(NUMBER, number.to_bytes(), account.to_bytes());
    Ok(number)
}

/// The account is called by a number that it has been given, and found by the one that it leaves for a year. Whoever registers that one
/// is somebody else, kept under a key of its own. The number it had, and that key.
pub(crate) fn leave(
    known: &Known,
    cx: &Cx<'_>,
    fx: &mut Fx,
    account: &Phone,
    to: &Phone,
) -> Result<(Phone, Phone), Failure> {
    known.will_be_left();
    let left = number(cx.store, account)?;
    let mut called: Called = rows::read(cx.store, CALLED, account.as_str().as_bytes())?.unwrap_or_default();
    if called.numbers.is_empty() {
        called.numbers.push((left.to_bytes(), 0));
    }
    called.numbers.push((to.to_bytes(), cx.id()?));
    if called.numbers.len() > CALLED_MAX {
        called.numbers.remove(1);
    }
    fx.put(CALLED, account.to_bytes(), rows::encode(&called));
    presence::tell_publisher(cx, fx, account)?;

    let seat = free(cx, fx, &left)?;
    fx.put(ALIAS, alias(&left, account), rows::encode(&cx.now.0.saturating_add(ALIAS_MS)));
    fx.put(ALIAS, last_left(&left), rows::encode(&cx.now.0));
    fx.delete(ALIAS, alias(to, account));
    Ok((left, seat))
}

/// Whoever registers a number from now on is kept under this key.
pub(crate) fn free(cx: &Cx<'_>, fx: &mut Fx, number: &Phone) -> Result<Phone, Failure> {
    let seat = unused(cx)?;
    fx.put(NUMBER, seat.to_bytes(), Bytes::new());
    fx.put(CALLED, seat.to_bytes(), rows::encode(&Called { numbers: vec![(number.to_bytes(), 0)] }));
    fx.put(NUMBER, number.to_bytes(), seat.to_bytes());
    Ok(seat)
}

/// The account is no more: nobody is found by the numbers that it has left, and its certificates open nothing of whoever has its number next.
pub(crate) fn forget(known: &Known, cx: &Cx<'_>, fx: &mut Fx, account: &Phone) -> Result<(), Failure> {
    known.will_be_left();
    fx.put(ALIAS, last_left(&number(cx.store, account)?), rows::encode(&cx.now.0));
    let called: Called = rows::read(cx.store, CALLED, account.as_str().as_bytes())?.unwrap_or_default();
    for (number, _) in called.numbers {
        fx.delete(ALIAS, rows::path(&[&number, account.as_str().as_bytes()]));
    }
    Ok(())
}

/// The row that says when somebody has left the number last, or has ended with it: it stays also when who has left it is no more.
pub(super) fn last_left(number: &Phone) -> Bytes {
    rows::path(&[number.as_str().as_bytes(), ANY])
}

fn alias(number: &Phone, account: &Phone) -> Bytes {
    rows::path(&[number.as_str().as_bytes(), account.as_str().as_bytes()])
}

/// A key that is nobody's, nor anybody's number.
fn unused(cx: &Cx<'_>) -> Result<Phone, Failure> {
    loop {
        let key = Phone::parse(format!("x.{}", cx.id()?).as_bytes()).map_err(|_| Failure::new("a key is too long"))?;
        let is_taken = cx.store.get(NUMBER, key.as_str().as_bytes())?.is_some()
            || cx.store.get(PROFILE, key.as_str().as_bytes())?.is_some();
        if !is_taken {
            return Ok(key);
        }
    }
}
