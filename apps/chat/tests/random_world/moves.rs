//! People of the random world change their numbers (PROFILE-10, 11) and come by the client ids that they are given.

use proto::records::{Io, Profile, ProfileStatus};
use scene::Stage;

use crate::random_days;

use super::World;

/// Numbers that nobody has at first begin here.
const FRESH: usize = 380_300_000;

impl World {
    /// To a number that nobody has had, or back to one that the person has left.
    pub(super) fn move_away(&mut self, person: usize, device: usize) {
        let first = self.first_number(person);
        let to = match self.below(3) {
            0 => first,
            _ => {
                self.numbers += 1;
                (FRESH + self.numbers).to_string()
            }
        };
        self.ask(person, device, &format!("Profile{{phone=\"{to}\" status=migrate}}"));
        let code = self.stage.code(&to).expect("works").map(|code| String::from_utf8_lossy(&code).into_owned());
        let code = code.unwrap_or_default();
        let service = format!("Service{{login=\"{to}\" password=\"{code}\"}}");
        self.ask(person, device, &format!("Profile{{phone=\"{to}\" services=[{service}] status=phone}}"));
    }

    /// AUTH-5: the device takes the client id and the token that it is handed, or has lost the answer.
    pub(super) fn learns(&mut self, person: usize, device: usize, io: &Io) {
        let Some((client, token)) = random_days::login(io) else { return };
        if self.below(2) == 0 {
            let device = self.device(person, device);
            (device.client, device.token) = (client, token);
        }
    }

    /// PROFILE-11, its answer or its notice.
    pub(super) fn is_called(&mut self, person: usize, profile: &Profile) {
        if profile.status == Some(ProfileStatus::Phone)
            && let (Some(phone), Some(person)) = (&profile.phone, self.people.get_mut(person))
        {
            let number = String::from_utf8_lossy(phone).into_owned();
            self.moves += usize::from(person.number != number);
            person.number = number;
        }
    }

    fn first_number(&self, person: usize) -> String {
        self.id(person).split('_').next().unwrap_or_default().to_owned()
    }

    /// The person's phone_id, by its first number or the latest.
    pub(super) fn called(&mut self, person: usize) -> String {
        let id = self.id(person);
        self.called_as(&id)
    }

    pub(super) fn called_as(&mut self, id: &str) -> String {
        let latest = self.people.iter().find(|person| person.id == id).map(|person| person.number.clone());
        match (latest, id.split_once('_')) {
            (Some(number), Some((_, roster))) if self.below(2) == 0 => format!("{number}_{roster}"),
            _ => id.to_owned(),
        }
    }

    /// A text in which people stand under their first numbers, whatever numbers they had when it was written.
    pub(crate) fn at_first(&self, text: String) -> String {
        let name = |part: &str| {
            let roster = part.split_once('_').map(|(_, roster)| format!("_{roster}"));
            let person = roster.and_then(|roster| self.people.iter().find(|person| person.id.ends_with(&roster)));
            person.map_or_else(|| part.to_owned(), |person| person.id.clone())
        };
        let mut parts: Vec<String> = text.split('/').map(name).collect();
        if parts.len() > 1 {
            parts.sort();
        }
        parts.join("/")
    }

    /// The session of a device, which has the name of the first number.
    pub(super) fn session(&self, person: usize, device: usize) -> String {
        format!("emqttd_{}_d{device}", self.first_number(person))
    }
}
