//! The authority on the web, asked by openssl and curl from Debian against the real program (SEC-4): EST, the revocation list, OCSP.

#![allow(clippy::indexing_slicing, reason = "a test may fail")]

mod support;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use client::{Account, Client, Enrolment, Options};
use proto::{Profile, ProfileStatus, Service};
use support::Server;
use support::user::{P256, P384, User, connects};

const PHONE: &str = "380670000001";
/// The status of curl when there was none: here, when TLS refuses its certificate.
const NO_ANSWER: u16 = 0;

impl User {
    /// A key `name.key` and a request for it, `name.b64`, as EST wants it.
    fn asks(&self, name: &str, key: &str, options: &str) {
        self.openssl(&format!("genpkey -algorithm {key} -out {name}.key"));
        self.openssl(&format!("req -new -key {name}.key -subj /CN=whatever -outform DER -out {name}.der {options}"));
        self.openssl(&format!("base64 -in {name}.der -out {name}.b64"));
    }

    /// What the server answers: its status, and the body in `answer`.
    fn curl(&self, path: &str, words: &[&str]) -> u16 {
        let url = format!("{}{path}", self.https);
        let all = ["-s", "--cacert", "root.pem", "-o", "answer", "-D", "headers", "-w", "%{http_code}"];
        let output = self.run("curl", &[&all[..], words, &[&url]].concat());
        String::from_utf8_lossy(&output.stdout).parse().unwrap_or_else(|_| panic!("{output:?}"))
    }

    fn headers(&self) -> String {
        fs::read_to_string(self.path("headers")).expect("headers").to_lowercase()
    }

    /// Posts the request `name` with these words; on success `name.pem` is the certificate.
    fn enrols(&self, name: &str, how: &str, words: &[&str]) -> u16 {
        let data = format!("@{name}.b64");
        let fixed = ["-H", "content-type: application/pkcs10", "--data-binary", &data];
        let code = self.curl(&format!("/.well-known/est/{how}"), &[&fixed, words].concat());
        if code == 200 {
            assert!(self.headers().contains("application/pkcs7-mime; smime-type=certs-only"), "{}", self.headers());
            self.openssl("base64 -d -in answer -out answer.p7");
            self.openssl(&format!("pkcs7 -inform DER -in answer.p7 -print_certs -out {name}.pem"));
        }
        code
    }
}

fn invite(server: &Server) -> String {
    server.remote(&format!("invite {PHONE}")).trim().to_owned()
}

#[test]
fn sec_4_id_11_curl_enrols_with_an_invite_and_renews_with_the_certificate() {
    let server = Server::start();
    let user = User::of(&server);
    assert_eq!(user.curl("/.well-known/est/cacerts", &[]), 200);
    user.openssl("base64 -d -in answer -out answer.p7");
    let shown = user.openssl("pkcs7 -inform DER -in answer.p7 -print_certs");
    let root = fs::read_to_string(user.path("root.pem")).expect("the root");
    assert!(shown.contains(root.trim()), "{shown}");
    assert_eq!(user.curl("/.well-known/est/csrattrs", &[]), 200);
    user.openssl("base64 -d -in answer -out attributes.der");
    let attributes = user.openssl("asn1parse -inform DER -in attributes.der");
    assert!(attributes.contains("prime256v1") && attributes.contains("ecdsa-with-SHA256"), "{attributes}");

    for (name, key) in [("one", P256), ("two", P384), ("three", "RSA -pkeyopt rsa_keygen_bits:2048")] {
        // The request asks for more than it gets, and its digest is not the curve's.
        user.asks(name, key, "-sha256 -addext keyUsage=keyCertSign -addext subjectAltName=DNS:evil.example");
        let who = format!("{PHONE}:{}", invite(&server));
        assert_eq!(user.enrols(name, "simpleenroll", &["-u", &who]), 200, "{}", user.headers());
        user.openssl(&format!("verify -x509_strict -purpose sslclient -CAfile root.pem {name}.pem"));
        let text = user.openssl(&format!("x509 -in {name}.pem -noout -text"));
        assert!(text.contains(&format!("Subject: CN = {PHONE}")) && text.contains("CA:FALSE"), "{text}");
        assert!(!text.contains("evil") && !text.contains("whatever"));
        assert_eq!(connects(&server, &user.identity(name), &user.client_id(name)), 0, "{key}");
        // Used once; who lost the answer is the same device by another.
        let device = user.client_id(name);
        assert_eq!(user.enrols(name, "simpleenroll", &["-u", &who]), 401);
        let who = format!("{PHONE}:{}", invite(&server));
        assert_eq!(user.enrols(name, "simpleenroll", &["-u", &who]), 200, "{}", user.headers());
        assert_eq!(user.client_id(name), device);
        assert_eq!(connects(&server, &user.identity(name), &device), 0, "{key}");
    }

    user.asks("next", P256, "");
    let (device, old) = (user.client_id("one"), user.identity("one"));
    assert_eq!(user.enrols("next", "simplereenroll", &["--cert", "one.pem", "--key", "one.key"]), 200);
    assert_eq!(user.client_id("next"), device);
    assert_eq!(connects(&server, &old, &device), 0, "its answer might have been lost");
    assert_eq!(connects(&server, &user.identity("next"), &device), 0);
    assert_eq!(connects(&server, &old, &device), 0x8a, "superseded");
    // Bound to nothing at once, so EST refuses it; revoked a moment later, so TLS does.
    let late = user.enrols("next", "simplereenroll", &["--cert", "one.pem", "--key", "one.key"]);
    assert!([401, 403, NO_ANSWER].contains(&late), "{late}");
    assert!(
        server
            .remote(&format!("issued {}", device.replace("emqttd_", "").replacen('_', "/", 1)))
            .contains("superseded")
    );
}

