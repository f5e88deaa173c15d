//! What is played, in the notation of scenes and with one line of its own: `away NAME OS TOKEN` makes somebody a friend of ann's who has
//! registered that push token and is not connected. What the gateways answer is in the token: `d0410` for APNs, `404:` for FCM, `web/410`
//! for a push service; without it they take what comes.

/// A scene with what `away` stands for, and with the push services' port and the keys of those who take their pushes, in quotes.
pub(super) fn written(scenes: &str, port: &str, keys: &str) -> String {
    let lines = scenes.lines().map(|line| match line.split(' ').collect::<Vec<_>>()[..] {
        ["away", name, os] => away(name, os, ""),
        ["away", name, os, token] => away(name, os, token),
        _ => format!("{line}\n"),
    });
    lines.collect::<String>().replace("PORT", port).replace("KEYS", &keys.replace('"', "\\\""))
}

fn away(name: &str, os: &str, token: &str) -> String {
    let token = match token.starts_with("web/") {
        true => format!(r#"{{\"endpoint\":\"https://localhost:PORT/{token}/@{name}.phone\",\"keys\":KEYS}}"#),
        false => format!("{token}@{name}.phone"),
    };
    format!(
        "friends ann {name}\n{name} > Auth{{type=push push=@\"{token}\" os={os}}}\n{name} < io{{code=\"\"}}\n{name} disconnects\n"
    )
}

/// Of each gateway what it takes, and what it does not.
pub(super) const PLAY: &str = r#"
# PUSH-3 what APNs takes, signed by our key
friends ann ben
ann > Roster{names="Ann" surnames="Smith" status=patch}
ann < Roster{names="Ann"}
ben > Auth{type=update settings=[Feature{id="1" key="IOS_BANDLE" value="org.example.chat" group="PUSH_SETTINGS"} Feature{id="2" key="APNS_GATEWAY" value="SANDBOX" group="PUSH_SETTINGS"}]}
ben < Auth{type=update}
ben > Auth{type=push push=@"d0200@ben.phone" os=ios}
ben < io{code=""}
ben disconnects
ann writes ben m1
ben is pushed push{model=Message{msg_id="m1" files=[]} type="message" title="Ann Smith" badge=1 sound="default"}
ben was pushed {"aps":{"alert":"Ann Smith","badge":1,"sound":"default","mutable-content":1,"synrc":{"model":"(model)","type":"message","title":"Ann Smith","version":"(version)","dns":""}}}
ann > Room{name="Call" type=call members=[Member{phone_id=@ben}] status=create}
ann < Room{status=create}
ben is pushed push{type="calling"}

# PUSH-4 what FCM takes, by an access token of a service account
away ben android
ann writes ben m1
ben is pushed push{model=Message{msg_id="m1"} type="message" badge=1}
ben was pushed {"message":{"token":"(token)","android":{"priority":"high","ttl":"86400s"},"data":{"type":"message","push":"(push)"}}}

# PUSH-7 what a push service takes, sealed
away ben web web/200
ann writes ben m1
ben is pushed push{model=Message{msg_id="m1"} type="message"}
ben was pushed {"type":"message","push":"(push)"}

# PUSH-1 PM-5 what a gateway does not take now is tried again
away ben ios d0503
away carl android 503:
away dora android web/503
ann writes ben m1
ann writes carl c1
ann writes dora d1

# PUSH-7 a dead token is removed
away ben ios d0410
away carl android 404:
away dora web web/410
friends ann eve
eve > Auth{type=push push="no token" os=ios}
eve < io{code=""}
eve disconnects
ann writes ben m1
ann writes carl c1
ann writes dora d1
ann writes eve e1

# PUSH-7 what is refused is not tried again, and the token stays
away ben ios d0413
away carl android 403:
away dora web web/307
friends ann eve
eve > Auth{type=update settings=[Feature{id="1" key="IOS_BANDLE" value="org.example.other" group="PUSH_SETTINGS"}]}
eve < Auth{type=update}
eve > Auth{type=push push=@"d0200@eve.phone" os=ios}
eve < io{code=""}
eve disconnects
ann writes ben m1
ann writes carl c1
ann writes dora d1
ann writes eve e1

# PUSH-7 whom a gateway names instead is not asked
away ben ios d0307
away carl android 307:
ann writes ben m1
ann writes carl c1

# PUSH-1 PM-5 what a gateway has not taken when the server is killed is pushed by the one that starts, the latest of each feed
away ben ios d0999
away carl android 999:
ann writes ben m1
ann writes carl c1
ben is pushed nothing
carl is pushed nothing
ann writes ben m2
ben is pushed nothing
server crashes
ben is pushed push{model=Message{msg_id="m2"}}
carl is pushed push{model=Message{msg_id="c1"}}
"#;

/// Taken, with an answer that is longer than anybody reads, and one that never ends.
pub(super) const LONG: &str = r#"
# PUSH-7 a success is one whatever is said behind it
away ben web web/211
away carl web web/212
ann writes ben m1
ann writes carl c1
ben is pushed push{model=Message{msg_id="m1"} type="message"}
carl is pushed push{model=Message{msg_id="c1"} type="message"}
"#;

/// `CODE` is what APNs answers.
pub(super) const ONE: &str = r#"
# PUSH-1 a push for APNs
away ben ios dCODE
ann writes ben m1
"#;

/// Two that are connected.
pub(super) const DEVICES: &str = r#"
# AUTH-7 two devices
people ann ben
ann > Auth{type=push push=@"@ann.phone" os=android}
ann < io{code=""}
ben > Auth{type=push push=@"d0429@ben.phone" os=ios}
ben < io{code=""}
"#;

/// Two of APNs, the second a call, and one of each other gateway.
pub(super) const EACH: &str = r#"
# PUSH-3 PUSH-4 PUSH-7 gateways whose clock is another
away ben ios d0200
away carl android
away dora web web/200
ann writes ben m1
ann writes carl c1
ann writes dora d1
ben is pushed push{model=Message{msg_id="m1"} type="message"}
carl is pushed push{model=Message{msg_id="c1"} type="message"}
dora is pushed push{model=Message{msg_id="d1"} type="message"}
ann > Room{name="Call" type=call members=[Member{phone_id=@ben}] status=create}
ann < Room{status=create}
ben is pushed push{type="calling"}
"#;

/// ben's gateway does not answer.
pub(super) const OTHERS: &str = r#"
# PUSH-1 what other gateways take meanwhile
away ben ios d0998
away carl android
away dora web web/200
ann writes ben m1
ann writes carl c1
ann writes dora d1
carl is pushed push{model=Message{msg_id="c1"} type="message"}
dora is pushed push{model=Message{msg_id="d1"} type="message"}
"#;

/// Our machine is no push service.
pub(super) const INTERNAL: &str = r#"
# PUSH-7 push services at internal addresses are not asked, by whatever name
friends ann ben
friends ann carl
ben > Auth{type=push push="{\"endpoint\":\"https://localhost:PORT/web/200/1\",\"keys\":KEYS}" os=web}
ben < io{code=""}
carl > Auth{type=push push="{\"endpoint\":\"https://127.0.0.1:PORT/web/200/2\",\"keys\":KEYS}" os=web}
carl < io{code=""}
ben disconnects
carl disconnects
ann writes ben m1
ann writes carl c1
"#;
