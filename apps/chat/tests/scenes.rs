//! The scenes of `tests/scenes`, played in the simulator under many seeds.

use std::path::PathBuf;

fn play(file: &str) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/scenes");
    scene::sim_file(&folder.join(file));
}

/// One test for each file: its rules are the ids in the titles of its scenes.
macro_rules! scenes {
    ($($name:ident = $file:literal,)+) => {
        $(#[test]
        fn $name() {
            play($file);
        })+

        /// A file that nobody plays proves nothing.
        #[test]
        fn every_file_is_played() {
            let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/scenes");
            let mut found: Vec<String> = std::fs::read_dir(folder)
                .into_iter()
                .flatten()
                .flatten()
                .map(|entry| entry.file_name().to_string_lossy().into_owned())
                .collect();
            found.sort();
            let mut played = vec![$($file.to_owned()),+];
            played.sort();
            assert_eq!(found, played);
        }
    };
}

scenes! {
    traces_t_1_to_t_6 = "traces.chat",
    init_1_io_1_and_encoding_c_1 = "general.chat",
    auth_1_to_16 = "auth.chat",
    con_3_to_12 = "connections.chat",
    topic_1_to_14 = "topics.chat",
    profile_1_and_4_feature_1 = "profile.chat",
    roster_1_to_7 = "roster.chat",
    friend_1_to_10 = "friend.chat",
    presence_1_to_7 = "presence.chat",
    message_1_to_17 = "message.chat",
    history_1_to_14 = "history.chat",
    delivery_dlv_1_to_15 = "delivery.chat",
}
