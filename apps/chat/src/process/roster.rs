//! A roster: the one owner of its names, its phone book, its tags and stars (PM-4). All it owns is in the store.

use n2o::Failure;
use proto::ids::PhoneId;
use proto::{Record, Refusal};

use crate::protocol::message::seek;
use crate::protocol::search::Called;
use crate::protocol::{contact, favorite, roster, search, settle};
use crate::{Call, Chat, Cx, Fx, Input, Name, rows};

/// The owner of one roster's rows.
pub struct Roster {
    own: PhoneId,
    /// What its contacts are called, once that was searched for or is about to be; not kept.
    called: Called,
}

impl Roster {
    pub fn load(cx: &Cx<'_>, fx: &mut Fx, own: &PhoneId) -> Result<Roster, Failure> {
        if favorite::has_due(cx, own)? {
            fx.tell(Name::Roster(own.clone()), Input::Resume);
        }
        Ok(Roster { own: own.clone(), called: Called::default() })
    }

    pub(crate) fn own(&self) -> &PhoneId {
        &self.own
    }

    pub fn step(&mut self, chat: &Chat, cx: &Cx<'_>, fx: &mut Fx, input: Input) -> Result<(), Failure> {
        let done = match input {
            Input::Call(call) => self.call(chat, cx, fx, *call),
            Input::Search(search) => {
                let who = search.who().clone();
                let done = search::step(chat, cx, fx, &self.own, &mut self.called, *search);
                settle(fx, &who, done)
            }
            Input::Seek(seek) => seek.step(cx, fx),
            Input::Starred(news) => favorite::follow(cx, fx, &self.own, *news),
            Input::Resume => favorite::resume(cx, fx, &self.own),
            Input::Reading(reading) => reading.step(cx, fx),
            Input::Refresh(refresh) => roster::refresh(cx, fx, &self.own, *refresh),
            Input::Errand(errand) => {
                roster::errand(cx, fx, &self.own, &errand)?;
                errand.go_on(fx);
                Ok(())
            }
            Input::AddUp { upto, recount } => contact::add_up(cx, fx, &self.own, upto, recount),
            Input::Expect => self.called.expect(cx, fx, &self.own),
            Input::Called { address } => self.called.changed(cx, fx, &self.own, &address),
            Input::Renamed { address } => self.called.renamed(cx, fx, &self.own, &address),
            Input::Registered { phone, roster } => roster::registered(cx, fx, &self.own, &phone, &roster),
            _ => Ok(()),
        };
        self.called.wrote(fx, &self.own);
        done
    }

    fn call(&mut self, chat: &Chat, cx: &Cx<'_>, fx: &mut Fx, call: Call) -> Result<(), Failure> {
        let Call { who, record } = call;
        let done = match record {
            // The session has not heard yet that it has ended: nobody would take away what it writes.
            _ if !rows::has_roster(cx.store, &self.own)? => Err(Refusal::PermissionDenied.into()),
            Record::Roster(record) => roster::call(chat, cx, fx, &who, &self.own, *record),
            Record::Search(asked) => search::call(chat, cx, fx, &who, &self.own, &mut self.called, *asked),
            Record::Message(message) => seek::begin(cx, fx, &who, *message),
            Record::Tag(tag) => favorite::tag(cx, fx, &who, &self.own, *tag),
            Record::Star(star) => favorite::star(cx, fx, &who, &self.own, *star),
            Record::History(request) => favorite::list(cx, fx, &who, &self.own, *request),
            _ => Err(Refusal::InvalidData.into()),
        };
        settle(fx, &who, done)
    }
}
