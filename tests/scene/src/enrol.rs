//! People: registered, connected, friends.

use etf::Term;

use crate::act::text_of;
use crate::names::Known;
use crate::player::Player;
use crate::stage::Hello;

impl Player<'_> {
    /// ID-15: by fake numbers, in the order in which they are named, so that the first has the lowest number (TOPIC-7).
    pub(crate) fn people(&mut self, names: &str) -> Result<(), String> {
        for who in names.split_whitespace() {
            self.enrol(who)?;
        }
        self.all_forget()
    }

    fn enrol(&mut self, who: &str) -> Result<(), String> {
        let device = who.split_once('/').map_or("1", |(_, device)| device);
        let known = self.names.number(who);
        known.dev_key = format!("d{device}");
        let (phone, dev_key) = (known.phone.clone(), known.dev_key.clone());
        self.open(who, &Hello { client_id: format!("reg_{phone}_{dev_key}"), ..Hello::default() }, 0)?;
        self.act(&format!(r#"{who} > Auth{{type=reg dev_key="{dev_key}" phone={{fake,"{phone}"}}}}"#))?;
        for name in ["?client", "?token", "?roster"] {
            self.bound.remove(name);
        }
        self.act(&format!("{who} < io{{code=ok{{code=login src={{?client,?token}}}}}}"))?;
        self.act(&format!("{who} < Profile{{status=init rosters=[Roster{{id=?roster}} ...]}}"))?;
        self.stage.disconnect(who, true)?;

        let roster = self.bound.get("?roster").and_then(Term::as_int).and_then(|id| u64::try_from(id).ok());
        let client = text_of(self.bound.get("?client")).unwrap_or_default();
        let token = text_of(self.bound.get("?token"));
        let known = self.names.entry(who);
        known.roster = roster.ok_or("the roster has no number")?;
        known.token.clone_from(&token);
        let client_id = String::from_utf8_lossy(&client).into_owned();
        self.open(who, &Hello { client_id, password: token, ..Hello::default() }, 0)
    }

    pub(crate) fn friends(&mut self, names: &str) -> Result<(), String> {
        let mut pair = names.split_whitespace();
        let (Some(one), Some(other)) = (pair.next(), pair.next()) else {
            return Err("friends are two".to_owned());
        };
        self.befriended.insert((one.to_owned(), other.to_owned()));
        for who in [one, other] {
            if self.names.get(who).is_none_or(|known| known.token.is_none()) {
                self.enrol(who)?;
            }
        }
        self.act(&format!("{one} > Friend{{phone_id=@{one} friend_id=@{other} status=request}}"))?;
        self.act(&format!("{other} < Contact{{phone_id=@{one} status=authorization}}"))?;
        self.act(&format!("{other} > Friend{{phone_id=@{other} friend_id=@{one} status=confirm}}"))?;
        self.act(&format!("{other} < io{{code=ok{{code=added}}}}"))?;
        self.act(&format!("{one} < Contact{{phone_id=@{other} status=friend}}"))?;
        self.all_forget()
    }

    /// ROSTER-2: `ann ann2`, a second face of hers under a name of its own.
    pub(crate) fn roster(&mut self, names: &str) -> Result<(), String> {
        let Some((who, face)) = names.split_once(' ') else {
            return Err("whose roster, and its name".to_owned());
        };
        self.bound.remove("?roster");
        self.act(&format!("{who} > Roster{{status=create}}"))?;
        self.act(&format!("{who} < Roster{{id=?roster status=create}}"))?;
        let roster = self.bound.get("?roster").and_then(Term::as_int).and_then(|id| u64::try_from(id).ok());
        let known = self.names.get(who).cloned().unwrap_or_default();
        *self.names.entry(face) = Known { roster: roster.ok_or("the roster has no number")?, ..known };
        self.all_forget()
    }

    /// ROOM-1. The first owns it, the others are brought into it; all have acknowledged that it was created.
    pub(crate) fn room(&mut self, kind: &str, names: &str) -> Result<(), String> {
        let mut names = names.split_whitespace();
        let (Some(room), Some(owner)) = (names.next(), names.next()) else {
            return Err("a room has a name and an owner".to_owned());
        };
        let others: Vec<&str> = names.collect();
        if self.names.get(owner).is_none_or(|known| known.token.is_none()) {
            self.enrol(owner)?;
        }
        for other in &others {
            if !self.befriended.contains(&(owner.to_owned(), (*other).to_owned())) {
                self.friends(&format!("{owner} {other}"))?;
            }
        }
        let id = format!("?{room}");
        self.bound.remove(&id);
        let members: Vec<String> = others.iter().map(|other| format!("Member{{phone_id=@{other}}}")).collect();
        let members = members.join(" ");
        self.act(&format!(r#"{owner} > Room{{name="Tea" type={kind} members=[{members}] status=create}}"#))?;
        let topic = format!("actions/1/api/@{owner}.client");
        let admins = format!("admins=[Member{{id={id}{owner} phone_id=@{owner}}}]");
        let listed: Vec<String> = match kind {
            "group" => others.iter().map(|other| format!("Member{{id={id}{other} phone_id=@{other}}}")).collect(),
            _ => Vec::new(),
        };
        for name in others.iter().chain([&owner]) {
            self.bound.remove(&format!("{id}{name}"));
        }
        self.act(&format!("{owner} < {topic} Room{{id={id} {admins} members=[{}] status=create}}", listed.join(" ")))?;
        for who in std::iter::once(owner).chain(others) {
            self.bound.remove("?created");
            self.act(&format!("{who} < room/{id} Message{{msg_id=?created type=[sys]}}"))?;
            self.act(&format!("{who} > Ack{{id=?created}}"))?;
        }
        self.all_forget()
    }

    fn all_forget(&mut self) -> Result<(), String> {
        for who in self.inboxes() {
            self.forget(&who)?;
        }
        Ok(())
    }
}
