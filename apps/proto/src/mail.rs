//! The records of the mailboxes (MAILR-1 to MAILR-6), which only `/ws` carries. They are no records of the chat: `Ack` is another there.
use bytes::Bytes;
use etf::{Choice, Decode, Error, Reader, Record, Term};

/// Who the connection is from now on (MAILR-1): a name, or `CLIENT_ID:TOKEN`.
#[derive(Clone, PartialEq, Eq, Default, Record)]
#[record("N2O")]
pub struct N2o {
    pub token: Option<Bytes>,
}

discreet!(N2o:);

/// A user.
#[derive(Debug, Clone, PartialEq, Eq, Default, Record)]
#[record("P2P")]
pub struct UserName {
    pub dst: Option<Bytes>,
}

/// A group box.
#[derive(Debug, Clone, PartialEq, Eq, Default, Record)]
#[record("MUC")]
pub struct GroupName {
    pub dst: Option<Bytes>,
}

#[derive(Debug, Clone, PartialEq, Eq, Record)]
#[record("p2p")]
pub struct ToUser {
    pub user: UserName,
}

#[derive(Debug, Clone, PartialEq, Eq, Record)]
#[record("muc")]
pub struct ToGroup {
    pub group: GroupName,
}

/// Whom it is for.
#[derive(Debug, Clone, PartialEq, Eq, Choice)]
pub enum Dst {
    User(ToUser),
    Group(ToGroup),
}

/// Whom a letter is from and for.
#[derive(Debug, Clone, PartialEq, Default, Record)]
pub struct Adr {
    /// A name when the server writes it; what a client writes is not looked at.
    pub src: Term,
    pub dst: Option<Dst>,
}

/// Joins a group box, or registers for the own one (MAILR-3).
#[derive(Debug, Clone, PartialEq, Default, Record)]
pub struct Sub {
    pub key: Option<Bytes>,
    pub adr: Adr,
}

/// A letter (MAILR-2, MAILR-5).
#[derive(Clone, PartialEq, Default, Record)]
pub struct Pub {
    pub key: Option<Bytes>,
    pub adr: Adr,
    pub tag: Option<Bytes>,
    pub bin: Option<Bytes>,
}

discreet!(Pub: key, adr);

/// Erases up to a letter (MAILR-4).
#[derive(Debug, Clone, PartialEq, Eq, Default, Record)]
pub struct Cut {
    pub id: Option<Bytes>,
}

/// It is done.
#[derive(Debug, Clone, PartialEq, Eq, Default, Record)]
pub struct Ack {
    pub lex: Option<Bytes>,
}

/// It is not.
#[derive(Debug, Clone, PartialEq, Eq, Default, Record)]
pub struct Nak {
    pub key: Option<Bytes>,
}

/// What a client may say in these records.
#[derive(Debug, Clone, PartialEq)]
pub enum MailRecord {
    N2o(N2o),
    Sub(Box<Sub>),
    Pub(Box<Pub>),
    Cut(Cut),
    /// MAILR-6: `{'FTP',…}` is the `ftp` of arity 10, which this is, encoded.
    Ftp(Bytes),
    /// It has the name and arity of one of them, and a field that does not fit.
    Bad,
}

impl Decode for MailRecord {
    /// A term that has none of the names is an error: then it is for the chat.
    fn decode(r: &mut Reader<'_>) -> Result<Self, Error> {
        let head = r.head();
        let mut ahead = r.clone();
        let read = match head.as_ref().map(|(atom, arity)| (atom.as_ref(), *arity)) {
            Some(("N2O", 2)) => N2o::decode(&mut ahead).map(Self::N2o),
            Some(("Sub", 3)) => Decode::decode(&mut ahead).map(Self::Sub),
            Some(("Pub", 5)) => Decode::decode(&mut ahead).map(Self::Pub),
            Some(("Cut", 2)) => Cut::decode(&mut ahead).map(Self::Cut),
            Some(("FTP", 10)) => Term::decode(&mut ahead).map(|term| Self::Ftp(ftp(&term))),
            Some(_) | None => return Err(r.expected("a record of the mailboxes")),
        };
        match read {
            Ok(record) => {
                *r = ahead;
                Ok(record)
            }
            Err(_) => Term::decode(r).map(|_| Self::Bad),
        }
    }
}

fn ftp(term: &Term) -> Bytes {
    let fields = term.as_tuple().unwrap_or_default().iter().skip(1).cloned();
    etf::encode(&Term::tuple(std::iter::once(Term::atom("ftp")).chain(fields).collect::<Vec<_>>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<MailRecord, Error> {
        etf::decode(&etf::encode(&etf::text::parse(text, &()).unwrap()))
    }

    #[test]
    fn mailr_2_letters_are_read_from_binaries_and_char_lists() {
        for text in [
            r#"{'Pub',"k",{'Adr',[],{p2p,{'P2P',"ben"}}},"t","hi"}"#,
            r#"{'Pub',[107],{'Adr',x,{p2p,{'P2P',[98,101,110]}}},[116],[104,105]}"#,
        ] {
            let Ok(MailRecord::Pub(letter)) = read(text) else { panic!("{text}") };
            let user = ToUser { user: UserName { dst: Some("ben".into()) } };
            assert_eq!(letter.adr.dst, Some(Dst::User(user)));
            assert_eq!(
                (letter.key.unwrap(), letter.tag.unwrap(), letter.bin.unwrap()),
                ("k".into(), "t".into(), "hi".into())
            );
        }
    }

    #[test]
    fn mailr_6_ftp_by_its_other_name_is_that_of_arity_10() {
        let Ok(MailRecord::Ftp(bytes)) = read(r#"{'FTP',"1",[],"a.txt",[],3,0,1,[],"init"}"#) else {
            panic!("no file")
        };
        let Ok(crate::Record::Ftp10(ftp)) = etf::decode(&bytes) else { panic!("no record of the chat") };
        assert_eq!((ftp.filename.as_deref(), ftp.size), (Some(&b"a.txt"[..]), Some(3)));
    }

    #[test]
    fn c_9_a_field_that_does_not_fit_is_told_from_a_term_of_the_chat() {
        assert_eq!(read("{'Pub',\"k\",nobody,\"t\",\"hi\"}").unwrap(), MailRecord::Bad);
        assert_eq!(read("{'Cut',7}").unwrap(), MailRecord::Bad);
        assert!(read("{'Ack','Message',\"m1\"}").is_err() && read("{'Ack',\"k\"}").is_err() && read("[]").is_err());
    }
}
