//! Reading the configuration: the file over the profile's defaults, and what no deployment may do.

use std::io::ErrorKind;
use std::path::Path;

use serde::Deserialize;
use toml::{Table, Value};

use super::auth::Provider;
use super::{FILES, LISTENERS_MAX, PACKETS, Profile, RING_NODES, Settings};
use crate::failure::Failure;

const DEV: &str = include_str!("../../priv/dev.toml");
const PRODUCTION: &str = include_str!("../../priv/production.toml");

impl Settings {
    /// Reads `path`; where there is no such file and it need not be there, the profile alone counts. `profile` goes before the file's.
    pub(crate) fn load(path: &Path, must_be: bool, profile: Option<Profile>) -> Result<Settings, Failure> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound && !must_be => String::new(),
            Err(source) => return Err(Failure::File { path: path.into(), source }),
        };
        Settings::parse(&text, profile).map_err(|what| Failure::Settings { path: path.into(), what })
    }

    fn parse(text: &str, profile: Option<Profile>) -> Result<Settings, String> {
        // By itself first: its errors then name the line.
        let alone: Settings = toml::from_str(text).map_err(|error| without_lines(text, &error))?;
        let profile = profile.unwrap_or(alone.profile);

        let mut table = preset(profile)?;
        lay_over(&mut table, text.parse().map_err(|error| without_lines(text, &error))?);
        let settings = Settings::deserialize(Value::Table(table)).map_err(|error| without_values(error.message()))?;
        let settings = Settings { profile, ..settings };
        settings.check()?;
        Ok(settings)
    }

    fn check(&self) -> Result<(), String> {
        let listen = &self.listen;
        let all = || listen.kinds().into_iter().flatten();
        if let Some(open) = all().find(|address| self.auth.fake_numbers && !address.ip().is_loopback()) {
            // ID-15
            return Err(format!("auth.fake_numbers needs every listener on loopback, and {open} is not"));
        }
        if listen.kinds().iter().any(|listeners| listeners.len() > LISTENERS_MAX) {
            return Err(format!("at most {LISTENERS_MAX} listeners of a kind"));
        }
        if let Some(open) = all().find(|address| self.auth.jwt.self_issue && !address.ip().is_loopback()) {
            return Err(format!("auth.jwt.self_issue needs every listener on loopback, and {open} is not"));
        }
        self.auth.check()?;
        self.directory.check()?;
        if self.auth.providers.contains(&Provider::Ldap) && self.directory.servers.is_empty() {
            return Err("auth.providers: \"ldap\" needs directory.servers".into());
        }
        self.push.check()?;
        self.ns.check()?;
        self.ldap.check()?;
        if self.tls.certificate.is_empty() != self.tls.key.is_empty() {
            return Err("tls.certificate and tls.key go together".into());
        }
        if !PACKETS.contains(&self.mqtt.packet_max) {
            return Err(format!("mqtt.packet_max is {} to {} bytes", PACKETS.start(), PACKETS.end()));
        }
        mqtt::Rule::check(&self.rules())?;
        if !FILES.contains(&self.ftp.max) || !FILES.contains(&self.ftp.quota) {
            return Err(format!("ftp.max and ftp.quota are {} to {} bytes", FILES.start(), FILES.end()));
        }
        if !RING_NODES.contains(&self.ring.nodes) {
            return Err(format!("ring.nodes is {} to {}", RING_NODES.start(), RING_NODES.end()));
        }
        Ok(())
    }
}

/// Where a file is wrong and why, without its line: that may hold a secret (SEC-10).
fn without_lines(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start));
    match before.map(|before| before.matches('\n').count() + 1) {
        Some(line) => format!("line {line}: {}", without_values(error.message())),
        None => without_values(error.message()),
    }
}

/// What is wrong, without the value that is: that may be a secret whose quotes were forgotten (SEC-10).
fn without_values(message: &str) -> String {
    let is_quoted = message.starts_with("invalid type: ") || message.starts_with("invalid value: ");
    match message.split_once(", expected ") {
        Some((_, expected)) if is_quoted => format!("expected {expected}"),
        _ => message.to_owned(),
    }
}

fn preset(profile: Profile) -> Result<Table, String> {
    let text = match profile {
        Profile::Dev => DEV,
        Profile::Embedded => "",
        Profile::Production => PRODUCTION,
    };
    text.parse().map_err(|error: toml::de::Error| error.to_string())
}

