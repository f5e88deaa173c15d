//! A device beside its connections: it shows by each request who it is (FTP-7), takes nobody's place (CON-7) and hears of nothing.
//!
//! What it asks is a record like any other, and the owner's answer is the one that a connection would have.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::Arc;

use bytes::Bytes;
use kvs::View;
use n2o::{Failure, Handle};
use proto::Record;
use proto::ids::{DevKey, Phone};
use proto::records::{Ftp, Ftpack};

use crate::door::{Busy, Certificate, Out, Role};
use crate::protocol::auth::is_device;
use crate::{Account, Call, Chat, Input, Name, Port, Step, Upload, Who, rows};

/// By what a device shows that it is one.
#[derive(Debug, Clone)]
pub enum Shown {
    /// Its token (ID-7).
    Token(Bytes),
    /// A certificate that TLS has verified (ID-10).
    Certificate(Arc<Certificate>),
}

/// Its way into the chat, for one request of the web. Answers may overtake: what is refused is answered before what is still written.
pub struct Beside {
    handle: Handle<Chat>,
    files: Name,
    who: Who,
    port: Arc<Port>,
    asked: u64,
    /// Answers that came before they were asked for, by the numbers of their calls.
    early: BTreeMap<u64, Bytes>,
}

impl Beside {
    /// Judges by the store as it is now, milliseconds since 1970. `None`: it has not shown that it is this device.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn enter(
        handle: &Handle<Chat>,
        store: &dyn View,
        now: u64,
        phone: &Phone,
        device: &DevKey,
        shown: &Shown,
    ) -> Result<Option<Beside>, Failure> {
        if !is_device(store, now, phone, device, shown)? {
            return Ok(None);
        }
        let rosters = rows::roster_ids(store, phone)?;
        let account = Account { phone: phone.clone(), rosters, devices: Vec::new() };
        let port = Arc::new(Port::default());
        let who = Who {
            session: "beside".into(),
            connection: port.number(),
            call: 0,
            role: Role::Device,
            account: Some(Arc::new(account)),
            device: Some(device.clone()),
            certificate: None,
            source: None,
            beside: Some(port.clone()),
        };
        let (handle, files) = (handle.clone(), Name::Files(phone.clone()));
        Ok(Some(Beside { handle, files, who, port, asked: 0, early: BTreeMap::new() }))
    }

    /// Whose device it is.
    pub fn phone(&self) -> Option<&Phone> {
        self.who.account.as_ref().map(|account| &account.phone)
    }

    /// One step of FTP; the number of its answer.
    pub fn ask(&mut self, ftp: Ftp) -> Result<u64, Busy> {
        let who = self.next();
        let call = Call { who, record: Record::Ftp(Box::new(ftp)) };
        self.tell(Input::Call(Box::new(call)))
    }

    /// One that no record says.
    pub fn step(&mut self, ftp: Ftp, step: Step) -> Result<u64, Busy> {
        let who = self.next();
        self.tell(Input::Upload(Box::new(Upload { who, ftp, step })))
    }

    /// The answer to what was asked under this number. Asked for in order, each once; `None` is our own fault.
    pub async fn answer(&mut self, number: u64) -> Option<Ftpack> {
        loop {
            if let Some(payload) = self.early.remove(&number) {
                return etf::decode(&payload).ok();
            }
            let port = self.port.clone();
            for out in poll_fn(|cx| port.poll_drain(cx)).await {
                if let Out::Answer { call, payload } = out
                    && call >= number
                {
                    // The first record of an answer says it all.
                    self.early.entry(call).or_insert(payload);
                }
            }
        }
    }

    fn next(&mut self) -> Who {
        self.asked += 1;
        Who { call: self.asked, ..self.who.clone() }
    }

    fn tell(&self, input: Input) -> Result<u64, Busy> {
        self.handle.tell(&self.files, input).map_err(|_| Busy)?;
        Ok(self.asked)
    }
}
