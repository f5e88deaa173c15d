//! Friends, and finding them.

use super::{Session, said};
use crate::Error;
use crate::calls::text;
use crate::console::command::Field;
use crate::console::show;

impl Session {
    /// By address, number or name; by nick also a stranger.
    pub(super) async fn friend(&mut self, who: &str) -> Result<Vec<String>, Error> {
        let id = match self.book.known_person(who)? {
            Some(id) => id,
            None => self.stranger(who).await?,
        };
        self.client()?.request_friend(&id).await?;
        // The Contact that answers is news as well, and says it.
        Ok(Vec::new())
    }

    /// What is no number may be a nick, or else the handle of an account.
    async fn stranger(&mut self, who: &str) -> Result<String, Error> {
        let address = self.book.find_person(who);
        if who.starts_with(|first: char| first.is_ascii_digit() || first == '+') {
            return address;
        }
        match self.client()?.find_nick(who).await {
            Ok(found) => match found.first() {
                Some(contact) => {
                    self.book.meet(contact);
                    Ok(text(&contact.phone_id))
                }
                None => address,
            },
            Err(Error::Refused { .. }) => address,
            Err(error) => Err(error),
        }
    }

    pub(super) async fn accept(&self, who: &str) -> Result<Vec<String>, Error> {
        self.client()?.confirm(&self.book.find_person(who)?).await?;
        Ok(Vec::new())
    }

    pub(super) async fn revoke(&self, who: &str) -> Result<Vec<String>, Error> {
        self.client()?.revoke(&self.book.find_person(who)?).await?;
        Ok(Vec::new())
    }

    pub(super) async fn ban(&self, who: &str) -> Result<Vec<String>, Error> {
        self.client()?.ban(&self.book.find_person(who)?).await?;
        Ok(Vec::new())
    }

    pub(super) async fn unban(&self, who: &str) -> Result<Vec<String>, Error> {
        self.client()?.unban(&self.book.find_person(who)?).await?;
        said("unblocked")
    }

    pub(super) async fn search(&mut self, field: Field, text: &str) -> Result<Vec<String>, Error> {
        let client = self.client()?;
        let contacts = match field {
            Field::Phone => client.find_phones(&[text]).await?,
            Field::Nick => match client.find_nick(text).await? {
                nobody if nobody.is_empty() && text.chars().count() >= 3 => client.find_nicks(text).await?,
                found => found,
            },
            Field::Link => {
                let rooms = client.find_link(text).await?;
                let lines: Vec<String> = rooms.iter().flat_map(show::room_info).collect();
                return if lines.is_empty() { said("no room has this link") } else { Ok(lines) };
            }
        };
        contacts.iter().for_each(|contact| self.book.meet(contact));
        Ok(show::found(&contacts))
    }
}
