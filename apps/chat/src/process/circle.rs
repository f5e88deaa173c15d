//! A circle: one per group box. Letters go round one after the other, so that all members have them in one order.

use std::collections::BTreeMap;

use n2o::{Bounce, Failure};
use proto::ids::User;

use crate::post::{Back, Came, Post, Posted, What};
use crate::protocol::circle::{self, Round};
use crate::{Chat, Cx, Fx, Input, Name, Tick};

/// After this a box that has failed is asked again.
const AGAIN_MS: u64 = 1000;

pub struct Circle {
    name: User,
    circle: circle::Circle,
    round: Option<Round>,
    /// Who waits for which letter: connections, each for one.
    waiting: BTreeMap<u64, Back>,
    /// A round has failed and is to be made again.
    resting: bool,
}

impl Circle {
    pub fn load(cx: &Cx<'_>, fx: &mut Fx, name: &User) -> Result<Circle, Failure> {
        let circle = circle::Circle::load(cx, name)?;
        if circle.is_due() {
            fx.tell(Name::Circle(name.clone()), Input::GoOn);
        }
        Ok(Circle { name: name.clone(), circle, round: None, waiting: BTreeMap::new(), resting: false })
    }

    pub fn step(&mut self, chat: &Chat, cx: &Cx<'_>, fx: &mut Fx, input: Input) -> Result<(), Failure> {
        match input {
            Input::Post(post) => self.take_up(chat, cx, fx, *post),
            Input::Posted(posted) => self.answered(cx, fx, *posted),
            Input::GoOn => self.go_on(cx, fx),
            Input::Tick(Tick::HandOut) => {
                self.resting = false;
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
        if let Some(mut round) = self.circle.next(cx)? {
            self.circle.hand_out(fx, &mut round)?;
            self.round = Some(round);
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
            fx.tell(Name::Circle(self.name.clone()), Input::GoOn);
        } else {
            self.resting = true;
            fx.timer(cx.now + AGAIN_MS, Input::Tick(Tick::HandOut));
        }
        // Also one that is not in all boxes yet: it is kept until it is.
        if let Some(back) = self.waiting.remove(&seq) {
            back.tell(fx, Came::Kept { id: seq });
        }
        Ok(())
    }

    /// All who wait would wait for ever. Their letters may be kept: a repetition with the same Key will say so.
    pub(crate) fn last_words(&self) -> Vec<Bounce<Chat>> {
        self.waiting.values().map(|back| back.bounce(Came::Failed)).collect()
    }
}
