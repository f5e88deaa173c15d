//! OpenLDAP's server, as Debian has it, in a folder of its own and on ports of its own, for as long as a test needs it.

use std::fs;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

const SLAPD: &str = "/usr/sbin/slapd";
const SLAPADD: &str = "/usr/sbin/slapadd";
/// For what has to come.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) const BASE: &str = "dc=example,dc=org";
/// May do everything.
pub(crate) const ADMIN: &str = "cn=admin,dc=example,dc=org";
/// Who asks for the chat: may read, and write certificates.
pub(crate) const READER: &str = "cn=chat,dc=example,dc=org";
/// The password of both.
pub(crate) const SECRET: &str = "long enough";

/// Two people, one of whom is written with a plus and blanks, a group, and who asks.
const ENTRIES: &str = "\
dn: dc=example,dc=org
objectClass: dcObject
objectClass: organization
dc: example
o: Example

dn: ou=people,dc=example,dc=org
objectClass: organizationalUnit
ou: people

dn: cn=chat,dc=example,dc=org
objectClass: applicationProcess
objectClass: simpleSecurityObject
cn: chat
userPassword: long enough

dn: uid=ann,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
uid: ann
cn: Ann Smith
sn: Smith
givenName: Ann
telephoneNumber: 380670000101
userPassword: ann's own

dn: uid=ben,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
uid: ben
cn: Ben
sn: Marsh
displayName: Ben van Marsh
telephoneNumber: +380 67 000-0102
userPassword: ben's own

