//! Push gateways: what wakes a phone that sleeps. Each is a [`Sender`], which knows nothing of who is woken or why.
//!
//! A sender makes one try, and says what came of it. Whoever has it tried again, in what time and for how long, keeps the push.

mod verdict;

mod clock;
mod jwt;

mod apns;
mod fcm;
mod web;
mod sealed;

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;

pub use apns::{Apns, Credentials, Gateways};
pub use fcm::{Account, Fcm};
pub use jwt::{BadKey, Signer};
pub use sealed::Fault as SealFault;
pub use verdict::Verdict;
pub use web::{Subscription, Web};

/// A try that has not ended by then has failed, of however many questions it consists.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of a body: those that APNs and FCM take, and what of RFC 8291 fits into one record of the size that all push services take.
pub const BODY_MAX: usize = 4096;

/// One push for one device.
#[derive(Debug, Clone)]
pub struct Push {
    /// The same whenever it is tried, so that a gateway that has it already shows it once. FCM knows no such ids: if an answer of its was
    /// lost, the app has to see that it has shown the record.
    pub id: u64,
    /// By which the gateway knows the device; for [`Web`] a subscription.
    pub token: Bytes,
    /// As the gateway takes it, not sealed.
    pub body: Bytes,
    /// What it is to those who write it down; empty for others.
    pub about: String,
    /// Seconds since 1970: nobody wants it any more.
    pub expires: u64,
    /// Somebody rings.
    pub is_call: bool,
    /// The app on Apple's systems, where the device says so.
    pub bundle: Option<String>,
    /// It was built for Apple's sandbox.
    pub sandbox: bool,
}

/// Somebody who takes pushes.
pub trait Sender: Send + Sync {
    /// One try.
    fn send<'a>(&'a self, push: &'a Push) -> Trying<'a>;
}

/// A try under way.
pub type Trying<'a> = Pin<Box<dyn Future<Output = Verdict> + Send + 'a>>;

async fn in_time(trying: impl Future<Output = Verdict>) -> Verdict {
    let late = |_| Verdict::later(fetch::Error::Late(PATIENCE).to_string());
    tokio::time::timeout(PATIENCE, trying).await.unwrap_or_else(late)
}

/// What a sender cannot be made of.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{0}")]
    Given(String),
    #[error(transparent)]
    Key(#[from] BadKey),
    #[error(transparent)]
    Http(#[from] fetch::Error),
}

#[cfg(test)]
mod tests {
    #[tokio::test(start_paused = true)]
    async fn a_try_ends_in_time() {
        let verdict = super::in_time(std::future::pending()).await;
        assert_eq!(verdict, super::Verdict::later("no answer in 10000 ms"));
    }
}
