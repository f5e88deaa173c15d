//! Rooms of the random world: people write in them, come and go, rise and fall.

use super::{ATTIC, DEN, World};

impl World {
    /// Everybody is in the den; one of them owns it.
    pub(super) fn found(&mut self) {
        let link = self.device(0, 0).link.clone();
        let members = self.members(&[1, 2]);
        self.say(&link, &format!("Room{{id=\"{DEN}\" name=\"Den\" members=[{members}] status=create}}"));
    }

    fn members(&self, people: &[usize]) -> String {
        let members: Vec<String> =
            people.iter().map(|person| format!("Member{{phone_id=\"{}\"}}", self.id(*person))).collect();
        members.join(" ")
    }

    pub(super) fn write_in_den(&mut self, person: usize, device: usize) {
        self.written += 1;
        let number = self.written;
        let files = format!("files=[Desc{{id=\"1\" payload=\"{number}\"}}]");
        self.ask(person, device, &format!("Message{{msg_id=\"m{number}\" feed_id=muc{{name=\"{DEN}\"}} {files}}}"));
        if self.below(2) == 0 {
            self.look(person, device);
        }
    }

    /// Whoever may not is refused, and nothing must come of it.
    pub(super) fn change_rooms(&mut self, person: usize, device: usize) {
        let other = self.members(&[self.other(person)]);
        let mine = self.members(&[person]);
        self.written += 1;
        let number = self.written;
        let text = match self.below(12) {
            0 => format!("Room{{id=\"{DEN}\" members=[{other}] status=remove}}"),
            1 | 2 => format!("Room{{id=\"{DEN}\" members=[{other}] status=add}}"),
            3 => format!("Room{{id=\"{DEN}\" admins=[{other}] status=add}}"),
            4 => format!("Room{{id=\"{DEN}\" description=\"{number}\" status=patch}}"),
            5 => format!("Member{{feed_id=muc{{name=\"{DEN}\"}} alias=\"{number}\" status=patch}}"),
            6 => format!("Room{{id=\"{DEN}\" status=mute}}"),
            7 => format!("Member{{feed_id=muc{{name=\"{DEN}\"}} phone_id={} status=owner}}", phone_of(&other)),
            8 => format!("Room{{id=\"{ATTIC}\" name=\"Attic\" members=[{other}] status=create}}"),
            9 => format!("Room{{id=\"{ATTIC}\" status=delete}}"),
            10 => format!("Room{{id=\"{ATTIC}\" members=[{mine}] status=leave}}"),
            _ => format!(
                "Message{{msg_id=\"x{number}\" feed_id=muc{{name=\"{ATTIC}\"}} files=[Desc{{id=\"1\" payload=\"x\"}}]}}"
            ),
        };
        self.ask(person, device, &text);
    }

    fn other(&self, person: usize) -> usize {
        (person + 1 + self.written % (super::PEOPLE - 1)) % super::PEOPLE
    }
}

fn phone_of(member: &str) -> &str {
    member.trim_start_matches("Member{phone_id=").trim_end_matches('}')
}
