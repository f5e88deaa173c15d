//! SEC-12: key files are their owner's, whole, and refused when they are not.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::Path,
};

use ca::{Error, files};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("the file is there").permissions().mode() & 0o777
}

#[test]
fn sec_12_secret_is_readable_by_its_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.key");
    files::write_secret(&path, "first").unwrap();
    files::write_secret(&path, "second").unwrap();

    assert_eq!(mode(&path), 0o600);
    assert_eq!(files::read_secret(&path).unwrap().as_slice(), b"second");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing temporary remains");
}

#[test]
fn sec_12_key_that_others_may_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.key");
    files::write_secret(&path, "key").unwrap();
    for open in [0o640, 0o604, 0o620, 0o644, 0o601] {
        fs::set_permissions(&path, Permissions::from_mode(open)).unwrap();
        let refused = files::read_secret(&path).unwrap_err();
        assert!(matches!(refused, Error::Exposed { mode, .. } if mode == open), "{refused}");
        assert!(refused.to_string().contains(&format!("{open:04o}")) && refused.to_string().contains("chmod 600"));
    }
}

#[test]
fn secret_replaces_an_exposed_file_with_a_closed_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.key");
    fs::write(&path, "old").unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();

    files::write_secret(&path, "new").unwrap();
    assert_eq!(mode(&path), 0o600);
}

#[test]
fn public_file_gives_others_no_right_to_write() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    files::write_public(&path, "certificate").unwrap();

    assert_eq!(mode(&path) & 0o133, 0);
    assert_eq!(fs::read(&path).unwrap(), b"certificate");
}

#[test]
fn failures_name_the_file_and_leave_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("none").join("ca.key");
    assert!(files::write_secret(&missing, "key").unwrap_err().to_string().contains("ca.key"));
    assert!(matches!(files::read_secret(&missing), Err(Error::File { .. })));
    assert!(matches!(files::read_secret(folder.path()), Err(Error::File { .. })), "a folder is no key");

    let taken = folder.path().join("taken");
    fs::create_dir_all(taken.join("inside")).unwrap();
    assert!(matches!(files::write_secret(&taken, "key"), Err(Error::File { .. })));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing temporary remains");

    let huge = folder.path().join("huge");
    files::write_secret(&huge, vec![0; 64 * 1024 + 1]).unwrap();
    assert!(matches!(files::read_secret(&huge), Err(Error::File { .. })));
}
