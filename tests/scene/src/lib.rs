//! Scenes: small plays that read like a page of SPEC, in plain text files.
//!
//! A scene begins with a title that names the rules it shows, and goes on line by line; a line that begins with a blank continues
//! the one before. `ann`, `ben` are people, `ann/2` is a second device of hers; other names are connections of no account.
//!
//! | Line | Means |
//! |---|---|
//! | `# MESSAGE-1: title [sim] [live] [v5] [mqtt] [few]` | a scene; the marks say where alone it is played: `mqtt` not on `/ws`, `few` under few seeds |
//! | `[limited]` `[transient]` `[sealed]` `[verified]` `[providers]` `[prolonged]` `[versioned]` `[directory]` `[asked]` | in the simulator, with limits per time; with `history.mode=transient`; with `security.require_cms`; with `security.verify`; with the providers static (380999000001: 246810) and webhook, no issuer of jwt; with `session.prolong`; with clients of version 100 at least; with a directory of the organisation whose people alone may register, or others too, and the providers invite, ldap, log |
//! | `people ann ann/2 ben` | they are registered by fake numbers and connected; what came of that is forgotten |
//! | `friends ann ben` | people who are friends |
//! | `roster ann ann2` | she makes another roster: `@ann2` is its phone_id; what came of that is forgotten |
//! | `group r ann ben carl`, `channel r …` | a room of ann's, whose friends the others are; `?r` is its id, `?rann` her Member id |
//! | `address a` | a fresh e-mail address, `@a.phone`, whose code is `@a.code` |
//! | `number n` | a fresh telephone number: `@n.phone` |
//! | `x connects as "id" token T version N window N takes N certificate P from ADDRESS holding => 0x86` | all but `connects` as needed |
//! | `x connects as "sys_a" service` | a trusted service, by the secret of the configuration |
//! | `m opens strictly as x certificate P` | a WebSocket on `/ws`: with `mail.auth=identity` (in the simulator only), let in as the device x, all but `opens` as needed; `>` sends a binary frame there |
//! | `m \| SEND r hi` | a text frame; `long(300)` is a text of so many letters, `\n` the end of a line, `\s` a blank at an end |
//! | `m \|< ACK "?n"`, `m \|< no ACK` | the text frame that comes next, `?n` being a number; or none that begins so |
//! | `m sends 500 hi to r` | so many letters with this text, each of which is acknowledged; `?last` is then the last |
//! | `m terminal fails`, `b mailbox fails`, `g circle fails` | a process of the mailboxes ends as by a panic; in the simulator only |
//! | `x disconnects`, `x vanishes`, `x closed 0x98` | ends well, ends badly, is ended by the server |
//! | `x > topic Message{…} => 0x87` | publishes: on the events topic if none is named; bytes are `bytes "…"` or `bytes <<1,2>>` |
//! | `x repeats 500 topic Message{…} => 0x87` | publishes it so often, `#` being the number of each, each with that result, and forgets what comes of it |
//! | `x >> …` | publishes and does not wait for the acknowledgement |
//! | `x < topic Message{…}` | that comes next; other things before it are passed over. Fields not shown may be anything |
//! | `x <~ topic Message{…}` | that has come or comes, wherever among the others |
//! | `x < nothing`, `x < no topic Message{…}` | nothing more has come, or nothing like it |
//! | `x is pushed push{…}`, `x is pushed nothing` | what its push service is handed next while it is away |
//! | `x was pushed {"aps":…}` | what the gateway was given for that push: `(model)` is its model in base64, `(text)` in words, `(push)` all of it with badge 1 in base64, `(version)` the server's |
//! | `x forgets` | what has come so far does not matter |
//! | `x subscribes topic => 0x87` | asks for a topic |
//! | `x holds`, `x confirms` | does not confirm items (PUBACK) from now on; confirms them all, and again at once |
//! | `x writes y m1 m2` or `m1..m9`, `x writes ?r m1` | messages with these msg_ids and texts; `?m1` is then the number of the first; with `about ?m0`, replies |
//! | `x acknowledges m1 m2` or `m1..m9` | Ack records |
//! | `x has 2 due` | connects again and finds so many items |
//! | `x moves to n` | PROFILE-11 has been done: `@x` and `@x.phone` are of the number n now, `@x.was` and `@x.left` of the one before |
//! | `x fails` | the session of her client id ends as by a panic; in the simulator only |
//! | `x profile fails` | the same of her account's profile |
//! | `revoked "@ann.phone:two"` | the operator takes this certificate back; in the simulator only |
//! | `directory has "@n.phone" Ann Smith secret` | the organisation's directory has a person, with a password; `directory loses "@n.phone"` the opposite |
//! | `directory tells "@n.phone"` | what it has is told to the account, as is done from time to time |
//! | `directory gathers team @ann @ben` | a group of it, which is the room team, has these members |
//! | `directory leaves`, `directory fails`, `directory returns` | it cannot be asked, and what was known holds, or does not any more; it can again |
//! | `provider sleeps`, `provider wakes` | slow work does not end, or ends again, what has waited included; in the simulator only |
//! | `provider works`, `provider fails` | while it sleeps: the first of the work that waits is done, or fails |
//! | `call Message{…}` | what the lines below are about |
//! | `x not CODE id=7 …` | it is said by x with these fields otherwise: one error comes, others hear nothing, nothing that is kept changes |
//! | `x not CODE in any type but id …` | the same for each of its other fields in turn, of types that it does not take |
//! | `x does` | it is said by x as it is, and is not refused |
//! | `server keeps 2 files`, `server keeps 0 letters` | so many files of people lie on its disk, those on their way included; so many rows are in the table `letter`; in the simulator only |
//! | `server crashes` | and starts again; every connection is gone |
//! | `wait 1 s` | time passes; in the simulator only |
//!
//! Terms are in the notation of [`etf::text`], and besides: `@ann` her phone_id, `@ann.phone`, `@ann.client`, `@ann.token`,
//! `@ann.roster`, `@ann.code`, `@ann.was`, `@ann.left`; `@"ac/@ann"` is a text with names in it; `?i` whatever it was the first time; `_`
//! anything; `...` at the end of a list, more elements; `file(0..9)` the first nine bytes of a long file. In a call and what is otherwise, `long(300)` is a text of so many letters and
//! `times(65 Desc{id="#"})` so many of it, `#` being the number of each. `sealed("hello")` is an envelope of CMS,
//! `signature("hello")` a detached signature of these words.

