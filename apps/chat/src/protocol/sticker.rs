//! STICKER (SPEC 6.16): packs of stickers, published by services, for everybody to have.

use std::collections::BTreeSet;

use bytes::Bytes;
use n2o::Failure;
use proto::limits::HISTORY_REQUEST;
use proto::records::{History, HistoryFeed, HistoryItem, HistoryStatus, StickerPack};
use proto::{Refusal, text};

use super::Halt;
use super::pages::{self, REQUEST_BYTES};
use crate::effects;
use crate::rows::{self, DOWNLOADED, STICKER_WORD, STICKERS};
use crate::{Cx, Fx, Who};

/// Packs of a server.
const PACKS: usize = 10_000;
/// Stickers of a pack, keywords of one, and packs of one STICKER-2.
const PACK_STICKERS: usize = 256;
const PACK_WORDS: usize = 32;
const PUBLISHED_AT_ONCE: usize = 100;
/// Names and keywords, characters.
const WORD: std::ops::RangeInclusive<usize> = 1..=32;
/// A description, and the name of an author, bytes.
const DESCRIPTION_BYTES: usize = 1024;
/// What the parts of a pack are.
const MIME: &[u8] = b"sticker";
/// First byte of a key in [`STICKER_WORD`]: the text is a pack's name, or one of its keywords.
const NAME: u8 = b'n';
const KEYWORD: u8 = b'k';

/// STICKER-1, 2.
pub(crate) fn call(cx: &Cx<'_>, fx: &mut Fx, who: &Who, request: History) -> Result<(), Halt> {
    match (&request.feed, request.status) {
        (Some(HistoryFeed::StickerPack(_)), Some(HistoryStatus::Get)) => get(cx, fx, who, request),
        (None, Some(HistoryStatus::Update)) if who.is_service() => publish(cx, fx, who, request),
        (None, Some(HistoryStatus::Update)) => Err(Refusal::PermissionDenied.into()),
        _ => Err(Refusal::InvalidData.into()),
    }
}

/// STICKER-1: the pack with that id, packs with that name or keyword, or all.
fn get(cx: &Cx<'_>, fx: &mut Fx, who: &Who, request: History) -> Result<(), Halt> {
    let Some(HistoryFeed::StickerPack(asked)) = &request.feed else { return Err(Refusal::InvalidData.into()) };
    let found = match asked.id {
        Some(id) => download(cx, fx, id)?.into_iter().collect(),
        None => page(cx, asked, request.size.unwrap_or(0), request.entity_id.unwrap_or(0))?,
    };
    let sized = |pack| {
        let item = HistoryItem::StickerPack(Box::new(pack));
        (pages::size(&item), item)
    };
    effects::answer(fx, who, pages::cut(&request, found.into_iter().map(sized).collect()));
    Ok(())
}

/// A pack asked for by its id; that is counted.
fn download(cx: &Cx<'_>, fx: &mut Fx, id: u64) -> Result<Option<StickerPack>, Failure> {
    let Some(pack) = read(cx, id)? else { return Ok(None) };
    let downloaded = pack.downloaded.unwrap_or(0) + 1;
    fx.put(DOWNLOADED, key(id), rows::encode(&downloaded));
    Ok(Some(StickerPack { downloaded: Some(downloaded), ..pack }))
}

/// Packs by size and position, as HISTORY-1 takes messages, in the order of their ids.
fn page(cx: &Cx<'_>, asked: &StickerPack, size: i64, at: u64) -> Result<Vec<StickerPack>, Halt> {
    let count = match usize::try_from(size.unsigned_abs()).unwrap_or(usize::MAX) {
        0 => HISTORY_REQUEST,
        count => count.min(HISTORY_REQUEST),
    };
    let ids: Vec<u64> = match candidates(cx, asked)? {
        ids if size < 0 => ids.range(at.saturating_add(1)..).take(count).copied().collect(),
        ids if at == 0 => ids.into_iter().rev().take(count).collect(),
        ids => ids.range(..at).rev().take(count).copied().collect(),
    };
    let (mut packs, mut bytes) = (Vec::new(), 0);
    for id in ids {
        if let Some(pack) = read(cx, id)? {
            bytes += etf::encode(&pack).len();
            packs.push(pack);
        }
        if bytes > REQUEST_BYTES {
            break;
        }
    }
    packs.sort_by_key(|pack| pack.id);
    Ok(packs)
}

/// Ids of the packs that are meant: whose name begins so, or that have one of the keywords; all, if neither is asked for.
fn candidates(cx: &Cx<'_>, asked: &StickerPack) -> Result<BTreeSet<u64>, Halt> {
    if asked.keywords.len() > PACK_WORDS {
        return Err(Refusal::InvalidData.into());
    }
    let name = asked.name.as_ref().filter(|name| !name.is_empty());
    let mut prefixes = Vec::new();
    match name {
        Some(name) => prefixes.push([&[NAME][..], folded(name)?.as_bytes()].concat()),
        None if asked.keywords.is_empty() => prefixes.push(vec![NAME]),
        None => {}
    }
    for word in &asked.keywords {
        prefixes.push([&[KEYWORD][..], folded(word)?.as_bytes(), b"\0"].concat());
    }
    let mut ids = BTreeSet::new();
    for prefix in prefixes {
        let rows = cx.store.scan(STICKER_WORD, &kvs::Span::prefix(prefix).limit(PACKS))?;
        ids.extend(rows.iter().filter_map(|(key, _)| rows::number(key)));
    }
    Ok(ids)
}

