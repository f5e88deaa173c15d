//! ROOM-16: who may do what in a room. One table, asked by every call.

use proto::records::{Feature, MemberStatus, Room, RoomType};

use super::feature::{self, ADMIN_PERMISSIONS, ROOM_SETTINGS};

/// A row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Right {
    Post,
    EditOthers,
    DeleteOthers,
    /// Name, description, avatar, settings.
    Info,
    AddMembers,
    RemoveMembers,
    Links,
    /// HISTORY_VISIBLE, REQUIRE_CMS.
    History,
    /// Roles, permissions, the end of the room.
    Roles,
}

/// Whether a member of this role may; `permissions` are the settings of an admin.
pub(crate) fn allows(room: &Room, role: MemberStatus, permissions: &[Feature], right: Right) -> bool {
    match role {
        MemberStatus::Owner => right != Right::EditOthers || is_channel(room),
        MemberStatus::Admin => admin(room, permissions, right),
        MemberStatus::Member => member(room, right),
        MemberStatus::Removed | MemberStatus::Patch => false,
    }
}

fn admin(room: &Room, permissions: &[Feature], right: Right) -> bool {
    let (key, default): (&[u8], bool) = match right {
        Right::Post if !is_channel(room) => return true,
        Right::EditOthers if !is_channel(room) => return false,
        Right::Post => (b"POST_MSG", true),
        Right::EditOthers => (b"EDIT_MSG", false),
        Right::DeleteOthers => (b"DELETE_MSG", true),
        Right::Info => (b"INFO_MNGT", true),
        Right::AddMembers if members_add(room) => return true,
        Right::AddMembers => (b"ADD_SUBSCR", true),
        Right::RemoveMembers => (b"SUBSCR_MNGT", true),
        Right::Links => (b"LINK_MNGT", true),
        Right::History => (b"HISTORY_MNGT", false),
        Right::Roles => return false,
    };
    match feature::value(permissions, ADMIN_PERMISSIONS, key) {
        Some(b"true") => true,
        Some(b"false") => false,
        // What the server does not understand changes nothing.
        Some(_) | None => default,
    }
}

fn member(room: &Room, right: Right) -> bool {
    match right {
        Right::Post => !is_channel(room),
        Right::AddMembers => members_add(room),
        Right::EditOthers
        | Right::DeleteOthers
        | Right::Info
        | Right::RemoveMembers
        | Right::Links
        | Right::History
        | Right::Roles => false,
    }
}

fn is_channel(room: &Room) -> bool {
    room.r#type == Some(RoomType::Channel)
}

fn members_add(room: &Room) -> bool {
    feature::value(&room.settings, ROOM_SETTINGS, b"MEMBERS_ADD") == Some(b"true")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Right; 9] = [
        Right::Post,
        Right::EditOthers,
        Right::DeleteOthers,
        Right::Info,
        Right::AddMembers,
        Right::RemoveMembers,
        Right::Links,
        Right::History,
        Right::Roles,
    ];

    fn room(kind: RoomType, settings: &[Feature]) -> Room {
        Room { r#type: Some(kind), settings: settings.to_vec(), ..Room::default() }
    }

    fn rights(room: &Room, role: MemberStatus, permissions: &[Feature]) -> Vec<Right> {
        ALL.into_iter().filter(|right| allows(room, role, permissions, *right)).collect()
    }

    #[test]
    fn room_16_in_a_group() {
        let group = room(RoomType::Group, &[]);
        let owner: Vec<Right> = ALL.into_iter().filter(|right| *right != Right::EditOthers).collect();
        assert_eq!(rights(&group, MemberStatus::Owner, &[]), owner);
        let admin =
            [Right::Post, Right::DeleteOthers, Right::Info, Right::AddMembers, Right::RemoveMembers, Right::Links];
        assert_eq!(rights(&group, MemberStatus::Admin, &[]), admin);
        assert_eq!(rights(&group, MemberStatus::Member, &[]), [Right::Post]);
        assert_eq!(rights(&group, MemberStatus::Removed, &[]), []);
    }

    #[test]
    fn room_16_in_a_channel_members_only_read() {
        let channel = room(RoomType::Channel, &[]);
        assert_eq!(rights(&channel, MemberStatus::Owner, &[]), ALL);
        assert_eq!(rights(&channel, MemberStatus::Member, &[]), []);
        assert!(!allows(&channel, MemberStatus::Admin, &[], Right::EditOthers));
        let set = [("EDIT_MSG", "true"), ("POST_MSG", "false"), ("HISTORY_MNGT", "true")];
        let set = set.map(|(key, value)| Feature::new(ADMIN_PERMISSIONS, key, value));
        for (right, may) in [(Right::EditOthers, true), (Right::Post, false), (Right::History, true)] {
            assert_eq!(allows(&channel, MemberStatus::Admin, &set, right), may);
        }
    }

    #[test]
    fn room_16_members_add_lets_every_member_add() {
        let open = room(RoomType::Group, &[Feature::new(ROOM_SETTINGS, "MEMBERS_ADD", "true")]);
        assert_eq!(rights(&open, MemberStatus::Member, &[]), [Right::Post, Right::AddMembers]);
    }
}
