//! The section `push`: what wakes devices that are away, and by whom.

use hyper::Uri;
use serde::Deserialize;

#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Push {
    /// PUSH-2.
    pub(crate) preview: bool,
    pub(crate) apns: Apns,
    pub(crate) fcm: Fcm,
    pub(crate) web: Web,
}

/// PUSH-3.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Apns {
    pub(crate) key: String,
    pub(crate) key_id: String,
    pub(crate) team_id: String,
    pub(crate) certificate: String,
    pub(crate) certificate_key: String,
    pub(crate) bundles: Vec<String>,
    pub(crate) live: String,
    pub(crate) sandbox: String,
}

/// PUSH-4.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Fcm {
    pub(crate) account: String,
    pub(crate) gateway: String,
}

/// PUSH-7.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Web {
    pub(crate) subject: String,
    pub(crate) internal: bool,
}

impl Default for Apns {
    fn default() -> Apns {
        let none = String::new;
        Apns {
            key: none(),
            key_id: none(),
            team_id: none(),
            certificate: none(),
            certificate_key: none(),
            bundles: Vec::new(),
            live: "https://api.push.apple.com".into(),
            sandbox: "https://api.sandbox.push.apple.com".into(),
        }
    }
}

impl Default for Fcm {
    fn default() -> Fcm {
        Fcm { account: String::new(), gateway: "https://fcm.googleapis.com".into() }
    }
}

impl Push {
    /// What cannot be meant.
    pub(super) fn check(&self) -> Result<(), String> {
        let apns = &self.apns;
        let is_set = |text: &String| !text.is_empty();
        let wrong = |what: &str| Err(format!("push.{what}"));
        if is_set(&apns.key) && is_set(&apns.certificate) {
            return wrong("apns: key or certificate, not both");
        }
        if is_set(&apns.key) && !(is_set(&apns.key_id) && is_set(&apns.team_id)) {
            return wrong("apns.key needs push.apns.key_id and push.apns.team_id");
        }
        if is_set(&apns.certificate) != is_set(&apns.certificate_key) {
            return wrong("apns.certificate and push.apns.certificate_key go together");
        }
        if apns.is_used() && apns.bundles.is_empty() {
            return wrong("apns.bundles: name your app's bundle id");
        }
        for (name, url) in
            [("apns.live", &apns.live), ("apns.sandbox", &apns.sandbox), ("fcm.gateway", &self.fcm.gateway)]
        {
            let is_good =
                |url: &Uri| url.scheme_str() == Some("https") && url.host().is_some_and(|host| !host.is_empty());
            if !url.parse().is_ok_and(|url| is_good(&url)) {
                return wrong(&format!("{name}: is no URL of https"));
            }
        }
        let subject = &self.web.subject;
        if is_set(subject) && !["mailto:", "https:"].iter().any(|scheme| subject.starts_with(scheme)) {
            return wrong("web.subject begins with mailto: or https:");
        }
        Ok(())
    }
}

impl Apns {
    pub(crate) fn is_used(&self) -> bool {
        !self.key.is_empty() || !self.certificate.is_empty()
    }
}
