//! Somebody with the standard tools of Debian, who knows the server by its root certificate.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use client::Identity;
use rustls::crypto::aws_lc_rs;
use tempfile::TempDir;

use super::Server;
use super::wire::{greet, open};

pub(crate) const P256: &str = "EC -pkeyopt ec_paramgen_curve:P-256";
pub(crate) const P384: &str = "EC -pkeyopt ec_paramgen_curve:P-384";

/// He works in a folder of his own; the root is `root.pem` there.
pub(crate) struct User {
    pub(crate) folder: TempDir,
    pub(crate) https: String,
    pub(crate) http: String,
}

impl User {
    pub(crate) fn of(server: &Server) -> User {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::copy(server.root_certificate(), folder.path().join("root.pem")).expect("the root certificate");
        let (https, http) = (server.https().port(), server.http().port());
        User { folder, https: format!("https://localhost:{https}"), http: format!("http://127.0.0.1:{http}") }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn run(&self, program: &str, words: &[&str]) -> Output {
        let mut command = Command::new(program);
        command.args(words).current_dir(self.folder.path()).stdin(Stdio::null());
        command.output().unwrap_or_else(|_| panic!("{program} is missing: .ci/run installs it"))
    }

    pub(crate) fn openssl(&self, line: &str) -> String {
        let output = self.run("openssl", &line.split_whitespace().collect::<Vec<_>>());
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "openssl {line}: {said}{}", String::from_utf8_lossy(&output.stderr));
        said
    }

    pub(crate) fn identity(&self, name: &str) -> Identity {
        let file = |end: &str| fs::read_to_string(self.path(&format!("{name}.{end}"))).expect("a file");
        let pem = file("pem");
        let start = pem.find("-----BEGIN").expect("a certificate");
        Identity { cert_pem: pem[start..].to_owned(), key_pem: file("key") }
    }

    /// The client id that its certificate opens.
    pub(crate) fn client_id(&self, name: &str) -> String {
        let text = self.openssl(&format!("x509 -in {name}.pem -noout -ext subjectAltName"));
        let device = text.split("URI:chat:").nth(1).expect("a device").trim();
        format!("emqttd_{}", device.replace('/', "_"))
    }
}

/// How CONNECT by a certificate is answered.
pub(crate) fn connects(server: &Server, identity: &Identity, client_id: &str) -> u8 {
    let mut stream = open(server, Some(identity), aws_lc_rs::default_provider());
    greet(&mut stream, 5, client_id).expect("CONNACK")[1]
}
