//! What a search is told to look for.

use bytes::Bytes;
use etf::Term;
use proto::records::SearchType;
use proto::{Refusal, text};

/// A text to look for at most, bytes.
const TEXT_BYTES: usize = 256;

/// A text: a binary or what is read as one (C-4), or a list with such as its only element.
pub(super) fn text(value: &Term) -> Result<Bytes, Refusal> {
    match &texts(value)?[..] {
        [text] => Ok(text.clone()),
        _ => Err(Refusal::InvalidData),
    }
}

/// A list of texts; a bare one is a list of one.
pub(super) fn texts(value: &Term) -> Result<Vec<Bytes>, Refusal> {
    let elements = match value.to::<Bytes>() {
        Ok(text) => vec![text],
        Err(_) => {
            let list = value.as_list().ok_or(Refusal::InvalidData)?;
            list.iter()
                .map(|element| element.to::<Bytes>())
                .collect::<Result<_, _>>()
                .map_err(|_| Refusal::InvalidData)?
        }
    };
    let fits = |text: &Bytes| !text.is_empty() && text.len() <= TEXT_BYTES && std::str::from_utf8(text).is_ok();
    match !elements.is_empty() && elements.iter().all(fits) {
        true => Ok(elements),
        false => Err(Refusal::InvalidData),
    }
}

/// SEARCH-5: which names are meant.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    text: String,
    kind: SearchType,
}

impl Wanted {
    pub(super) fn new(text: &[u8], kind: SearchType) -> Wanted {
        Wanted { text: text::folded(&String::from_utf8_lossy(text)), kind }
    }

    pub(super) fn kind(&self) -> SearchType {
        self.kind
    }

    /// The text without regard to case.
    pub(super) fn folded(&self) -> &str {
        &self.text
    }

    /// Names and surnames together are equal to the text, contain it, or are not equal to it, without regard to case.
    pub(super) fn fits(&self, names: &str) -> bool {
        self.fits_folded(&text::folded(names))
    }

    /// The same of names that are folded already.
    pub(super) fn fits_folded(&self, names: &str) -> bool {
        match self.kind {
            SearchType::Equal => names == self.text,
            SearchType::NotEqual => names != self.text,
            SearchType::Like => names.contains(&self.text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn search_9_a_text_is_a_binary_or_a_list_of_one() {
        let binary = |text: &str| Term::binary(text.as_bytes());
        let charlist = |text: &str| Term::list(text.bytes().map(|byte| Term::int(byte.into())).collect());
        for value in
            [binary("ann"), charlist("ann"), Term::list(vec![binary("ann")]), Term::list(vec![charlist("ann")])]
        {
            assert_eq!(text(&value), Ok(Bytes::from_static(b"ann")), "{value:?}");
        }
        for none in
            [Term::nil(), Term::int(7), binary(""), Term::list(vec![binary("a"), binary("b")]), Term::tuple(vec![])]
        {
            assert_eq!(text(&none), Err(Refusal::InvalidData), "{none:?}");
        }
        assert_eq!(texts(&Term::list(vec![binary("a"), charlist("b")])).map(|texts| texts.len()), Ok(2));
        assert_eq!(texts(&Term::nil()), Err(Refusal::InvalidData));
    }

    #[test]
    fn search_5_names_are_compared_without_regard_to_case() {
        let is = |kind, names| Wanted::new("aNNa b".as_bytes(), kind).fits(names);
        assert!(is(SearchType::Equal, "Anna B") && !is(SearchType::Equal, "Anna Bell"));
        assert!(is(SearchType::NotEqual, "Anna Bell") && !is(SearchType::NotEqual, "ANNA B"));
        assert!(is(SearchType::Like, "Joanna Bell") && !is(SearchType::Like, "Anna"));
    }
}
