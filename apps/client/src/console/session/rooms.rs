//! Rooms and links to them.

use super::{Session, said};
use crate::Error;
use crate::calls::text;
use crate::console::book::Target;
use crate::console::command::RoomAct;
use crate::console::show;

impl Session {
    pub(super) async fn room(&mut self, what: RoomAct, words: Vec<String>) -> Result<Vec<String>, Error> {
        if what == RoomAct::Create {
            return self.create_room(&words).await;
        }
        let (id, rest) = self.which_room(&words)?;
        let name = self.book.room(&id);
        match what {
            RoomAct::Create => Ok(Vec::new()),
            RoomAct::Add => {
                let who = self.people(rest)?;
                self.client()?.add_members(&id, &who).await?;
                Ok(Vec::new())
            }
            RoomAct::Remove => {
                let who = self.people(rest)?;
                self.client()?.remove_members(&id, &who).await?;
                Ok(Vec::new())
            }
            RoomAct::Admin => {
                let who = self.people(rest)?;
                self.client()?.promote(&id, &who).await?;
                Ok(Vec::new())
            }
            RoomAct::Members => Ok(show::members(&self.client()?.room(&id).await?)),
            RoomAct::Info => Ok(show::room_info(&self.client()?.room(&id).await?)),
            RoomAct::Rename => match rest {
                [] => Err(Error::local("room rename ROOM NAME")),
                words => {
                    self.client()?.rename_room(&id, &words.join(" ")).await?;
                    Ok(Vec::new())
                }
            },
            RoomAct::Mute => {
                self.client()?.mute_room(&id, true).await?;
                said(format!("{name} is muted"))
            }
            RoomAct::Unmute => {
                self.client()?.mute_room(&id, false).await?;
                said(format!("{name} is heard again"))
            }
            RoomAct::Leave => {
                self.client()?.leave_room(&id).await?;
                self.gone(&id);
                said(format!("you have left {name}"))
            }
            RoomAct::Delete => {
                self.client()?.delete_room(&id).await?;
                self.gone(&id);
                said(format!("{name} is deleted"))
            }
        }
    }

    async fn create_room(&mut self, words: &[String]) -> Result<Vec<String>, Error> {
        let Some((name, who)) = words.split_first() else { return Err(Error::local("room create NAME [WHO...]")) };
        let who = who.iter().map(|who| self.book.find_person(who)).collect::<Result<Vec<_>, _>>()?;
        let room = self.client()?.create_room(name, &who).await?;
        self.book.enter(&room);
        let here = room.members.len() + room.admins.len();
        // Who does not let anybody add them is left out without an error.
        match who.len() + 1 > here {
            true => said(format!("the room {name}: {here} of {} are in it", who.len() + 1)),
            false => said(format!("the room {name} is there: write {}", show::in_quotes(name))),
        }
    }

    /// A new one under a name; without a name those that there are, or one that the server makes.
    pub(super) async fn link(&self, words: Vec<String>) -> Result<Vec<String>, Error> {
        let (id, rest) = self.which_room(&words)?;
        let name = rest.first().map(String::as_str);
        let there = if name.is_none() { self.client()?.room(&id).await?.links } else { Vec::new() };
        let links = if there.is_empty() { vec![self.client()?.add_link(&id, name).await?] } else { there };
        let room = self.book.room(&id);
        Ok(links.iter().map(|link| format!("whoever types join {} is in {room}", text(&link.id))).collect())
    }

    pub(super) async fn join(&mut self, link: &str) -> Result<Vec<String>, Error> {
        let room = self.client()?.join(link).await?;
        self.book.enter(&room);
        let name = text(&room.name);
        said(format!("you are in the room {}: write {}", show::printable(&name), show::in_quotes(&name)))
    }

    /// The room that the first word names, and the other words; or the room written to, and all words.
    fn which_room<'a>(&self, words: &'a [String]) -> Result<(String, &'a [String]), Error> {
        let open = match &self.writing {
            Some(Target::Room(id)) => Some(id.clone()),
            Some(Target::Person(_)) | None => None,
        };
        match (words.split_first(), open) {
            (Some((first, rest)), open) => match (self.book.find_room(first), open) {
                (Ok(room), _) => Ok((room.id().to_owned(), rest)),
                (Err(_), Some(id)) => Ok((id, words)),
                (Err(error), None) => Err(error),
            },
            (None, Some(id)) => Ok((id, words)),
            (None, None) => Err(Error::local("which room? who shows them")),
        }
    }

    fn people(&self, words: &[String]) -> Result<Vec<String>, Error> {
        match words {
            [] => Err(Error::local("whom?")),
            words => words.iter().map(|word| self.book.find_person(word)).collect(),
        }
    }

    fn gone(&mut self, id: &str) {
        self.book.forget_room(id);
        if matches!(&self.writing, Some(Target::Room(open)) if open == id) {
            self.writing = None;
        }
    }
}
