//! LOC-1 (SPEC 6.17): where somebody is right now. Relayed, never stored (D-34).

use etf::Term;
use proto::Refusal;
use proto::ids::Phone;
use proto::records::Loc;

use super::{Halt, presence};
use crate::effects::{self, show};
use crate::{Chat, Cx, Fx, Who};

/// A coordinate as text at most, bytes.
const COORDINATE_BYTES: usize = 32;
const SECOND_MS: u64 = 1000;

/// LOC-1: to the friends of the default roster if the account's privacy lets them see it, and to the own devices. `told` is when the
/// last two were; more than two a second are dropped, as of Typing.
pub(crate) fn loc(
    chat: &Chat,
    cx: &Cx<'_>,
    fx: &mut Fx,
    who: &Who,
    own: &Phone,
    told: &mut [u64; 2],
    loc: &Loc,
) -> Result<(), Halt> {
    if ![&loc.x, &loc.y, &loc.z].into_iter().all(is_number) {
        return Err(Refusal::InvalidData.into());
    }
    let roster = who.account.as_ref().and_then(|account| account.default_roster()).ok_or(Refusal::PermissionDenied)?;

    let [before_last, last] = *told;
    if chat.settings.limits && cx.now.0 < before_last.saturating_add(SECOND_MS) {
        effects::answer(fx, who, Vec::new());
        return Ok(());
    }
    *told = [last, cx.now.0];
    let payload = etf::encode(loc);
    if presence::shows_location(cx, own)? {
        presence::tell_location(cx, fx, &roster, payload.clone())?;
    }
    show(fx, own, &effects::ses(cx, &roster)?, payload, None);
    effects::answer(fx, who, Vec::new());
    Ok(())
}

/// An integer, a float or decimal text.
fn is_number(term: &Term) -> bool {
    let text = || term.to::<bytes::Bytes>().is_ok_and(|text| is_decimal(&text));
    term.as_int().is_some() || term.as_float().is_some() || text()
}

fn is_decimal(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let whole = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let fraction = match digits.get(whole..) {
        Some([b'.', fraction @ ..]) => fraction,
        Some([]) => b"0",
        Some(_) | None => return false,
    };
    text.len() <= COORDINATE_BYTES
        && whole > 0
        && !fraction.is_empty()
        && fraction.iter().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loc_1_numbers_in_any_form() {
        let texts = ["7", "-7", "50.4501", "-0.5"].map(|text| Term::binary(text.as_bytes()));
        let numbers = [Term::int(7), Term::int(-7), Term::float(50.45).unwrap()];
        assert!(texts.iter().chain(&numbers).all(is_number));
        let none = ["", "-", "7.", ".5", "1e9", "7,5", "north", "0000000000000000000000000000000.5"];
        for none in none.map(|text| Term::binary(text.as_bytes())).iter().chain(&[Term::nil(), Term::atom("x")]) {
            assert!(!is_number(none), "{none:?}");
        }
    }
}
