//! Pushes from the store to a gateway: how many a second a stand-in for APNs (HTTP/2 over TLS, a process of its own) takes from the real
//! program, in how much memory beyond what a server at rest has, and that none is lost when the program is killed. `cargo bench --bench push`; `CHAT_PUSHES=500000` takes
//! more. The server is one for a small machine, with small pages of memory; `CHAT_HUGE_PAGES=true` measures with large ones.
//!
//! First nobody listens, and pushes pile up in the store. The server is killed and started again, now with the stand-in; in the middle it
//! is killed once more. Every push has a number of its own, by which the stand-in tells how many different ones it has taken.

mod program;

use std::collections::HashSet;
use std::convert::Infallible;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use client::{Client, Enrolment, Options, Registered};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use program::{address, kill, start};
use proto::records::{Auth, AuthAct, Os, PushService};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

/// Who is pushed, by so many calls of a service.
const DEVICES: usize = 100;
/// What says that this process is the stand-in: its folder.
const STAND_IN: &str = "CHAT_PUSH_STAND_IN";
const SECRET: &str = "the secret of services";
/// As often the stand-in says what it has.
const SAY: Duration = Duration::from_millis(50);

fn main() {
    if let Some(folder) = std::env::var_os(STAND_IN) {
        return stand_in(&PathBuf::from(folder));
    }
    let count: usize = std::env::var("CHAT_PUSHES").ok().and_then(|text| text.parse().ok()).unwrap_or(100_000);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let home = folder.path();
    // The port stays ours until the stand-in has it.
    let kept = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = kept.local_addr().expect("an address").port();
    drop(kept);
    let settings = configure(home, port);

    let mut server = start(home, &settings);
    let rest = memory(&server, "VmRSS");
    let asked = Instant::now();
    let count = actix_rt::System::new().block_on(fill(home, count));
    println!("{count} pushes decided and kept in {:.1} s", asked.elapsed().as_secs_f64());
    let filling = memory(&server, "VmHWM");
    kill(&mut server);

    let (mut gateway, taken) = run_stand_in(home, port);
    let mut server = start(home, &settings);
    let half = reach(&taken, count / 2);
    let first = memory(&server, "VmHWM");
    kill(&mut server);
    println!("killed when {} were taken; {:.0} a second until then", half.all, half.rate());

    let mut server = start(home, &settings);
    let whole = reach(&taken, count);
    let peak = memory(&server, "VmHWM").max(first);
    let growth = |most: u64| format!("{} MiB, {} MiB more than at rest", most / 1024, most.saturating_sub(rest) / 1024);
    println!(
        "all {count} were taken, {} of them twice; {:.0} a second after the second start",
        whole.all - whole.different,
        whole.rate()
    );
    println!(
        "memory of a new server at rest: {} MiB; at most while they are kept: {}; at most while they are taken: {}",
        rest / 1024,
        growth(filling),
        growth(peak)
    );
    kill(&mut server);
    kill(&mut gateway);
}

/// Makes the gateway's certificate and our key for it.
fn configure(home: &Path, port: u16) -> String {
    let authority = ca::Authority::create("Gateway", SystemTime::now()).expect("an authority");
    let issued = authority.server(&["localhost".to_owned()], SystemTime::now()).expect("a certificate");
    let write = |name: &str, text: &str| ca::files::write_secret(home.join(name), text).expect("written");
    write("gateway.root", authority.certificate_pem());
    write("gateway.crt", &issued.cert_pem);
    write("gateway.key", &issued.key_pem);
    write("key.p8", &push::Signer::generate().expect("a key"));
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, SECRET.as_bytes());
    let hash: String = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let huge_pages = std::env::var("CHAT_HUGE_PAGES").is_ok_and(|text| text == "true");
    format!(
        "log = \"error\"\nhuge_pages = {huge_pages}\nauth.sys_secret = \"{hash}\"\nhttp.roots = \"{}\"\npush.apns.key = \"key.p8\"\n\
         push.apns.key_id = \"K\"\npush.apns.team_id = \"T\"\npush.apns.bundles = [\"org.example\"]\n\
         push.apns.live = \"https://localhost:{port}\"\n",
        home.join("gateway.root").display()
    )
}

/// KiB, as the system has it.
fn memory(child: &Child, field: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).expect("its status");
    let line = status.lines().find_map(|line| line.strip_prefix(field)).expect("a field");
    line.trim_start_matches(':').split_whitespace().next().and_then(|number| number.parse().ok()).expect("a number")
}

