//! FTP-2 from the web, where several pieces of a transfer are on their way to the disk at once (the front door in the simulator, where each
//! of them can be made to fail).

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail")]

use std::sync::Arc;

use bytes::Bytes;
use chat_core::door::{Out, Role};
use chat_core::{
    Account, Call, FileWork, Input, Job, Name, Output, Port, Step, Upload, Who, Work, WorkError, WorkResult,
};
use etf::Term;
use proto::Record;
use proto::records::{Ftp, FtpStatus, Ftpack};
use scene::{Hello, Simulated, Stage};

const PHONE: &str = "38001";
const SIZE: u64 = 12;

/// A request of the web, on behalf of a device of the account.
struct Web {
    who: Who,
    port: Arc<Port>,
}

/// What has come of an event: answers by the numbers of their requests, and work to do.
struct Outcome {
    answers: Vec<(u64, Ftpack)>,
    jobs: Vec<Job>,
}

impl Web {
    fn new() -> Web {
        let port = Arc::new(Port::default());
        let account = Account { phone: PHONE.parse().unwrap(), rosters: vec![1], devices: Vec::new() };
        let who = Who {
            session: "beside".into(),
            connection: port.number(),
            call: 0,
            role: Role::Device,
            account: Some(Arc::new(account)),
            device: None,
            certificate: None,
            source: None,
            beside: Some(port.clone()),
        };
        Web { who, port }
    }

    fn who(&self, call: u64) -> Who {
        Who { call, ..self.who.clone() }
    }

    fn ask(&self, stage: &mut Simulated, call: u64, ftp: Ftp) -> Outcome {
        let call = Call { who: self.who(call), record: Record::Ftp(Box::new(ftp)) };
        self.tell(stage, Input::Call(Box::new(call)))
    }

    fn step(&self, stage: &mut Simulated, call: u64, step: Step, ftp: Ftp) -> Outcome {
        self.tell(stage, Input::Upload(Box::new(Upload { who: self.who(call), ftp, step })))
    }

    fn worked(&self, stage: &mut Simulated, job: &Job, result: WorkResult) -> Outcome {
        self.tell(stage, Input::Worked { job: job.number, result })
    }

    fn tell(&self, stage: &mut Simulated, input: Input) -> Outcome {
        assert!(stage.sim.tell(&Name::Files(PHONE.parse().unwrap()), input).is_ok());
        stage.sim.run_until_quiet();
        let mut outcome = Outcome { answers: Vec::new(), jobs: Vec::new() };
        for output in stage.sim.take_outputs() {
            match output {
                Output::Port(port, Out::Answer { call, payload }) if port.number() == self.port.number() => {
                    outcome.answers.push((call, etf::decode(&payload).unwrap()));
                }
                Output::Work(job) => outcome.jobs.push(*job),
                _ => {}
            }
        }
        outcome
    }
}

fn ftp(status: &'static str, offset: u64, data: &'static [u8]) -> Ftp {
    let block = if status == "init" { 1 } else { data.len() as u64 };
    Ftp {
        id: Some(Bytes::from_static(b"f1")),
        filename: Some(Bytes::from_static(b"x")),
        size: Some(SIZE),
        offset: Some(offset),
        block: Some(block),
        data: Some(Bytes::from_static(data)),
        status: Some(FtpStatus::Text(Bytes::from_static(status.as_bytes()))),
        ..Ftp::default()
    }
}

/// The request that was answered, how far it was told that the transfer is, and what it was refused with.
fn said(outcome: &Outcome) -> Vec<(u64, u64, Option<String>)> {
    let error = |ack: &Ftpack| {
        let pair = ack.options.as_list()?.iter().find_map(Term::as_tuple)?;
        (pair[0].as_atom() == Some("error")).then(|| pair[1].as_atom().unwrap().to_owned())
    };
    outcome.answers.iter().map(|(call, ack)| (*call, ack.offset.unwrap_or(0), error(ack))).collect()
}

#[test]
fn ftp_2_who_asks_behind_a_piece_that_has_failed_is_answered_when_the_others_are_done_with() {
    for is_second_written in [true, false] {
        let (mut stage, web) = (Simulated::new(1, false), Web::new());
        assert_eq!(said(&web.ask(&mut stage, 1, ftp("init", 0, b""))), [(1, 0, None)]);
        assert_eq!(said(&web.step(&mut stage, 2, Step::Begin, ftp("send", 0, b""))), [(2, 0, None)]);
        let first = web.step(&mut stage, 3, Step::More, ftp("send", 0, b"one "));
        let second = web.step(&mut stage, 4, Step::More, ftp("send", 4, b"two "));
        assert_eq!((said(&first).len(), said(&second).len()), (0, 0));
        // One who waits for the first is told at once; one who comes later, when nothing of the transfer is on its way any more.
        let asks = Ftp { block: Some(0), ..ftp("init", 0, b"") };
        assert_eq!(said(&web.ask(&mut stage, 5, asks.clone())), []);
        let failed = web.worked(&mut stage, &first.jobs[0], WorkResult::Failed(WorkError::Broken));
        assert_eq!(said(&failed), [(5, 0, None), (3, 0, Some("internal".to_owned()))]);
        assert_eq!(said(&web.ask(&mut stage, 6, asks)), []);
        let result = if is_second_written { WorkResult::Sent } else { WorkResult::Failed(WorkError::Invalid) };
        assert_eq!(said(&web.worked(&mut stage, &second.jobs[0], result)), [(4, 0, None), (6, 0, None)]);
        // It goes on where it was.
        let late = web.step(&mut stage, 7, Step::More, ftp("send", 0, b"one "));
        assert_eq!(said(&late), [(7, 0, Some("already_present".to_owned()))]);
        assert_eq!(said(&web.step(&mut stage, 8, Step::Begin, ftp("send", 0, b""))), [(8, 0, None)]);
        let again = web.step(&mut stage, 9, Step::More, ftp("send", 0, b"one "));
        assert!(matches!(&again.jobs[0].work, Work::File(FileWork::Append { offset: 0, .. })));
    }
}

