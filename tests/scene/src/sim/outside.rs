//! What is done for the chat outside of it: slow work, pushes, and the organisation's directory.

use std::sync::Arc;

use bytes::Bytes;
use chat::rows::{self, OUTGOING};
use chat::{Follow, Input, Job, Listed, Name, Push, Work, WorkError, WorkResult};
use kvs::{Batch, Store};
use proto::ids::{FeedId, Phone, PhoneId};

use super::Simulated;
use super::certificates::issued;
use crate::stage::{Entry, LOGGED, Pushed};

/// Who owns the rooms of the directory's groups.
const OWNER: &str = "directory";

impl Simulated {
    pub(super) fn work(&mut self, job: Job) {
        if let Some(asleep) = &mut self.asleep {
            return asleep.push(job);
        }
        self.perform(job);
    }

    /// Codes are kept; a request for a certificate is `key:` and the name of a key.
    pub(super) fn perform(&mut self, job: Job) {
        let result = match job.work {
            Work::SendCode { phone, code, .. } => {
                self.codes.insert(phone.to_string(), code);
                WorkResult::Sent
            }
            Work::MailCode { address, code, language: _ } => {
                self.codes.insert(String::from_utf8_lossy(&address).into_owned(), code);
                WorkResult::Sent
            }
            Work::Look { phone } => match &self.instead {
                Some(instead) => instead.clone(),
                None => WorkResult::Listed(self.people.get(phone.as_str()).map(|(person, _)| person.clone())),
            },
            Work::Password { .. } if self.instead.is_some() => WorkResult::Failed(WorkError::Broken),
            Work::Password { phone, password } => match self.people.get(phone.as_str()) {
                Some((person, own)) if own.as_bytes() == password => WorkResult::Listed(Some(person.clone())),
                Some(_) | None => WorkResult::Failed(WorkError::Invalid),
            },
            Work::File(work) => self.files.work(work),
            Work::Verify(signatures) => crate::cms::verify(&signatures),
            Work::Issue { request, phone, account: _, device } => match request.strip_prefix(b"key:") {
                Some(key) => WorkResult::Issued(issued(key, phone.as_str(), device.as_str())),
                None => WorkResult::Failed(WorkError::Invalid),
            },
        };
        self.tell(&job.from, Input::Worked { job: job.number, result });
    }

    /// The gateways: one that does not know the token any more is what PUSH-7 is about.
    pub(super) fn push(&mut self, push: Push) {
        let client = String::from_utf8_lossy(&push.client_id).into_owned();
        self.pushes.entry(client).or_default().push(Pushed { record: push.push.clone(), body: push.body(LOGGED) });
        let mut done = Batch::default();
        done.delete(OUTGOING, rows::numbered(push.gateway.text().as_bytes(), push.number));
        self.sim.store().apply(&done).expect("memory does not fail");
        if push.token.starts_with(b"dead") {
            self.tell(&Name::Profile(push.phone), Input::PushDead { device: push.device, print: push.print });
        }
    }

    pub(super) fn change_directory(&mut self, change: Entry) -> Result<(), String> {
        match change {
            Entry::Has { phone, given, surname, password } => {
                let person = Listed { given: Some(given), surname: Some(surname) };
                self.people.insert(phone, (Arc::new(person), password));
            }
            Entry::Loses { phone } => {
                self.people.remove(&phone);
            }
            Entry::Told { phone } => {
                let is_listed = self.people.contains_key(&phone);
                let phone = phone.parse().map_err(|_| format!("no phone: {phone}"))?;
                self.tell(&Name::Profile(phone), Input::Standing { is_listed });
            }
            Entry::Gathers { room, members } => {
                let parsed = |id: &String| id.parse::<PhoneId>().map_err(|_| format!("no phone_id: {id}"));
                let members = members.iter().map(parsed).collect::<Result<_, _>>()?;
                let owner: Phone = OWNER.parse().map_err(|_| "no account key".to_owned())?;
                self.tell(&Name::Profile(owner.clone()), Input::Exist);
                self.run();
                let owner = chat::default_roster(&*self.sim.store().snapshot(), &owner).expect("memory does not fail");
                let owner = owner.ok_or("the owner of rooms is not there")?;
                let name = Bytes::copy_from_slice(room.as_bytes());
                let room = room.parse().map_err(|_| format!("no room: {room}"))?;
                let follow = Follow { owner, name, members };
                self.tell(&Name::Conversation(FeedId::Room(room)), Input::Follow(Box::new(follow)));
            }
            Entry::Left => self.instead = Some(WorkResult::AsBefore(None)),
            Entry::Failed => self.instead = Some(WorkResult::Failed(WorkError::Broken)),
            Entry::Back => self.instead = None,
        }
        Ok(())
    }
}
