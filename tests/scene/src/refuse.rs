//! Calls that are refused: what is asked otherwise than it should be is answered with exactly one error, nobody else hears of it, and
//! nothing that is kept changes (G-1, G-2).

use std::collections::BTreeMap;

use etf::Term;

use crate::act::{EVENTS, word};
use crate::player::Player;
use crate::stage::Row;

/// What no field takes but those of any type.
fn wrong_types() -> [Term; 3] {
    [
        Term::tuple(vec![Term::atom("wrong"), Term::nil()]),
        Term::float(0.5).expect("finite"),
        Term::list(vec![Term::tuple(Vec::new())]),
    ]
}

impl Player<'_> {
    /// `call Message{…}`: what the next lines are about.
    pub(crate) fn call(&mut self, text: &str) -> Result<(), String> {
        if text.contains(".code") {
            self.learn_codes()?;
        }
        let text = grown(text)?;
        let (name, _) = text.split_once('{').ok_or("a call is a record")?;
        self.call = Some((name.trim().to_owned(), self.notation.term(&text, &self.names, &self.bound)?));
        Ok(())
    }

    /// `x does`: says it as it is, and is not refused.
    pub(crate) fn does(&mut self, who: &str) -> Result<(), String> {
        let (_, call) = self.known_call()?;
        self.forget(who)?;
        self.say_term(who, &call)?;
        match self.errors(who)?.first() {
            Some(code) => Err(format!("it was refused: {code}")),
            None => Ok(()),
        }
    }

    /// `x not CODE field=value …`, or `x not CODE in any type but field …`
    pub(crate) fn not(&mut self, who: &str, rest: &str) -> Result<(), String> {
        let (code, how) = word(rest);
        let (name, call) = self.known_call()?;
        match how.strip_prefix("in any type") {
            Some(but) => {
                let but: Vec<&str> = but.trim().strip_prefix("but").unwrap_or_default().split_whitespace().collect();
                self.not_in_any_type(who, code, &name, &call, &but)
            }
            None => {
                let otherwise = self.otherwise(&name, &call, how)?;
                self.is_refused(who, code, &otherwise)
            }
        }
    }

    fn known_call(&self) -> Result<(String, Term), String> {
        self.call.clone().ok_or_else(|| "which call? write: call Message{…}".to_owned())
    }

    /// The call with some fields otherwise.
    fn otherwise(&self, name: &str, call: &Term, fields: &str) -> Result<Term, String> {
        let text = format!("{name}{{{}}}", grown(fields)?);
        let given = self.notation.pattern(&text, &self.names, &self.bound)?;
        let values = self.notation.term(&text, &self.names, &self.bound)?;
        let (Some(call), Some(given), Some(values)) = (call.as_tuple(), given.as_tuple(), values.as_tuple()) else {
            return Err("a call is a record".to_owned());
        };
        let field = |((old, given), new): ((&Term, &Term), &Term)| {
            if given.as_atom() == Some("_") { old.clone() } else { new.clone() }
        };
        Ok(Term::tuple(call.iter().zip(given).zip(values).map(field).collect()))
    }

    /// Each field in its turn, of a type that it does not take.
    fn not_in_any_type(&mut self, who: &str, code: &str, name: &str, call: &Term, but: &[&str]) -> Result<(), String> {
        let elements = call.as_tuple().ok_or("a call is a record")?;
        let fields = self.notation.fields(name, elements.len()).ok_or_else(|| format!("no record {name}"))?;
        if let Some(unknown) = but.iter().find(|but| !fields.contains(but)) {
            return Err(format!("{name} has no field {unknown}"));
        }
        for (at, field) in (1..).zip(fields).filter(|(_, field)| !but.contains(field)) {
            for wrong in wrong_types() {
                let mut otherwise = elements.to_vec();
                if let Some(element) = otherwise.get_mut(at) {
                    *element = wrong;
                }
                self.is_refused(who, code, &Term::tuple(otherwise)).map_err(|why| format!("{field}: {why}"))?;
            }
        }
        Ok(())
    }

    /// One error to who asks, nothing to the others, no change.
    fn is_refused(&mut self, who: &str, code: &str, call: &Term) -> Result<(), String> {
        let links = self.inboxes();
        for link in &links {
            self.forget(link)?;
        }
        let before = self.stage.kept();
        self.say_term(who, call)?;
        let codes = self.errors(who)?;
        if codes != [code] || self.count(who) != 1 {
            return Err(format!("{} came; all of it: {}", codes.join(" "), self.seen(who, 0)));
        }
        if let Some(other) = links.iter().find(|link| *link != who && self.count(link) > 0) {
            return Err(format!("{other} heard of it: {}", self.seen(other, 0)));
        }
        match (before, self.stage.kept()) {
            (Some(before), Some(after)) => unchanged(&before, &after),
            _ => Ok(()),
        }
    }

    fn say_term(&mut self, who: &str, call: &Term) -> Result<(), String> {
        self.stage.publish(who, EVENTS, etf::encode(call))?;
        self.stage.acknowledged(who)?;
        self.stage.settle()?;
        self.collect_all()
    }

    /// The codes of all errors that came.
    fn errors(&mut self, who: &str) -> Result<Vec<String>, String> {
        let error = |term: &Term| {
            let io = term.as_tuple().filter(|io| io.first().and_then(Term::as_atom) == Some("io"))?;
            let code = io
                .get(1)
                .and_then(Term::as_tuple)
                .filter(|code| code.first().and_then(Term::as_atom) == Some("error"))?;
            code.get(1).and_then(Term::as_atom).map(str::to_owned)
        };
        Ok(self.terms(who).filter_map(error).collect())
    }
}

fn unchanged(before: &BTreeMap<Row, bytes::Bytes>, after: &BTreeMap<Row, bytes::Bytes>) -> Result<(), String> {
    let show = |(table, key): &Row| format!("{table} {:?}", String::from_utf8_lossy(key));
    let came = after.iter().find(|(row, value)| before.get(*row) != Some(*value)).map(|(row, _)| row);
    let went = before.keys().find(|row| !after.contains_key(*row));
    match came.or(went) {
        Some(row) => Err(format!("this row changed: {}", show(row))),
        None => Ok(()),
    }
}

/// `long(300)` is a text of so many letters, `times(65 Desc{…})` so many of it, `#` being the number of each.
fn grown(text: &str) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    loop {
        let found = ["long(", "times("].iter().filter_map(|word| rest.find(word).map(|at| (at, *word))).min();
        let Some((at, macro_name)) = found else {
            out.push_str(rest);
            return Ok(out);
        };
        let (before, after) = rest.split_at(at);
        let (inside, after) = closed(&after[macro_name.len()..]).ok_or("a ) is missing")?;
        out.push_str(before);
        let (count, what) = word(inside);
        let count: usize = count.parse().map_err(|_| format!("no number: {count}"))?;
        match macro_name {
            "long(" => out.push_str(&format!("\"{}\"", "x".repeat(count))),
            _ => {
                let numbered = (1..=count).map(|number| what.replace('#', &number.to_string()));
                out.push_str(&numbered.collect::<Vec<_>>().join(" "));
            }
        }
        rest = after;
    }
}

/// Up to the parenthesis that closes, and what follows it.
fn closed(text: &str) -> Option<(&str, &str)> {
    let mut depth = 1;
    for (at, letter) in text.char_indices() {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some((&text[..at], &text[at + 1..]));
        }
    }
    None
}
