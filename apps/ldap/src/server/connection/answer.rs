//! Answers: each request's own kind of it, also where it does not decode or is not done.

use std::io;

use ldap3_proto::LdapCodec;
use ldap3_proto::control::LdapControl;
use ldap3_proto::proto::{LdapBindResponse, LdapExtendedResponse, LdapMsg, LdapOp, LdapResult};
use tokio_util::codec::Encoder;

use super::super::dn::Dn;
use super::super::{Backend, Code, Refused};
use super::{Connection, Ended, FAILED_MAX};

/// Unsolicited: the connection is about to end (RFC 4511 section 4.4.1).
const NOTICE: &str = "1.3.6.1.4.1.1466.20036";

impl<B: Backend> Connection<B> {
    /// A request that does not decode is answered by its kind, where that is known.
    pub(super) fn flawed(&mut self, id: i32, tag: u8) -> io::Result<Option<Ended>> {
        let flaw = result(Code::ProtocolError, "the request does not decode".into(), None);
        let answer = match tag {
            0x60 => LdapOp::BindResponse(LdapBindResponse { res: flaw, saslcreds: None }),
            0x63 => LdapOp::SearchResultDone(flaw),
            0x66 => LdapOp::ModifyResponse(flaw),
            0x68 => LdapOp::AddResponse(flaw),
            0x4a => LdapOp::DelResponse(flaw),
            0x6c => LdapOp::ModifyDNResponse(flaw),
            0x6e => LdapOp::CompareResult(flaw),
            0x77 => LdapOp::ExtendedResponse(LdapExtendedResponse { res: flaw, name: None, value: None }),
            _ => return self.notice(Code::ProtocolError, "no request of LDAP"),
        };
        if tag == 0x60 {
            self.is_nobody();
        }
        self.failed += 1;
        self.say(id, answer, Vec::new())?;
        Ok((self.failed >= FAILED_MAX).then_some(Ended::Closed))
    }

    pub(super) fn refuse(&mut self, id: i32, op: &LdapOp, refused: Refused) -> io::Result<()> {
        let why = result(refused.code, refused.why, None);
        let answer = match op {
            LdapOp::BindRequest(_) => {
                self.is_nobody();
                LdapOp::BindResponse(LdapBindResponse { res: why, saslcreds: None })
            }
            LdapOp::SearchRequest(_) => LdapOp::SearchResultDone(why),
            LdapOp::ModifyRequest(_) => LdapOp::ModifyResponse(why),
            LdapOp::AddRequest(_) => LdapOp::AddResponse(why),
            LdapOp::DelRequest(_) => LdapOp::DelResponse(why),
            LdapOp::ModifyDNRequest(_) => LdapOp::ModifyDNResponse(why),
            LdapOp::CompareRequest(_) => LdapOp::CompareResult(why),
            _ => LdapOp::ExtendedResponse(LdapExtendedResponse { res: why, name: None, value: None }),
        };
        self.say(id, answer, Vec::new())
    }

    /// The last that is said.
    pub(super) fn notice(&mut self, code: Code, why: &str) -> io::Result<Option<Ended>> {
        let res = result(code, why.to_owned(), None);
        let notice = LdapExtendedResponse { res, name: Some(NOTICE.to_owned()), value: None };
        self.say(0, LdapOp::ExtendedResponse(notice), Vec::new())?;
        Ok(Some(Ended::Closed))
    }

    pub(in super::super) fn say(&mut self, id: i32, op: LdapOp, controls: Vec<LdapControl>) -> io::Result<()> {
        LdapCodec::default().encode(LdapMsg::new_with_ctrls(id, op, controls), &mut self.out)
    }
}

pub(super) fn ended(done: Result<(), Refused>) -> LdapResult {
    match done {
        Ok(()) => result(Code::Success, String::new(), None),
        Err(Refused { code, why }) => result(code, why, None),
    }
}

pub(in super::super) fn result(code: Code, message: String, matched: Option<Dn>) -> LdapResult {
    let matcheddn = matched.map(|name| name.to_string()).unwrap_or_default();
    LdapResult { code, matcheddn, message, referral: Vec::new() }
}
