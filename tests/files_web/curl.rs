//! curl, and what it was answered.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use client::Account;
use tempfile::TempDir;

use crate::support::Server;

/// curl, for one account.
pub(super) struct Curl<'a> {
    server: &'a Server,
    folder: TempDir,
    /// `Authorization`, where there is one.
    pub(super) bearer: Option<String>,
    pub(super) more: Vec<String>,
}

pub(super) struct Said {
    pub(super) status: u16,
    pub(super) headers: HashMap<String, String>,
    pub(super) body: Vec<u8>,
}

impl Said {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

impl<'a> Curl<'a> {
    pub(super) fn of(server: &'a Server, account: Option<&Account>) -> Curl<'a> {
        let bearer = account.map(|account| format!("Bearer {}:{}", account.client_id, account.token));
        Curl { server, folder: tempfile::tempdir().expect("a folder"), bearer, more: Vec::new() }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Over TLS; `arguments` go before the address.
    pub(super) fn run(&self, path: &str, arguments: &[&str]) -> Said {
        let (headers, body) = (self.path("headers"), self.path("body"));
        let _ = fs::remove_file(&body);
        let mut command = Command::new("curl");
        command.args(["--silent", "--show-error", "--max-time", "60", "--path-as-is", "--cacert"]);
        command.arg(self.server.root_certificate()).arg("-D").arg(&headers).args(["-w", "%{http_code}"]);
        if let Some(bearer) = &self.bearer {
            command.arg("-H").arg(format!("Authorization: {bearer}"));
        }
        if !arguments.contains(&"-o") {
            command.arg("-o").arg(&body);
        }
        command.args(&self.more).args(arguments).arg(self.url(path));
        let output = command.output().expect("curl runs");
        let status = String::from_utf8_lossy(&output.stdout).parse().unwrap_or_default();
        let text = fs::read_to_string(&headers).unwrap_or_default();
        let pairs = text.lines().filter_map(|line| line.split_once(": "));
        let headers = pairs.map(|(name, value)| (name.to_lowercase(), value.trim().to_owned())).collect();
        Said { status, headers, body: fs::read(&body).unwrap_or_default() }
    }

    fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.server.https().port())
    }

    pub(super) fn tus(&self, path: &str, arguments: &[&str]) -> Said {
        self.run(path, &[&["-H", "Tus-Resumable: 1.0.0"], arguments].concat())
    }

    /// Begins a transfer; where it is.
    pub(super) fn begin(&self, size: usize) -> String {
        let made = self.tus("/ftp/", &["-X", "POST", "-H", &format!("Upload-Length: {size}")]);
        assert_eq!(made.status, 201);
        assert!(made.header("upload-expires").ends_with(" GMT"), "{:?}", made.headers);
        made.header("location").to_owned()
    }

    pub(super) fn patch(&self, to: &str, offset: usize, content: &[u8]) -> Said {
        fs::write(self.path("piece"), content).expect("written");
        let (at, piece) = (format!("Upload-Offset: {offset}"), format!("@{}", self.path("piece").display()));
        let kind = "Content-Type: application/offset+octet-stream";
        self.tus(to, &["-X", "PATCH", "-H", &at, "-H", kind, "--data-binary", &piece])
    }

    /// Hands a file over; its reference.
    pub(super) fn upload(&self, content: &[u8]) -> String {
        let done = self.patch(&self.begin(content.len()), 0, content);
        assert_eq!((done.status, done.header("upload-offset")), (204, content.len().to_string().as_str()));
        assert_eq!(done.header("content-location"), format!("/ftp/{}", done.header("upload-reference")));
        done.header("upload-reference").to_owned()
    }
}
