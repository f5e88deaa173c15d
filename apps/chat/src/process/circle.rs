//! A circle: one per group box. Letters go round one after the other, so that all members have them in one order. Only what a box fails at
//! again and again is passed over, and comes there later.

use std::collections::BTreeMap;

use n2o::{Bounce, Failure};
use proto::ids::User;

use crate::post::{Back, Came, Post, Posted, What};
use crate::protocol::circle::{self, Round};
use crate::{Chat, Cx, Fx, Input, Name, Tick};

/// After this a box that has failed is asked again.
const AGAIN_MS: u64 = 1000;
/// Rounds that fail one after the other until the next letters go before theirs.
const TRIES: u32 = 4;
/// After this, letters that were passed over are tried again.
const PASSED_MS: u64 = 60_000;

pub struct Circle {
    name: User,
    circle: circle::Circle,
    round: Option<Round>,
    /// Who waits for which letter: connections, each for one.
    waiting: BTreeMap<u64, Back>,
    /// A round has failed and is to be made again.
    resting: bool,
    /// Rounds that have failed since one did not.
    failed: u32,
    /// Letters up to this one wait until all others have gone round, and then for [`PASSED_MS`]; 0 if none.
    passed: u64,
    /// That time has begun.
    pausing: bool,
}

impl Circle {
    pub fn load(cx: &Cx<'_>, fx: &mut Fx, name: &User) -> Result<Circle, Failure> {
        let circle = circle::Circle::load(cx, name)?;
        if circle.is_due() {
            fx.tell(Name::Circle(name.clone()), Input::GoOn);
        }
        let (name, waiting) = (name.clone(), BTreeMap::new());
        Ok(Circle { name, circle, round: None, waiting, resting: false, failed: 0, passed: 0, pausing: false })
    }

    pub fn step(&mut self, chat: &Chat, cx: &Cx<'_>, fx: &mut Fx, input: Input) -> Result<(), Failure> {
        match input {
            Input::Post(post) => self.take_up(chat, cx, fx, *post),
            Input::Posted(posted) => self.answered(cx, fx, *posted),
            Input::GoOn => self.go_on(cx, fx),
            Input::Tick(Tick::HandOut) => {
                (self.resting, self.pausing, self.passed) = (false, false, 0);
                self.go_on(cx, fx)
            }
            // Meant for other kinds of process.
            _ => Ok(()),
        }?;
        if !self.circle.is_there() {
            // A name that somebody has tried.
            fx.stop();
        }
        Ok(())
    }

    fn take_up(&mut self, chat: &Chat, cx: &Cx<'_>, fx: &mut Fx, post: Post) -> Result<(), Failure> {
        let Post { back, what } = post;
        let came = match what {
            What::Join(user) => self.circle.join(fx, user),
            What::Put(mail) => match self.circle.put(chat, cx, fx, &mail)? {
                // It is answered when the letter is in all boxes.
                Ok(seq) => {
                    self.waiting.insert(seq, back);
                    fx.tell(Name::Circle(self.name.clone()), Input::GoOn);
                    return Ok(());
                }
                Err(came) => came,
            },
            // Only boxes are opened and read.
            What::Open(_) | What::List | What::Cut(_) => Came::Nobody,
        };
        back.tell(fx, came);
        Ok(())
    }

    /// The next letter, unless one is on its way.
    fn go_on(&mut self, cx: &Cx<'_>, fx: &mut Fx) -> Result<(), Failure> {
        if self.round.is_some() || self.resting {
            return Ok(());
        }
        if let Some(mut round) = self.circle.next(cx, self.passed)? {
            self.circle.hand_out(fx, &mut round)?;
            self.round = Some(round);
        } else if self.passed > 0 && !self.pausing {
            self.pausing = true;
            fx.timer(cx.now + PASSED_MS, Input::Tick(Tick::HandOut));
        }
        Ok(())
    }

    fn answered(&mut self, cx: &Cx<'_>, fx: &mut Fx, posted: Posted) -> Result<(), Failure> {
        let Posted { back: Back::Circle { round: number, .. }, came } = posted else { return Ok(()) };
        // What a box says of an earlier round, before this process was loaded again, is no answer to this one.
        let Some(mut round) = self.round.take_if(|round| round.number == number) else { return Ok(()) };
        let seq = round.seq;
        self.circle.answered(&mut round, &came);
        self.circle.hand_out(fx, &mut round)?;
        if !self.circle.is_over(&round) {
            self.round = Some(round);
            return Ok(());
        }
        if self.circle.finish(fx, &round) {
            self.failed = 0;
            fx.tell(Name::Circle(self.name.clone()), Input::GoOn);
        } else {
            self.failed = self.failed.saturating_add(1);
            self.rest_or_pass(cx, fx, &round);
        }
        // Also one that is not in all boxes yet: it is kept until it is.
        if let Some(back) = self.waiting.remove(&seq) {
            back.tell(fx, Came::Kept { id: seq });
        }
        Ok(())
    }

    /// A box has failed at a letter: for a while all others wait, so that it has them in their order too.
    fn rest_or_pass(&mut self, cx: &Cx<'_>, fx: &mut Fx, round: &Round) {
        if self.passed == 0 && self.failed < TRIES {
            self.resting = true;
            fx.timer(cx.now + AGAIN_MS, Input::Tick(Tick::HandOut));
        } else {
            self.circle.pass(fx, round);
            self.passed = round.seq;
            fx.tell(Name::Circle(self.name.clone()), Input::GoOn);
        }
    }

    /// All who wait would wait for ever. Their letters may be kept: a repetition with the same Key will say so.
    pub(crate) fn last_words(&self) -> Vec<Bounce<Chat>> {
        self.waiting.values().map(|back| back.bounce(Came::Failed)).collect()
    }
}
