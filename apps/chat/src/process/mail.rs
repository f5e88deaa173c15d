//! The mail process of an account: notices that every device has taken are erased (DLV-2 step 8, for the `ses/` stream).

use mail::Cursor;
use n2o::Failure;
use proto::ids::{ClientId, DevKey, Phone};

use crate::protocol::work::Task;
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
        match input {
            Input::Trim => self.trim(cx, fx),
            // The account that they were for is no more.
            Input::Errand(errand) => {
                if let Task::Unnotify { upto } = errand.task {
                    let span = rows::numbers(self.phone.as_str().as_bytes(), 0, upto).limit(TRIM_MAX);
                    cx.store.scan(NOTICE, &span)?.into_iter().for_each(|(key, _)| fx.delete(NOTICE, key));
                }
                errand.go_on(fx);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn trim(&self, cx: &Cx<'_>, fx: &mut Fx) -> Result<(), Failure> {
        let cursors = self.cursors(cx)?;
        let owner = self.phone.as_str().as_bytes();
        for (key, _) in cx.store.scan(NOTICE, &rows::numbers(owner, 0, u64::MAX).limit(TRIM_MAX))? {
            let seq = rows::number(&key).unwrap_or_default();
            if cursors.iter().all(|cursor| cursor.covers(seq)) {
                fx.delete(NOTICE, key);
            }
        }
        Ok(())
    }

    /// How far each device of the account has come; an account without devices keeps nothing.
    fn cursors(&self, cx: &Cx<'_>) -> Result<Vec<Cursor>, Failure> {
        let prefix = rows::path(&[self.phone.as_str().as_bytes(), b""]);
        let devices = cx.store.scan(DEVICE, &kvs::Span::prefix(prefix))?;
        devices.iter().map(|(_, row)| self.cursor(cx, &rows::decode(row)?)).collect()
    }

    fn cursor(&self, cx: &Cx<'_>, device: &Device) -> Result<Cursor, Failure> {
        let key = DevKey::parse(&device.dev_key).map_err(|_| Failure::new("a stored device key is none"))?;
        let client = ClientId::device(&self.phone, &key);
        let cursor = rows::read(cx.store, CURSOR, &rows::cursor_key(client.as_str(), rows::NOTICES))?;
        Ok(cursor.unwrap_or_else(|| Cursor::at(device.birth)))
    }
}
