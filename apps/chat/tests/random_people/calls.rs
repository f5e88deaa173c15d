//! What people say on a random day (`calls.txt`), and the names in it.

use std::sync::LazyLock;

use proto::records::ContactStatus;
use scene::Stage;

use super::view::Shown;
use super::{Asker, PEOPLE, World};

/// What saying it once more does (G-7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Again {
    /// The same answer, no change, nobody hears of it.
    Same,
    /// No change, nobody hears of it, and the answer is as it is by then (MESSAGE-1, ROOM-1, ROSTER-4).
    Still,
    /// It does it once more, as the call says.
    Anew,
    /// What it was about is no more.
    Gone,
}

#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) name: &'static str,
    pub(crate) again: Again,
    /// What it may be refused with.
    pub(crate) errors: Vec<&'static str>,
    text: &'static str,
}

/// What devices say, what they say seldom, since it ends them, and what services say.
pub(crate) static CALLS: LazyLock<[Vec<Call>; 3]> = LazyLock::new(|| {
    let mut calls = [const { Vec::new() }; 3];
    let mut part = 0;
    for line in include_str!("calls.txt").lines().filter(|line| !line.is_empty() && !line.starts_with("//")) {
        if let Some(title) = line.strip_prefix("# ") {
            part = ["devices", "devices, seldom", "services"].iter().position(|part| *part == title).expect("a part");
            continue;
        }
        let mut columns = line.splitn(4, '|').map(str::trim);
        let mut next = || columns.next().unwrap_or_else(|| panic!("too short: {line}"));
        let name = next();
        let again = match next() {
            "same" => Again::Same,
            "still" => Again::Still,
            "anew" => Again::Anew,
            "gone" => Again::Gone,
            other => panic!("{other}: {line}"),
        };
        let errors = next().split(' ').filter(|code| !code.is_empty());
        let errors = errors.chain(["invalid_data", "permission_denied"]).collect();
        calls[part].push(Call { name, again, errors, text: next() });
    }
    calls
});

const ROOMS: [&str; 5] = ["den", "den", "news", "attic", "ring"];
const WORDS: [&str; 6] = ["alice", "alina", "bob", "tea", "work", "blue"];
const SETTINGS: [(&str, &str, [&str; 3]); 7] = [
    ("PRIVACY", "P2P_FROM", ["everyone", "friends", ""]),
    ("PRIVACY", "GROUP_ADD", ["everyone", "friends", "nobody"]),
    ("PRIVACY", "LAST_SEEN", ["everyone", "friends", "nobody"]),
    ("PRIVACY", "SEARCHABLE", ["everyone", "friends", "nobody"]),
    ("PRIVACY", "READ_RECEIPTS", ["true", "false", ""]),
    ("NOTIFICATIONS", "MUTE", ["true", "true", ""]),
    ("other", "k", ["1", "2", ""]),
];
const ROOM_SETTINGS: [(&str, &str, [&str; 3]); 3] = [
    ("ROOM_SETTINGS", "PUBLIC", ["true", "false", "true"]),
    ("ROOM_SETTINGS", "HISTORY_VISIBLE", ["joined", "all", "all"]),
    ("ROOM_SETTINGS", "MEMBERS_ADD", ["true", "false", "true"]),
];

/// A message that the text is about.
struct About {
    id: u64,
    msg_id: String,
    feed: String,
}

impl World {
    /// What the asker says.
    pub(crate) fn words_of(&mut self, asker: Asker, call: &Call) -> String {
        let about = self.message_of(asker, call.text.contains("status=complete"));
        let (mut out, mut rest) = (String::new(), call.text);
        while let Some((before, after)) = rest.split_once('<') {
            let (name, after) = after.split_once('>').expect("a name ends");
            out.push_str(before);
            out.push_str(&self.named(asker, name, &about));
            rest = after;
        }
        out + rest
    }

