//! FAV-1 to 3: a roster's tags, by name.

use bytes::Bytes;
use n2o::Failure;
use proto::ids::PhoneId;
use proto::limits::{TAG_NAME, TAGS};
use proto::records::{Tag, TagStatus};
use proto::{Refusal, text};

use super::{Halt, list};
use crate::effects::{self, Seen};
use crate::rows::{self, STAR, TAG};
use crate::{Cx, Fx, Who};

/// A colour at most, bytes: a name, or red, green and blue in any notation.
const COLOR_BYTES: usize = 64;

/// FAV-1 to 3, judged by the roster `own`.
pub(crate) fn tag(cx: &Cx<'_>, fx: &mut Fx, who: &Who, own: &PhoneId, tag: Tag) -> Result<(), Halt> {
    let status = tag.status.ok_or(Refusal::InvalidData)?;
    let wanted = normal(tag)?;
    let kept = read(cx, own, &wanted)?;
    let is_change = match (status, &kept) {
        (TagStatus::Create, None) if all(cx, own)?.len() >= TAGS => return Err(Refusal::Limit.into()),
        (TagStatus::Create, None) => true,
        (TagStatus::Edit | TagStatus::Remove, None) => return Err(Refusal::NotFound.into()),
        (TagStatus::Create | TagStatus::Edit, Some(kept)) => kept.color != wanted.color,
        (TagStatus::Remove, Some(_)) => true,
    };

    let shown = Tag { roster_id: Some(own.to_bytes()), status: Some(status), ..wanted.clone() };
    if !is_change {
        effects::answer(fx, who, vec![etf::encode(&shown)]);
        return Ok(());
    }
    match status {
        TagStatus::Create | TagStatus::Edit => put(fx, own, &wanted),
        TagStatus::Remove => remove(cx, fx, own, std::slice::from_ref(&wanted))?,
    }
    effects::notify(fx, cx, own.phone(), &effects::ses(cx, own)?, &shown, None, Seen::after(who))?;
    effects::answer(fx, who, Vec::new());
    Ok(())
}

/// ROSTER-6: tags that are given are made or recoloured, one with status `remove` goes, the others stay. True when that changes any.
pub(crate) fn merge(cx: &Cx<'_>, fx: &mut Fx, own: &PhoneId, given: &[Tag]) -> Result<bool, Halt> {
    if given.is_empty() {
        return Ok(false);
    }
    let before = all(cx, own)?;
    let mut after = before.clone();
    for tag in given {
        after.retain(|kept| kept.name != tag.name);
        if tag.status != Some(TagStatus::Remove) {
            after.push(Tag { status: None, ..tag.clone() });
        }
    }
    if after.len() > TAGS {
        return Err(Refusal::Limit.into());
    }

    let gone: Vec<Tag> = before.iter().filter(|tag| !after.iter().any(|kept| kept.name == tag.name)).cloned().collect();
    let new: Vec<&Tag> = after.iter().filter(|tag| !before.contains(tag)).collect();
    new.iter().for_each(|tag| put(fx, own, tag));
    remove(cx, fx, own, &gone)?;
    Ok(!gone.is_empty() || !new.is_empty())
}

/// A tag as it is kept: its name in normal form (C-12), and its colour; its status is what is wanted of it.
pub(crate) fn check(tag: Tag) -> Result<Tag, Refusal> {
    let status = tag.status;
    normal(tag).map(|tag| Tag { status, ..tag })
}

/// What is kept of a tag.
pub(super) fn normal(tag: Tag) -> Result<Tag, Refusal> {
    let name =
        text::name(tag.name.as_ref().ok_or(Refusal::InvalidData)?, TAG_NAME).map_err(|_| Refusal::InvalidData)?;
    let color = tag.color.filter(|color| !color.is_empty());
    match color.as_ref().is_some_and(|color| color.len() > COLOR_BYTES || std::str::from_utf8(color).is_err()) {
        true => Err(Refusal::InvalidData),
        false => Ok(Tag { name: Some(name), color, ..Tag::default() }),
    }
}

/// Every tag of a roster, by name.
pub(super) fn all(cx: &Cx<'_>, own: &PhoneId) -> Result<Vec<Tag>, Failure> {
    let rows = cx.store.scan(TAG, &kvs::Span::prefix(rows::pair_key(own, b"")).limit(TAGS))?;
    rows.iter().map(|(_, row)| rows::decode(row)).collect()
}

fn read(cx: &Cx<'_>, own: &PhoneId, tag: &Tag) -> Result<Option<Tag>, Failure> {
    rows::read(cx.store, TAG, &key(own, tag))
}

fn put(fx: &mut Fx, own: &PhoneId, tag: &Tag) {
    fx.put(TAG, key(own, tag), rows::encode(tag));
}

/// FAV-2: the tags go, and from every star that has them.
fn remove(cx: &Cx<'_>, fx: &mut Fx, own: &PhoneId, gone: &[Tag]) -> Result<(), Failure> {
    if gone.is_empty() {
        return Ok(());
    }
    gone.iter().for_each(|tag| fx.delete(TAG, key(own, tag)));
    for (number, mut kept) in list::all(cx, own)? {
        let before = kept.tags.len();
        kept.tags.retain(|tag| !gone.iter().any(|gone| gone.name == tag.name));
        if kept.tags.len() < before {
            fx.put(STAR, rows::numbered(own.as_str().as_bytes(), number), rows::encode(&kept));
        }
    }
    Ok(())
}

fn key(own: &PhoneId, tag: &Tag) -> Bytes {
    rows::pair_key(own, tag.name.as_deref().unwrap_or_default())
}
