//! Registering, the own face, the own devices.

use proto::{Feature, Roster, RosterEntry, RosterId};

use super::{Session, said};
use crate::calls::text;
use crate::console::{show, tls};
use crate::{Client, Enrolment, Error, Options, Registered};

impl Session {
    /// AUTH-1, AUTH-4: with a key and certificate request made here, so that the key never leaves this device.
    pub(super) async fn register(
        &mut self,
        phone: &str,
        code: Option<String>,
        ask: impl AsyncFnOnce(&str) -> Result<String, Error>,
    ) -> Result<Vec<String>, Error> {
        let dev_key = String::from_utf8_lossy(&crate::calls::fresh_msg_id()?).chars().take(16).collect::<String>();
        let (key, csr) = ca::request(phone).map_err(|error| Error::local(error.to_string()))?;
        let mut options = Options::new(self.place.url(), format!("reg_{dev_key}"));
        self.place.lead(&mut options);
        options.tls = tls(&self.args, &self.home)?;
        options.others = self.args.url.iter().skip(1).cloned().collect();
        options.reconnect = false;
        let how = if self.args.fake { Enrolment::Fake } else { Enrolment::Code };
        let (client, _events) = Client::connect(options).await?;
        let account = match client.register(phone, &dev_key, how, Some(&csr)).await? {
            Registered::Done(account) => *account,
            Registered::CodeSent => {
                let code = match code {
                    Some(code) => code,
                    None => ask("code or invite:").await?,
                };
                client.verify(&code, Some(&csr)).await?
            }
        };
        client.close().await;
        let stored = self.home.save_account(&self.place, &account, &key)?;
        let line = format!("registered as {}; kept in {}", stored.phone_id, self.home.folder().display());
        self.connect(stored).await?;
        said(line)
    }

    pub(super) async fn me(&self) -> Result<Vec<String>, Error> {
        let profile = self.client()?.profile().await?;
        let mut lines = vec![format!("account {} at {}", text(&profile.phone), self.place)];
        for entry in &profile.rosters {
            if let RosterEntry::Roster(roster) = entry {
                lines.push(face(roster));
            }
        }
        lines.extend(profile.settings.iter().map(setting));
        Ok(lines)
    }

    pub(super) async fn nick(&self, nick: &str) -> Result<Vec<String>, Error> {
        let roster = self.client()?.set_nick(nick).await?;
        said(format!("people find you by the nick {}", text(&roster.nick)))
    }

    pub(super) async fn name(&self, words: &[String]) -> Result<Vec<String>, Error> {
        let (name, surname) = (words.first().map_or("", String::as_str), words.get(1).map(String::as_str));
        self.client()?.set_names(name, surname).await?;
        said(format!("friends see you as {}", words.join(" ")))
    }

    pub(super) async fn devices(&self) -> Result<Vec<String>, Error> {
        let online = self.online.as_ref().ok_or_else(|| Error::local("not connected"))?;
        let sessions = online.client.sessions().await?;
        let line = |auth: proto::Auth| {
            let id = text(&auth.client_id);
            let os = auth.os.map(|os| format!("{os:?}").to_lowercase()).unwrap_or_default();
            let here = if id == online.stored.client_id { "this device" } else { "" };
            format!("{:<20} {id:<40} {os:<8} {here}", text(&auth.dev_key)).trim_end().to_owned()
        };
        Ok(sessions.into_iter().map(line).collect())
    }

    /// AUTH-10, by the device's key or client id.
    pub(super) async fn end(&self, device: &str) -> Result<Vec<String>, Error> {
        self.client()?.end_session(device).await?;
        said(format!("{} is logged out", show::printable(device)))
    }
}

fn setting(feature: &Feature) -> String {
    let (group, key, value) = (text(&feature.group), text(&feature.key), String::from_utf8_lossy(feature.text()));
    show::printable(&format!("setting {group} {key}: {value}"))
}

fn face(roster: &Roster) -> String {
    let id = match &roster.id {
        Some(RosterId::Number(id)) => id.to_string(),
        Some(RosterId::Name(name)) => String::from_utf8_lossy(name).into_owned(),
        None => String::new(),
    };
    let names = format!("{} {}", text(&roster.names), text(&roster.surnames));
    let nick = roster.nick.as_ref().map(|_| format!(" (nick {})", text(&roster.nick))).unwrap_or_default();
    format!("roster {id} {}{nick}", show::printable(names.trim())).trim_end().to_owned()
}