    fn named(&mut self, asker: Asker, name: &str, about: &About) -> String {
        match name {
            "me" => self.own_roster(asker),
            "number" => self.own_roster(asker).rsplit('_').next().unwrap_or_default().to_owned(),
            "you" => self.somebody(asker),
            "outcast" => {
                self.outcast = self.somebody(asker);
                self.outcast.clone()
            }
            "its room" => {
                self.outcast_of = self.room(asker);
                self.outcast_of.clone()
            }
            "fellow" => self.fellow(asker),
            "suitor" => self.contact(asker, ContactStatus::Authorization),
            "banned" => self.contact(asker, ContactStatus::Ban),
            "that room" => self.outcast_of.clone(),
            "that outcast" => self.outcast.clone(),
            "star" | "starred" => {
                let stars = self.stars_of(asker);
                let at = self.below(stars.len());
                let (roster, star, message) = stars.get(at).copied().unwrap_or((1, 1, 1));
                self.star_of = roster;
                if name == "star" { star } else { message }.to_string()
            }
            "star roster" => self.star_of.to_string(),
            "phone" => {
                let own = match asker {
                    Asker::Device(person, _) if self.below(3) > 0 => person,
                    _ => self.below(PEOPLE),
                };
                if self.below(20) == 0 { "380999999998".to_owned() } else { self.number_of(own) }
            }
            "feed" if self.below(2) == 0 => format!("muc{{name=\"{}\"}}", self.room(asker)),
            "feed" => format!("p2p{{from=\"{}\" to=\"{}\"}}", self.own_roster(asker), self.somebody(asker)),
            "room" => self.room(asker),
            "message" if self.below(20) == 0 => self.below(5000).to_string(),
            "message" => about.id.to_string(),
            "msg_id" => about.msg_id.clone(),
            "its feed" => about.feed.clone(),
            "fresh" => {
                self.written += 1;
                format!("m{}", self.written)
            }
            "member" => {
                let at = self.below(self.members.len());
                self.members.iter().nth(at).copied().unwrap_or(1).to_string()
            }
            "address" => {
                self.address = self.one_of(&["alice@example.org", "bob@example.org"]).to_owned();
                self.address.clone()
            }
            "code" => {
                let code = self.stage.code(&self.address).expect("works");
                String::from_utf8_lossy(&code.unwrap_or_default()).into_owned()
            }
            "device" => format!("d{}", self.below(3)),
            "type" => self.one_of(&["group", "group", "channel", "call"]).to_owned(),
            "role" => self.one_of(&["member", "admin", "owner"]).to_owned(),
            "bool" => self.one_of(&["true", "false"]).to_owned(),
            "size" => self.one_of(&["-3", "0", "1", "2", "5"]).to_owned(),
            "link" => self.one_of(&["tea_club", "Tea_Club", "blue1", "x"]).to_owned(),
            "tag" => self.one_of(&["work", "blue"]).to_owned(),
            "word" => self.one_of(&WORDS).to_owned(),
            "file" => {
                let at = self.below(self.files.len());
                self.files.iter().nth(at).cloned().unwrap_or_default()
            }
            "four" => self.one_of(&["abcd", "efgh"]).to_owned(),
            "setting" => self.feature(&SETTINGS),
            "room setting" => self.feature(&ROOM_SETTINGS),
            other => panic!("calls.txt names <{other}>"),
        }
    }

    fn feature(&mut self, settings: &[(&str, &str, [&str; 3])]) -> String {
        let at = self.below(settings.len());
        let (group, key, values) = settings[at];
        let value = self.one_of(&values);
        format!("Feature{{id=\"{key}\" key=\"{key}\" value=\"{value}\" group=\"{group}\"}}")
    }

