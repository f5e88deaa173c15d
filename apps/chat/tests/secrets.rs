//! SEC-12: what is in the store when a server has been told its users' secrets.

use kvs::{Span, Store};
use scene::{Simulated, play_file, read};

/// A token, a code that was sent and one that waits, a push token, a password of a service, a session token.
const PLAY: &str = r#"
# SEC-12 secrets are told and used
people ann
ann > Auth{type=push push="PUSH-SECRET" os=ios}
ann < io{code=""}
ann > Profile{status=patch services=[Service{id="s" type=aws login="anna" password="PASSWORD-SECRET" status=add}]}
ann < Profile{services=[Service{id="s"}]}
ann disconnects
number n
r connects as "reg_secret"
r > Auth{type=reg phone=@n.phone dev_key="d1" push="PENDING-SECRET"}
r < io{code=ok{code=sms_sent}}
ann connects
"#;

#[test]
fn sec_12_no_secret_is_in_the_store() {
    let scene = read("secrets", PLAY).pop().expect("a scene");
    let mut stage = Simulated::new(7, false);
    assert_eq!(play_file(&scene, &mut stage, 380_500_000), None);

    let mut rows = 0;
    for table in chat_core::rows::TABLES {
        for (key, row) in
            stage.sim.store().scan(*table, &Span::prefix(bytes::Bytes::new())).expect("memory does not fail")
        {
            rows += 1;
            for secret in ["PUSH-SECRET", "PASSWORD-SECRET", "PENDING-SECRET"] {
                let has = |bytes: &[u8]| bytes.windows(secret.len()).any(|part| part == secret.as_bytes());
                assert!(!has(&key) && !has(&row), "{secret} is in table {table:?}");
            }
        }
    }
    assert!(rows > 5, "{rows} rows are no server that was told anything");
}
