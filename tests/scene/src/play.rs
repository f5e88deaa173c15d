//! Files of scenes, played.

use std::path::Path;

use bytes::Bytes;
use chat::{Directory, Jwt, Provider};
use proto::ids::Phone;

use crate::live::{Daemon, Live};
use crate::mqtt::Version;
use crate::player::play;
use crate::script::{Scene, read};
use crate::sim::Simulated;

/// Seeds that every scene is played under; `CHAT_SEEDS` asks for more, `CHAT_SEED` for one alone.
const SEEDS: u64 = 50;
/// Seeds of a scene that is long.
const FEW: usize = 2;
/// The first telephone number, and how many one scene may use.
const FIRST: u64 = 380_100_000;
const APART: usize = 50;
/// Marks of scenes that need a server of other settings, which the simulator has.
const SETTINGS: &[&str] =
    &["limited", "transient", "sealed", "verified", "providers", "prolonged", "versioned", "directory", "asked"];

/// Plays a file in the simulator, each scene on a server of its own, under many seeds.
///
/// # Panics
/// With all that went wrong, one seed for each scene.
pub fn sim_file(path: &Path) {
    let seeds = match number("CHAT_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("CHAT_SEEDS").unwrap_or(SEEDS),
    };
    let scenes: Vec<Scene> = scenes(path).into_iter().filter(|scene| !scene.has("live")).collect();
    let wrong = scenes.iter().filter_map(|scene| {
        let few = if scene.has("few") { FEW } else { usize::MAX };
        let mut seeds = seeds.clone().take(few);
        seeds.find_map(|seed| play_file(scene, &mut Simulated::with(seed, settings(scene)), FIRST))
    });
    report(wrong.collect(), scenes.len());
}

/// What a simulated server is set to for a scene.
fn settings(scene: &Scene) -> chat::Settings {
    let settings = chat::Settings {
        limits: scene.has("limited"),
        transient: scene.has("transient"),
        require_cms: scene.has("sealed"),
        verify: scene.has("verified"),
        session_prolong: scene.has("prolonged"),
        min_version: if scene.has("versioned") { 100 } else { 0 },
        ..Simulated::settings()
    };
    let settings = if scene.has("providers") { with_providers(settings) } else { settings };
    let directory = match (scene.has("directory"), scene.has("asked")) {
        (true, _) => Directory::Restricts,
        (false, true) => Directory::Asked,
        (false, false) => return settings,
    };
    chat::Settings { directory, providers: vec![Provider::Invite, Provider::Directory, Provider::Log], ..settings }
}

/// A fixed code for one number, telephones by a webhook that calls too, nobody who endorses.
fn with_providers(settings: chat::Settings) -> chat::Settings {
    let number = Phone::parse(b"380999000001").expect("a number");
    chat::Settings {
        providers: vec![Provider::Static, Provider::Webhook],
        static_codes: [(number, Bytes::from_static(b"246810"))].into(),
        voice: true,
        jwt: Jwt::default(),
        ..settings
    }
}

/// Plays a file against a running server, all scenes on one.
///
/// # Panics
/// With all that went wrong.
pub fn live_file(path: &Path, daemon: &mut dyn Daemon, version: Version) {
    let scenes = live_scenes(path, |scene| version == Version::V5 || !scene.has("v5"));
    play_live(&scenes, Live::new(daemon, version));
}

/// The same on `/ws`, where records come without topics (CON-2).
///
/// # Panics
/// With all that went wrong.
pub fn records_file(path: &Path, daemon: &mut dyn Daemon) {
    let scenes = live_scenes(path, |scene| !scene.has("v5") && !scene.has("mqtt"));
    play_live(&scenes, Live::of_records(daemon));
}

fn live_scenes(path: &Path, wanted: impl Fn(&Scene) -> bool) -> Vec<Scene> {
    let needs_settings = |scene: &Scene| SETTINGS.iter().any(|mark| scene.has(mark));
    let scenes = scenes(path).into_iter().filter(|scene| !scene.has("sim") && !needs_settings(scene));
    scenes.filter(wanted).collect()
}

fn play_live(scenes: &[Scene], mut live: Live<'_>) {
    let numbers = (FIRST..).step_by(APART);
    let wrong = scenes.iter().zip(numbers).filter_map(|(scene, first)| play_file(scene, &mut live, first));
    report(wrong.collect(), scenes.len());
}

/// Plays one scene; what went wrong.
pub fn play_file(scene: &Scene, stage: &mut dyn crate::Stage, first: u64) -> Option<String> {
    let wrong = play(scene, stage, first).err()?;
    Some(format!("{wrong}\n  ({})", stage.course()))
}

/// The scenes of a file, or those whose title `CHAT_SCENE` is part of.
fn scenes(path: &Path) -> Vec<Scene> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let part = std::env::var("CHAT_SCENE").unwrap_or_default();
    read(&file, &text).into_iter().filter(|scene| scene.title.contains(&part)).collect()
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

fn report(wrong: Vec<String>, scenes: usize) {
    assert!(wrong.is_empty(), "{} of {scenes} scenes went wrong\n\n{}", wrong.len(), wrong.join("\n\n"));
}