async fn register(server: &Server, invite: &str) -> (Account, Client) {
    let url: client::Url = format!("mqtt://{}", server.mqtt()).parse().expect("an address");
    let (client, _events) = Client::connect(Options::new(url.clone(), format!("reg_{PHONE}_d1"))).await.expect("in");
    client.register(PHONE, "d1", Enrolment::Code, None).await.expect("begun");
    let account = client.verify(invite, None).await.expect("verified");
    client.close().await;
    let options = Options { token: Some(account.token.clone()), ..Options::new(url, account.client_id.clone()) };
    let (client, _events) = Client::connect(Options { reconnect: false, ..options }).await.expect("in");
    (account, client)
}

#[test]
fn sec_4_auth_17_curl_enrols_with_client_id_and_token_beside_the_device_s_connection() {
    let server = Server::start();
    let user = User::of(&server);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (account, client) = runtime.block_on(register(&server, &invite(&server)));
    user.asks("one", P256, "");
    user.asks("two", P256, "");
    let basic = format!("{}:{}", account.client_id, account.token);
    let bearer = format!("authorization: Bearer {basic}");
    assert_eq!(user.enrols("one", "simpleenroll", &["-u", &basic]), 200);
    assert_eq!(user.client_id("one"), account.client_id);
    assert_eq!(user.enrols("two", "simpleenroll", &["-H", &bearer]), 200, "as FTP-7");
    // The connection was left alone (CON-7).
    assert_eq!(runtime.block_on(client.sessions()).expect("still in").len(), 1);
    assert_eq!(connects(&server, &user.identity("two"), &account.client_id), 0);

    let log = server.log();
    assert!(!log.contains(&account.token) && !log.contains(PHONE), "SEC-10: {log}");
    let wrong = |who: &str| user.enrols("one", "simpleenroll", &["-u", who]);
    assert_eq!(wrong(&format!("{}:{}", account.client_id, "0".repeat(64))), 401);
    assert!(user.headers().contains("www-authenticate: basic"));
    assert_eq!(wrong(&format!("emqttd_{PHONE}_other:{}", account.token)), 401);
    assert_eq!(wrong(&format!("{PHONE}:{}", "A".repeat(26))), 401);
    assert_eq!(wrong("nobody:"), 401);
    assert_eq!(user.enrols("one", "simpleenroll", &[]), 401);
    assert_eq!(user.enrols("one", "simplereenroll", &["-u", &basic]), 401, "by certificate only");
}

#[tokio::test]
async fn sec_13_who_proves_nothing_uses_up_no_certificates_of_the_account_that_he_names() {
    let server = Server::start_with("limits = true");
    let (account, _client) = register(&server, &invite(&server)).await;
    let user = User::of(&server);
    user.asks("one", P256, "");
    let wrong = format!("{}:{}", account.client_id, "0".repeat(account.token.len()));
    // More than an account may have in an hour.
    for _ in 0..61 {
        assert_eq!(user.enrols("one", "simpleenroll", &["-u", &wrong]), 401);
    }
    let right = format!("{}:{}", account.client_id, account.token);
    assert_eq!(user.enrols("one", "simpleenroll", &["-u", &right]), 200);
}

