//! Answers as the specification writes them: section 0, IO-4, D-2, D-3.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use bytes::Bytes;
use etf::text::print;
use etf::{Atoms, Term};
use proto::{AuthToken, Cert, Io, Outcome, Record, Refusal, Roster, Token, catalogue};

fn shown(io: Io) -> String {
    assert_eq!(etf::decode::<Io>(&etf::encode(&io)).unwrap(), io, "what a client reads");
    print(&Term::of(&io).unwrap(), &())
}

#[test]
fn answers_are_written_as_section_0_says() {
    assert_eq!(shown(Io::ok(Outcome::SmsSent)), "{io,{ok,sms_sent,[]},\"\"}");
    assert_eq!(shown(Io::error(Refusal::InvalidData)), "{io,{error,invalid_data,[]},\"\"}");
    assert_eq!(shown(Io::error_src(Refusal::InvalidSmsCode, 4u64)), "{io,{error,invalid_sms_code,4},\"\"}");
    let login = (Bytes::from("emqttd_38001_d1"), Bytes::from("t1"));
    assert_eq!(
        shown(Io::ok_src(Outcome::Login, login).with(Cert { der: Some("der".into()) })),
        r#"{io,{ok,login,{"emqttd_38001_d1","t1"}},{cert,"der"}}"#
    );
    assert_eq!(shown(Io::empty().with(Token { token: Some("t".into()) })), r#"{io,"",{'Token',"t"}}"#);
    let call = Io::ok(Outcome::CallInProgress).with(AuthToken { token: Some(Bytes::new()) });
    assert_eq!(shown(call), r#"{io,{ok,call_in_progress,[]},{'Auth',""}}"#);
    assert_eq!(shown(Io::ok(Outcome::List).with(vec![1, 2, 300])), "{io,{ok,list,[]},[1,2,300]}");
    assert_eq!(shown(Io::ok(Outcome::List).with(vec![1, 2])), "{io,{ok,list,[]},[1,2]}");
}

#[test]
fn a_search_answers_a_roster() {
    let io = Io::ok_src(Outcome::Search, Bytes::from("ref")).with(Roster::default());
    assert_eq!(io.success().unwrap().0, "search");
    assert_eq!(print(&Term::of(&io).unwrap(), &catalogue()), r#"io{code=ok{code=search src="ref"} data=Roster{}}"#);
}

#[test]
fn every_atom_of_appendix_c_is_read_back() {
    for atom in Refusal::ATOMS {
        let refusal = Refusal::of(atom).unwrap();
        assert_eq!(refusal.to_string(), *atom);
        let Record::Io(io) = etf::decode(&etf::encode(&Io::error(refusal))).unwrap() else {
            panic!("an io");
        };
        assert_eq!(io.failure().unwrap().0, *atom);
    }
    assert_eq!(Refusal::ATOMS.len(), 34);
    assert_eq!(Outcome::ATOMS.len(), 18);
    assert_eq!(Refusal::of("nobody"), None);
}
