//! Which call is made; one call while nothing else happens, and what must be so whatever it is.

use std::collections::BTreeMap;

use bytes::Bytes;
use chat_core::rows::{ASKED, CURSOR, OUTGOING, ROUND, WAKE};
use etf::Term;
use etf::text::parse;
use proto::Record;
use scene::{EVENTS, Got, Row, Stage};

use crate::random_days::record;

use super::calls::{Again, CALLS, Call};
use super::{Asker, World};

type Rows = BTreeMap<Row, Bytes>;

impl World {
    pub(super) fn ask_by_name(&mut self, person: usize, device: usize, name: &str) {
        let asker = Asker::Device(person, device);
        let call = CALLS[0].iter().find(|call| call.name == name).expect("there is such a call");
        if self.is_online(asker) {
            let text = self.words_of(asker, call);
            self.ask(asker, call, &text);
        }
    }

    pub(super) fn ask_one(&mut self, asker: Asker) {
        let call = match asker {
            Asker::Service => &CALLS[2][self.below(CALLS[2].len())],
            Asker::Device(..) if self.below(60) == 0 => &CALLS[1][self.below(CALLS[1].len())],
            Asker::Device(..) => self.some_call(),
        };
        if self.is_online(asker) {
            let text = self.words_of(asker, call);
            match self.below(5) {
                0 => self.ask_wrongly(asker, call, &text),
                _ => self.ask(asker, call, &text),
            }
        }
    }

    pub(super) fn some_call(&mut self) -> &'static Call {
        let count = self.often.len();
        let (any, often) = (self.below(CALLS[0].len()), self.below(count));
        let at = if self.below(2) == 0 { any } else { self.often[often] };
        &CALLS[0][at]
    }

    /// It says this; what comes of it is looked at, and sometimes it says it once more.
    pub(super) fn ask(&mut self, asker: Asker, call: &'static Call, text: &str) {
        self.look();
        if !self.is_online(asker) {
            return;
        }
        let link = self.link(asker);
        self.log.line(format!("{link} > {text}"));
        let before = self.kept();
        let mut came = self.said(&link, text);
        let own = came.get(&link).cloned().unwrap_or_default();
        let refused = refusals(&own);
        let outcome = refused.first().cloned().unwrap_or_else(|| "done".to_owned());
        *self.outcomes.entry((call.name, outcome)).or_default() += 1;
        let wrong = match refused.as_slice() {
            [] => None,
            [code] => self.refused_well(call, code, &link, &came, &before).err(),
            _ => Some(format!("more than one error: {refused:?}")),
        };
        self.wrong(wrong, text);
        // Whoever is cut off by it cannot repeat it.
        let closed = self.stage.closed(&link).expect("has a connection").is_some();
        // What would answer may wait until the device confirms what it holds.
        let waits = own.is_empty() && self.holds(asker);
        let repeats = refused.is_empty() && !closed && !waits && self.broken.is_none() && self.below(2) == 0;
        if repeats {
            let before = self.kept();
            let again = self.said(&link, text);
            let wrong =
                self.repeated_well(call, &link, [&own, again.get(&link).unwrap_or(&own)], &again, &before).err();
            self.wrong(wrong, text);
            for (link, got) in again {
                came.entry(link).or_default().extend(got);
            }
        }
        self.take_in(came);
    }

    /// The same with one field that is absent, of another type, too long or out of range: whatever of it is refused changes nothing.
    pub(super) fn ask_wrongly(&mut self, asker: Asker, call: &'static Call, text: &str) {
        self.look();
        if !self.is_online(asker) {
            return;
        }
        let mut term = parse(text, &proto::catalogue()).expect("a record").as_tuple().expect("a record").to_vec();
        let wrong = [
            Term::nil(),
            Term::float(0.5).expect("finite"),
            Term::tuple(vec![Term::atom("wrong"), Term::nil()]),
            Term::list(vec![Term::tuple(Vec::new())]),
            Term::binary(&[b'x'; 3000]),
            Term::binary(b""),
            Term::int(-1),
            Term::atom("no_such_atom"),
        ];
        let (at, how) = (1 + self.below(term.len() - 1), self.below(wrong.len()));
        term[at].clone_from(&wrong[how]);
        let (term, link) = (Term::tuple(term), self.link(asker));
        let text: String = etf::text::print(&term, &proto::catalogue()).chars().take(400).collect();
        self.log.line(format!("{link} > {text}"));
        let before = self.kept();
        self.stage.publish(&link, EVENTS, etf::encode(&term)).expect("is connected");
        let came = self.gather();
        let refused = refusals(came.get(&link).map_or(&[], Vec::as_slice));
        let outcome = if refused.is_empty() { "wrong: done" } else { "wrong: refused" };
        *self.outcomes.entry((call.name, outcome.to_owned())).or_default() += 1;
        let broken = match refused.as_slice() {
            [] => None,
            [code] if code == "internal" => Some("it fails".to_owned()),
            [code] => self.unchanged_by(code, &link, &came, &before).err(),
            _ => Some(format!("more than one error: {refused:?}")),
        };
        self.wrong(broken, &text);
        self.take_in(came);
    }

    fn said(&mut self, link: &str, text: &str) -> BTreeMap<String, Vec<Got>> {
        self.stage.publish(link, EVENTS, record(text)).expect("is connected");
        self.gather()
    }

    fn wrong(&mut self, wrong: Option<String>, text: &str) {
        if let Some(why) = wrong {
            self.broken.get_or_insert(format!("{text}: {why}"));
        }
    }

    fn kept(&mut self) -> Rows {
        self.stage.kept().expect("the simulator shows it")
    }

    /// G-1, G-2: one error that the call may give, nothing to others, nothing changed.
    fn refused_well(
        &mut self,
        call: &Call,
        code: &str,
        link: &str,
        came: &BTreeMap<String, Vec<Got>>,
        before: &Rows,
    ) -> Result<(), String> {
        if !call.errors.contains(&code) {
            return Err(format!("{code} is no error of {}", call.name));
        }
        self.unchanged_by(code, link, came, before)
    }

    fn unchanged_by(
        &mut self,
        code: &str,
        link: &str,
        came: &BTreeMap<String, Vec<Got>>,
        before: &Rows,
    ) -> Result<(), String> {
        if came.get(link).map_or(0, Vec::len) != 1 {
            return Err(format!("besides {code} came {}", shown(came)));
        }
        unheard(link, came)?;
        match code {
            // It is counted (AUTH-15, PROFILE-6).
            "wrong_code" => Ok(()),
            _ => unchanged(before, &self.kept()),
        }
    }

    /// G-7: the same answer, or a refusal where what it was about is no more; nothing to others, nothing changed since the first time.
    fn repeated_well(
        &mut self,
        call: &Call,
        link: &str,
        [first, own]: [&[Got]; 2],
        again: &BTreeMap<String, Vec<Got>>,
        before: &Rows,
    ) -> Result<(), String> {
        match (call.again, refusals(own).first()) {
            (Again::Anew, _) => return Ok(()),
            (Again::Gone, Some(code)) => {
                return self.refused_well(call, code, link, again, before).map_err(|why| format!("repeated, {why}"));
            }
            (Again::Same | Again::Still, Some(code)) => return Err(format!("repeated it is refused: {code}")),
            (Again::Gone | Again::Same | Again::Still, None) => {}
        }
        unheard(link, again).map_err(|why| format!("repeated, {why}"))?;
        unchanged(before, &self.kept()).map_err(|why| format!("repeated, {why}"))?;
        let is_other = |got: &&Got| first.iter().all(|first| first.payload != got.payload);
        if let Some(other) = own.iter().find(is_other).filter(|_| call.again != Again::Still) {
            let (first, other) = (printed(first), printed(std::slice::from_ref(other)));
            return Err(format!("repeated, it is answered otherwise:\n{other}\nand first:\n{first}"));
        }
        match own.is_empty() && !first.is_empty() {
            true => Err("repeated, it is not answered".to_owned()),
            false => Ok(()),
        }
    }
}

