//! The only door to raft: commands in, the state that has them out. Used by the API, the leader's loop and the
//! dispatcher; cheap to clone.

use futures::future::try_join_all;
use model::{NodeId, RequestId};
use store::{Command, Entry, MemberChange, View};
use tokio::sync::{broadcast, watch};

use crate::{
    mint,
    raft::{Applied, Driver, History, News, ProposeError, Published, ReadError},
};

/// Bytes of a log entry. It has to reach every manager within one call, and its like in a row must not hold up heartbeats.
const MAX_ENTRY_BYTES: usize = 8 << 20;
/// Bytes of an entry that a request asks for: what managers make of it, such as a service's task, must fit into one too.
const MAX_REQUEST_BYTES: usize = 4 << 20;

/// See the module.
#[derive(Clone, Debug)]
pub struct Proposer {
    driver: Driver,
}

impl Proposer {
    pub(crate) fn new(driver: Driver) -> Self {
        Self { driver }
    }

    /// Proposes a command of the manager's own under a fresh request id and waits until it was applied here.
    pub async fn propose(&self, command: Command) -> Result<Applied, ProposeError> {
        let request = mint::request();
        let entry = encode(&Entry { request, command }, MAX_ENTRY_BYTES)?;
        self.driver.propose(request, entry).await
    }

    /// Proposes a command for a request: repeated with the same id it is carried out once, and the repetition gets the
    /// first outcome.
    pub async fn propose_as(&self, request: RequestId, command: Command) -> Result<Applied, ProposeError> {
        let entry = encode(&Entry { request, command }, MAX_REQUEST_BYTES)?;
        self.driver.propose(request, entry).await
    }

    /// Proposes what this manager decided as the leader of `term`; changes of tasks that are too much for one entry go in
    /// several, in their order. Dropped if it does not lead in it any more: a leader that stood still decides on what it
    /// knew before, and its successor knows better.
    pub(crate) async fn decide(&self, term: u64, command: Command) -> Result<(), ProposeError> {
        let parts = parts(command, MAX_ENTRY_BYTES)?.into_iter();
        let proposed = parts.map(|(request, entry)| self.driver.propose_in(term, request, entry));
        try_join_all(proposed).await.map(drop)
    }

    /// Takes a step into or out of raft, as the leader of `term` decided.
    pub(crate) async fn change_members(&self, term: u64, change: MemberChange) -> Result<Applied, ProposeError> {
        let request = mint::request();
        let command = Command::Member(change);
        let entry = encode(&Entry { request, command }, MAX_ENTRY_BYTES)?;
        self.driver.change_members(request, term, change, entry).await
    }

    /// A view with everything that was acknowledged before the call, by whichever manager.
    pub async fn read(&self) -> Result<View, ReadError> {
        self.driver.read(mint::request()).await
    }

    /// The latest changes that this manager applied.
    pub fn history(&self) -> &History {
        self.driver.history()
    }

    /// The view of this manager as of now; may be behind the leader's.
    pub fn view(&self) -> View {
        self.driver.published().borrow().view.clone()
    }

    /// Views and leadership as they change.
    pub fn published(&self) -> watch::Receiver<Published> {
        self.driver.published()
    }

    /// Events of what is applied from now on.
    pub fn events(&self) -> broadcast::Receiver<News> {
        self.driver.events()
    }

    /// The leader's node, as far as this manager knows.
    pub fn leader(&self) -> Option<NodeId> {
        let published = self.driver.published();
        let published = published.borrow();
        let leader = published.standing.leader?;
        published.view.member(leader).map(|node| node.id)
    }

    pub(crate) fn driver(&self) -> &Driver {
        &self.driver
    }
}

/// The bytes of an entry, if they are few enough.
fn encode(entry: &Entry, limit: usize) -> Result<Vec<u8>, ProposeError> {
    let encoded = entry.encode()?;
    match encoded.len() {
        bytes if bytes > limit => Err(ProposeError::TooLarge { bytes, limit }),
        _ => Ok(encoded),
    }
}

/// The entries of a command.
fn parts(command: Command, limit: usize) -> Result<Vec<(RequestId, Vec<u8>)>, ProposeError> {
    let (mut left, mut parts) = (vec![command], Vec::new());
    while let Some(command) = left.pop() {
        let entry = Entry {
            request: mint::request(),
            command,
        };
        match (encode(&entry, limit), entry.command) {
            (Ok(encoded), _) => parts.push((entry.request, encoded)),
            (Err(ProposeError::TooLarge { .. }), Command::Tasks(mut first)) if first.len() > 1 => {
                let rest = first.split_off(first.len() / 2);
                left.extend([Command::Tasks(rest), Command::Tasks(first)]);
            }
            (Err(why), _) => return Err(why),
        }
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use model::{TaskId, Timestamp};
    use store::TaskOp;

    use super::*;

    fn explain(number: u128, err: &str) -> TaskOp {
        TaskOp::Explain {
            task: TaskId::from_bits(number),
            at: Timestamp(0),
            err: err.to_owned(),
        }
    }

    #[test]
    fn changes_of_tasks_that_are_too_much_for_one_entry_go_in_several() {
        let ops: Vec<_> = (0..10).map(|number| explain(number, &"x".repeat(1000))).collect();
        let limit = 3_500;
        let parts = parts(Command::Tasks(ops.clone()), limit).unwrap();
        assert!(parts.len() > 1 && parts.iter().all(|(_, entry)| entry.len() <= limit));
        let told = parts
            .iter()
            .flat_map(|(_, entry)| match Entry::decode(entry).unwrap().command {
                Command::Tasks(ops) => ops,
                other => panic!("{other:?}"),
            });
        assert_eq!(told.collect::<Vec<_>>(), ops);
    }

    #[test]
    fn what_cannot_be_parted_is_refused_with_the_limit() {
        let long = "x".repeat(4000);
        for whole in [
            Command::Tasks(vec![explain(1, &long)]),
            Command::SetUnlockKey {
                unlock_key: long.into(),
            },
        ] {
            let refused = parts(whole, 3_500).unwrap_err();
            assert!(
                matches!(refused, ProposeError::TooLarge { limit: 3_500, .. }),
                "{refused}"
            );
        }
    }
}
