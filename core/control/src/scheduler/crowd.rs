//! Nodes that have become smaller: what does not fit any more moves, as Swarm's constraint enforcer has it.

use model::{Node, Task};
use store::{Reserved, View};

/// Whether a task has to leave its node because more is reserved there than the node has. Those that came first stay.
pub(crate) fn is_crowded_out(view: &View, node: &Node, task: &Task) -> bool {
    let Some(machine) = node.description.as_ref().filter(|d| d.engine_error.is_empty()) else {
        return false;
    };
    let share = share(task);
    let holds = |reserved: Reserved| {
        (share.nano_cpus == 0 || reserved.nano_cpus <= machine.nano_cpus)
            && (share.memory_bytes == 0 || reserved.memory_bytes <= machine.memory_bytes)
    };
    if share == Reserved::default() || holds(view.reserved_on(node.id)) {
        return false;
    }
    let before = |other: &&Task| other.is_live() && (other.created_at, other.id) < (task.created_at, task.id);
    let others = view.tasks_on_node(node.id).filter(before).map(self::share);
    !holds(others.fold(share, Reserved::plus))
}

fn share(task: &Task) -> Reserved {
    let wish = &task.container.resources.reservations;
    Reserved {
        nano_cpus: wish.nano_cpus,
        memory_bytes: wish.memory_bytes,
    }
}
