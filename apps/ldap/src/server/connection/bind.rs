//! Who is asking (RFC 4513): binds, whoami, and TLS from within a connection.

use std::io;

use ldap3_proto::proto::{
    LdapBindCred, LdapBindRequest, LdapBindResponse, LdapExtendedRequest, LdapExtendedResponse, LdapOp,
};
use zeroize::Zeroize;

use super::super::dn::Dn;
use super::super::{Backend, Bound, Code, Refused, Shown, root};
use super::answer::{ended, result};
use super::{Connection, Ended, FAILED_MAX};

impl<B: Backend> Connection<B> {
    /// RFC 4513. Whatever comes of it, who was bound before is so no more.
    pub(super) async fn bind(&mut self, id: i32, mut asked: LdapBindRequest) -> io::Result<Option<Ended>> {
        self.is_nobody();
        let outcome = self.judge(&asked).await;
        if let LdapBindCred::Simple(password) = &mut asked.cred {
            password.zeroize();
        }
        let failed = matches!(&outcome, Err(Refused { code: Code::InvalidCredentials, .. }));
        self.failed += u32::from(failed);
        let done = outcome.map(|bound| self.bound = bound);
        let answer = LdapBindResponse { res: ended(done), saslcreds: None };
        self.say(id, LdapOp::BindResponse(answer), Vec::new())?;
        Ok((self.failed >= FAILED_MAX).then_some(Ended::Closed))
    }

    /// `None`: nobody in particular.
    async fn judge(&self, asked: &LdapBindRequest) -> Result<Option<Bound<B::Who>>, Refused> {
        if asked.version != 3 {
            return Err(Refused::new(Code::ProtocolError, "version 3 only"));
        }
        match &asked.cred {
            LdapBindCred::Simple(password) if password.is_empty() && asked.dn.is_empty() => Ok(None),
            // A program that forgot to ask for the password would think that it was right (RFC 4513 section 5.1.2).
            LdapBindCred::Simple(password) if password.is_empty() => {
                Err(Refused::new(Code::UnwillingToPerform, "without a password"))
            }
            LdapBindCred::Simple(_) if self.tls.is_none() => {
                Err(Refused::new(Code::ConfidentialityRequired, "passwords over TLS only"))
            }
            LdapBindCred::Simple(password) => {
                let name = Dn::parse(&asked.dn).map_err(|why| Refused::new(Code::InvalidDNSyntax, why.to_string()))?;
                let shown = Shown::Password { name: &name, password };
                self.shared.backend.bind(shown, self.from).await.map(Some)
            }
            LdapBindCred::SASL(asked) if asked.mechanism == "EXTERNAL" => {
                let certificate = self.tls.as_ref().and_then(Option::as_ref);
                let certificate = certificate.ok_or_else(|| {
                    Refused::new(Code::InappropriateAuthentication, "the client has shown no certificate")
                })?;
                let bound = self.shared.backend.bind(Shown::Certificate(certificate), self.from).await?;
                match is_himself(&asked.credentials, &bound.name) {
                    true => Ok(Some(bound)),
                    false => Err(Refused::new(Code::InvalidCredentials, "nobody speaks for another")),
                }
            }
            LdapBindCred::SASL(_) | LdapBindCred::Unsupported => {
                Err(Refused::new(Code::AuthMethodNotSupported, "simple, or SASL EXTERNAL"))
            }
        }
    }

    pub(super) fn extended(&mut self, id: i32, asked: &LdapExtendedRequest) -> io::Result<Option<Ended>> {
        let mut answer =
            LdapExtendedResponse { res: result(Code::Success, String::new(), None), name: None, value: None };
        let mut ended = None;
        match &asked.name[..] {
            root::WHO_AM_I => {
                let name = self.bound.as_ref().map(|bound| format!("dn:{}", bound.name)).unwrap_or_default();
                answer.value = Some(name.into_bytes());
            }
            root::START_TLS => {
                answer.name = Some(root::START_TLS.to_owned());
                if self.tls.is_some() {
                    answer.res = result(Code::OperationsError, "TLS is there already".into(), None);
                } else if !self.shared.offers_tls {
                    answer.res = result(Code::ProtocolError, "there is no TLS here".into(), None);
                } else if !self.waiting.is_empty() || !self.bytes.is_empty() {
                    // Somebody on the way might have put them there, to be read as if they had come by TLS.
                    answer.res =
                        result(Code::OperationsError, "something came behind the request for TLS".into(), None);
                    ended = Some(Ended::Closed);
                } else {
                    ended = Some(Ended::StartTls);
                }
            }
            _ => answer.res = result(Code::ProtocolError, "no such request".into(), None),
        }
        self.say(id, LdapOp::ExtendedResponse(answer), Vec::new())?;
        Ok(ended)
    }
}

/// An authorization identity (RFC 4513 section 5.2.1.8) that is empty or one's own.
fn is_himself(asked: &[u8], own: &Dn) -> bool {
    match std::str::from_utf8(asked) {
        Ok("") => true,
        Ok(text) => text.strip_prefix("dn:").and_then(|name| Dn::parse(name).ok()).as_ref() == Some(own),
        Err(_) => false,
    }
}
