//! What was proposed of nodes' states and is not answered yet: a disk that hangs for seconds is asked for each once, not at
//! every look.

use std::collections::BTreeMap;

use model::{NodeId, NodeState};
use store::Command;

/// The last of each node.
#[derive(Debug, Default)]
pub(super) struct Asked(BTreeMap<NodeId, NodeState>);

/// The states that these commands give to nodes.
pub(super) fn states(commands: &[Command]) -> Vec<(NodeId, NodeState)> {
    let states = commands.iter().filter_map(|command| match command {
        Command::NodeStatus { id, state, .. } => Some((*id, *state)),
        _ => None,
    });
    states.collect()
}

impl Asked {
    /// Those that are not proposed already; they are from now on.
    pub(super) fn news(&mut self, mut commands: Vec<Command>) -> Vec<Command> {
        commands.retain(|command| match command {
            Command::NodeStatus { id, state, .. } => self.0.insert(*id, *state) != Some(*state),
            _ => true,
        });
        commands
    }

    /// These are answered, one way or the other.
    pub(super) fn answered(&mut self, states: &[(NodeId, NodeState)]) {
        for (id, state) in states {
            if self.0.get(id) == Some(state) {
                self.0.remove(id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use model::Timestamp;

    use super::*;

    fn command(id: u128, state: NodeState) -> Command {
        Command::NodeStatus {
            id: NodeId::from_bits(id),
            at: Timestamp(0),
            state,
            message: String::new(),
        }
    }

    #[test]
    fn what_is_not_answered_is_not_asked_for_again() {
        let mut asked = Asked::default();
        let down = |id| command(id, NodeState::Down);
        assert_eq!(asked.news(vec![down(1), down(2)]).len(), 2);
        assert_eq!(asked.news(vec![down(1), down(2), down(3)]), [down(3)]);
        assert_eq!(asked.news(vec![command(2, NodeState::Ready)]).len(), 1);
        asked.answered(&states(&[down(1), down(2)]));
        assert_eq!(asked.news(vec![down(1)]), [down(1)]);
        assert_eq!(
            asked.news(vec![command(2, NodeState::Ready)]),
            [],
            "the later one is not answered"
        );
    }
}