dn: uid=dora*)(uid=\\2C,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
uid: dora*)(uid=,
cn: Dora
sn: Strange
telephoneNumber: 380670000104
userPassword: dora's own

dn: cn=policy,dc=example,dc=org
objectClass: device
objectClass: pwdPolicy
cn: policy
pwdAttribute: userPassword
pwdLockout: TRUE

dn: cn=team,dc=example,dc=org
objectClass: groupOfNames
cn: team
member: uid=ann,ou=people,dc=example,dc=org
member: uid=ben,ou=people,dc=example,dc=org
";

pub(crate) struct Slapd {
    folder: TempDir,
    child: Option<Child>,
    port: u16,
    secure: u16,
}

impl Slapd {
    /// A server with those people; it answers when this returns.
    pub(crate) fn start() -> Slapd {
        Slapd::with(0, "")
    }

    /// The same with so many people more (p0, of the [`number`] 0, and so on), and further lines of its configuration.
    pub(crate) fn with(more: usize, lines: &str) -> Slapd {
        let folder = tempfile::tempdir().expect("a temporary folder");
        certify(folder.path());
        fs::create_dir(folder.path().join("db")).expect("a folder");
        fs::write(folder.path().join("slapd.conf"), configuration(folder.path()) + lines).expect("a file");
        let people: String = (0..more).map(entry).collect();
        fs::write(folder.path().join("entries.ldif"), format!("{ENTRIES}{people}")).expect("a file");
        let conf = folder.path().join("slapd.conf");
        let mut add = Command::new(SLAPADD);
        add.arg("-f").arg(&conf).arg("-l").arg(folder.path().join("entries.ldif"));
        let added = add.output().expect("slapadd runs: .ci/run installs slapd");
        assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
        let mut slapd = Slapd { folder, child: None, port: 0, secure: 0 };
        slapd.serve(None);
        slapd
    }

    /// Again, on the ports that it had, after [`Slapd::stop`].
    pub(crate) fn restart(&mut self) {
        assert!(self.child.is_none(), "it runs already");
        self.serve(Some((self.port, self.secure)));
    }

    fn serve(&mut self, ports: Option<(u16, u16)>) {
        let since = Instant::now();
        while since.elapsed() < PATIENCE {
            // Others may take a port that was free a moment before.
            let (port, secure) = ports.unwrap_or_else(|| (free(), free()));
            let mut slapd = Command::new(SLAPD);
            slapd.arg("-f").arg(self.folder.path().join("slapd.conf"));
            slapd.args(["-d", "0", "-h", &format!("ldap://127.0.0.1:{port} ldaps://127.0.0.1:{secure}")]);
            slapd.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            let mut child = slapd.spawn().expect("slapd runs: .ci/run installs it");
            if answers(&mut child, port, since) {
                (self.child, self.port, self.secure) = (Some(child), port, secure);
                return;
            }
        }
        panic!("slapd does not start");
    }

    /// It answers nobody from now on.
    pub(crate) fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("it is ours");
            child.wait().expect("it ends");
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("ldap://127.0.0.1:{}", self.port)
    }

    pub(crate) fn secure_url(&self) -> String {
        format!("ldaps://127.0.0.1:{}", self.secure)
    }

    /// A file with the authority that its certificate is from.
    pub(crate) fn roots(&self) -> std::path::PathBuf {
        self.folder.path().join("root.crt")
    }

    /// Whether a file has entries that it could take: it looks at their names, values and classes, and keeps nothing.
    pub(crate) fn takes(&self, file: &Path) {
        let mut add = Command::new(SLAPADD);
        add.arg("-u").arg("-f").arg(self.folder.path().join("slapd.conf")).arg("-l").arg(file);
        let said = add.output().expect("slapadd runs: .ci/run installs slapd");
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    }

    /// Changes entries, as LDIF says it.
    pub(crate) fn modify(&self, ldif: &str) {
        let mut modify = Command::new("ldapmodify");
        modify.args(["-x", "-H", &self.url(), "-D", ADMIN, "-w", SECRET]);
        modify.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = modify.spawn().expect("ldapmodify runs: .ci/run installs ldap-utils");
        child.stdin.take().expect("a pipe").write_all(ldif.as_bytes()).expect("it reads");
        let done = child.wait_with_output().expect("it ends");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    /// One attribute of a person is another from now on, or gone.
    pub(crate) fn set(&self, uid: &str, attribute: &str, value: Option<&str>) {
        let change = match value {
            Some(value) => format!("replace: {attribute}\n{attribute}: {value}\n"),
            None => format!("delete: {attribute}\n"),
        };
        self.modify(&format!("dn: uid={uid},ou=people,{BASE}\nchangetype: modify\n{change}"));
    }

    /// What ldapsearch finds of an attribute of a person, values in base64 behind two colons.
    pub(crate) fn shown(&self, uid: &str, attribute: &str) -> String {
        let mut search = Command::new("ldapsearch");
        search.args(["-x", "-LLL", "-o", "ldif-wrap=no", "-H", &self.url(), "-D", ADMIN, "-w", SECRET]);
        search.args(["-b", BASE, &format!("(uid={uid})"), attribute]);
        let found = search.output().expect("ldapsearch runs: .ci/run installs ldap-utils");
        assert!(found.status.success(), "{}", String::from_utf8_lossy(&found.stderr));
        String::from_utf8(found.stdout).expect("text")
    }
}

/// The number of one of many.
pub(crate) fn number(at: usize) -> String {
    format!("38068{at:07}")
}

fn entry(at: usize) -> String {
    let number = number(at);
    format!(
        "\ndn: uid=p{at},ou=people,{BASE}\nobjectClass: inetOrgPerson\nuid: p{at}\ncn: P{at}\nsn: P\ntelephoneNumber: {number}\n\
         userPassword: p{at}'s own\n"
    )
}

impl Drop for Slapd {
    fn drop(&mut self) {
        self.stop();
    }
}

fn configuration(folder: &Path) -> String {
    let folder = folder.display();
    format!(
        "include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload ppolicy
moduleload syncprov
TLSCertificateFile {folder}/server.crt
TLSCertificateKeyFile {folder}/server.key
TLSCACertificateFile {folder}/root.crt
database mdb
maxsize 104857600
suffix \"{BASE}\"
rootdn \"{ADMIN}\"
rootpw \"{SECRET}\"
directory {folder}/db
dbnosync
index objectClass,telephoneNumber,uid eq
access to attrs=userPassword by anonymous auth by * none
access to attrs=userCertificate by dn.exact=\"{READER}\" write by * none
access to * by dn.exact=\"{READER}\" read by anonymous auth by * none
overlay syncprov
overlay ppolicy
ppolicy_default \"cn=policy,{BASE}\"
"
    )
}

/// An authority of this server's own, and its certificate for 127.0.0.1.
fn certify(folder: &Path) {
    let openssl = |arguments: &[&str]| {
        let done = Command::new("openssl").args(arguments).current_dir(folder).output().expect("openssl runs");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    };
    let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    let root = ["req", "-x509", "-days", "7", "-subj", "/CN=Directory root", "-keyout", "root.key", "-out", "root.crt"];
    openssl(&[&root[..], &key[..]].concat());
    let request = ["req", "-subj", "/CN=directory", "-keyout", "server.key", "-out", "server.csr"];
    openssl(&[&request[..], &key[..]].concat());
    let names = "subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth\nbasicConstraints=CA:FALSE\n";
    fs::write(folder.join("names"), names).expect("a file");
    openssl(&[
        "x509",
        "-req",
        "-days",
        "7",
        "-in",
        "server.csr",
        "-CA",
        "root.crt",
        "-CAkey",
        "root.key",
        "-CAcreateserial",
        "-extfile",
        "names",
        "-out",
        "server.crt",
    ]);
}

fn free() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port()
}

/// Waits until it listens; false: it has ended.
fn answers(child: &mut Child, port: u16, since: Instant) -> bool {
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        if since.elapsed() > PATIENCE || child.try_wait().expect("it is ours").is_some() {
            let _ = child.kill();
            let _ = child.wait();
            return false;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    true
}
