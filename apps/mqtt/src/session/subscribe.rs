//! SUBSCRIBE and UNSUBSCRIBE (TOPIC-5, TOPIC-6, TOPIC-9, TOPIC-13, CON-10).
//!
//! On the protocol's topics a subscription changes nothing in delivery: it is granted or not, and forgotten.

use proto::topic::{Filter, Topic};

use super::{Ask, Kind, Session, Taken, Todo};
use crate::broker::filter;
use crate::packet::{Asked, Incoming, Subscribe, reason, write};
use crate::rights::Act;

/// Filters of one SUBSCRIBE that are looked at; those beyond are refused with 0x97.
const FILTERS_MAX: usize = 256;

/// A SUBSCRIBE of which some filters are with the chat (`Out::Right`).
#[derive(Debug)]
pub(super) struct Asking {
    id: u16,
    /// One for each filter; `None` is still asked for. The question's number is the place.
    codes: Vec<Option<u8>>,
}

impl Session {
    pub(super) fn subscribe(&mut self, subscribe: Subscribe, todo: &mut Todo) -> Taken {
        if self.asking.is_some() {
            return Taken::Later(Incoming::Subscribe(subscribe));
        }
        if !self.takes_codes(subscribe.filters.len(), todo) {
            return Taken::Yes;
        }
        let mut codes = Vec::with_capacity(subscribe.filters.len());
        for (place, asked) in subscribe.filters.iter().enumerate() {
            let code = match place < FILTERS_MAX {
                true => self.filter(asked, subscribe.subscription_id, place as u64, todo),
                false => Some(reason::QUOTA_EXCEEDED),
            };
            codes.push(code);
        }
        self.asking = Some(Box::new(Asking { id: subscribe.id, codes }));
        self.answer_subscribe(todo);
        Taken::Yes
    }

    /// The code of one filter, or `None` when the chat is asked.
    fn filter(&mut self, asked: &Asked, id: Option<usize>, ask: u64, todo: &mut Todo) -> Option<u8> {
        let Ok(filter) = Filter::parse(&asked.filter) else {
            return Some(reason::FILTER_INVALID);
        };
        let granted = Some(asked.qos.bits());
        match (filter, self.kind) {
            (Filter::Shared { filter, .. }, _) if !is_free(&filter) => Some(reason::SHARED_NOT_SUPPORTED),
            (Filter::Shared { .. }, Kind::Client) => Some(reason::SHARED_NOT_SUPPORTED),
            (Filter::Shared { .. } | Filter::Free | Filter::Topic(Topic::Free), _) => {
                let named = filter::shared(&asked.filter).map_or(&*asked.filter, |(_, named)| named);
                match self.may(Act::Read, named) {
                    true => Some(self.subscribe_free(asked, id, todo)),
                    false => Some(reason::NOT_AUTHORIZED),
                }
            }
            (Filter::OwnActions, Kind::Client | Kind::Service) => granted,
            (Filter::Wildcard, Kind::Service) => granted,
            (Filter::Topic(Topic::Actions(_, client)), Kind::Client | Kind::Service) => {
                if *client == *self.client_id {
                    granted
                } else {
                    Some(reason::NOT_AUTHORIZED)
                }
            }
            (Filter::Topic(Topic::Unknown | Topic::Events(_) | Topic::Version(_)), _) => Some(reason::NOT_AUTHORIZED),
            (Filter::Topic(topic), Kind::Client | Kind::Service) => {
                todo.asks.push_back(Ask::MayReceive { ask: ask << 2 | u64::from(asked.qos.bits()), topic });
                None
            }
            (Filter::OwnActions | Filter::Wildcard | Filter::Topic(_), _) => Some(reason::NOT_AUTHORIZED),
        }
    }

    /// `Out::Right`: the number carries the place of the filter and the QoS to grant.
    pub(super) fn right(&mut self, ask: u64, granted: bool, todo: &mut Todo) {
        let place = self.asking.as_mut().and_then(|asking| asking.codes.get_mut((ask >> 2) as usize));
        if let Some(code) = place {
            *code = Some(if granted { (ask & 0b11) as u8 } else { reason::NOT_AUTHORIZED });
        }
        self.answer_subscribe(todo);
    }

    fn answer_subscribe(&mut self, todo: &mut Todo) {
        let Some(asking) = &self.asking else {
            return;
        };
        let codes: Option<Vec<u8>> = asking.codes.iter().copied().collect();
        if let Some(codes) = codes {
            let (id, written) = (asking.id, todo.bytes.len());
            write::suback(&mut todo.bytes, self.limits.version, id, &codes, self.limits.explain);
            if todo.bytes.len() - written > self.limits.packet_max as usize {
                // Without the words it fits.
                todo.bytes.truncate(written);
                write::suback(&mut todo.bytes, self.limits.version, id, &codes, false);
            }
            self.asking = None;
        }
    }

    pub(super) fn unsubscribe(&mut self, id: u16, filters: &[String], todo: &mut Todo) {
        if !self.takes_codes(filters.len(), todo) {
            return;
        }
        let mut codes = Vec::with_capacity(filters.len());
        for filter in filters {
            codes.push(self.unsubscribe_one(filter, todo));
        }
        write::unsuback(&mut todo.bytes, self.limits.version, id, &codes);
    }

    fn unsubscribe_one(&mut self, filter: &str, todo: &mut Todo) -> u8 {
        let Ok(parsed) = Filter::parse(filter) else {
            return reason::FILTER_INVALID;
        };
        match (is_free(&parsed), &mut self.free) {
            (true, Some(free)) => free.unsubscribe(filter, todo),
            (true, None) => reason::NO_SUBSCRIPTION,
            // TOPIC-5: the automatic subscription stays.
            (false, _) => reason::SUCCESS,
        }
    }
}

fn is_free(filter: &Filter) -> bool {
    match filter {
        Filter::Free | Filter::Topic(Topic::Free) => true,
        Filter::Shared { filter, .. } => is_free(filter),
        Filter::Topic(_) | Filter::OwnActions | Filter::Wildcard => false,
    }
}
