//! Settings lists (SPEC 6.3): how they merge, and what one may hold.

use proto::Refusal;
use proto::limits::{FEATURE_DER_BYTES, FEATURE_KEY_CHARS, FEATURE_VALUE_BYTES, FEATURES};
use proto::records::Feature;

/// Groups of FEATURE-2 that the server reads.
pub(crate) const AUTH_DATA: &[u8] = b"AUTH_DATA";
pub(crate) const PRIVACY: &[u8] = b"PRIVACY";
pub(crate) const NOTIFICATIONS: &[u8] = b"NOTIFICATIONS";
pub(crate) const ROOM_SETTINGS: &[u8] = b"ROOM_SETTINGS";
pub(crate) const ADMIN_PERMISSIONS: &[u8] = b"ADMIN_PERMISSIONS_DATA";
const LANGUAGE_SETTINGS: &[u8] = b"LANGUAGE_SETTINGS";

/// FEATURE-1: one Feature per (group,key), the last wins, an empty value removes it.
/// `invalid_data` when a Feature or the list that results is beyond its bounds; `kept` is then as it was.
pub(crate) fn merge(kept: &mut Vec<Feature>, changes: &[Feature]) -> Result<(), Refusal> {
    let mut merged = kept.clone();
    for change in changes {
        check(change)?;
        let same = |feature: &Feature| feature.group == change.group && feature.key == change.key;
        match (merged.iter_mut().find(|feature| same(feature)), change.text().is_empty()) {
            (Some(feature), false) => *feature = change.clone(),
            (None, false) => merged.push(change.clone()),
            (Some(_), true) => merged.retain(|feature| !same(feature)),
            (None, true) => {}
        }
        if merged.len() > FEATURES {
            return Err(Refusal::InvalidData);
        }
    }
    *kept = merged;
    Ok(())
}

/// The value of one setting; an empty one is none.
pub(crate) fn value<'a>(features: &'a [Feature], group: &[u8], key: &[u8]) -> Option<&'a [u8]> {
    // The last wins in a list that came from a client (section 5).
    let feature = features.iter().rev().find(|feature| feature.is(group, key))?;
    Some(feature.text()).filter(|value| !value.is_empty())
}

/// The setting that mutes a contact or a room; an empty value ends that.
pub(crate) fn mute(value: &'static str) -> Feature {
    Feature::new(NOTIFICATIONS, "MUTE", value)
}

/// Language of codes and system texts (FEATURE-2).
pub(crate) fn language(features: &[Feature]) -> Option<&[u8]> {
    value(features, LANGUAGE_SETTINGS, b"LANGUAGE").or_else(|| value(features, LANGUAGE_SETTINGS, b"DEFAULT_LANGUAGE"))
}

/// FEATURE-1: bounds of key, group, id and value. A Feature without key names nothing.
fn check(feature: &Feature) -> Result<(), Refusal> {
    let key = feature.key.as_deref().ok_or(Refusal::InvalidData)?;
    let names = [key, feature.group.as_deref().unwrap_or_default(), feature.id.as_deref().unwrap_or_default()];
    let room = if is_der(feature) { FEATURE_DER_BYTES } else { FEATURE_VALUE_BYTES };
    let fits = names.iter().all(|name| is_short_text(name)) && feature.text().len() <= room;
    if fits && !key.is_empty() { Ok(()) } else { Err(Refusal::InvalidData) }
}

fn is_der(feature: &Feature) -> bool {
    feature.is(AUTH_DATA, b"CSR")
}

fn is_short_text(name: &[u8]) -> bool {
    std::str::from_utf8(name).is_ok_and(|name| name.chars().count() <= FEATURE_KEY_CHARS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(features: &[Feature]) -> Vec<(&[u8], &[u8])> {
        features.iter().map(|feature| (feature.key.as_deref().unwrap_or_default(), feature.text())).collect()
    }

    fn merged(kept: &[Feature], changes: &[Feature]) -> Result<Vec<Feature>, Refusal> {
        let mut list = kept.to_vec();
        merge(&mut list, changes).map(|()| list)
    }

    #[test]
    fn feature_1_merges_by_group_and_key_and_the_last_wins() {
        let kept = [Feature::new("G", "a", "1"), Feature::new("H", "a", "2")];
        let changes = [Feature::new("G", "a", "3"), Feature::new("G", "b", "4"), Feature::new("G", "b", "5")];
        let list = merged(&kept, &changes).unwrap();
        assert_eq!(keys(&list), [(&b"a"[..], &b"3"[..]), (b"a", b"2"), (b"b", b"5")]);
    }

    #[test]
    fn feature_1_an_empty_value_removes() {
        let kept = [Feature::new("G", "a", "1"), Feature::new("H", "a", "2")];
        let list = merged(&kept, &[Feature::new("G", "a", ""), Feature::new("G", "unknown", "")]).unwrap();
        assert_eq!(keys(&list), [(&b"a"[..], &b"2"[..])]);
    }

    #[test]
    fn feature_1_bounds() {
        let long = "x".repeat(FEATURE_KEY_CHARS + 1);
        let bulk = vec![b'v'; FEATURE_VALUE_BYTES + 1];
        for bad in [
            Feature::new("G", long.clone(), "v"),
            Feature::new(long, "k", "v"),
            Feature::new("G", "k", bulk.clone()),
            Feature::new("G", "", "v"),
            Feature { key: None, ..Feature::new("G", "k", "v") },
        ] {
            assert_eq!(merged(&[], &[bad]), Err(Refusal::InvalidData));
        }
        assert!(merged(&[], &[Feature::new(AUTH_DATA, "CSR", bulk)]).is_ok());
        let many: Vec<Feature> = (0..=FEATURES).map(|n| Feature::new("G", n.to_string(), "v")).collect();
        assert_eq!(merged(&[], &many[..FEATURES]).map(|list| list.len()), Ok(FEATURES));
        assert_eq!(merged(&[], &many), Err(Refusal::InvalidData));
    }
}