#[test]
fn auth_17_g_7_a_renewal_whose_answer_was_lost_is_asked_for_again_with_the_key_in_use() {
    let server = Server::start();
    let user = User::of(&server);
    for name in ["one", "two"] {
        user.asks(name, P256, "");
    }
    assert_eq!(user.enrols("one", "simpleenroll", &["-u", &format!("{PHONE}:{}", invite(&server))]), 200);
    let (device, own) = (user.client_id("one"), ["--cert", "one.pem", "--key", "one.key"]);
    assert_eq!(connects(&server, &user.identity("one"), &device), 0);
    assert_eq!(user.enrols("two", "simplereenroll", &own), 200, "its answer is lost");
    let (unused, again) = (user.identity("two"), user.enrols("one", "simplereenroll", &own));
    assert_eq!(again, 200, "the same key again");
    for _ in 0..3 {
        assert_eq!(connects(&server, &user.identity("one"), &device), 0, "{}", server.remote("issued"));
    }
    assert_eq!(connects(&server, &unused, &device), 0x8a, "never used, and ended");
}

#[test]
fn sec_4_for_a_key_of_another_device_nothing_is_issued_and_the_invite_stays() {
    let server = Server::start();
    let user = User::of(&server);
    user.asks("one", P256, "");
    assert_eq!(user.enrols("one", "simpleenroll", &["-u", &format!("{PHONE}:{}", invite(&server))]), 200);
    let log = server.remote("issued");
    let other = "380670000888";
    let who = format!("{other}:{}", server.remote(&format!("invite {other}")).trim());
    assert_eq!(user.enrols("one", "simpleenroll", &["-u", &who]), 400);
    assert_eq!(server.remote("issued"), log, "nothing was issued");
    for wish in ["critical,CA:TRUE", "CA:TRUE,pathlen:3"] {
        user.asks("two", P384, &format!("-addext basicConstraints={wish}"));
        assert_eq!(user.enrols("two", "simpleenroll", &["-u", &who]), 400, "{wish}");
    }
    assert_eq!(server.remote("issued"), log, "nor for who would be an authority");
    user.asks("two", P384, "");
    assert_eq!(user.enrols("two", "simpleenroll", &["-u", &who]), 200, "the invite is good still");
}

#[test]
fn profile_11_sec_4_a_device_whose_account_has_moved_enrols_and_renews_under_its_new_name() {
    let server = Server::start();
    let user = User::of(&server);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (account, client) = runtime.block_on(register(&server, &invite(&server)));
    user.asks("before", P256, "");
    let old = format!("{}:{}", account.client_id, account.token);
    assert_eq!(user.enrols("before", "simpleenroll", &["-u", &old]), 200);

    let moved = "380670000777";
    let code = server.remote(&format!("invite {moved}")).trim().to_owned();
    runtime.block_on(async {
        let ask = |status, services| {
            let profile = Profile { phone: Some(moved.into()), status: Some(status), services, ..Profile::default() };
            client.call(profile)
        };
        ask(ProfileStatus::Migrate, Vec::new()).await.expect("a code is waited for");
        let proof = Service { login: Some(moved.into()), password: Some(code.into()), ..Service::default() };
        ask(ProfileStatus::Phone, vec![proof]).await.expect("moved");
    });
    runtime.block_on(client.close());
    let own = format!("emqttd_{moved}_d1");

    // By the certificate of the time before, by the new name, and by what that gave.
    for (name, how) in [
        ("next", vec!["--cert", "before.pem", "--key", "before.key"]),
        ("token", vec!["-u", &format!("{own}:{}", account.token)]),
        ("last", vec!["--cert", "token.pem", "--key", "token.key"]),
    ] {
        user.asks(name, P256, "");
        let path = if name == "token" { "simpleenroll" } else { "simplereenroll" };
        assert_eq!(user.enrols(name, path, &how), 200, "{name}: {}", user.headers());
        assert_eq!(user.client_id(name), own, "{name}");
        assert!(user.openssl(&format!("x509 -in {name}.pem -noout -subject")).contains(moved));
        assert_eq!(connects(&server, &user.identity(name), &own), 0, "{name}");
    }
    // Nobody else gets in by the name that is free again.
    assert_eq!(user.enrols("last", "simpleenroll", &["-u", &format!("{PHONE}:{}", account.token)]), 401);
}

