//! A mailbox: one per user. It does one thing after the other; what takes several steps holds up what comes behind it.

use std::collections::VecDeque;

use n2o::{Bounce, Failure};
use proto::ids::User;

use crate::post::{Back, Came, Post, What};
use crate::protocol::mailbox::{Listing, Shelf};
use crate::{Chat, Cx, Fx, Input, Name};

/// Then who asks for more is told that it failed: a connection that has ended meanwhile leaves its last command here.
const WAITING_MAX: usize = 1024;

pub struct Mailbox {
    user: User,
    shelf: Shelf,
    job: Option<Job>,
    /// Behind the job, and not yet taken up; at most [`WAITING_MAX`].
    waiting: VecDeque<Post>,
}

/// What takes several steps.
enum Job {
    List {
        back: Back,
        listing: Listing,
    },
    /// What is cut is taken off the disk; then whoever has cut it is told.
    Erase {
        back: Option<(Back, Came)>,
    },
}

impl Mailbox {
    /// What a crash has left of letters that are cut is erased first.
    pub fn load(cx: &Cx<'_>, fx: &mut Fx, user: &User) -> Result<Mailbox, Failure> {
        let shelf = Shelf::load(cx, user)?;
        let mut mailbox = Mailbox { user: user.clone(), shelf, job: None, waiting: VecDeque::new() };
        if !mailbox.shelf.erase(cx, fx)? {
            mailbox.begin(fx, Job::Erase { back: None })?;
        }
        Ok(mailbox)
    }

    pub fn step(&mut self, chat: &Chat, cx: &Cx<'_>, fx: &mut Fx, input: Input) -> Result<(), Failure> {
        match input {
            Input::Post(post) if self.job.is_none() && self.waiting.is_empty() => self.take_up(chat, cx, fx, *post),
            Input::Post(post) if self.waiting.len() >= WAITING_MAX => {
                post.back.tell(fx, Came::Failed);
                Ok(())
            }
            Input::Post(post) => {
                self.waiting.push_back(*post);
                Ok(())
            }
            Input::GoOn => self.go_on(chat, cx, fx),
            // Meant for other kinds of process.
            _ => Ok(()),
        }?;
        if !self.shelf.is_there() && self.job.is_none() && self.waiting.is_empty() {
            // A name that somebody has tried.
            fx.stop();
        }
        Ok(())
    }

    /// The next step of the job, or the next of those who wait.
    fn go_on(&mut self, chat: &Chat, cx: &Cx<'_>, fx: &mut Fx) -> Result<(), Failure> {
        match self.job.take() {
            Some(job) => self.work(chat, cx, fx, job)?,
            None => {
                if let Some(post) = self.waiting.pop_front() {
                    self.take_up(chat, cx, fx, post)?;
                    // A job that it has begun goes on by itself.
                    if self.job.is_some() {
                        return Ok(());
                    }
                }
            }
        }
        if self.job.is_some() || !self.waiting.is_empty() {
            fx.tell(Name::Mailbox(self.user.clone()), Input::GoOn);
        }
        Ok(())
    }

    fn take_up(&mut self, chat: &Chat, cx: &Cx<'_>, fx: &mut Fx, post: Post) -> Result<(), Failure> {
        let Post { back, what } = post;
        let came = match what {
            What::Open(account) => self.shelf.open(fx, account),
            What::Put(mail) => self.shelf.put(chat, cx, fx, &mail)?,
            What::List => {
                let listing = self.shelf.list();
                return self.begin(fx, Job::List { back, listing });
            }
            What::Cut(what) => match self.shelf.cut(cx, fx, &what)? {
                came @ Came::Erased(_) => return self.begin(fx, Job::Erase { back: Some((back, came)) }),
                came => came,
            },
            // Only circles are joined.
            What::Join(_) => Came::Nobody,
        };
        back.tell(fx, came);
        Ok(())
    }

    fn begin(&mut self, fx: &mut Fx, job: Job) -> Result<(), Failure> {
        self.job = Some(job);
        fx.tell(Name::Mailbox(self.user.clone()), Input::GoOn);
        Ok(())
    }

    fn work(&mut self, chat: &Chat, cx: &Cx<'_>, fx: &mut Fx, job: Job) -> Result<(), Failure> {
        match job {
            Job::List { back, mut listing } => match self.shelf.list_on(chat, cx, &mut listing)? {
                Some(text) => back.tell(fx, Came::Listed(text)),
                None => self.job = Some(Job::List { back, listing }),
            },
            Job::Erase { back } => match (self.shelf.erase(cx, fx)?, back) {
                (true, Some((back, came))) => back.tell(fx, came),
                (true, None) => {}
                (false, back) => self.job = Some(Job::Erase { back }),
            },
        }
        Ok(())
    }

    /// All who wait would wait for ever.
    pub(crate) fn last_words(&self) -> Vec<Bounce<Chat>> {
        let working = match &self.job {
            Some(Job::List { back, .. } | Job::Erase { back: Some((back, _)) }) => Some(back),
            Some(Job::Erase { back: None }) | None => None,
        };
        let waiting = self.waiting.iter().map(|post| &post.back);
        working.into_iter().chain(waiting).map(|back| back.bounce(Came::Failed)).collect()
    }
}
