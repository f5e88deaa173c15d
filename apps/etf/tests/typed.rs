//! Derived types over the vectors, and the rules of SPEC section 1 that a type sees.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use bytes::Bytes;
use etf::{
    Atom, AtomEnum, Atoms, Choice, Decode, Error, Fits, Reader, Record, Shape, Term, check, decode, decode_parts,
    encode,
};
use support::{Documents, lines, text};

#[derive(Debug, Clone, Default, PartialEq, Record)]
pub struct Message {
    pub id: Option<u64>,
    pub container: Option<Container>,
    pub feed_id: Option<Feed>,
    pub prev: Option<u64>,
    pub next: Option<u64>,
    pub msg_id: Option<Bytes>,
    pub from: Option<Bytes>,
    pub to: Option<Bytes>,
    pub created: Option<u64>,
    pub files: Vec<Desc>,
    pub r#type: Vec<Atom>,
    pub link: Option<Link>,
    pub seenby: Vec<Reading>,
    pub repliedby: Vec<u64>,
    pub mentioned: Vec<u64>,
    pub status: Option<Status>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, AtomEnum)]
pub enum Container {
    Chain,
    Cur,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, AtomEnum)]
pub enum Status {
    Async,
    #[atom("delete", "deleted")]
    Delete,
    Clear,
    Update,
    Edit,
    #[atom("==")]
    Equal,
    LastOnline,
}

#[derive(Debug, Clone, PartialEq, Choice)]
pub enum Feed {
    P2p(P2p),
    Muc(Muc),
}

#[derive(Debug, Clone, PartialEq, Choice)]
pub enum Link {
    Id(u64),
    Message(Box<Message>),
}

#[derive(Debug, Clone, PartialEq, Choice)]
pub enum Reading {
    Id(u64),
    Name(Bytes),
}

#[derive(Debug, Clone, Default, PartialEq, Record)]
#[record("p2p")]
pub struct P2p {
    pub from: Option<Bytes>,
    pub to: Option<Bytes>,
}

#[derive(Debug, Clone, Default, PartialEq, Record)]
#[record("muc")]
pub struct Muc {
    pub name: Option<Bytes>,
}

#[derive(Debug, Clone, Default, PartialEq, Record)]
#[record(also(7 = "Desc::from_v1"))]
pub struct Desc {
    pub id: Option<Bytes>,
    pub mime: Option<Bytes>,
    pub payload: Option<Bytes>,
    pub parentid: Option<Bytes>,
    pub data: Vec<Term>,
}

impl Desc {
    /// `{'Desc', id, mime, size, payload, filename, info}`
    fn from_v1(r: &mut Reader<'_>) -> Result<Self, Error> {
        let (id, mime) = (r.field("Desc", "id")?, r.field("Desc", "mime")?);
        r.skip()?;
        let payload = r.field("Desc", "payload")?;
        r.skip()?;
        r.skip()?;
        Ok(Self { id, mime, payload, ..Self::default() })
    }
}

fn of(text: &str) -> Bytes {
    encode(&etf::text::parse(text, &()).unwrap())
}

fn read<T: Decode>(text: &str) -> Result<T, Error> {
    decode(&of(text))
}

#[test]
fn canonical_messages_are_written_back_to_the_same_bytes() {
    let mut documents = Documents::default();
    let all = lines("vectors.jsonl");
    let messages = all.iter().filter(|line| line["record"] == "Message" && line["canonical"] == true);
    let mut same = 0;
    for line in messages {
        let bytes = documents.of(line);
        let Ok(message) = decode::<Message>(&bytes) else {
            continue;
        };
        // A charlist for a binary (C-4) or an empty list written as an atom (C-5) changes on its way.
        assert_eq!(decode::<Message>(&encode(&message)).unwrap(), message, "{}", text(line, "name"));
        same += usize::from(encode(&message) == bytes);
    }
    assert!(same >= 18, "only {same}");
}

#[test]
fn derived_types_know_their_wire_names() {
    assert_eq!((P2p::ATOM, P2p::FIELDS), ("p2p", &["from", "to"][..]));
    assert_eq!(Message::FIELDS[10], "type");
    assert_eq!(Status::ATOMS, ["async", "delete", "deleted", "clear", "update", "edit", "==", "last_online"]);
    assert_eq!((Status::LastOnline.text(), Status::of("deleted")), ("last_online", Some(Status::Delete)));
    assert_eq!(encode(&Status::Delete), of("delete"));
}

