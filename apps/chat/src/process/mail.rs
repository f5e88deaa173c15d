//! The mail process of an account: notices that every device has taken are erased (DLV-2 step 8, for the `ses/` stream).

use n2o::Failure;
use proto::ids::{ClientId, DevKey, Phone};

use crate::rows::{self, CURSOR, DEVICE, Device, NOTICE};
use crate::{Cx, Fx, Input};

/// Notices erased in one step; the next acknowledgement goes on.
const TRIM_MAX: usize = 1024;

pub struct Mail {
    phone: Phone,
}

impl Mail {
    pub fn load(phone: &Phone) -> Mail {
        Mail { phone: phone.clone() }
    }

    pub fn step(&mut self, cx: &Cx<'_>, fx: &mut Fx, input: Input) -> Result<(), Failure> {
        let Input::Trim = input else { return Ok(()) };
        let taken = self.taken_by_all(cx)?;
        let owner = self.phone.as_str().as_bytes();
        for (key, _) in cx.store.scan(NOTICE, &rows::numbers(owner, 0, taken).limit(TRIM_MAX))? {
            fx.delete(NOTICE, key);
        }
        Ok(())
    }

    /// The number up to which every device of the account has acknowledged its notices; all, when there is no device.
    fn taken_by_all(&self, cx: &Cx<'_>) -> Result<u64, Failure> {
        let prefix = rows::path(&[self.phone.as_str().as_bytes(), b""]);
        let mut taken = u64::MAX - 1;
        for (_, row) in cx.store.scan(DEVICE, &kvs::Span::prefix(prefix))? {
            let device: Device = rows::decode(&row)?;
            taken = taken.min(self.taken_by(cx, &device)?);
        }
        Ok(taken)
    }

    fn taken_by(&self, cx: &Cx<'_>, device: &Device) -> Result<u64, Failure> {
        let Ok(key) = DevKey::parse(&device.dev_key) else {
            return Ok(u64::MAX - 1);
        };
        let client = ClientId::device(&self.phone, &key);
        let cursor: Option<mail::Cursor> =
            rows::read(cx.store, CURSOR, &rows::cursor_key(client.as_str(), rows::NOTICES))?;
        Ok(cursor.map_or(device.birth, |cursor| cursor.upto))
    }
}
