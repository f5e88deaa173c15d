//! SEARCH-5: whoever has searched for names, or is about to, hears of them no longer than they are looked for, lest nobody ever be idle.

use chat_core::Group;
use scene::{Simulated, play_file, read};

const SEEDS: u64 = 4;
/// Contacts that one request adds.
const ADDED: usize = 250;

const SEARCHED: &str = r#"
# SEARCH-5 somebody searches
friends ann ben
people carl
ann > Search{ref="r" field="names" type=like value="eu" status=roster}
ann < io{data=Roster{userlist=[]}}
"#;
const SOON: &str = r#"
wait 200 s
carl > Roster{names="Carl" status=patch}
carl < Roster{status=patch}
"#;
const LATE_AVATAR: &str = r#"
wait 200 s
carl > Roster{avatar="c.png" status=patch}
carl < Roster{status=patch}
"#;
const LATE: &str = r#"
carl > Roster{names="Eugene" status=patch}
carl < Roster{status=patch}
"#;
const AGAIN: &str = r#"
ben > Roster{surnames="Euler" status=patch}
ben < Roster{status=patch}
ann > Search{ref="r" field="names" type=like value="eu" status=roster}
ann < io{data=Roster{userlist=[Contact{phone_id=@ben surnames="Euler"}]}}
ben > Roster{surnames="Bell" status=patch}
ben < Roster{status=patch}
ann > Search{ref="r" field="names" type=like value="eu" status=roster}
ann < io{data=Roster{userlist=[]}}
"#;

/// Rosters that are told of names after these events.
fn told(seed: u64, events: &[&str]) -> usize {
    let mut stage = Simulated::new(seed, false);
    for scene in read("searching", &events.concat().replace("\n\n", "\n")) {
        assert_eq!(play_file(&scene, &mut stage, 380_100_000), None);
    }
    stage.sim.registry().group_size(&Group::Searching)
}

#[test]
fn whoever_searched_long_ago_is_told_no_more_of_names() {
    for seed in 0..SEEDS {
        assert_eq!(told(seed, &[SEARCHED, SOON]), 1, "she may search on");
        assert_eq!(told(seed, &[SEARCHED, SOON, LATE_AVATAR]), 1, "a picture is no name: nobody is told");
        assert_eq!(told(seed, &[SEARCHED, SOON, LATE_AVATAR, LATE]), 0, "others' edits do not keep her");
        assert_eq!(told(seed, &[SEARCHED, SOON, LATE_AVATAR, LATE, AGAIN]), 1, "she has come back");
    }
}

const READ: &str = r#"
ann > Profile{status=get}
ann < Profile{status=get}
"#;

/// The events by which ann has so many more contacts, whose numbers begin so, and then reads them all.
fn with_more(numbers: &str, contacts: usize) -> String {
    let mut events = String::from("\n# PROFILE-1 SEARCH-5 somebody reads her roster, then searches\nfriends ann ben\n");
    for first in (0..contacts).step_by(ADDED) {
        let contact = |number: usize| format!("Contact{{phone_id=\"{numbers}{number:07}\"}}");
        let list: Vec<String> = (first..contacts.min(first + ADDED)).map(contact).collect();
        events += &format!("ann > Roster{{userlist=[{}] status=add}}\n", list.join(" "));
    }
    events + READ
}

#[test]
fn whoever_has_read_a_long_roster_is_told_of_names_and_finds_people_as_they_are_called_now() {
    let (short, long) = (with_more("38099", 100), with_more("38099", 1000));
    for seed in 0..SEEDS {
        assert_eq!(told(seed, &[&short]), 0, "it is read when it is searched");
        assert_eq!(told(seed, &[&long]), 1);
        assert_eq!(told(seed, &[&long, AGAIN]), 1);
    }
}

const IN_BOOK: &str = r#"
people carl
carl > Profile{settings=[Feature{id="1" key="SEARCHABLE" value="friends" group="PRIVACY"}] status=patch}
carl < Profile{status=patch}
ann > Roster{userlist=[Contact{phone_id=@carl.phone}] status=add}
ann < io{code=ok{code=added}}
"#;

#[test]
fn search_1_who_is_in_the_phone_book_is_found_by_number_beyond_many_others() {
    let others: Vec<_> = (0..10).map(|number| format!("\"38000{number:07}\"")).collect();
    let others = others.join(" ");
    let search = format!(
        r#"
ann > Search{{ref="r" field="phone" type='==' value=[{others} @ben.phone @carl.phone] status=contact}}
ann < io{{data=Roster{{userlist=[Contact{{phone_id=@ben status=friend}} Contact{{phone_id=@carl status=internal}}]}}}}
"#
    );
    for seed in 0..SEEDS {
        told(seed, &[&with_more("38000", 300), IN_BOOK, &search]);
    }
}