/// Sections are merged, anything else is replaced.
fn lay_over(under: &mut Table, over: Table) {
    for (key, value) in over {
        match (under.get_mut(&key), value) {
            (Some(Value::Table(under)), Value::Table(over)) => lay_over(under, over),
            (_, value) => {
                under.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::SHIPPED;

    #[test]
    fn the_file_that_is_shipped_says_all_options_with_their_defaults() {
        let shipped: Settings = toml::from_str(SHIPPED).unwrap();
        assert_eq!(shipped, Settings::default());
        assert_eq!(Settings::parse("", None).unwrap(), Settings::default());
        let options: usize = SHIPPED.lines().filter(|line| !line.starts_with('#') && line.contains(" = ")).count();
        let debug = format!("{:#?}", Settings::default());
        let fields = debug.lines().filter(|line| line.contains(": ") && !line.ends_with('{')).count();
        assert_eq!(options, fields, "every option is in the file");
    }

    #[test]
    fn the_file_goes_over_the_profile_and_the_command_line_over_both() {
        let dev = Settings::parse("profile = 'dev'\n[listen]\nmqtt = ['127.0.0.1:0']", None).unwrap();
        assert!(dev.auth.fake_numbers && dev.auth.jwt.self_issue && !dev.limits);
        assert_eq!(dev.listen.mqtt, ["127.0.0.1:0".parse().unwrap()]);
        assert!(dev.listen.mqtts.iter().all(|address| address.ip().is_loopback()));

        let production = Settings::parse("profile = 'dev'", Some(Profile::Production)).unwrap();
        assert!(!production.auth.fake_numbers && production.listen.mqtt.is_empty());
        assert!(production.security.require_cms && !dev.security.require_cms, "SEC-7");
        assert_eq!(production.profile, Profile::Production);
    }

    #[test]
    fn the_example_is_a_configuration() {
        let example = Settings::parse(include_str!("../../rel/chat.example.toml"), None).unwrap();
        assert_eq!(example.profile, Profile::Production);
        assert!(example.listen.mqtt.is_empty() && !example.listen.mqtts.is_empty());
    }

    #[test]
    fn errors_name_the_line() {
        let error = |text: &str| Settings::parse(text, None).unwrap_err();
        assert!(error("limits = true\n[listen]\nmqt = []").contains("line 3"));
        assert!(error("limits = true\n[listen]\nmqt = []").contains("mqt"));
        assert!(error("log = 7").contains("line 1"));
        let secret = error("log = \"info\"\nauth.static_codes.380670000001 = \"hunter2");
        assert!(secret.starts_with("line 2: ") && !secret.contains("hunter2"), "SEC-10: {secret}");
        let secret = error("auth.static_codes.380670000001 = 123456");
        assert!(secret.contains("expected a string") && !secret.contains("123456"), "SEC-10: {secret}");
        assert!(error("listen.mqtt = ['nowhere']").contains("address"));
        assert!(error("tls.certificate = 'chain.pem'").contains("go together"));
        assert!(error("mqtt.packet_max = 7").contains("packet_max"));
        assert!(error("auth.sys_secret = 'secret'").contains("not the secret itself"));
        assert!(error("auth.providers = ['mail']").contains("mailboxes"));
        assert!(error("auth.providers = ['webhook']").contains("auth.webhook.url"));
        assert!(error("auth.webhook.url = 'http://example.org/'").contains("loopback"));
        assert!(error("auth.webhook.url = 'ftp://example.org/'").contains("https"));
        assert!(error("auth.static_codes = { '12' = '123456' }").contains("account key"));
        assert!(error("auth.static_codes = { '380670000001' = '1' }").contains("characters"));
        assert!(error("push.apns.key = 'a.p8'").contains("push.apns.key_id"));
        assert!(error("push.apns = { key = 'a', key_id = 'a', team_id = 'a' }").contains("push.apns.bundles"));
        assert!(error("push.apns = { key = 'a', certificate = 'b' }").contains("not both"));
        assert!(error("push.apns = { certificate = 'b' }").contains("certificate_key"));
        assert!(error("push.apns.live = 'http://example.org'").contains("https"));
        assert!(error("push.fcm.gateway = ''").contains("push.fcm.gateway"));
        assert!(error("push.web.subject = 'me@example.org'").contains("mailto:"));
        assert!(error("auth.providers = ['ldap']").contains("directory.servers"));
        assert!(error("directory.restrict = true").contains("directory.servers"));
        assert!(error("directory = { servers = ['ldap://a.example'] }").contains("directory.base"));
        let directory = |rest: &str| {
            error(&format!("directory = {{ servers = ['ldap://a.example'], base = 'dc=example', {rest} }}"))
        };
        assert!(directory("start_tls = false").contains("loopback"));
        assert!(directory("people = 'objectClass=person'").contains("directory.people"));
        assert!(directory("people = '(objectClass=person'").contains("directory.people"));
        assert!(directory("keys = ['uid)']").contains("directory.keys"));
        assert!(directory("given = 'a b'").contains("attributes"));
        assert!(directory("groups = { 'a b' = 'cn=a' }").contains("directory.groups"));
        assert!(directory("owner = '1'").contains("directory.owner"));
        assert!(directory("sync = 60").contains("directory.sync"));
        assert!(error("directory.servers = ['http://a.example']").contains("ldaps://"));
        assert!(error("directory.servers = ['ldaps://[::1]']").contains("IPv4"));
        assert!(error("ns.zone = 'not a zone'").contains("ns.zone"));
        assert!(error("ns.listen = []\nns.zone = 'chat.example'").contains("ns.listen"));
        assert!(error("ldap.base = 'nowhere'").contains("ldap.base"));
        assert!(error("topics.free = [{ filter = 'a#' }]").contains("topics.free"));
        assert!(error("topics.free = [{ read = ['anna'] }]").contains("filter"));
        assert!(error("ftp.max = 0").contains("ftp.max"));
        assert!(error("ring.nodes = 0").contains("ring.nodes"));
    }

    #[test]
    fn topic_13_rules_on_free_topics_reach_the_broker() {
        let text = "topics.free = [{ filter = 'a/#', read = ['*'] }, { filter = 'b', write = ['anna'] }]";
        let rules = Settings::parse(text, None).unwrap().mqtt().rules;
        assert_eq!((rules[0].read.as_slice(), rules[0].write.len()), (&["*".to_owned()][..], 0));
        assert_eq!((rules[1].filter.as_str(), rules[1].write[0].as_str()), ("b", "anna"));
    }

    #[test]
    fn id_15_fake_numbers_need_loopback() {
        let error = Settings::parse("auth.fake_numbers = true", None).unwrap_err();
        assert!(error.contains("loopback") && error.contains("8883"));
        let error = Settings::parse("auth.jwt.self_issue = true", None).unwrap_err();
        assert!(error.contains("loopback") && error.contains("8883"));
    }
}