/// The codes of the errors among them.
fn refusals(got: &[Got]) -> Vec<String> {
    let refusal = |got: &Got| match etf::decode::<Record>(&got.payload) {
        Ok(Record::Io(io)) => io.failure().map(|(code, _)| code.to_owned()),
        _ => None,
    };
    got.iter().filter_map(refusal).collect()
}

fn unheard(link: &str, came: &BTreeMap<String, Vec<Got>>) -> Result<(), String> {
    match came.iter().find(|(other, got)| *other != link && !got.is_empty()) {
        Some((other, got)) => Err(format!("{other} heard of it: {}", printed(got))),
        None => Ok(()),
    }
}

/// What goes on by itself, whoever asks for what meanwhile: pushes, and how far devices have come.
const BESIDE: [&str; 5] = [ROUND.0, WAKE.0, ASKED.0, OUTGOING.0, CURSOR.0];

fn unchanged(before: &Rows, after: &Rows) -> Result<(), String> {
    let counts = |(table, _): &&Row| !BESIDE.contains(table);
    let came = after.iter().filter(|(row, value)| before.get(*row) != Some(*value)).map(|(row, _)| row).find(counts);
    let went = before.keys().filter(|row| !after.contains_key(*row)).find(counts);
    match came.or(went) {
        Some((table, key)) => Err(format!("this row changed: {table} {:?}", String::from_utf8_lossy(key))),
        None => Ok(()),
    }
}

fn shown(came: &BTreeMap<String, Vec<Got>>) -> String {
    came.iter().filter(|(_, got)| !got.is_empty()).map(|(link, got)| format!("{link}: {}\n", printed(got))).collect()
}

pub(super) fn printed(got: &[Got]) -> String {
    let print = |got: &Got| match etf::decode::<etf::Term>(&got.payload) {
        Ok(term) => format!("{} {}\n", got.topic, etf::text::print(&term, &proto::catalogue())),
        Err(_) => format!("{} (bytes)\n", got.topic),
    };
    got.iter().map(print).collect()
}
