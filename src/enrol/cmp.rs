//! CMP over HTTP (RFC 9811, RFC 9483): the policy of EST, with other ways to prove who asks.
//!
//! Messages protect themselves, so it is answered without TLS as well. An invite is the shared secret of who has its number for a
//! reference; a device signs with the certificate that it has.

mod desk;
mod kept;
mod proof;
mod transactions;

use std::sync::Arc;

use ca::cmp::{MESSAGE_MAX, Message};
use chat::Vault;
use web::header::CONTENT_TYPE;
use web::{Asked, Reply, Routes, StatusCode, reply, status};

use super::Office;
use crate::failure::Failure;
use desk::Desk;
pub(crate) use kept::{Granted, TABLES, Transaction};

/// With an end of the path that names a profile, or an operation: what is wanted stands in the message.
const PATHS: [&str; 2] = ["/.well-known/cmp", "/.well-known/cmp/"];
const KIND: &str = "application/pkixcmp";

pub(super) fn open(office: Arc<Office>, vault: Vault, routes: &mut Routes) -> Result<(), Failure> {
    let desk = Desk::open(office, vault)?;
    for path in PATHS {
        let desk = desk.clone();
        routes.post(path, MESSAGE_MAX, move |asked| {
            let desk = desk.clone();
            // What was begun is ended though the connection breaks: the client may ask again for its answer.
            let work = actix_rt::spawn(async move { answer(&desk, &asked).await });
            async move { work.await.unwrap_or_else(|_| status(StatusCode::INTERNAL_SERVER_ERROR)) }
        });
    }
    Ok(())
}

async fn answer(desk: &Arc<Desk>, asked: &Asked) -> Reply {
    if desk.office.is_tired_of(asked.peer.source) {
        return status(StatusCode::TOO_MANY_REQUESTS);
    }
    if !is_cmp(asked) {
        return status(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
    let Some(message) = Message::read(&asked.body).map(Arc::new) else {
        return status(StatusCode::BAD_REQUEST);
    };
    match desk.hear(asked, &message).await {
        Ok(answer) => reply(StatusCode::OK, KIND, answer),
        Err(failure) => {
            tracing::error!(%failure, "cannot answer by CMP");
            status(StatusCode::INTERNAL_SERVER_ERROR)
        }
    }
}

fn is_cmp(asked: &Asked) -> bool {
    let kind = asked.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case(KIND))
}
