//! The accounts that the load is made with: registered once by fake numbers (ID-15), then kept in a folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use proto::{Member, Room, RoomStatus};
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use super::BenchArgs;
use crate::{Account, Client, Enrolment, Error, Events, Identity, Options, Registered, Tls, Url};

/// Registrations and greetings that run at one time.
const AT_ONCE: usize = 32;
const DEV_KEY: &str = "bench";

/// One account of the load.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Actor {
    pub(super) client_id: String,
    pub(super) token: String,
    pub(super) phone_id: String,
    /// PEM, where a certificate was asked for.
    pub(super) cert_pem: Option<String>,
    pub(super) key_pem: Option<String>,
    /// Actors 2n and 2n+1 are friends already.
    pub(super) befriended: bool,
}

impl Actor {
    /// What TLS needs to show that it is this actor.
    pub(super) fn identity(&self) -> Option<Identity> {
        Some(Identity { cert_pem: self.cert_pem.clone()?, key_pem: self.key_pem.clone()? })
    }
}

/// Where the actors of one server are kept.
struct Kept {
    path: PathBuf,
}

impl Kept {
    fn of(folder: &Path, url: &Url, kind: &str) -> Result<Kept, Error> {
        fs::create_dir_all(folder)?;
        Ok(Kept { path: folder.join(format!("{kind}-{}-{}.json", url.host.replace(':', "."), url.port)) })
    }