/// STICKER-2: packs are stored; one without an id is new, one with the id of another takes its place.
fn publish(cx: &Cx<'_>, fx: &mut Fx, who: &Who, request: History) -> Result<(), Halt> {
    if request.data.is_empty() || request.data.len() > PUBLISHED_AT_ONCE {
        return Err(Refusal::InvalidData.into());
    }
    let packs = request.data.iter().map(check).collect::<Result<Vec<_>, _>>()?;
    let new = packs.iter().filter(|pack| pack.id.is_none()).count();
    if new > 0 && cx.store.scan(STICKER_WORD, &kvs::Span::prefix(vec![NAME]).limit(PACKS))?.len() + new > PACKS {
        return Err(Refusal::Limit.into());
    }
    let mut placed = Vec::new();
    for pack in packs {
        let before = match pack.id {
            Some(id) => Some(read(cx, id)?.ok_or(Refusal::NotFound)?),
            None => None,
        };
        placed.push((before, pack));
    }

    let mut data = Vec::new();
    for (before, pack) in placed {
        data.push(HistoryItem::StickerPack(Box::new(keep(cx, fx, before, pack)?)));
    }
    effects::answer(fx, who, vec![etf::encode(&History { data, ..request })]);
    Ok(())
}

fn keep(cx: &Cx<'_>, fx: &mut Fx, before: Option<StickerPack>, pack: StickerPack) -> Result<StickerPack, Halt> {
    let id = match &before {
        Some(before) => before.id.unwrap_or_default(),
        None => cx.id()?,
    };
    let now = Some(cx.now.0);
    let (created, downloaded) = match &before {
        Some(before) => (before.created, before.downloaded),
        None => (now, Some(0)),
    };
    let pack = StickerPack { id: Some(id), created, updated: now, downloaded, ..pack };
    if let Some(before) = &before {
        words(before, id)?.into_iter().for_each(|word| fx.delete(STICKER_WORD, word));
    }
    fx.put(STICKERS, key(id), rows::encode(&StickerPack { downloaded: Some(0), ..pack.clone() }));
    words(&pack, id)?.into_iter().for_each(|word| fx.put(STICKER_WORD, word, Bytes::new()));
    Ok(pack)
}

/// A pack that may be published, its texts in normal form (C-12).
fn check(item: &HistoryItem) -> Result<StickerPack, Refusal> {
    let HistoryItem::StickerPack(pack) = item else { return Err(Refusal::InvalidData) };
    let word = |word: &Bytes| text::name(word, WORD).map_err(|_| Refusal::InvalidData);
    let bounded = |text: &Option<Bytes>| {
        text.as_ref().is_none_or(|text| text.len() <= DESCRIPTION_BYTES && std::str::from_utf8(text).is_ok())
    };
    let are_stickers = pack.stickers.iter().all(|sticker| sticker.mime.as_deref() == Some(MIME));
    if pack.keywords.len() > PACK_WORDS
        || !(1..=PACK_STICKERS).contains(&pack.stickers.len())
        || !are_stickers
        || !bounded(&pack.description)
        || !bounded(&pack.author)
    {
        return Err(Refusal::InvalidData);
    }
    Ok(StickerPack {
        name: Some(word(pack.name.as_ref().ok_or(Refusal::InvalidData)?)?),
        keywords: pack.keywords.iter().map(word).collect::<Result<_, _>>()?,
        ..StickerPack::clone(pack)
    })
}

/// Keys of a pack in the index of words: its name, and its keywords.
fn words(pack: &StickerPack, id: u64) -> Result<Vec<Bytes>, Refusal> {
    let kinds = std::iter::repeat_n(NAME, usize::from(pack.name.is_some())).chain(std::iter::repeat(KEYWORD));
    let texts = pack.name.iter().chain(&pack.keywords);
    kinds
        .zip(texts)
        .map(|(kind, text)| Ok(rows::numbered(&[&[kind][..], folded(text)?.as_bytes()].concat(), id)))
        .collect()
}

fn folded(text: &Bytes) -> Result<String, Refusal> {
    let word = text::name(text, WORD).map_err(|_| Refusal::InvalidData)?;
    Ok(text::folded(std::str::from_utf8(&word).map_err(|_| Refusal::InvalidData)?))
}

fn read(cx: &Cx<'_>, id: u64) -> Result<Option<StickerPack>, Failure> {
    let Some(pack) = rows::read::<StickerPack>(cx.store, STICKERS, &key(id))? else { return Ok(None) };
    let downloaded = rows::read(cx.store, DOWNLOADED, &key(id))?.unwrap_or(0);
    Ok(Some(StickerPack { downloaded: Some(downloaded), ..pack }))
}

fn key(id: u64) -> Bytes {
    Bytes::copy_from_slice(&id.to_be_bytes())
}
