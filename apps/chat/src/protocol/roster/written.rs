//! Records with lists whose elements are encoded already: what is long is encoded once.

use etf::{Encode, write};
use proto::records::{Io, Profile, Roster};

/// Elements of a list, encoded, none of them an integer.
#[derive(Debug, Clone, Default)]
pub(super) struct Written {
    count: usize,
    bytes: Vec<u8>,
}

impl Written {
    /// One more; how many bytes it took.
    pub(super) fn push(&mut self, element: &impl Encode) -> usize {
        let before = self.bytes.len();
        element.encode(&mut self.bytes);
        self.count += 1;
        self.bytes.len() - before
    }

    /// The latest, which took so many bytes, as the first of a list of its own.
    pub(super) fn split_last(&mut self, bytes: usize) -> Written {
        self.count -= 1;
        Written { count: 1, bytes: self.bytes.split_off(self.bytes.len() - bytes) }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl Encode for Written {
    fn encode(&self, out: &mut Vec<u8>) {
        write::elements(out, self.count, &self.bytes);
    }
}

/// A `Roster` in the place of whose long lists these are written.
#[derive(Debug, Clone, Default)]
pub(super) struct Filled {
    pub(super) roster: Roster,
    pub(super) contacts: Written,
    pub(super) rooms: Written,
    pub(super) stars: Written,
}

impl From<Roster> for Filled {
    fn from(roster: Roster) -> Filled {
        Filled { roster, ..Filled::default() }
    }
}

impl Filled {
    pub(super) fn is_empty(&self) -> bool {
        self.contacts.is_empty() && self.rooms.is_empty() && self.stars.is_empty()
    }
}

impl Encode for Filled {
    fn encode(&self, out: &mut Vec<u8>) {
        let Roster {
            id,
            names,
            surnames,
            email,
            nick,
            userlist: _,
            roomlist: _,
            favorite: _,
            tags,
            phone,
            avatar,
            update,
            status,
        } = &self.roster;
        head(out, "Roster", 13);
        id.encode(out);
        names.encode(out);
        surnames.encode(out);
        email.encode(out);
        nick.encode(out);
        self.contacts.encode(out);
        self.rooms.encode(out);
        self.stars.encode(out);
        tags.encode(out);
        phone.encode(out);
        avatar.encode(out);
        update.encode(out);
        status.encode(out);
    }
}

/// A `Profile` with these for its rosters.
pub(super) struct Account<'a>(pub(super) &'a Profile, pub(super) &'a [Filled]);

impl Encode for Account<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        let Account(profile, filled) = self;
        let Profile { phone, services, rosters: _, update, settings, date, balance, presence, status } = profile;
        head(out, "Profile", 9);
        phone.encode(out);
        services.encode(out);
        filled.encode(out);
        update.encode(out);
        settings.encode(out);
        date.encode(out);
        balance.encode(out);
        presence.encode(out);
        status.encode(out);
    }
}

/// An `io` with this for its data.
pub(super) struct Envelope<'a>(pub(super) &'a Io, pub(super) &'a Filled);

impl Encode for Envelope<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        let Envelope(Io { code, data: _ }, filled) = self;
        head(out, "io", 2);
        code.encode(out);
        filled.encode(out);
    }
}

fn head(out: &mut Vec<u8>, record: &str, fields: usize) {
    write::tuple(out, fields + 1);
    write::atom(out, record);
}
