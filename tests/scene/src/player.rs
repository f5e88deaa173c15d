//! A scene played line by line.

use std::collections::{HashMap, HashSet};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use etf::Term;
use proto::records::Push;

use crate::names::Names;
use crate::notation::{Bound, Notation, fits};
use crate::script::Scene;
use crate::stage::{Got, Pushed, Stage, TEXT};
use crate::text;

/// How often a push is looked for before it counts as none.
const MOMENTS: u32 = 10;

/// The state of a play.
pub(crate) struct Player<'s> {
    pub(crate) stage: &'s mut dyn Stage,
    pub(crate) names: Names,
    pub(crate) bound: Bound,
    pub(crate) notation: &'static Notation,
    /// The record that is said otherwise than it should be, and its name.
    pub(crate) call: Option<(String, Term)>,
    inboxes: HashMap<String, Inbox>,
    /// Pushes to each device that the scene has not mentioned.
    pushes: HashMap<String, Vec<(Term, Pushed)>>,
    /// The one that it has mentioned last.
    pushed: Option<(Term, Pushed)>,
    /// Pairs that have been made friends.
    pub(crate) befriended: HashSet<(String, String)>,
}

/// What has come to one connection.
#[derive(Default)]
struct Inbox {
    came: Vec<Came>,
    /// Where the next `<` begins to look.
    next: usize,
}

struct Came {
    got: Got,
    /// Absent for bytes that are no term.
    term: Option<Term>,
    used: bool,
}

/// What a line expects.
pub(crate) struct Wanted {
    pub(crate) topic: Option<String>,
    pub(crate) content: Content,
}

pub(crate) enum Content {
    Pattern(Term),
    Bytes(bytes::Bytes),
    /// A text frame, with `?n` for numbers.
    Text(String),
    /// A text frame that begins so.
    Prefix(String),
    Any,
}

/// Plays a scene; telephone numbers begin at `first`. `Err` says where it went wrong, and how.
pub(crate) fn play(scene: &Scene, stage: &mut dyn Stage, first: u64) -> Result<(), String> {
    let mut player = Player {
        stage,
        names: Names::from(first),
        bound: Bound::new(),
        notation: Notation::get(),
        call: None,
        inboxes: HashMap::new(),
        pushes: HashMap::new(),
        pushed: None,
        befriended: HashSet::new(),
    };
    let done = scene.lines.iter().try_for_each(|line| {
        player.act(&line.text).map_err(|why| format!("{}: {}\n  {}\n  {why}", line.place, scene.title, line.text))
    });
    let links: Vec<String> = player.inboxes.keys().cloned().collect();
    for link in links {
        // One that is closed already has nothing to say.
        let _ = player.stage.disconnect(&link, true);
    }
    done
}

