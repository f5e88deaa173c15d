//! What nobody is to see: secrets, and what people write (SEC-10, SEC-12).

use bytes::Bytes;
use zeroize::Zeroizing;

/// Shows these fields of a record and says that there are others: those are secrets, or what somebody has written.
#[macro_export]
macro_rules! discreet {
    ($record:ident: $($field:ident),*) => {
        impl std::fmt::Debug for $record {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($record))$(.field(stringify!($field), &self.$field))*.finish_non_exhaustive()
            }
        }
    };
}

/// A token, code or password that is erased from memory when the last who holds it lets go.
pub fn erased(secret: impl Into<Vec<u8>>) -> Bytes {
    Bytes::from_owner(Zeroizing::new(secret.into()))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use etf::Term;

    use crate::*;

    const SECRET: &str = "hunter2";

    /// Of every record that carries a secret or words of people, also inside of others.
    #[test]
    fn sec_10_no_record_shows_a_secret_or_what_somebody_has_written() {
        let bytes = || Some(SECRET.into());
        let term = || Term::binary(SECRET.as_bytes());
        let feature = || Feature::new("FILE_DATA", "KEY", SECRET);
        let service = Service { password: bytes(), data: term(), ..Service::default() };
        let auth = Auth {
            token: bytes(),
            sms_code: bytes(),
            push: bytes(),
            services: vec![term()],
            settings: Some(AuthSettings::Features(vec![feature()])),
            ..Auth::default()
        };
        let desc = Desc { payload: bytes(), data: vec![feature()], ..Desc::default() };
        let ok = || Io::ok_src(Outcome::Login, (Bytes::from(SECRET), Bytes::from(SECRET)));
        let file = Ftp { data: bytes(), filename: bytes(), ..Ftp::default() };
        let shown: Vec<Record> = vec![
            auth.into(),
            Profile { services: vec![service.clone()], settings: vec![feature()], ..Profile::default() }.into(),
            Contact { services: vec![service], settings: vec![feature()], ..Contact::default() }.into(),
            Message { files: vec![desc.clone()], ..Message::default() }.into(),
            Room { data: vec![desc], ..Room::default() }.into(),
            ok().into(),
            Io::error_src(Refusal::InvalidData, term()).into(),
            Io::empty().with(Token { token: bytes() }).into(),
            Io::empty().with(AuthToken { token: bytes() }).into(),
            Io::empty().with(Data::Bytes(SECRET.into())).into(),
            Io { code: Some(Code::Text(SECRET.into())), data: Some(Data::Other(term())) }.into(),
            Io { code: Some(Code::Other(term())), data: None }.into(),
            Init { token: bytes() }.into(),
            file.into(),
            Push { model: term(), alert: bytes(), title: bytes(), ..Push::default() }.into(),
            PushService { payload: bytes(), ..PushService::default() }.into(),
            PublishService { message: bytes(), topic: None, qos: None }.into(),
        ];
        let mut shown: Vec<String> = shown.iter().map(|record| format!("{record:?} {record:#?}")).collect();
        shown.push(format!("{:?}", mail::N2o { token: bytes() }));
        shown.push(format!("{:?}", mail::Pub { tag: bytes(), bin: bytes(), ..mail::Pub::default() }));
        for text in shown {
            let numbers: Vec<String> = SECRET.bytes().map(|byte| byte.to_string()).collect();
            assert!(!text.contains(SECRET) && !text.contains(&numbers.join(", ")), "{text}");
        }
    }
}
