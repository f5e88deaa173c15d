//! The second application of the process model: accounts that keep a sum, and do what they are told.
#![allow(dead_code, unreachable_pub)]

use std::borrow::Cow;

use kvs::Table;
use n2o::{App, Bounce, Cx, Effects, Failure};

pub const SUMS: Table = Table("sums");

pub struct Ledger;

pub type Name = String;

#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// Keep a greater sum and say it.
    Add(u64),
    /// Say a number.
    Say(u64),
    /// Say how many inputs this life has had.
    Lives,
    /// Say the sum another account has in the store.
    Look(Name),
    /// Write, then fail one way or another.
    Panic,
    Fail,
    /// Write what the store refuses, and say so.
    BadWrite,
    /// Write the sum more often than a batch may have changes, and say it.
    Often,
    Tell(Name, Box<Input>),
    /// Add, then tell.
    AddTell(u64, Name, Box<Input>),
    Timer(u64, Box<Input>),
    Join(String),
    Leave(String),
    Publish(String, Box<Input>),
    Size(String),
    /// Say whether another account is loaded.
    Alive(Name),
    Id,
    /// Draw an id, and say it with the one up to which nothing is still to be written.
    Settled,
    Random,
    Stop,
    /// Should this one fail, tell the other.
    Heir(Name),
}

pub struct Account {
    sum: u64,
    inputs: u64,
    /// Who is told if it fails.
    heirs: Vec<Name>,
}

pub type Output = (Name, String);

impl App for Ledger {
    type Name = Name;
    type Group = String;
    type Input = Input;
    type Output = Output;
    type Process = Account;

    fn key(name: &Name) -> Cow<'_, [u8]> {
        Cow::Borrowed(name.as_bytes())
    }

    fn kind(name: &Name) -> &'static str {
        if name.starts_with("busy") { "busy" } else { "account" }
    }

    fn may_idle(name: &Name) -> bool {
        !name.starts_with("busy")
    }

    fn start(&self, cx: &Cx<'_, Self>, name: &Name, fx: &mut Effects<Self>) -> Result<Account, Failure> {
        if name.starts_with("nobody") {
            fx.stop();
        }
        if name.starts_with("broken") {
            return Err("it never starts".into());
        }
        Ok(Account { sum: read(cx, name)?, inputs: 0, heirs: Vec::new() })
    }

    fn step(
        &self,
        account: &mut Account,
        cx: &Cx<'_, Self>,
        fx: &mut Effects<Self>,
        input: Input,
    ) -> Result<(), Failure> {
        account.inputs += 1;
        let say = |fx: &mut Effects<Self>, what: String| fx.emit((cx.name.clone(), what));
        match input {
            Input::Add(n) => {
                add(account, cx, fx, n);
                say(fx, format!("sum {}", account.sum));
            }
            Input::Say(n) => say(fx, n.to_string()),
            Input::Lives => say(fx, format!("inputs {} sum {}", account.inputs, account.sum)),
            Input::Look(name) => say(fx, format!("{name} has {}", read(cx, &name)?)),
            Input::Panic => {
                add(account, cx, fx, 1000);
                say(fx, "never".to_owned());
                panic!("as told");
            }
            Input::Fail => {
                add(account, cx, fx, 1000);
                say(fx, "never".to_owned());
                return Err("as told".into());
            }
            Input::BadWrite => {
                fx.put(SUMS, Vec::new(), Vec::new());
                say(fx, "never".to_owned());
            }
            Input::Often => {
                (0..=kvs::BATCH_MAX).for_each(|_| add(account, cx, fx, 1));
                say(fx, format!("sum {}", account.sum));
            }
            Input::Tell(name, input) => fx.tell(name, *input),
            Input::AddTell(n, name, input) => {
                add(account, cx, fx, n);
                fx.tell(name, *input);
            }
            Input::Timer(after, input) => fx.timer(cx.now + after, *input),
            Input::Join(group) => fx.join(group),
            Input::Leave(group) => fx.leave(group),
            Input::Publish(group, input) => fx.publish(group, *input),
            Input::Size(group) => say(fx, format!("size {}", cx.group_size(&group))),
            Input::Alive(name) => say(fx, format!("{name} {}", cx.is_alive(&name))),
            Input::Id => say(fx, format!("id {}", cx.id()?)),
            Input::Settled => say(fx, format!("{} {}", cx.id()?, cx.settled())),
            Input::Random => say(fx, format!("random {:?}", cx.random::<12>())),
            Input::Stop => fx.stop(),
            Input::Heir(name) => account.heirs.push(name),
        }
        Ok(())
    }

    fn bounce(&self, name: &Name, input: &Input) -> Option<Bounce<Self>> {
        match input {
            Input::Tell(sender, _) => Some(Bounce::Tell(sender.clone(), Input::Panic)),
            _ => Some(Bounce::Emit((name.clone(), "bounced".to_owned()))),
        }
    }

    fn last_words(&self, name: &Name, account: &Account) -> Vec<Bounce<Self>> {
        let heirs = account.heirs.iter().map(|heir| Bounce::Tell(heir.clone(), Input::Say(account.inputs)));
        let farewell = Bounce::Emit((name.clone(), "farewell".to_owned()));
        heirs.chain(account.heirs.first().map(|_| farewell)).collect()
    }
}

fn add(account: &mut Account, cx: &Cx<'_, Ledger>, fx: &mut Effects<Ledger>, n: u64) {
    account.sum += n;
    fx.put(SUMS, cx.name.clone().into_bytes(), account.sum.to_be_bytes().to_vec());
}

fn read(cx: &Cx<'_, Ledger>, name: &Name) -> Result<u64, Failure> {
    Ok(cx.store.get(SUMS, name.as_bytes())?.map_or(0, |row| number(&row)))
}

pub fn number(row: &[u8]) -> u64 {
    u64::from_be_bytes(row.try_into().expect("eight bytes"))
}

pub fn name(text: &str) -> Name {
    text.to_owned()
}
