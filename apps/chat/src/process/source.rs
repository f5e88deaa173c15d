//! A source address: how many codes were asked for from there (section 11). It is remembered for an hour and never kept (SEC-10).

use n2o::{Failure, Time};
use proto::limits::{CODES_PER_ADDRESS_HOUR, CODES_PER_ADDRESS_MS};

use crate::{Cx, Fx, Input, Job, Output, Tick, WorkError, WorkResult};

/// Slow work that is done for clients of this address passes through here.
#[derive(Default)]
pub struct Source {
    /// When codes were sent, those of the last hour, oldest first.
    codes: Vec<Time>,
}

impl Source {
    pub fn step(&mut self, cx: &Cx<'_>, fx: &mut Fx, input: Input) -> Result<(), Failure> {
        match input {
            Input::Pass(job) => self.pass(cx, fx, job),
            Input::Tick(Tick::SourceOver) => self.forget(cx, fx),
            // Meant for other kinds of process.
            _ => {}
        }
        Ok(())
    }

    /// Lets a code be sent, or tells who asked that there were too many.
    fn pass(&mut self, cx: &Cx<'_>, fx: &mut Fx, job: Box<Job>) {
        self.codes.retain(|at| cx.now.since(*at) < CODES_PER_ADDRESS_MS);
        if self.codes.len() >= CODES_PER_ADDRESS_HOUR as usize {
            let result = WorkResult::Failed(WorkError::TooOften);
            return fx.tell(job.from, Input::Worked { job: job.number, result });
        }
        self.codes.push(cx.now);
        // As long as it is set, the process stays.
        fx.timer(cx.now + CODES_PER_ADDRESS_MS, Input::Tick(Tick::SourceOver));
        fx.emit(Output::Work(job));
    }

    fn forget(&mut self, cx: &Cx<'_>, fx: &mut Fx) {
        self.codes.retain(|at| cx.now.since(*at) < CODES_PER_ADDRESS_MS);
        if self.codes.is_empty() {
            fx.stop();
        }
    }
}
