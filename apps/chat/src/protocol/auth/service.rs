//! Services: how they come in (CON-3), and the invites that they hand out (ID-11).

use proto::records::Io;
use proto::{Outcome, Refusal};

use super::{Ask, Halt, invite, secret};
use crate::Settings;
use crate::door::Hello;
use crate::effects::answer;

/// CON-3: a certificate of our own authority that says so, or the secret of the configuration.
pub(crate) fn is_service(settings: &Settings, hello: &Hello) -> bool {
    let certified = hello.certificate.as_ref().is_some_and(|certificate| certificate.sys && certificate.own_authority);
    let knows = match (&settings.sys_secret, &hello.password) {
        (Some(kept), Some(password)) => secret::is_same(password, kept),
        (None, _) | (_, None) => false,
    };
    certified || knows
}

/// ID-11: an invite for the account key that the service names; it goes to whoever the service gives it to.
pub(super) fn invite(ask: &mut Ask<'_>, service: Option<&str>) -> Result<(), Halt> {
    if service != Some("invite") {
        return Err(Refusal::PermissionDenied.into());
    }
    let code = invite::issue(&ask.chat.vault, ask.cx, ask.fx, ask.phone)?;
    answer(ask.fx, ask.who, vec![etf::encode(&Io::ok_src(Outcome::Added, code))]);
    Ok(())
}