impl Player<'_> {
    /// `x <`: the next that fits, what stands before is passed over.
    pub(crate) fn next(&mut self, who: &str, wanted: &Wanted) -> Result<(), String> {
        let from = self.inbox(who).next;
        let at = self.find(who, wanted, from)?;
        self.inbox(who).next = at + 1;
        Ok(())
    }

    /// `x <~`: any that fits.
    pub(crate) fn anywhere(&mut self, who: &str, wanted: &Wanted) -> Result<(), String> {
        self.find(who, wanted, 0).map(|_| ())
    }

    fn find(&mut self, who: &str, wanted: &Wanted, from: usize) -> Result<usize, String> {
        loop {
            self.collect(who)?;
            if let Some(at) = self.search(who, wanted, from) {
                if let Some(came) = self.inbox(who).came.get_mut(at) {
                    came.used = true;
                }
                return Ok(at);
            }
            if !self.stage.wait(who)? {
                return Err(format!("did not come; what came: {}", self.seen(who, from)));
            }
        }
    }

    fn search(&mut self, who: &str, wanted: &Wanted, from: usize) -> Option<usize> {
        let (names, bound) = (&self.names, &mut self.bound);
        let came = &self.inboxes.get(who)?.came;
        let mut unused = came.iter().enumerate().skip(from).filter(|(_, came)| !came.used);
        unused.find(|(_, came)| wanted.is(came, names, bound)).map(|(at, _)| at)
    }

    /// `x < nothing`, but for the ring size and presence, which come when they like.
    pub(crate) fn nothing(&mut self, who: &str) -> Result<(), String> {
        self.stage.settle()?;
        self.collect(who)?;
        let next = self.inbox(who).next;
        let more = self.inbox(who).came.iter().skip(next).any(|came| !came.used && !came.is_ambient());
        match more {
            true => Err(format!("something came: {}", self.seen(who, next))),
            false => Ok(()),
        }
    }

    /// `x < no …`.
    pub(crate) fn none(&mut self, who: &str, wanted: &Wanted) -> Result<(), String> {
        self.stage.settle()?;
        self.collect(who)?;
        match self.search(who, wanted, 0) {
            Some(at) => Err(format!("it came: {}", self.seen(who, at))),
            None => Ok(()),
        }
    }

    pub(crate) fn forget(&mut self, who: &str) -> Result<(), String> {
        self.stage.settle()?;
        self.collect(who)?;
        *self.inbox(who) = Inbox::default();
        Ok(())
    }

    /// `x is pushed …`: that comes next, without a connection; what stands before is passed over. `nothing`: nothing more does.
    pub(crate) fn is_pushed(&mut self, who: &str, wanted: &str) -> Result<(), String> {
        let client =
            self.names.get(who).map(|known| known.client.clone()).ok_or_else(|| format!("nobody knows {who}"))?;
        let pattern =
            (wanted != "nothing").then(|| self.notation.pattern(wanted, &self.names, &self.bound)).transpose()?;
        for _ in 0..MOMENTS {
            let fresh = self.stage.pushes(&client)?;
            let terms = fresh.into_iter().map(|push| {
                let term = etf::decode::<Term>(&push.record).map_err(|why| why.to_string())?;
                Ok::<_, String>((term, push))
            });
            let terms = terms.collect::<Result<Vec<_>, _>>()?;
            let waiting = self.pushes.entry(client.clone()).or_default();
            waiting.extend(terms);
            if let Some(pattern) = &pattern
                && let Some(at) = waiting.iter().position(|(push, _)| fits(pattern, push, &self.names, &mut self.bound))
            {
                self.pushed = waiting.drain(..=at).next_back();
                return Ok(());
            }
            self.stage.pass()?;
        }
        let waiting = self.pushes.remove(&client).unwrap_or_default();
        let seen: String = waiting.iter().map(|(push, _)| format!("\n    {}", self.notation.print(push))).collect();
        match pattern.is_none() && waiting.is_empty() {
            true => Ok(()),
            false => Err(format!("was pushed: {seen}")),
        }
    }

    /// `x was pushed …`: what the gateway was given for the push that was seen last.
    pub(crate) fn was_pushed(&mut self, who: &str, wanted: &str) -> Result<(), String> {
        let (_, push) = self.pushed.as_ref().ok_or_else(|| format!("{who} was pushed nothing"))?;
        let record: Push = etf::decode(&push.record).map_err(|why| why.to_string())?;
        let text = self.notation.print(&record.model).replace('\\', "\\\\").replace('"', "\\\"");
        let whole = etf::encode(&Push { badge: Some(1), ..record.clone() });
        let wanted = wanted
            .replace("(model)", &BASE64.encode(etf::encode(&record.model)))
            .replace("(text)", &text)
            .replace("(push)", &BASE64.encode(whole))
            .replace("(version)", env!("CARGO_PKG_VERSION"));
        match push.body == wanted.as_bytes() {
            true => Ok(()),
            false => Err(format!("{who} was pushed {}\n    not {wanted}", String::from_utf8_lossy(&push.body))),
        }
    }

    pub(crate) fn collect_all(&mut self) -> Result<(), String> {
        self.inboxes().iter().try_for_each(|link| self.collect(link))
    }

    /// How many things have come, but for the ring size and presence.
    pub(crate) fn count(&self, who: &str) -> usize {
        let came = self.inboxes.get(who).map(|inbox| inbox.came.as_slice()).unwrap_or_default();
        came.iter().filter(|came| !came.is_ambient()).count()
    }

    /// The terms that have come.
    pub(crate) fn terms(&self, who: &str) -> impl Iterator<Item = &Term> {
        let came = self.inboxes.get(who).map(|inbox| inbox.came.as_slice()).unwrap_or_default();
        came.iter().filter_map(|came| came.term.as_ref())
    }

    /// How many durable items have come that the scene has not mentioned.
    pub(crate) fn count_due(&mut self, who: &str) -> Result<usize, String> {
        let mut before = usize::MAX;
        loop {
            self.stage.settle()?;
            self.collect(who)?;
            let inbox = self.inbox(who);
            let due = inbox.came.iter().filter(|came| came.got.qos > 0 && !came.got.topic.contains("actions/")).count();
            if due == before {
                return Ok(due);
            }
            before = due;
        }
    }

    pub(crate) fn inboxes(&self) -> Vec<String> {
        self.inboxes.keys().cloned().collect()
    }

    /// A new connection begins with an empty inbox.
    pub(crate) fn opened(&mut self, who: &str) {
        self.inboxes.insert(who.to_owned(), Inbox::default());
    }

    fn inbox(&mut self, who: &str) -> &mut Inbox {
        self.inboxes.entry(who.to_owned()).or_default()
    }

    fn collect(&mut self, who: &str) -> Result<(), String> {
        for got in self.stage.take(who)? {
            let term = etf::decode::<Term>(&got.payload).ok();
            self.inbox(who).came.push(Came { got, term, used: false });
        }
        Ok(())
    }

    /// What has come from here on, for the reader of an error.
    pub(crate) fn seen(&mut self, who: &str, from: usize) -> String {
        let notation = self.notation;
        let came = self.inboxes.get(who).map(|inbox| inbox.came.as_slice()).unwrap_or_default();
        let lines = came.iter().enumerate().skip(from).map(|(_, came)| {
            let content = match &came.term {
                Some(term) => notation.print(term),
                None if came.got.topic == TEXT => format!("{:?}", String::from_utf8_lossy(&came.got.payload)),
                None => format!("bytes {:?}", came.got.payload),
            };
            let used = if came.used { " (seen)" } else { "" };
            format!("\n    {} {content}{used}", came.got.topic)
        });
        let text: String = lines.collect();
        if text.is_empty() { "nothing".to_owned() } else { text }
    }
}

impl Wanted {
    fn is(&self, came: &Came, names: &Names, bound: &mut Bound) -> bool {
        if self.topic.as_ref().is_some_and(|topic| *topic != came.got.topic) {
            return false;
        }
        match (&self.content, &came.term) {
            (Content::Any, _) => true,
            (Content::Bytes(bytes), _) => *bytes == came.got.payload,
            (Content::Text(pattern), _) => {
                came.got.topic == TEXT && text::fits(pattern, &String::from_utf8_lossy(&came.got.payload), bound)
            }
            (Content::Prefix(begin), _) => came.got.topic == TEXT && came.got.payload.starts_with(begin.as_bytes()),
            (Content::Pattern(pattern), Some(term)) => fits(pattern, term, names, bound),
            (Content::Pattern(_), None) => false,
        }
    }
}

impl Came {
    fn is_ambient(&self) -> bool {
        let ring = self.term.as_ref().and_then(Term::head).is_some_and(|(atom, _)| atom == "vnode_max");
        ring || self.got.topic.starts_with("ac/")
    }
}
