//! Names in the records of accounts, rosters and devices.

use bytes::Bytes;

use super::{Named, Naming, each, field};
use crate::records::{
    Auth, AuthAct, AuthPhone, Contact, Friend, Person, Presence, Profile, ProfileStatus, PushService, Roster,
    RosterEntry, RosterId, Search, Typing, UserEntry,
};

impl Named for Auth {
    fn rename<N: Naming>(&mut self, naming: &mut N) -> Result<(), N::Error> {
        let registers = matches!(self.act(), Some(AuthAct::Reg | AuthAct::Resend | AuthAct::Verify | AuthAct::Voice));
        field(&mut self.client_id, |id| naming.client(id))?;
        field(&mut self.user_id, |id| naming.roster(id))?;
        match &mut self.phone {
            Some(AuthPhone::Number(phone)) if registers => naming.number(phone),
            Some(AuthPhone::Fake(fake)) if registers => naming.number(&mut fake.phone),
            Some(AuthPhone::Number(phone)) => naming.phone(phone),
            Some(AuthPhone::Fake(fake)) => naming.phone(&mut fake.phone),
            None => Ok(()),
        }
    }
}

impl Named for Profile {
    /// PROFILE-10, 11: the number that is moved to is nobody's yet.
    fn rename<N: Naming>(&mut self, naming: &mut N) -> Result<(), N::Error> {
        match self.status {
            Some(ProfileStatus::Migrate | ProfileStatus::Phone) if self.rosters.is_empty() => {
                field(&mut self.phone, |phone| naming.number(phone))?;
                let mut codes = self.services.iter_mut().filter(|service| service.password.is_some());
                codes.try_for_each(|service| field(&mut service.login, |login| naming.number(login)))
            }
            Some(_) | None => {
                field(&mut self.phone, |phone| naming.phone(phone))?;
                self.rosters.rename(naming)
            }
        }
    }
}

impl Named for RosterEntry {
    fn rename<N: Naming>(&mut self, naming: &mut N) -> Result<(), N::Error> {
        match self {
            RosterEntry::Roster(roster) => roster.rename(naming),
            RosterEntry::Name(name) => naming.address(name),
            RosterEntry::Id(_) => Ok(()),
        }
    }
}

impl Named for Roster {
    fn rename<N: Naming>(&mut self, naming: &mut N) -> Result<(), N::Error> {
        if let Some(RosterId::Name(name)) = &mut self.id {
            naming.address(name)?;
        }
        field(&mut self.phone, |phone| naming.phone(phone))?;
        self.userlist.rename(naming)?;
        self.roomlist.rename(naming)?;
        self.favorite.rename(naming)?;
        self.tags.rename(naming)
    }
}

impl Named for UserEntry {
    fn rename<N: Naming>(&mut self, naming: &mut N) -> Result<(), N::Error> {
        match self {
            UserEntry::Contact(contact) => contact.rename(naming),
            // ROSTER-4: a telephone number as a number.
            UserEntry::Id(number) => {
                let mut phone_id = Bytes::from(number.to_string());
                naming.number(&mut phone_id)?;
                if phone_id != number.to_string() {
                    let contact = Contact { phone_id: Some(phone_id), ..Contact::default() };
                    *self = UserEntry::Contact(Box::new(contact));
                }
                Ok(())
            }
        }
    }
}

impl Named for Contact {
    fn rename<N: Naming>(&mut self, naming: &mut N) -> Result<(), N::Error> {
        // In a phone book a number is a number, whoever has it.
        field(&mut self.phone_id, |id| match id.contains(&b'_') {
            true => naming.roster(id),
            false => naming.number(id),
        })?;
        self.last_msg.rename(naming)
    }
}

impl Named for Friend {
    fn rename<N: Naming>(&mut self, naming: &mut N) -> Result<(), N::Error> {
        field(&mut self.phone_id, |id| naming.address(id))?;
        field(&mut self.friend_id, |id| naming.address(id))
    }
}

impl Named for Presence {
    fn rename<N: Naming>(&mut self, naming: &mut N) -> Result<(), N::Error> {
        field(&mut self.uid, |id| naming.address(id))
    }
}

impl Named for Typing {
    /// A room id is no phone_id (ID-16).
    fn rename<N: Naming>(&mut self, naming: &mut N) -> Result<(), N::Error> {
        field(&mut self.phone_id, |id| naming.roster(id))
    }
}

impl Named for Search {
    fn rename<N: Naming>(&mut self, naming: &mut N) -> Result<(), N::Error> {
        match self.field.as_deref() {
            Some(b"phone") => each(&mut self.value, |phone| naming.number(phone)),
            Some(_) | None => Ok(()),
        }
    }
}

impl Named for PushService {
    fn rename<N: Naming>(&mut self, naming: &mut N) -> Result<(), N::Error> {
        self.recipients.iter_mut().try_for_each(|id| naming.address(id))
    }
}

impl Named for Person {
    fn rename<N: Naming>(&mut self, naming: &mut N) -> Result<(), N::Error> {
        field(&mut self.id, |phone| naming.phone(phone))?;
        self.BlockUsers.iter_mut().try_for_each(|id| naming.address(id))
    }
}
