//! SEARCH-5: whoever has searched for names hears of them no longer than they are looked for, lest nobody ever be idle.

use chat_core::Group;
use scene::{Simulated, play_file, read};

const SEEDS: u64 = 4;

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
