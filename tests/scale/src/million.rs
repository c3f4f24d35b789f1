//! A large cluster in memory: the deciders, the state, and agents that report what they are told to run. No Raft, no
//! network, one thread. Time is the thread's time on a processor.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use model::{NodeId, Task, TaskState};
use store::{Command, StatusReport, TaskOp};

use crate::{
    cluster::{Cluster, NOW},
    figure::{self, processor_time},
};

const SERVICES: u32 = 1_000;
/// Nodes whose reports are applied between two passes.
const NODES_PER_PASS: usize = 20;

/// Creates the services, lets all tasks come up, and then loses one node.
pub fn measure(nodes: u32, replicas: u32) -> Result<()> {
    let tasks = (SERVICES * replicas) as usize;
    let mut cluster = Cluster::with_nodes(nodes)?;
    let before = figure::resident()?;
    cluster.services(SERVICES, replicas, false)?;

    let began = processor_time()?;
    cluster.settle()?;
    figure::rate("million_create_to_assigned", tasks, processor_time()? - began);
    run_all(&mut cluster)?;
    figure::rate("million_create_to_running", tasks, processor_time()? - began);
    ensure!(cluster.count(TaskState::Running) == tasks, "not all tasks run");
    figure::tell(
        "million_bytes_per_task",
        (figure::resident()? - before) * 1048576.0 / tasks as f64,
        "bytes",
    );
    figure::tell("million_resident", figure::resident()?, "MiB");

    let began = processor_time()?;
    let lost = cluster.lose_a_node()?;
    cluster.settle()?;
    figure::tell(
        "million_node_loss_pass",
        (processor_time()? - began).as_secs_f64() * 1e3,
        "ms",
    );
    ensure!(cluster.state.load(lost) == 0, "the lost node still has wanted tasks");
    let left = cluster.in_place();
    ensure!(
        left == tasks,
        "after the loss of a node {left} of {tasks} tasks have a place"
    );
    Ok(())
}

/// Every agent reports each of its tasks as running.
fn run_all(cluster: &mut Cluster) -> Result<()> {
    let mut by_node: BTreeMap<NodeId, Vec<TaskOp>> = BTreeMap::new();
    for task in cluster.state.tasks() {
        if let Some(node) = task.node {
            by_node.entry(node).or_default().push(running(task, node));
        }
    }
    let mut reports = by_node.into_values().peekable();
    while reports.peek().is_some() {
        for ops in reports.by_ref().take(NODES_PER_PASS) {
            cluster.apply(Command::Tasks(ops))?;
        }
        cluster.pass()?;
    }
    Ok(())
}

fn running(task: &Task, node: NodeId) -> TaskOp {
    let mut status = task.status.clone();
    status.state = TaskState::Running;
    status.at = NOW;
    status.message = "started".to_owned();
    let report = StatusReport {
        node,
        task: task.id,
        status,
        heard: None,
    };
    TaskOp::Report(Box::new(report))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_tasks_run_and_have_a_place_again_after_a_loss() {
        measure(20, 1).unwrap();
    }

    #[test]
    fn a_lost_task_that_nobody_replaces_has_no_place() {
        let mut cluster = Cluster::with_nodes(2).unwrap();
        cluster.services(1, 2, false).unwrap();
        cluster.settle().unwrap();
        assert_eq!(cluster.in_place(), 2);
        cluster.lose_a_node().unwrap();
        assert_eq!(cluster.in_place(), 1);
    }
}
