//! The third party of these tests: the `openssl` command of the system, in a folder of its own.
#![allow(dead_code, reason = "every test file uses some of it")]

use std::{
    fs,
    path::PathBuf,
    process::{Command, Output},
    time::SystemTime,
};

use ca::Authority;

pub(crate) struct Openssl {
    folder: tempfile::TempDir,
}

impl Openssl {
    pub(crate) fn new() -> Openssl {
        Openssl { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn put(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path(name), bytes).expect("the temporary folder is writable");
    }

    pub(crate) fn get(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).expect("openssl wrote its output")
    }

    /// Runs `openssl` with the words of `line`.
    pub(crate) fn run(&self, line: &str) -> Output {
        let mut command = Command::new("openssl");
        command.args(line.split_whitespace()).current_dir(self.folder.path());
        command.output().expect("the openssl command, which these tests need, is installed")
    }

    /// Runs it, expects success, returns what it printed.
    pub(crate) fn ok(&self, line: &str) -> String {
        let output = self.run(line);
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "openssl {line}: {printed}{}", String::from_utf8_lossy(&output.stderr));
        printed
    }

    /// A request (DER) with a fresh key made by `genpkey <key>`, written by `req <options>`.
    pub(crate) fn request(&self, key: &str, options: &str) -> Vec<u8> {
        self.ok(&format!("genpkey {key} -out key.pem"));
        self.ok(&format!("req -new -key key.pem -subj /CN=mallory/OU=sys -outform DER -out request.der {options}"));
        self.get("request.der")
    }

    /// How `openssl x509 -text` reads a certificate (DER).
    pub(crate) fn text(&self, certificate: &[u8]) -> String {
        self.put("certificate.der", certificate);
        self.ok("x509 -inform DER -in certificate.der -noout -text")
    }

    /// Whether `openssl verify` accepts it under `authority` for `purpose` (sslclient, sslserver, smimesign, ...).
    pub(crate) fn verifies(&self, authority: &Authority, certificate: &[u8], purpose: &str) -> bool {
        self.put("root.pem", authority.certificate_pem());
        self.put("certificate.pem", ca::pem(certificate));
        let line = format!("verify -x509_strict -purpose {purpose} -CAfile root.pem certificate.pem");
        self.run(&line).status.success()
    }
}

pub(crate) const P256: &str = "-algorithm EC -pkeyopt ec_paramgen_curve:P-256";
pub(crate) const P384: &str = "-algorithm EC -pkeyopt ec_paramgen_curve:P-384";
pub(crate) const ED25519: &str = "-algorithm ED25519";

pub(crate) fn rsa(bits: u32) -> String {
    format!("-algorithm RSA -pkeyopt rsa_keygen_bits:{bits}")
}

/// `openssl verify` looks at the real clock, so these tests do.
pub(crate) fn now() -> SystemTime {
    SystemTime::now()
}

pub(crate) fn authority() -> Authority {
    Authority::create("Example Org", now()).expect("a new authority")
}
