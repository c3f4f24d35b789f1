//! Which of the ended containers that a node keeps, for what they have printed, it may remove: those of tasks that the
//! state does not have any more.

use model::{NodeId, TaskId};
use store::View;

/// Of the tasks whose containers `node` keeps, those that are forgotten, or are not its own.
pub fn forgotten(view: &View, node: NodeId, kept: impl IntoIterator<Item = TaskId>) -> Vec<TaskId> {
    let is_its_own = |id: &TaskId| view.task(*id).is_some_and(|task| task.node == Some(node));
    kept.into_iter().filter(|id| !is_its_own(id)).collect()
}

#[cfg(test)]
mod tests {
    use model::DesiredState;
    use store::Command;

    use super::*;
    use crate::testbed::{Bed, tasks, web};

    #[test]
    fn a_task_is_remembered_until_it_is_reaped() {
        let (mut bed, web) = web(1, 1, |_| {});
        let (node, stranger) = (NodeId::from_bits(1), TaskId::from_bits(99));
        let first = tasks(&bed, web, |_| true)[0].id;
        let gone = |bed: &Bed| forgotten(bed.view(), node, [first, stranger]);
        assert_eq!(gone(&bed), [stranger]);
        bed.update(web, |spec| spec.container.env = vec!["A=b".to_owned()]);
        bed.converge();
        let old = tasks(&bed, web, |task| task.id == first);
        assert_eq!(old[0].desired, DesiredState::Shutdown, "it is history");
        assert_eq!(gone(&bed), [stranger]);
        assert_eq!(forgotten(bed.view(), NodeId::from_bits(2), [first]), [first]);
        bed.apply(Command::RemoveService { id: web, at: bed.now }).unwrap();
        bed.converge();
        assert_eq!(gone(&bed), [first, stranger]);
    }
}
