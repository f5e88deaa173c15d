//! What leaves the server: things for transports to do, and slow work for others.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use proto::ids::{DevKey, Phone};
use proto::records::{Feature, Os};

use crate::Name;
use crate::door::Out;
use crate::port::Port;

/// One output of a step; the host lets it go when all it rests on is durable.
#[derive(Debug)]
pub enum Output {
    Port(Arc<Port>, Out),
    Work(Box<Job>),
    /// There is a new row of [`OUTGOING`](crate::rows::OUTGOING), which says this.
    Push(Box<Push>),
    /// There is a new row of [`LAPSED`](crate::rows::LAPSED): for the authority.
    Lapsed,
    /// A device has another certificate than before: for the directory of the organisation.
    Bound,
    /// An account shows the world something else than before ([`directory::published`](crate::directory::published)): for the zone.
    Published,
}

/// Slow or external work (PM-5). Its end comes back to `from` as [`Input::Worked`](crate::Input::Worked) with the same number.
#[derive(Debug, Clone)]
pub struct Job {
    pub from: Name,
    pub number: u64,
    pub work: Work,
}

#[derive(Clone)]
pub enum Work {
    /// Hand a code to its provider (ID-11).
    SendCode { sender: Sender, channel: Channel, phone: Phone, code: Bytes, language: Option<Bytes> },
    /// A code for an e-mail address, to the provider `log` (PROFILE-5).
    MailCode { address: Bytes, code: Bytes, language: Option<Bytes> },
    /// Something with the bytes of a file (FTP). [`WorkError::Invalid`](crate::WorkError::Invalid) says that they are not there.
    File(FileWork),
    /// Verify signatures beside what they sign (SEC-8). [`WorkError::Invalid`](crate::WorkError::Invalid) says that one is bad.
    Verify(Vec<Signature>),
    /// Look for the person of this number in the organisation's directory (ID-11): [`WorkResult::Listed`](crate::WorkResult::Listed).
    Look { phone: Phone },
    /// The same, if this is the person's password. [`WorkError::Invalid`](crate::WorkError::Invalid) says that it is not.
    Password { phone: Phone, password: Bytes },
    /// Issue a certificate for a verified device (SEC-4). It names the number, which may be another's when the account has moved.
    Issue { request: Bytes, phone: Phone, account: Phone, device: DevKey },
}

/// Without codes, passwords and what people write (SEC-10).
impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Work::SendCode { .. } => "SendCode",
            Work::MailCode { .. } => "MailCode",
            Work::File(_) => "File",
            Work::Verify(_) => "Verify",
            Work::Look { .. } => "Look",
            Work::Password { .. } => "Password",
            Work::Issue { .. } => "Issue",
        })
    }
}

/// What is done with files, which lie outside the store. What ends well is on the disk, but for [`FileWork::Append`]. A name in `temp` is made of hexadecimal digits,
/// a reference as FTP-3 says.
#[derive(Clone)]
pub enum FileWork {
    /// Writes at `offset`, which is where the file ends; what lies beyond is cut off before. After a crash it may be gone.
    Append {
        temp: Bytes,
        offset: u64,
        data: Bytes,
    },
    /// What was written before this was asked for is on the disk. It may run beside what is asked for later.
    Sync {
        temp: Bytes,
    },
    /// SHA-256 of all that was written, by [`WorkResult::Read`](crate::WorkResult::Read).
    Hash {
        temp: Bytes,
    },
    /// The file is that of this reference from now on; so it may be already.
    Keep {
        temp: Bytes,
        reference: Bytes,
    },
    Read {
        reference: Bytes,
        offset: u64,
        length: u64,
    },
    Remove {
        reference: Bytes,
    },
    Drop {
        temp: Bytes,
    },
}

/// A detached signature (CMS, DER) and what it signs.
#[derive(Clone)]
pub struct Signature {
    pub signature: Bytes,
    pub content: Bytes,
}

/// A provider that something is handed to; the others need nothing sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    Log,
    Webhook,
}

/// How a code reaches its receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    Sms,
    /// It is read out (AUTH-2).
    Voice,
}

