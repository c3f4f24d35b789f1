//! The only door to raft: commands in, the state that has them out. Used by the API, the leader's loop and the
//! dispatcher; cheap to clone.

use model::{NodeId, RequestId};
use store::{Command, Entry, MemberChange, View};
use tokio::sync::{broadcast, watch};

use crate::{
    mint,
    raft::{Applied, Driver, History, News, ProposeError, Published, ReadError},
};

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
        self.propose_as(mint::request(), command).await
    }

    /// Proposes a command for a request: repeated with the same id it is carried out once, and the repetition gets the
    /// first outcome.
    pub async fn propose_as(&self, request: RequestId, command: Command) -> Result<Applied, ProposeError> {
        let entry = Entry { request, command }.encode()?;
        self.driver.propose(request, entry).await
    }

    /// Takes a step into or out of raft, as the leader of `term` decided.
    pub(crate) async fn change_members(&self, term: u64, change: MemberChange) -> Result<Applied, ProposeError> {
        let request = mint::request();
        let command = Command::Member(change);
        let entry = Entry { request, command }.encode()?;
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
