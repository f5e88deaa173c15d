//! The mail process of an account: it erases notices (the `ses/` stream) that every device has taken (DLV-2 step 8), that nobody came for
//! in 30 days, and those beyond the ten thousand that a queue holds (DLV-10). Nobody of the account has to connect for that: each new
//! notice wakes it.

use mail::Cursor;
use n2o::Failure;
use proto::ids::{ClientId, DevKey, Phone};
use proto::limits::QUEUE_ITEMS;

use crate::protocol::work::Task;
use crate::rows::{self, DEVICE, Device, Kept, NOTICE};
use crate::{Cx, Fx, Input, Name};

/// Notices looked at in one step, oldest first. As long as all of them go, the next step goes on.
const LOOK_MAX: usize = 64;
const LOOK_BYTES: usize = 4 << 20;
/// Notices counted in one step.
const COUNT_MAX: usize = 1024;
/// Notices of an account that is no more, erased in one step.
const ERASE_MAX: usize = 1024;

pub struct Mail {
    phone: Phone,
    kept: Count,
    /// Before it there are none: to look for the oldest from the beginning would pass all that were ever erased, as long as the store has
    /// their marks.
    oldest: u64,
    /// The next step is on its way.
    goes_on: bool,
}

/// How many notices are kept.
#[derive(Debug, Clone, Copy)]
struct Count {
    notices: usize,
    /// Those up to here are counted.
    upto: u64,
    /// Those beyond are not.
    partly: bool,
}

impl Default for Count {
    fn default() -> Count {
        Count { notices: 0, upto: 0, partly: true }
    }
}

impl Mail {
    pub fn load(phone: &Phone) -> Mail {
        Mail { phone: phone.clone(), kept: Count::default(), oldest: 0, goes_on: false }
    }

    pub fn step(&mut self, cx: &Cx<'_>, fx: &mut Fx, input: Input) -> Result<(), Failure> {
        match input {
            Input::Noticed { seq } => self.noticed(cx, fx, seq),
            Input::Trim => self.erase(cx, fx, Some(self.cursors(cx)?)),
            Input::GoOn => {
                self.goes_on = false;
                self.count(cx, fx)?;
                self.erase(cx, fx, Some(self.cursors(cx)?))
            }
            // The account that they were for is no more.
            Input::Errand(errand) => {
                if let Task::Unnotify { upto } = errand.task {
                    let span = rows::numbers(self.phone.as_str().as_bytes(), 0, upto).limit(ERASE_MAX);
                    cx.store.keys(NOTICE, &span)?.into_iter().for_each(|key| fx.delete(NOTICE, key));
                    (self.kept, self.oldest) = (Count::default(), 0);
                }
                errand.go_on(fx);
                Ok(())
            }
            // Meant for other kinds of process.
            _ => Ok(()),
        }
    }

    /// One more; what is too old or too much goes, whatever the devices have taken.
    fn noticed(&mut self, cx: &Cx<'_>, fx: &mut Fx, seq: u64) -> Result<(), Failure> {
        self.oldest = self.oldest.min(seq);
        // What is not counted yet will be.
        if !self.kept.partly && seq > self.kept.upto {
            self.kept.notices += 1;
            self.kept.upto = seq;
        }
        self.count(cx, fx)?;
        self.erase(cx, fx, None)
    }

    /// DLV-6, DLV-10, of the oldest notices. `taken` is how far the devices have come, if that has changed.
    fn erase(&mut self, cx: &Cx<'_>, fx: &mut Fx, taken: Option<Vec<Cursor>>) -> Result<(), Failure> {
        let mut beyond = self.kept.notices.saturating_sub(QUEUE_ITEMS);
        let limit = if taken.is_some() { LOOK_MAX } else { (beyond + 1).min(LOOK_MAX) };
        let owner = self.phone.as_str().as_bytes();
        let oldest =
            cx.store.scan(NOTICE, &rows::numbers(owner, self.oldest, u64::MAX).limit(limit).bytes(LOOK_BYTES))?;
        let (found, mut erased, mut left) = (oldest.len(), 0, None);
        let last = oldest.last().and_then(|(key, _)| rows::number(key));
        for (key, row) in oldest {
            let seq = rows::number(&key).unwrap_or_default();
            let has_all = taken.as_ref().is_some_and(|taken| taken.iter().all(|cursor| cursor.covers(seq)));
            if has_all || beyond > 0 || rows::decode::<Kept>(&row)?.is_over(cx.now.0) {
                beyond = beyond.saturating_sub(1);
                self.kept.notices = self.kept.notices.saturating_sub(usize::from(seq <= self.kept.upto));
                erased += 1;
                fx.delete(NOTICE, key);
            } else {
                left = left.or(Some(seq));
            }
        }
        self.oldest = left.or(last.map(|last| last + 1)).unwrap_or(self.oldest);
        if found > 0 && erased == found {
            self.go_on(fx);
        }
        Ok(())
    }

    /// Counts on, where a life of this process begins with notices of before.
    fn count(&mut self, cx: &Cx<'_>, fx: &mut Fx) -> Result<(), Failure> {
        if !self.kept.partly {
            return Ok(());
        }
        let owner = self.phone.as_str().as_bytes();
        let more = cx.store.keys(NOTICE, &rows::numbers(owner, self.kept.upto + 1, u64::MAX).limit(COUNT_MAX))?;
        self.kept.notices += more.len();
        self.kept.upto = more.last().and_then(|key| rows::number(key)).unwrap_or(self.kept.upto);
        self.kept.partly = more.len() == COUNT_MAX;
        if self.kept.partly {
            self.go_on(fx);
        }
        Ok(())
    }

    fn go_on(&mut self, fx: &mut Fx) {
        if !std::mem::replace(&mut self.goes_on, true) {
            fx.tell(Name::Mail(self.phone.clone()), Input::GoOn);
        }
    }

    /// How far each device of the account has come; those that are gone do not count (DLV-12), and an account without devices keeps
    /// nothing.
    fn cursors(&self, cx: &Cx<'_>) -> Result<Vec<Cursor>, Failure> {
        let prefix = rows::path(&[self.phone.as_str().as_bytes(), b""]);
        let mut cursors = Vec::new();
        for (_, row) in cx.store.scan(DEVICE, &kvs::Span::prefix(prefix))? {
            let device: Device = rows::decode(&row)?;
            if !device.is_gone(cx.now.0) || cx.is_alive(&Name::session(&device.client_id)) {
                cursors.push(self.cursor(cx, &device)?);
            }
        }
        Ok(cursors)
    }

    fn cursor(&self, cx: &Cx<'_>, device: &Device) -> Result<Cursor, Failure> {
        let key = DevKey::parse(&device.dev_key).map_err(|_| Failure::new("a stored device key is none"))?;
        let client = ClientId::device(&self.phone, &key);
        rows::cursor(cx.store, client.as_str(), rows::NOTICES, device.birth)
    }
}