#[test]
fn ftp_2_the_web_takes_a_transfer_over_from_a_device_and_the_device_from_the_web() {
    let (mut stage, web) = (Simulated::new(1, false), Web::new());
    connect(&mut stage);
    assert_eq!(device(&mut stage, ftp("init", 0, b"")), (0, None));
    assert_eq!(device(&mut stage, ftp("send", 0, b"one ")), (4, None));
    assert_eq!(said(&web.step(&mut stage, 1, Step::Begin, ftp("send", 4, b""))), [(1, 4, None)]);
    let not_found = Some("not_found".to_owned());
    assert_eq!(device(&mut stage, ftp("send", 4, b"two ")), (0, not_found.clone()));
    // Not by what a process remembers.
    stage.sim.kill(&Name::Files(PHONE.parse().unwrap()));
    assert_eq!(device(&mut stage, ftp("send", 4, b"two ")), (0, not_found));

    assert_eq!(said(&web.step(&mut stage, 2, Step::Begin, ftp("send", 4, b""))), [(2, 4, None)]);
    assert_eq!(device(&mut stage, ftp("init", 0, b"")), (4, None));
    let displaced = web.step(&mut stage, 3, Step::More, ftp("send", 4, b"TWO "));
    assert_eq!(said(&displaced), [(3, 4, Some("already_present".to_owned()))]);
    assert!(displaced.jobs.is_empty());
    assert_eq!(device(&mut stage, ftp("send", 4, b"two ")), (8, None));
}

#[test]
fn ftp_2_ftp_4_what_the_web_has_begun_a_device_goes_on_with_when_it_is_on_the_disk() {
    let (mut stage, web) = (Simulated::new(1, false), Web::new());
    connect(&mut stage);
    assert_eq!(said(&web.ask(&mut stage, 1, ftp("init", 0, b""))), [(1, 0, None)]);
    assert_eq!(said(&web.step(&mut stage, 2, Step::Begin, ftp("send", 0, b""))), [(2, 0, None)]);
    let first = web.step(&mut stage, 3, Step::More, ftp("send", 0, b"one "));
    assert_eq!(first.jobs.len(), 1);
    assert_eq!(device(&mut stage, ftp("send", 4, b"two ")), (4, None), "it is not taken yet");
}

/// A device of the account, connected.
fn connect(stage: &mut Simulated) {
    let hello = Hello { client_id: "reg_38001_d".to_owned(), ..Hello::default() };
    assert_eq!(stage.connect("r", &hello), Ok(0));
    let auth = format!(r#"Auth{{type=reg dev_key="d" phone={{fake,"{PHONE}"}}}}"#);
    let auth = etf::text::parse(&auth, &proto::catalogue()).unwrap();
    stage.publish("r", "events/1//api/anon//", etf::encode(&auth)).unwrap();
    stage.acknowledged("r").unwrap();
    let answers = stage.take("r").unwrap();
    let login = answers.iter().find_map(|got| match etf::decode::<Record>(&got.payload) {
        Ok(Record::Io(io)) => Some(etf::text::print(&Term::of(&*io).unwrap(), &())),
        _ => None,
    });
    let mut parts = login.as_deref().unwrap_or_default().split('"').skip(1).step_by(2).map(str::to_owned);
    let (client_id, token) = (parts.next().expect("a client id"), parts.next().expect("a token"));
    let hello = Hello { client_id, password: Some(token.into()), ..Hello::default() };
    assert_eq!(stage.connect("ann", &hello), Ok(0));
}

fn device(stage: &mut Simulated, ftp: Ftp) -> (u64, Option<String>) {
    stage.publish("ann", "events/1//api/anon//", etf::encode(&Record::Ftp(Box::new(ftp)))).unwrap();
    stage.acknowledged("ann").unwrap();
    let answers = stage.take("ann").unwrap().into_iter().filter_map(|got| Some((0, etf::decode(&got.payload).ok()?)));
    let outcome = Outcome { answers: answers.collect(), jobs: Vec::new() };
    let (_, offset, error) = said(&outcome).pop().expect("an answer");
    (offset, error)
}