    fn load(&self) -> Vec<Actor> {
        fs::read(&self.path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
    }

    fn save(&self, actors: &[Actor]) -> Result<(), Error> {
        let text = serde_json::to_vec(actors).map_err(|error| Error::local(error.to_string()))?;
        ca::files::write_secret(&self.path, text).map_err(|error| Error::local(error.to_string()))
    }
}

/// `count` actors, every two of them friends.
pub(super) async fn pairs(args: &BenchArgs, count: usize) -> Result<Vec<Actor>, Error> {
    let kept = Kept::of(&args.home, args.register_url(), "pairs")?;
    let tls = args.tls()?;
    let mut actors = known(args, &kept, tls.as_ref()).await?;
    register(args, &kept, &mut actors, count, 99_000_000, false).await?;
    let strangers: Vec<_> = actors
        .chunks_exact(2)
        .enumerate()
        .filter_map(|(at, pair)| match pair {
            [one, other] if !(one.befriended && other.befriended) && at * 2 < count => {
                Some((at, one.clone(), other.clone()))
            }
            _ => None,
        })
        .collect();
    let tls = Arc::new(tls);
    let url = args.register_url().clone();
    let done = at_once(strangers, move |(at, one, other)| {
        let (url, tls) = (url.clone(), Arc::clone(&tls));
        async move { befriend(&url, tls.as_ref().as_ref(), &one, &other).await.map(|()| at) }
    });
    for at in done.await? {
        for actor in actors.iter_mut().skip(at * 2).take(2) {
            actor.befriended = true;
        }
    }
    kept.save(&actors)?;
    actors.truncate(count);
    Ok(actors)
}

/// `count` actors, each with a certificate of its own.
pub(super) async fn certified(args: &BenchArgs, count: usize) -> Result<Vec<Actor>, Error> {
    let kept = Kept::of(&args.home, args.register_url(), "certified")?;
    let mut actors = kept.load();
    if let Some(first) = actors.first()
        && greets(args, args.register_url(), first, None).await.is_err()
    {
        actors.clear();
    }
    register(args, &kept, &mut actors, count, 98_000_000, true).await?;
    actors.truncate(count);
    Ok(actors)
}

/// `count` actors, all friends of the first.
pub(super) async fn crowd(args: &BenchArgs, count: usize) -> Result<Vec<Actor>, Error> {
    let kept = Kept::of(&args.home, args.register_url(), "crowd")?;
    let tls = args.tls()?;
    let mut actors = known(args, &kept, tls.as_ref()).await?;
    register(args, &kept, &mut actors, count, 97_000_000, false).await?;
    let first = actors.first().cloned().ok_or_else(|| Error::local("no accounts"))?;
    let strangers: Vec<_> =
        actors.iter().cloned().enumerate().take(count).skip(1).filter(|(_, actor)| !actor.befriended).collect();
    if !strangers.is_empty() {
        let (one, who, tls, url) =
            (connect(args, &first).await?, first.phone_id, Arc::new(tls), args.register_url().clone());
        let asker = one.clone();
        let done = at_once(strangers, move |(at, actor)| {
            let (one, who, url, tls) = (asker.clone(), who.clone(), url.clone(), Arc::clone(&tls));
            async move {
                one.request_friend(&actor.phone_id).await?;
                let (other, _events) = Client::connect(options(&url, tls.as_ref().as_ref(), &actor)).await?;
                other.confirm(&who).await?;
                other.close().await;
                Ok(at)
            }
        });
        for at in done.await? {
            actors.iter_mut().skip(at).take(1).for_each(|actor| actor.befriended = true);
        }
        one.close().await;
        kept.save(&actors)?;
    }
    actors.truncate(count);
    Ok(actors)
}

/// A room of the first actor, with all others in it (ROOM-1). Made again it stays as it is.
pub(super) async fn room(args: &BenchArgs, actors: &[Actor], id: &str) -> Result<(), Error> {
    let first = actors.first().ok_or_else(|| Error::local("no accounts"))?;
    let member = |actor: &Actor| Member {
        phone_id: Some(Bytes::copy_from_slice(actor.phone_id.as_bytes())),
        ..Member::default()
    };
    let room = Room {
        id: Some(Bytes::copy_from_slice(id.as_bytes())),
        name: Some(Bytes::from_static(b"bench")),
        members: actors.iter().skip(1).map(member).collect(),
        status: Some(RoomStatus::Create),
        ..Room::default()
    };
    let one = connect(args, first).await?;
    one.call(room).await?;
    one.close().await;
    Ok(())
}

/// A client for an actor, with what comes to it.
pub(super) async fn open(args: &BenchArgs, actor: &Actor) -> Result<(Client, Events), Error> {
    Client::connect(options(args.register_url(), args.tls()?.as_ref(), actor)).await
}

/// A client for an actor, whose events nobody wants.
pub(super) async fn connect(args: &BenchArgs, actor: &Actor) -> Result<Client, Error> {
    let (client, mut events) = open(args, actor).await?;
    tokio::spawn(async move { while events.next().await.is_some() {} });
    Ok(client)
}

/// The actors of an earlier run, if the server still knows them: it may have been set up anew since.
async fn known(args: &BenchArgs, kept: &Kept, tls: Option<&Tls>) -> Result<Vec<Actor>, Error> {
    let actors = kept.load();
    let Some(first) = actors.first() else { return Ok(actors) };
    match greets(args, args.register_url(), first, tls).await {
        Ok(()) => Ok(actors),
        Err(Error::NotAccepted(_)) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

async fn greets(_: &BenchArgs, url: &Url, actor: &Actor, tls: Option<&Tls>) -> Result<(), Error> {
    let (client, _events) = Client::connect(options(url, tls, actor)).await?;
    client.close().await;
    Ok(())
}

async fn register(
    args: &BenchArgs,
    kept: &Kept,
    actors: &mut Vec<Actor>,
    count: usize,
    base: u64,
    with_certificate: bool,
) -> Result<(), Error> {
    if actors.len() >= count {
        return Ok(());
    }
    // An odd leftover would break the pairing of neighbours.
    actors.truncate(actors.len() / 2 * 2);
    let numbers: Vec<_> = (actors.len()..count).map(|at| base + 1 + at as u64).collect();
    eprintln!("registering {} accounts at {} ...", numbers.len(), args.register_url());
    let (url, tls) = (args.register_url().clone(), Arc::new(args.tls()?));
    let fresh = at_once(numbers, move |number| {
        let (url, tls) = (url.clone(), Arc::clone(&tls));
        async move { enrol(url, tls.as_ref().clone(), &number.to_string(), with_certificate).await }
    });
    actors.extend(fresh.await?);
    kept.save(actors)
}

async fn enrol(url: Url, tls: Option<Tls>, phone: &str, with_certificate: bool) -> Result<Actor, Error> {
    let mut options = Options::new(url, format!("reg_{phone}_{DEV_KEY}"));
    options.tls = tls;
    options.reconnect = false;
    let (client, _events) = Client::connect(options).await?;
    let local = |error: ca::Error| Error::local(error.to_string());
    let made = if with_certificate { Some(ca::request(phone).map_err(local)?) } else { None };
    let csr = made.as_ref().map(|(_, csr)| csr.as_slice());
    let account = match client.register(phone, DEV_KEY, Enrolment::Fake, csr).await? {
        Registered::Done(account) => *account,
        Registered::CodeSent => return Err(Error::Unexpected("a code for a fake number".into())),
    };
    client.close().await;
    actor(&account, made.map(|(key, _)| key.to_string()))
}

fn actor(account: &Account, key_pem: Option<String>) -> Result<Actor, Error> {
    Ok(Actor {
        client_id: account.client_id.clone(),
        token: account.token.clone(),
        phone_id: account.phone_id().ok_or_else(|| Error::Unexpected("a profile without roster".into()))?,
        cert_pem: account.certificate.as_ref().map(|der| ca::pem(der)),
        key_pem,
        befriended: false,
    })
}

async fn befriend(url: &Url, tls: Option<&Tls>, one: &Actor, other: &Actor) -> Result<(), Error> {
    let (first, _events) = Client::connect(options(url, tls, one)).await?;
    let (second, _events) = Client::connect(options(url, tls, other)).await?;
    first.request_friend(&other.phone_id).await?;
    second.confirm(&one.phone_id).await?;
    first.close().await;
    second.close().await;
    Ok(())
}

fn options(url: &Url, tls: Option<&Tls>, actor: &Actor) -> Options {
    let mut options = Options::new(url.clone(), &actor.client_id);
    options.token = Some(actor.token.clone());
    options.tls = tls.cloned();
    options.reconnect = false;
    options
}

/// Runs `work` for every item, at most [`AT_ONCE`] at a time; results in the order of the items. The first error ends it.
pub(super) async fn at_once<I, T, F>(items: Vec<I>, work: impl Fn(I) -> F) -> Result<Vec<T>, Error>
where
    T: Send + 'static,
    F: Future<Output = Result<T, Error>> + Send + 'static,
{
    let mut results: Vec<(usize, T)> = Vec::with_capacity(items.len());
    let mut tasks = JoinSet::new();
    let mut collect = |done: Result<Result<(usize, T), Error>, tokio::task::JoinError>| {
        results.push(done.map_err(|error| Error::local(error.to_string()))??);
        Ok::<_, Error>(())
    };
    for (at, item) in items.into_iter().enumerate() {
        if tasks.len() >= AT_ONCE
            && let Some(done) = tasks.join_next().await
        {
            collect(done)?;
        }
        let task = work(item);
        tasks.spawn(async move { task.await.map(|result| (at, result)) });
    }
    while let Some(done) = tasks.join_next().await {
        collect(done)?;
    }
    results.sort_by_key(|(at, _)| *at);
    Ok(results.into_iter().map(|(_, result)| result).collect())
}