/// Devices with push tokens that are away, and pushes for them; as many as were made.
async fn fill(home: &Path, count: usize) -> usize {
    let url: client::Url = format!("mqtt://{}", address(home, "mqtt")).parse().expect("an address");
    let mut recipients = Vec::new();
    for number in 0..DEVICES {
        let phone = (380_670_000_000_u64 + number as u64).to_string();
        let (client, _events) =
            Client::connect(Options::new(url.clone(), format!("reg_{number}_d1"))).await.expect("in");
        let done = client.register(&phone, "d1", Enrolment::Fake, None).await.expect("registered");
        let Registered::Done(account) = done else { panic!("a fake number needs no code") };
        client.close().await;
        let options = Options { token: Some(account.token), ..Options::new(url.clone(), account.client_id) };
        let (client, _events) = Client::connect(options).await.expect("in");
        let push = Some(Bytes::from(format!("{number:064x}")));
        let asked = Auth { r#type: Some(AuthAct::Push.into()), push, os: Some(Os::Ios), ..Auth::default() };
        client.call(asked).await.expect("kept");
        client.close().await;
        recipients.push(Bytes::from(phone));
    }
    let options = Options { token: Some(SECRET.into()), ..Options::new(url, "sys_bench") };
    let (service, _events) = Client::connect(options).await.expect("in");
    let calls = count.div_ceil(DEVICES);
    for _ in 0..calls {
        let payload = Some(Bytes::from(vec![b'x'; 300]));
        let asked = PushService { recipients: recipients.clone(), payload, ..PushService::default() };
        service.call(asked).await.expect("taken");
    }
    service.close().await;
    wait_until_kept(home, calls * DEVICES);
    calls * DEVICES
}

/// The answer comes before the last row: until the operator sees that so many wait.
fn wait_until_kept(home: &Path, count: usize) {
    let wanted = count.min(10_000).to_string();
    loop {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chat"));
        let output = command.args(["remote", "-e", "push", "--home"]).arg(home).output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let waiting = said.lines().find_map(|line| line.strip_prefix("apns: apns, ")).expect("a gateway");
        if waiting.split(' ').next() == Some(&wanted) {
            // The operator counts no farther; what was asked last is done by then, or a push is missing below.
            std::thread::sleep(Duration::from_secs(1));
            return;
        }
        std::thread::sleep(SAY);
    }
}

/// What the stand-in has taken.
struct Taken {
    all: usize,
    different: usize,
    /// Between the first and the last.
    took: Duration,
    before: usize,
}

impl Taken {
    fn rate(&self) -> f64 {
        (self.all - self.before) as f64 / self.took.as_secs_f64()
    }
}

fn reach(taken: &Receiver<(usize, usize)>, count: usize) -> Taken {
    let mut first = None;
    loop {
        let (all, different) = taken.recv_timeout(Duration::from_secs(60)).expect("it goes on");
        let (since, before) = *first.get_or_insert((Instant::now(), all));
        if all == before && different < count {
            first = Some((Instant::now(), all));
        }
        if different >= count {
            return Taken { all, different, took: since.elapsed(), before };
        }
    }
}

fn run_stand_in(home: &Path, port: u16) -> (Child, Receiver<(usize, usize)>) {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.env(STAND_IN, home).env("PORT", port.to_string()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    let (tell, told) = channel();
    let said = BufReader::new(child.stdout.take().expect("its words"));
    std::thread::spawn(move || {
        for line in said.lines().map_while(Result::ok) {
            let numbers = line.split_once(' ').and_then(|(all, some)| Some((all.parse().ok()?, some.parse().ok()?)));
            if numbers.is_none_or(|numbers| tell.send(numbers).is_err()) {
                return;
            }
        }
    });
    (child, told)
}

/// Takes whatever comes.
fn stand_in(folder: &Path) {
    let chain = CertificateDer::pem_file_iter(folder.join("gateway.crt")).expect("a file");
    let chain = chain.collect::<Result<Vec<_>, _>>().expect("certificates");
    let key = PrivateKeyDer::from_pem_file(folder.join("gateway.key")).expect("a key");
    let mut config = rustls::ServerConfig::builder_with_provider(rustls::crypto::aws_lc_rs::default_provider().into())
        .with_safe_default_protocol_versions()
        .expect("TLS")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("a pair");
    config.alpn_protocols = vec![b"h2".to_vec()];
    let port: u16 = std::env::var("PORT").ok().and_then(|port| port.parse().ok()).expect("a port");
    let (all, ids) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(HashSet::new())));
    let (own, known) = (all.clone(), ids.clone());
    std::thread::spawn(move || {
        loop {
            println!("{} {}", own.load(Ordering::Relaxed), known.lock().expect("nobody panics").len());
            std::thread::sleep(SAY);
        }
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async move {
        let listener = tokio::net::TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], port))).await.expect("its port");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, all, ids) = (acceptor.clone(), all.clone(), ids.clone());
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let service = service_fn(move |request| take(request, all.clone(), ids.clone()));
                let mut server = http2::Builder::new(TokioExecutor::new());
                // As APNs has it.
                server.max_concurrent_streams(1000);
                // A server that is killed ends its connection in its own way.
                let _ = server.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
}

async fn take(
    request: Request<Incoming>,
    all: Arc<AtomicUsize>,
    ids: Arc<Mutex<HashSet<String>>>,
) -> Result<Response<Empty<Bytes>>, Infallible> {
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let id = header("apns-id").expect("an id");
    assert!(header("authorization").is_some_and(|token| token.starts_with("bearer ")));
    if let Ok(body) = request.into_body().collect().await {
        assert!(body.to_bytes().starts_with(b"{\"aps\":{"));
        all.fetch_add(1, Ordering::Relaxed);
        ids.lock().expect("nobody panics").insert(id);
    }
    Ok(Response::new(Empty::new()))
}