/// A push for one device, to be handed to its gateway until that has it or nobody wants it any more.
#[derive(Clone, PartialEq)]
pub struct Push {
    pub gateway: Gateway,
    /// Of its row.
    pub number: u64,
    pub phone: Phone,
    pub device: DevKey,
    pub client_id: Bytes,
    pub os: Os,
    /// The push token, a secret, and its SHA-256.
    pub token: Bytes,
    pub print: Bytes,
    /// The device's settings, of which PUSH_SETTINGS say how it is reached (FEATURE-2).
    pub settings: Vec<Feature>,
    /// The record `push` (PUSH-2), encoded.
    pub push: Bytes,
    /// Of which it tells; a later one of the same feed is worth more.
    pub feed: Bytes,
    /// Milliseconds.
    pub created: u64,
    pub expires: u64,
}

proto::discreet!(Push: gateway, number, device);

/// Who carries a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gateway {
    /// Apple's (PUSH-3).
    Apns,
    /// Google's (PUSH-4).
    Fcm,
    /// The push service that the device has chosen: Web Push, UnifiedPush.
    Web,
}

impl Gateway {
    pub const ALL: [Gateway; 3] = [Gateway::Apns, Gateway::Fcm, Gateway::Web];

    /// A push token that is a record in JSON is a subscription, on whatever system.
    pub(crate) fn of(os: Os, token: &[u8]) -> Gateway {
        match os {
            _ if token.trim_ascii_start().starts_with(b"{") => Gateway::Web,
            Os::Ios => Gateway::Apns,
            Os::Android => Gateway::Fcm,
            Os::Web => Gateway::Web,
        }
    }

    /// How it is called in keys and by the operator.
    pub fn text(self) -> &'static str {
        match self {
            Gateway::Apns => "apns",
            Gateway::Fcm => "fcm",
            Gateway::Web => "web",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sec_10_nothing_that_leaves_a_process_or_comes_to_one_shows_a_secret() {
        const SECRET: &str = "hunter2";
        let (bytes, phone) = (|| Bytes::from(SECRET), || Phone::parse(b"38001").unwrap());
        let device = || DevKey::parse(b"d1").unwrap();
        let (sender, channel) = (Sender::Log, Channel::Sms);
        let code = || Work::SendCode { sender, channel, phone: phone(), code: bytes(), language: None };
        let port = Arc::new(Port::default());
        let hello = crate::door::Hello {
            client_id: bytes().slice(..0),
            password: Some(bytes()),
            certificate: None,
            source: None,
            version: 101,
            window: 1,
            item_max: 1,
            acknowledges: true,
        };
        let asked = crate::door::Origin::Events { token: Some(bytes()) };
        let push = Push {
            gateway: Gateway::Apns,
            number: 1,
            phone: phone(),
            device: device(),
            client_id: Bytes::new(),
            os: Os::Ios,
            token: bytes(),
            print: Bytes::new(),
            settings: vec![Feature::new("PUSH_SETTINGS", "K", SECRET)],
            push: bytes(),
            feed: Bytes::new(),
            created: 0,
            expires: 0,
        };
        let enrol = crate::Enrol {
            device: device(),
            token: Some(bytes()),
            certificate: None,
            request: bytes(),
            reply: port.clone(),
        };
        let outs = [
            Out::Answer { call: 1, payload: bytes() },
            Out::Notice { payload: bytes() },
            Out::Item { topic: "ses/1".into(), payload: bytes(), delivery: None },
            Out::Mail { frame: crate::door::Frame::Text(bytes()), number: 1 },
        ];
        let mut shown: Vec<String> = outs.iter().map(|out| format!("{out:?}")).collect();
        shown.extend(outs.map(|out| format!("{:?}", Output::Port(port.clone(), out))));
        shown.extend([
            format!("{:?}", code()),
            format!("{:?}", Output::Work(Box::new(Job { from: Name::Nicks, number: 1, work: code() }))),
            format!("{:?}", Work::MailCode { address: Bytes::new(), code: bytes(), language: None }),
            format!("{:?}", Work::Password { phone: phone(), password: bytes() }),
            format!("{:?}", Work::File(FileWork::Append { temp: Bytes::new(), offset: 0, data: bytes() })),
            format!("{:?}", Work::Verify(vec![Signature { signature: bytes(), content: bytes() }])),
            format!("{:?}", crate::WorkResult::Read(bytes())),
            format!("{push:?}"),
            format!("{:?}", Output::Push(Box::new(push.clone()))),
            format!("{hello:?} {asked:?} {enrol:?}"),
            format!("{:?}", crate::Input::Request { port, call: 1, origin: asked.clone(), payload: bytes() }),
            format!("{:?}", crate::Vault::new(&[b'h'; crate::KEY_BYTES])),
        ]);
        for text in shown {
            assert!(!text.contains(SECRET) && !text.contains("104, 117, 110"), "{text}");
        }
    }
}
