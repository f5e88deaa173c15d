//! Certificates that devices have been given are written to their person's entry, where mail programs look for them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use proto::ids::Phone;

use super::People;

/// Certificates that wait for a directory that does not take them now; beyond, the oldest are given up.
const WAITING_MAX: usize = 1_000;

/// Those that are still to be written.
#[derive(Default)]
pub(super) struct Unpublished(Mutex<VecDeque<(Phone, Bytes)>>);

impl People {
    /// Soon, if that is configured. Whoever was given the certificate does not wait for it.
    pub(crate) fn publish(self: &Arc<People>, phone: &Phone, certificate: &Bytes) {
        if self.unpublished.is_some() {
            let (people, phone, certificate) = (self.clone(), phone.clone(), certificate.clone());
            self.runtime.spawn(async move { people.publish_now(phone, certificate).await });
        }
    }

    async fn publish_now(&self, phone: Phone, certificate: Bytes) {
        let published = async {
            match self.find(&phone).await? {
                Some(person) => self.directory.publish(&person.dn, &certificate).await,
                None => Ok(()),
            }
        };
        let Err(failure) = published.await else { return };
        tracing::warn!(%failure, "cannot write a certificate into the directory; it is tried again");
        if let Some(Unpublished(waiting)) = &self.unpublished {
            let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
            if waiting.len() >= WAITING_MAX {
                waiting.pop_front();
            }
            waiting.push_back((phone, certificate));
        }
    }

    /// Those that were not taken before.
    pub(super) async fn publish_again(&self) {
        let Some(Unpublished(waiting)) = &self.unpublished else { return };
        let again = std::mem::take(&mut *waiting.lock().unwrap_or_else(PoisonError::into_inner));
        for (phone, certificate) in again {
            self.publish_now(phone, certificate).await;
        }
    }
}
