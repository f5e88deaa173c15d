//! What is not ours and not Debian's: Python and node packages, as `.ci/run` installs them, and our scripts for them.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A Python that can import these: `$CHAT_PYTHON`, what `.ci/run` made, or the system's.
pub(crate) fn python(modules: &str) -> PathBuf {
    let has_all = |python: &PathBuf| {
        let tried = Command::new(python).args(["-c", &format!("import {modules}")]).output();
        tried.is_ok_and(|tried| tried.status.success())
    };
    let mut places = places("CHAT_PYTHON", "python/bin/python").chain([PathBuf::from("python3")]);
    let missing =
        || panic!("a Python with {modules} is missing: .ci/run makes one in target/python, or set CHAT_PYTHON");
    places.find(has_all).unwrap_or_else(missing)
}

/// Where mqtt.js is: `$CHAT_NODE`, or where `.ci/run` has installed it.
pub(crate) fn node_modules() -> PathBuf {
    let found = places("CHAT_NODE", "node/node_modules").find(|place| place.join("mqtt/package.json").exists());
    found.expect("mqtt.js is missing: .ci/run installs it in target/node, or set CHAT_NODE")
}

pub(crate) fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/third_party").join(name)
}

/// Named by the variable, or made in cargo's folder, or in the usual one.
fn places(variable: &str, made: &str) -> impl Iterator<Item = PathBuf> {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| OsString::from("target"));
    let folders = [repository.join(target), repository.join("target")];
    env::var_os(variable).map(PathBuf::from).into_iter().chain(folders.map(|folder| folder.join(made)))
}
