//! The handle that calls are made through.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use proto::Record;
use tokio::sync::{mpsc, oneshot};

use crate::engine::{Command, Engine};
use crate::files::{Uploads, Web};
use crate::inbox::{Events, inbox};
use crate::link::Link;
use crate::mqtt::Qos;
use crate::pending::Request;
use crate::{Answer, Error, Options};

/// Where requests go: the seven-level form with empty levels (TOPIC-1).
pub(crate) const REQUESTS: &str = "events/1//api/anon//";

/// A connection that lasts: cheap to clone, usable from many tasks. It ends when all clones are dropped, or by [`Client::close`].
#[derive(Debug, Clone)]
pub struct Client {
    commands: mpsc::Sender<Command>,
    call_timeout: std::time::Duration,
    /// How files go, where not by records.
    pub(crate) web: Option<Arc<Web>>,
    /// Where those on their way are remembered.
    pub(crate) uploads: Option<Arc<Uploads>>,
}

impl Client {
    /// Connects. The first attempt must succeed; later breaks are mended as `options` say.
    pub async fn connect(options: Options) -> Result<(Client, Events), Error> {
        let (link, connack) = Link::open(&options).await?;
        let (commands, orders) = mpsc::channel(crate::CALLS_MAX);
        let (inbox, events) = inbox(options.receive_max);
        let (call_timeout, web) = (options.call_timeout, Web::of(&options).map(Arc::new));
        let uploads = Uploads::of(&options).map(Arc::new);
        tokio::spawn(Engine::new(options, inbox, orders).run(link, connack));
        Ok((Client { commands, call_timeout, web, uploads }, events))
    }

    /// Makes one call of the protocol and waits for its whole answer, of one record or several.
    pub async fn call(&self, record: impl Into<Record>) -> Result<Vec<Record>, Error> {
        let record = record.into();
        let answer = Answer::of(&record);
        self.call_for(&record, answer).await
    }

    /// As [`Client::call`], with an answer other than the one the specification promises.
    pub async fn call_for(&self, record: &Record, answer: Answer) -> Result<Vec<Record>, Error> {
        let repeat = Answer::may_repeat(record);
        self.request(REQUESTS.to_owned(), etf::encode(record), answer, repeat).await
    }

    /// Publishes bytes on a topic, at QoS 1; returns when the server has acknowledged them.
    pub async fn publish(&self, topic: impl Into<String>, payload: impl Into<Bytes>) -> Result<(), Error> {
        self.request(topic.into(), payload.into(), Answer::Nothing, true).await.map(drop)
    }

    /// Subscribes, also after every reconnect (TOPIC-5, TOPIC-13); what comes is in [`Events`].
    pub async fn subscribe(&self, filter: impl Into<String>, qos: Qos) -> Result<(), Error> {
        let (done, result) = oneshot::channel();
        self.order(Command::Subscribe { filter: filter.into(), qos, done }).await?;
        result.await.map_err(|_| Error::Disconnected)?
    }

    /// Says good-bye and ends the client; calls without answer fail.
    pub async fn close(self) {
        let (done, ended) = oneshot::channel();
        if self.order(Command::Close { done }).await.is_ok() {
            let _ = ended.await;
        }
    }

    /// Makes a call whose answer is waited for later: calls are sent and answered in their order.
    pub(crate) async fn ask(
        &self,
        record: &Record,
        answer: Answer,
    ) -> Result<oneshot::Receiver<Result<Vec<Record>, Error>>, Error> {
        let (done, result) = oneshot::channel();
        let (topic, payload) = (REQUESTS.to_owned(), etf::encode(record));
        let (repeat, deadline) = (Answer::may_repeat(record), Instant::now() + self.call_timeout);
        self.order(Command::Call(Request { topic, payload, answer, repeat, deadline, done })).await?;
        Ok(result)
    }

    async fn request(&self, topic: String, payload: Bytes, answer: Answer, repeat: bool) -> Result<Vec<Record>, Error> {
        let (done, result) = oneshot::channel();
        let deadline = Instant::now() + self.call_timeout;
        self.order(Command::Call(Request { topic, payload, answer, repeat, deadline, done })).await?;
        result.await.map_err(|_| Error::Disconnected)?
    }

    async fn order(&self, command: Command) -> Result<(), Error> {
        self.commands.send(command).await.map_err(|_| Error::Disconnected)
    }
}