#[test]
fn sec_4_sec_1_an_authority_below_the_root_issues_while_the_root_s_key_is_locked_away() {
    let mut server = Server::start_with("x509.intermediate = true");
    server.terminate();
    fs::remove_file(server.home().join("ca/root.key")).expect("it was there");
    server.restart();
    let user = User::of(&server);
    // Who knows the root alone: the second of the two in the file.
    let both = fs::read_to_string(user.path("root.pem")).expect("certificates");
    let at = both.rfind("-----BEGIN").expect("a certificate");
    fs::write(user.path("issuing.pem"), &both[..at]).expect("written");
    fs::write(user.path("root.pem"), &both[at..]).expect("written");
    user.openssl("verify -x509_strict -CAfile root.pem issuing.pem");
    assert!(user.openssl("x509 -in issuing.pem -noout -subject").contains("Issuing CA"));

    assert_eq!(user.curl("/.well-known/est/cacerts", &[]), 200, "TLS leads to the root");
    user.openssl("base64 -d -in answer -out answer.p7");
    let shown = user.openssl("pkcs7 -inform DER -in answer.p7 -print_certs");
    assert!(shown.contains(both[..at].trim()) && shown.contains(both[at..].trim()), "{shown}");
    user.asks("one", P384, "");
    assert_eq!(user.enrols("one", "simpleenroll", &["-u", &format!("{PHONE}:{}", invite(&server))]), 200);
    user.openssl("verify -x509_strict -purpose sslclient -CAfile root.pem -untrusted issuing.pem one.pem");
    assert_eq!(connects(&server, &user.identity("one"), &user.client_id("one")), 0);

    // By openssl alone, over TLS.
    let at = server.mqtts().to_string();
    let tls = ["s_client", "-connect", &at, "-CAfile", "root.pem", "-verify_return_error", "-brief"];
    let output = user.run("openssl", &[&tls[..], &["-cert", "one.pem", "-key", "one.key"]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    // Its list takes back what it has issued, here and for openssl.
    let serial = user.openssl("x509 -in one.pem -noout -serial").trim().replace("serial=", "").to_lowercase();
    server.remote(&format!("revoke {serial} keyCompromise"));
    let since = Instant::now();
    while connects(&server, &user.identity("one"), &user.client_id("one")) != 0x8a {
        assert!(since.elapsed() < Duration::from_secs(5), "it is out at once");
    }
    loop {
        assert_eq!(user.curl("/ca.crl", &[]), 200);
        user.openssl("crl -inform DER -in answer -CAfile issuing.pem -verify -out crl.pem");
        if user.openssl("crl -in crl.pem -noout -text").to_lowercase().contains(&serial) {
            break;
        }
        assert!(since.elapsed() < Duration::from_secs(5), "it is issued anew on each revocation");
    }
    let url = format!("{}/ocsp", user.http);
    let said = user.run(
        "openssl",
        &[
            "ocsp",
            "-issuer",
            "issuing.pem",
            "-cert",
            "one.pem",
            "-url",
            &url,
            "-CAfile",
            "root.pem",
            "-verify_other",
            "issuing.pem",
        ],
    );
    assert!(String::from_utf8_lossy(&said.stdout).contains("one.pem: revoked"), "{said:?}");
}

#[test]
fn sec_4_what_is_no_good_request_is_refused_and_uses_up_nothing() {
    let server = Server::start();
    let user = User::of(&server);
    let who = format!("{PHONE}:{}", invite(&server));
    user.asks("weak", "RSA -pkeyopt rsa_keygen_bits:1024", "");
    user.asks("curve", "EC -pkeyopt ec_paramgen_curve:secp256k1", "");
    user.asks("good", P256, "");
    fs::write(user.path("junk.b64"), "bm90IGEgcmVxdWVzdA==").expect("written");
    fs::write(user.path("no.b64"), "!!!").expect("written");
    // With the key of another behind a signature of its own.
    let mut der = fs::read(user.path("good.der")).expect("a request");
    let at = der.len() - 4;
    der[at] ^= 1;
    fs::write(user.path("forged.der"), der).expect("written");
    user.openssl("base64 -in forged.der -out forged.b64");
    for name in ["weak", "curve", "junk", "no", "forged"] {
        assert_eq!(user.enrols(name, "simpleenroll", &["-u", &who]), 400, "{name}");
    }
    // By its own word it is a mebibyte, and not read at all.
    let long = ["-u", &who, "--http1.1", "-H", "content-length: 1048576"];
    assert_eq!(user.enrols("good", "simpleenroll", &long), 413);
    // By HTTP/2 it is heard out: a stream that is reset takes the answer with it.
    fs::write(user.path("long.b64"), vec![b'A'; 1 << 20]).expect("written");
    assert_eq!(user.enrols("long", "simpleenroll", &["-u", &who, "--http2"]), 413);
    // Not without TLS.
    let plain = user.run(
        "curl",
        &[
            "-s",
            "-o",
            "answer",
            "-w",
            "%{http_code}",
            "-u",
            &who,
            "--data-binary",
            "@good.b64",
            &format!("{}/.well-known/est/simpleenroll", user.http),
        ],
    );
    assert_eq!(String::from_utf8_lossy(&plain.stdout), "403");
    assert!(!server.remote("issued").contains("device"));
    assert_eq!(user.enrols("good", "simpleenroll", &["-u", &who]), 200);
}

/// What `openssl ocsp` hears of a certificate over the network.
fn heard(user: &User, certificate: &Path) -> String {
    let url = format!("{}/ocsp", user.http);
    let certificate = certificate.to_str().expect("text");
    let words = ["ocsp", "-issuer", "root.pem", "-cert", certificate, "-url", &url, "-CAfile", "root.pem"];
    let output = user.run("openssl", &words);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stderr).contains("Response verify OK"));
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn sec_4_openssl_and_curl_learn_what_was_revoked() {
    let server = Server::start_with(
        "x509.crl_url = \"http://chat.example:8083/ca.crl\"\nx509.ocsp_url = \"http://chat.example:8083/ocsp\"",
    );
    let user = User::of(&server);
    for name in ["ann", "ben"] {
        assert!(server.chat(&["certify", name, "--dir", user.folder.path().to_str().expect("text")]).status.success());
    }
    let text = user.openssl("x509 -in ann.crt -noout -text");
    assert!(
        text.contains("URI:http://chat.example:8083/ca.crl")
            && text.contains("OCSP - URI:http://chat.example:8083/ocsp")
    );
    assert!(heard(&user, &user.path("ann.crt")).contains("ann.crt: good"));
    assert!(heard(&user, &user.path("root.pem")).contains("root.pem: good"));

    let serial = user.openssl("x509 -in ann.crt -noout -serial").trim().replace("serial=", "");
    server.remote(&format!("revoke {} keyCompromise", serial.to_lowercase()));
    let said = heard(&user, &user.path("ann.crt"));
    assert!(said.contains("ann.crt: revoked") && said.contains("keyCompromise"), "{said}");
    assert!(heard(&user, &user.path("ben.crt")).contains("ben.crt: good"));

    // The same by GET, in base64 in the path.
    user.openssl("ocsp -issuer root.pem -cert ann.crt -no_nonce -reqout request.der");
    user.openssl("base64 -A -in request.der -out request.b64");
    let path =
        fs::read_to_string(user.path("request.b64")).expect("text").trim().replace('/', "%2F").replace('+', "%2B");
    assert_eq!(user.curl(&format!("/ocsp/{path}"), &[]), 200);
    assert!(user.headers().contains("application/ocsp-response"));
    assert!(user.openssl("ocsp -respin answer -CAfile root.pem -resp_text -noverify").contains("Cert Status: revoked"));
    assert_eq!(user.curl("/ocsp/junk!", &[]), 400);
    // A request that is none is answered so, as RFC 6960 has it.
    assert_eq!(user.curl("/ocsp", &["--data-binary", "junk"]), 200);
    assert_eq!(fs::read(user.path("answer")).expect("an answer"), [0x30, 3, 0x0a, 1, 1]);

    let since = Instant::now();
    loop {
        assert_eq!(user.curl("/ca.crl", &[]), 200);
        assert!(user.headers().contains("application/pkix-crl"));
        user.openssl("crl -inform DER -in answer -CAfile root.pem -verify -out crl.pem");
        if user.openssl("crl -in crl.pem -noout -text").contains(&serial) {
            break;
        }
        assert!(since.elapsed() < Duration::from_secs(5), "it is issued anew on each revocation");
    }
    let refused =
        user.run("openssl", &["verify", "-crl_check", "-CRLfile", "crl.pem", "-CAfile", "root.pem", "ann.crt"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("certificate revoked"));
    user.openssl("verify -crl_check -CRLfile crl.pem -CAfile root.pem ben.crt");
    assert_eq!(user.curl("/ca.crt", &[]), 200);
    assert!(user.openssl("x509 -inform DER -in answer -noout -subject").contains("Root CA"));
    // Nobody enrols by a revoked certificate: EST refuses it, and so does TLS once its listeners have the new list.
    user.asks("one", P256, "");
    let refused = user.enrols("one", "simplereenroll", &["--cert", "ann.crt", "--key", "ann.key"]);
    assert!([403, NO_ANSWER].contains(&refused), "{refused}");
}