    fn one_of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.below(all.len())]
    }

    /// One that the asker is in, mostly.
    fn room(&mut self, asker: Asker) -> String {
        let mut own = Vec::new();
        if let Asker::Device(person, device) = asker {
            let faces = self.device(person, device).view.now.rosters.values();
            own.extend(faces.flat_map(|face| face.rooms.keys().cloned()));
        }
        self.room = match self.below(30) {
            0 => "nowhere".to_owned(),
            1..20 if !own.is_empty() => own.swap_remove(self.below(own.len())),
            _ => self.one_of(&ROOMS).to_owned(),
        };
        self.room.clone()
    }

    /// A member of the room that was named last, as far as the asker knows any.
    fn fellow(&mut self, asker: Asker) -> String {
        let mut known = Vec::new();
        if let Asker::Device(person, device) = asker {
            let faces = self.people[person].devices[device].view.now.rosters.values();
            let places = faces.filter_map(|face| face.rooms.get(&self.room));
            known.extend(places.flat_map(|place| place.roles.keys().cloned()));
        }
        match known.is_empty() || self.below(4) == 0 {
            true => self.somebody(asker),
            false => known.swap_remove(self.below(known.len())),
        }
    }

    /// Somebody who is this to the asker, if it knows one.
    fn contact(&mut self, asker: Asker, status: ContactStatus) -> String {
        let mut known = Vec::new();
        if let Asker::Device(person, device) = asker {
            let contacts = self.device(person, device).view.now.rosters.values().flat_map(|face| &face.contacts);
            known.extend(contacts.filter(|(_, (is, _))| *is == Some(status)).map(|(key, _)| key.clone()));
        }
        match known.is_empty() || self.below(4) == 0 {
            true => self.somebody(asker),
            false => known.swap_remove(self.below(known.len())),
        }
    }

    fn own_roster(&mut self, asker: Asker) -> String {
        let own = match asker {
            Asker::Device(person, _) if self.below(15) > 0 => person,
            _ => self.below(PEOPLE),
        };
        self.roster_of(own)
    }

    /// One that the asker knows, mostly.
    fn somebody(&mut self, asker: Asker) -> String {
        if let Asker::Device(person, device) = asker
            && self.below(2) == 0
        {
            let faces = self.device(person, device).view.now.rosters.values();
            let known: Vec<String> = faces.flat_map(|face| face.contacts.keys().cloned()).collect();
            let at = self.below(known.len());
            if let Some(known) = known.into_iter().nth(at) {
                return known;
            }
        }
        let person = self.below(PEOPLE);
        match self.below(25) {
            0 => "380999999998_1".to_owned(),
            1 => self.number_of(person),
            _ => self.roster_of(person),
        }
    }

    /// Rosters, the stars that they have, and of which message each is.
    fn stars_of(&self, asker: Asker) -> Vec<(u64, u64, u64)> {
        let Asker::Device(person, device) = asker else { return Vec::new() };
        let rosters = self.people[person].devices[device].view.now.rosters.iter();
        rosters.flat_map(|(roster, face)| face.stars.iter().map(|(star, message)| (*roster, *star, *message))).collect()
    }

    /// Mostly the default one.
    fn roster_of(&mut self, person: usize) -> String {
        let rosters = self.rosters(person);
        let at = if self.below(2) == 0 { 0 } else { self.below(rosters.len()) };
        format!("{}_{}", self.number_of(person), rosters.get(at).copied().unwrap_or_default())
    }

    /// One that the asker has seen, mostly; or one that was announced.
    fn message_of(&mut self, asker: Asker, is_announced: bool) -> About {
        let (person, device) = match asker {
            Asker::Device(person, device) if self.below(15) > 0 => (person, device),
            _ => (self.below(PEOPLE), 0),
        };
        let (own, is_own) = (self.number_of(person), is_announced || self.below(2) == 0);
        let fits = |shown: &Shown| {
            (!is_own || shown.from.starts_with(&own)) && (!is_announced || shown.contents.ends_with("pending"))
        };
        let count = self.device(person, device).view.shown.values().filter(|shown| fits(shown)).count();
        // The latest more often than others.
        let back = if self.below(3) == 0 { self.below(count) } else { self.below(count.min(5)) };
        let shown = self.device(person, device).view.shown.iter().filter(|(_, shown)| fits(shown));
        match shown.rev().nth(back) {
            Some((id, shown)) => About { id: *id, msg_id: shown.msg_id.clone(), feed: shown.feed.clone() },
            None => About { id: 1, msg_id: "none".to_owned(), feed: "muc{name=\"den\"}".to_owned() },
        }
    }
}