#[test]
fn c_6_a_record_is_known_by_atom_and_arity() {
    assert_eq!(read::<Desc>(r#"{'Desc',"x","m",7,"p","n",[]}"#).unwrap().payload.unwrap(), "p");
    assert!(matches!(read::<Desc>("{'Desc',[]}"), Err(Error::Arity { record: "Desc", arity: 2, .. })));
    assert!(matches!(read::<Desc>("{'Desk',[],[],[],[],[]}"), Err(Error::Expected { want: "Desc", .. })));
    assert!(read::<Desc>(r#"{"Desc",[],[],[],[],[]}"#).is_err());
    assert!(read::<Feed>("{p2p,[]}").is_err());
    assert_eq!(read::<Feed>("{muc,[]}").unwrap(), Feed::Muc(Muc::default()));
}

#[test]
fn errors_name_the_record_and_the_field() {
    let error = read::<Feed>("{p2p,[],7}").unwrap_err();
    assert_eq!(error.to_string(), "p2p.to: byte 9: a binary wanted, tag 97 found");
}

#[test]
fn c_8_an_atom_outside_the_closed_set_is_an_error() {
    assert_eq!(read::<Status>("deleted").unwrap(), Status::Delete);
    assert!(matches!(read::<Status>("nothing"), Err(Error::UnknownAtom { of: "Status", .. })));
}

#[test]
fn c_4_a_list_of_integers_is_a_text_where_a_binary_is_declared() {
    let bytes = |text: &str| read::<Bytes>(text).map(Vec::from);
    assert_eq!(bytes("[105,100]").unwrap(), b"id");
    assert_eq!(bytes("[209,143]").unwrap(), "я".as_bytes());
    assert_eq!(bytes("[233]").unwrap(), "é".as_bytes());
    assert_eq!(bytes("[1103,33]").unwrap(), "я!".as_bytes());
    for wrong in ["[55296]", "[-1]", "[a]", "[105|100]", "[]", "105", "<<1:1>>"] {
        assert!(bytes(wrong).is_err(), "{wrong}");
    }
    let sent_as_list = [131, 108, 0, 0, 0, 2, 97, 105, 97, 100, 106];
    assert_eq!(decode::<Bytes>(&sent_as_list).unwrap(), "id");
}

#[test]
fn c_5_absent_has_several_spellings() {
    for absent in ["[]", "nil", "undefined"] {
        assert_eq!(read::<Option<Bytes>>(absent).unwrap(), None);
        assert!(read::<Vec<u64>>(absent).unwrap().is_empty());
    }
    assert_eq!(decode::<Option<u64>>(&[131, 107, 0, 0]).unwrap(), None);
    assert_eq!(decode::<Option<u64>>(&[131, 108, 0, 0, 0, 0, 106]).unwrap(), None);
    assert_eq!(read::<Option<Bytes>>("\"\"").unwrap(), Some(Bytes::new()));
    assert_eq!(encode(&None::<u64>), of("[]"));
}

#[test]
fn c_2_lists_of_small_integers_are_strings() {
    assert_eq!(encode(&vec![7u64, 255])[..], [131, 107, 0, 2, 7, 255]);
    assert_eq!(encode(&vec![Reading::Id(7)])[..], [131, 107, 0, 1, 7]);
    assert_eq!(encode(&vec![7u64, 256])[1], 108);
    assert_eq!(encode(&vec![-1i64])[1], 108);
    assert_eq!(encode(&vec![0u64; 65535])[1], 107);
    assert_eq!(encode(&vec![0u64; 65536])[1], 108);
    assert_eq!(encode(&Vec::<u64>::new())[..], [131, 106]);
    assert_eq!(decode::<Vec<u64>>(&[131, 107, 0, 2, 7, 255]).unwrap(), [7, 255]);
    assert_eq!(read::<Vec<Reading>>(r#"[7,"a"]"#).unwrap(), [Reading::Id(7), Reading::Name("a".into())]);
}

#[test]
fn lists_may_go_on_in_their_tail() {
    let in_list = [131, 108, 0, 0, 0, 1, 97, 1, 108, 0, 0, 0, 1, 97, 2, 106];
    let in_string = [131, 108, 0, 0, 0, 1, 97, 1, 107, 0, 2, 2, 3];
    assert_eq!(decode::<Vec<u64>>(&in_list).unwrap(), [1, 2]);
    assert_eq!(decode::<Vec<u64>>(&in_string).unwrap(), [1, 2, 3]);
    assert!(read::<Vec<u64>>("[1|2]").is_err());
}

#[test]
fn integers_of_every_coding_and_their_ranges() {
    for coding in [&[131, 97, 5][..], &[131, 98, 0, 0, 0, 5], &[131, 110, 3, 0, 5, 0, 0], &[131, 111, 0, 0, 0, 1, 0, 5]]
    {
        assert_eq!(decode::<u64>(coding).unwrap(), 5);
        assert_eq!(decode::<u32>(coding).unwrap(), 5);
    }
    assert_eq!(read::<u64>(&u64::MAX.to_string()).unwrap(), u64::MAX);
    assert_eq!(read::<i64>(&i64::MIN.to_string()).unwrap(), i64::MIN);
    assert!(
        read::<u64>("-1").is_err() && read::<u32>("4294967296").is_err() && read::<i64>("9223372036854775808").is_err()
    );
    assert_eq!(encode(&u64::MAX)[..4], [131, 110, 8, 0]);
    assert_eq!(encode(&i64::from(i32::MIN))[..], [131, 98, 128, 0, 0, 0]);
}

#[test]
fn ftp_2_a_binary_that_is_most_of_its_document_is_a_part_of_it_and_others_are_copies() {
    let of = |payload: usize, other: usize| {
        let mime = Some(Bytes::from(vec![b'x'; other]));
        let document = Desc { mime, payload: Some(vec![b'y'; payload].into()), ..Desc::default() };
        let bytes = encode(&document);
        let read = decode_parts::<Desc>(&bytes).unwrap();
        assert_eq!(read, document);
        let lies_in = |part: &Option<Bytes>| bytes.as_ptr_range().contains(&part.as_ref().unwrap().as_ptr());
        (lies_in(&read.payload), lies_in(&read.mime))
    };
    assert_eq!(of(256 << 10, 9), (true, false));
    assert_eq!((of(9, 9), of(33 << 10, 40 << 10)), ((false, false), (false, true)));
    assert_eq!(of(1 << 10, 9), (false, false));
    // What was compressed is not there.
    let document = encode(&Desc { payload: Some(vec![b'y'; 100_000].into()), ..Desc::default() });
    let mut packed = vec![131, 80];
    packed.extend(u32::try_from(document.len() - 1).unwrap().to_be_bytes());
    let mut zlib = flate2::write::ZlibEncoder::new(packed, flate2::Compression::fast());
    std::io::Write::write_all(&mut zlib, &document[1..]).unwrap();
    let packed = Bytes::from(zlib.finish().unwrap());
    assert_eq!(encode(&decode_parts::<Desc>(&packed).unwrap()), document);
}

#[test]
fn tuples_floats_and_what_fits() {
    assert_eq!(read::<(Atom, Bytes)>(r#"{fake,"1"}"#).unwrap(), (Atom::new("fake"), "1".into()));
    assert!(read::<(u64, u64)>("{1,2,3}").is_err());
    assert_eq!(read::<f64>("1.5").unwrap(), 1.5);
    let fits = |text: &str, f: fn(&Reader<'_>) -> bool| f(&check(&of(text), &etf::Limits::default()).unwrap().reader());
    assert!(fits("[1,2]", Bytes::fits) && fits("[1,2]", Vec::<u64>::fits) && !fits("[1,2]", Vec::<Desc>::fits));
    assert!(fits("{1,a}", <(u64, Atom)>::fits) && !fits("{a,1}", <(u64, Atom)>::fits) && !fits("[]", Bytes::fits));
}

#[test]
fn c_9_messages_nested_as_deep_as_the_limit_do_not_overflow_the_stack() {
    let nested = |levels: usize| {
        let mut message = Message::default();
        for _ in 1..levels {
            message = Message { link: Some(Link::Message(Box::new(message))), ..Message::default() };
        }
        encode(&message)
    };
    let deepest = decode::<Message>(&nested(128)).unwrap();
    assert_eq!(encode(&deepest), nested(128));
    assert!(decode::<Message>(&nested(129)).unwrap_err().is_limit());
}