mod script;
mod notation;
mod names;
mod cms;
mod files;
mod stage;
mod socket;
mod text;
mod player;
mod act;
mod refuse;
mod enrol;
mod play;
mod days;
mod sim;
mod live;
mod mqtt;

pub use act::EVENTS;
pub use days::{Log, Random, days};
pub use live::{Daemon, Live, PATIENCE, Wire};
pub use mqtt::Version;
pub use names::Names;
pub use play::{live_file, play_file, records_file, sim_file};
pub use script::{Scene, read};
pub use sim::Simulated;
pub use socket::{Frames, Heard};
pub use stage::{Codes, Entry, Got, Hello, LOGGED, Opening, Pushed, Row, SERVICE_HASH, SERVICE_SECRET, Stage, Victim};

/// Calls the macro `$scenes` with a name and a file of `tests/scenes` for each: one list for all who play them.
#[macro_export]
macro_rules! every_file {
    ($scenes:ident) => {
        $scenes! {
            traces = "traces.chat",
            general = "general.chat",
            auth = "auth.chat",
            directory = "directory.chat",
            connections = "connections.chat",
            service = "service.chat",
            topics = "topics.chat",
            push = "push.chat",
            profile = "profile.chat",
            migrate = "migrate.chat",
            person = "person.chat",
            roster = "roster.chat",
            friend = "friend.chat",
            presence = "presence.chat",
            favorite = "favorite.chat",
            link = "link.chat",
            search = "search.chat",
            sticker = "sticker.chat",
            location = "location.chat",
            message = "message.chat",
            upload = "upload.chat",
            sealed = "sealed.chat",
            ftp = "ftp.chat",
            reply = "reply.chat",
            additions = "additions.chat",
            history = "history.chat",
            kinds = "kinds.chat",
            delivery = "delivery.chat",
            refusals = "refusals.chat",
            refusals_account = "refusals_account.chat",
            refusals_room = "refusals_room.chat",
            transient = "transient.chat",
            room = "room.chat",
            member = "member.chat",
            room_message = "room_message.chat",
            failure = "failure.chat",
            limits = "limits.chat",
            mail = "mail.chat",
        }
    };
}
