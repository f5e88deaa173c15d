//! The arrows of ARCHITECTURE.md: which part may import which, and what the chat may not name.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Part, and the parts of ours that it may import.
const ARROWS: &[(&str, &[&str])] = &[
    ("etf", &["etf-derive"]),
    ("etf/derive", &[]),
    ("proto", &["etf"]),
    ("kvs", &[]),
    ("n2o", &["kvs"]),
    ("mail", &["etf", "proto"]),
    ("chat", &["etf", "proto", "mail", "kvs", "n2o"]),
    ("quic", &[]),
    ("listen", &["proto", "n2o", "chat", "quic"]),
    ("mqtt", &["etf", "proto", "kvs", "n2o", "chat", "listen"]),
    ("websocket", &[]),
    ("web", &["etf", "proto", "n2o", "chat", "listen", "websocket"]),
    ("ca", &[]),
    ("fetch", &[]),
    ("push", &["fetch"]),
    ("ns", &[]),
    ("ldap", &[]),
    ("client", &["etf", "proto", "ca", "quic", "websocket"]),
];

/// What `chat` never names: it runs under any host, over any transport, on any store.
const FOREIGN: &[&str] = &["actix", "tokio", "rumqttd", "fjall", "rustls", "std::fs", "std::net", "std::thread"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Names of our own crates among the `[dependencies]` of a manifest.
fn imports(manifest: &str) -> BTreeSet<String> {
    let ours: BTreeSet<&str> = ARROWS.iter().map(|(name, _)| *name).chain(["etf-derive"]).collect();
    let mut inside = false;
    let mut found = BTreeSet::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            inside = line.trim() == "[dependencies]";
        }
        let name = line.split(['.', '=', ' ']).next().unwrap_or_default();
        if inside && ours.contains(name) {
            found.insert(name.to_owned());
        }
    }
    found
}

#[test]
fn parts_import_only_what_the_arrows_allow() {
    for (part, allowed) in ARROWS {
        let manifest = std::fs::read_to_string(root().join("apps").join(part).join("Cargo.toml")).unwrap();
        let allowed: BTreeSet<String> = allowed.iter().map(|name| name.to_string()).collect();
        let beyond: Vec<String> = imports(&manifest).difference(&allowed).cloned().collect();
        assert!(beyond.is_empty(), "{part} imports {beyond:?}: a new arrow is a design change");
    }
}

#[test]
fn the_chat_names_no_host_transport_or_engine() {
    for (path, text) in sources(&root().join("apps/chat/src")) {
        for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
            for name in FOREIGN {
                assert!(!line.contains(name), "{} names {name}: {line}", path.display());
            }
        }
    }
}

fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry of a folder").path();
        match path.is_dir() {
            true => found.extend(sources(&path)),
            false => found.push((path.clone(), std::fs::read_to_string(&path).expect("a source file"))),
        }
    }
    assert!(!found.is_empty());
    found
}
