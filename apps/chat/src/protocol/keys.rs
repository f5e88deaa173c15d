//! Keys of letters, by which a repetition is known (MAILR-2): the latest [`KEYS_MAX`] of a box or circle, whether or not their letters are
//! there still. A box holds no more letters than that, so the Key of a letter that is there is never forgotten.

use bytes::Bytes;
use mail::Run;
use n2o::Failure;
use proto::limits::LETTERS;

use crate::rows::{self, KEY, KEYED, Keyed};
use crate::{Cx, Fx};

/// Then the oldest is forgotten with each new one.
const KEYS_MAX: u64 = LETTERS;
/// Letters with one Key, by different senders, that are looked at.
const ALIKE_MAX: usize = 256;

/// The Keys of one owner.
pub(crate) struct Keys {
    owner: Bytes,
    run: Run,
}

impl Keys {
    pub(crate) fn load(cx: &Cx<'_>, owner: Bytes) -> Result<Keys, Failure> {
        let all = rows::numbers(&owner, 0, u64::MAX).limit(1);
        let end = |span| Ok::<_, Failure>(cx.store.scan(KEYED, &span)?.into_iter().next().map(|(_, row)| row));
        let place =
            |row: Option<Bytes>| row.map(|row| Ok::<_, Failure>(rows::decode::<Keyed>(&row)?.place)).transpose();
        let run = Run::resume(place(end(all.clone())?)?, place(end(all.backward())?)?);
        Ok(Keys { owner, run })
    }

    /// Whether the letter is here, or was.
    pub(crate) fn has(&self, cx: &Cx<'_>, key: &[u8], scope: &[u8]) -> Result<bool, Failure> {
        Ok(cx.store.get(KEY, &self.row(key, scope))?.is_some())
    }

    /// The ids of letters that have this Key, each by another sender.
    pub(crate) fn ids(&self, cx: &Cx<'_>, key: &[u8]) -> Result<Vec<u64>, Failure> {
        let found = cx.store.scan(KEY, &kvs::Span::prefix(self.row(key, b"")).limit(ALIKE_MAX))?;
        found.iter().map(|(_, id)| rows::decode(id)).collect()
    }

    /// Remembers one; `id` is greater than those before.
    pub(crate) fn note(
        &mut self,
        cx: &Cx<'_>,
        fx: &mut Fx,
        id: u64,
        key: &Bytes,
        scope: &Bytes,
    ) -> Result<(), Failure> {
        if self.run.len() >= KEYS_MAX {
            self.forget_oldest(cx, fx)?;
        }
        let Some(place) = self.run.put(KEYS_MAX) else { return Err(Failure::new("no place for a Key")) };
        fx.put(KEY, self.row(key, scope), rows::encode(&id));
        let row = Keyed { place, key: key.clone(), scope: scope.clone() };
        fx.put(KEYED, rows::numbered(&self.owner, id), rows::encode(&row));
        Ok(())
    }

    fn forget_oldest(&mut self, cx: &Cx<'_>, fx: &mut Fx) -> Result<(), Failure> {
        for (at, row) in cx.store.scan(KEYED, &rows::numbers(&self.owner, 0, u64::MAX).limit(1))? {
            let oldest = rows::decode::<Keyed>(&row)?;
            self.run.cut(oldest.place);
            fx.delete(KEY, self.row(&oldest.key, &oldest.scope));
            fx.delete(KEYED, at);
        }
        Ok(())
    }

    /// Keys may have any bytes, so their length goes before.
    fn row(&self, key: &[u8], scope: &[u8]) -> Bytes {
        let length = u8::try_from(key.len()).unwrap_or(u8::MAX);
        [&self.owner, &b"\0"[..], &[length], key, scope].concat().into()
    }
}
