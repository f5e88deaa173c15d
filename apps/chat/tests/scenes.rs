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

scene::every_file!(scenes);
