//! The records that the operator adds to the zone. Those that were last good go on while his file is not.

use std::fs;

use ns::{Contents, Zone};

use super::contents;
use crate::failure::Failure;
use crate::home::Home;
use crate::settings::Settings;

/// The text of the records that were last good; none has been yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Given(Option<String>);

/// A zone, if anything has changed, and of which records.
pub(super) struct Made {
    pub(super) made: Option<Zone>,
    pub(super) given: Given,
    /// Why what is in the file now does not count.
    pub(super) refused: Option<Failure>,
}

impl Given {
    /// Of an earlier run.
    pub(super) fn last(home: &Home) -> Given {
        Given(fs::read_to_string(home.zone_records()).ok())
    }

    /// Makes a zone of what the server says of itself and the file; if that is no zone, of the records that were last good.
    pub(super) fn over(
        &self,
        home: &Home,
        settings: &Settings,
        bare: &Contents,
        make: impl Fn(&Contents) -> Result<Option<Zone>, Failure>,
    ) -> Result<Made, Failure> {
        let with = |text: &str| {
            let mut contents = bare.clone();
            contents.lay_over(contents::records(settings, &bare.origin, text)?);
            make(&contents)
        };
        let now = contents::given(home, settings).and_then(|text| Ok((with(&text)?, text)));
        match (now, &self.0) {
            (Ok((made, text)), _) => Ok(Made { made, given: Given(Some(text)), refused: None }),
            (Err(why), Some(last)) => Ok(Made { made: with(last)?, given: self.clone(), refused: Some(why) }),
            (Err(why), None) => Err(why),
        }
    }

    pub(super) fn keep(&self, home: &Home) -> Result<(), Failure> {
        let text = self.0.as_deref().unwrap_or_default();
        Ok(ca::files::write_secret(home.zone_records(), text)?)
    }
}
