//! One client: one call at a time, reads and writes in turn by dice, at one
//! manager; the last quarter of the clients goes to another when theirs fails.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use linearizability::history::{Event, Operation};
use linearizability::register::{Register, Version};
use tonic::transport::Channel;
use wire::pb::{self, control_client::ControlClient};

use crate::recorder::Recorder;
use crate::{answer, registers};

/// A daemon answers within 3 s even without a majority; after this, nothing is known.
const TIMEOUT: Duration = Duration::from_secs(5);
/// After a failure, so that one who is refused at once does not spin.
const AFTER_FAILURE: Duration = Duration::from_millis(50);

/// See the module.
pub struct Client {
    number: u32,
    sockets: Vec<PathBuf>,
    /// Index of the socket in use.
    at: usize,
    roams: bool,
    pause: Duration,
    /// The version of each key that this client saw last.
    seen: BTreeMap<u32, u64>,
    dice: u64,
    /// Makes this client's next value one that nobody ever wrote.
    next_value: u64,
}

impl Client {
    /// Client `number`.
    ///
    /// # Errors
    /// The system has no randomness.
    pub fn new(number: u32, sockets: &[PathBuf], initial: &BTreeMap<u32, Register>, pause: Duration) -> Result<Self> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|error| anyhow::anyhow!("no randomness: {error}"))?;
        let [dice, base] = [&random[..8], &random[8..]].map(|half| half.iter().fold(0, |n, b| n << 8 | u64::from(*b)));
        let known = initial.iter().filter_map(|(key, register)| match register.version {
            Version::Is(version) => Some((*key, version)),
            Version::Above(_) => None,
        });
        Ok(Self {
            number,
            sockets: sockets.to_vec(),
            at: number as usize % sockets.len(),
            roams: number % 4 == 3,
            pause,
            seen: known.collect(),
            dice: dice | 1,
            next_value: base,
        })
    }

    /// Calls until the record is closed.
    pub async fn run(mut self, recorder: Arc<Recorder>) {
        let mut line = None;
        while !recorder.closed() {
            let Some(control) = &mut line else {
                line = self.connect().await;
                continue;
            };
            if self.operate(control, &recorder).await {
                tokio::time::sleep(self.pause).await;
            } else {
                line = None;
                self.move_on().await;
            }
        }
    }

    async fn connect(&mut self) -> Option<ControlClient<Channel>> {
        let connecting = registers::connect(&self.sockets[self.at]);
        match tokio::time::timeout(TIMEOUT, connecting).await {
            Ok(Ok(control)) => Some(control),
            _ => {
                self.move_on().await;
                None
            }
        }
    }

    async fn move_on(&mut self) {
        if self.roams {
            self.at = (self.at + 1) % self.sockets.len();
        }
        tokio::time::sleep(AFTER_FAILURE).await;
    }

    /// One call; false when it failed.
    async fn operate(&mut self, control: &mut ControlClient<Channel>, recorder: &Recorder) -> bool {
        let roll = self.roll();
        let keys = self.seen.len() as u64;
        let Some((key, version)) = self.seen.iter().nth((roll % keys) as usize).map(|(k, v)| (*k, *v)) else {
            return false;
        };
        let call = recorder.now();
        let event = match roll >> 32 & 1 {
            0 => self.read(control, recorder, key).await,
            _ => Some(self.write(control, recorder, key, version).await),
        };
        let Some(event) = event else { return false };
        let answered = !matches!(event, Event::Unknown { .. });
        let client = self.number;
        recorder.keep(key, Operation { client, call, event });
        answered
    }

    async fn read(&mut self, control: &mut ControlClient<Channel>, recorder: &Recorder, key: u32) -> Option<Event> {
        let refs = vec![registers::name(key)];
        let calling = control.list_services(pb::ListServicesRequest { refs });
        let answer = tokio::time::timeout(TIMEOUT, calling).await.ok()?;
        let event = answer::of_read(answer.map(tonic::Response::into_inner), recorder.now());
        if let Some(Event::Read { version, .. }) = event {
            self.seen.insert(key, version);
        }
        event
    }

    async fn write(
        &mut self,
        control: &mut ControlClient<Channel>,
        recorder: &Recorder,
        key: u32,
        expected: u64,
    ) -> Event {
        self.next_value = self.next_value.wrapping_add(1);
        let value = self.next_value;
        let unknown = Event::Unknown { expected, value };
        let Ok(spec) = registers::spec(key, value) else {
            return unknown;
        };
        let request = pb::UpdateServiceRequest {
            request: String::new(),
            r#ref: registers::name(key),
            version: expected,
            spec: Some(spec),
            ..Default::default()
        };
        let Ok(answer) = tokio::time::timeout(TIMEOUT, control.update_service(request)).await else {
            return unknown;
        };
        let (event, version) =
            answer::of_write(expected, value, answer.map(tonic::Response::into_inner), recorder.now());
        if let Some(version) = version {
            self.seen.insert(key, version);
        }
        event
    }

    /// Xorshift (Marsaglia, 2003).
    fn roll(&mut self) -> u64 {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        self.dice
    }
}
