//! The deciders alone, on one thread, without Raft: the shapes of Swarmkit's `BenchmarkScheduler*`. Two figures a shape:
//! the scheduler (tasks that have everything but a node), and a whole pass (services that have no tasks yet: orchestrator,
//! allocator and scheduler). Both end when the state has the decisions. Time is the thread's time on a processor, so that
//! other work on the machine does not count.

use anyhow::{Result, ensure};
use model::TaskState;

use crate::{
    cluster::Cluster,
    figure::{self, processor_time},
};

/// One shape.
struct Shape {
    name: &'static str,
    nodes: u32,
    tasks: u32,
    services: u32,
    /// Every fifth node fulfils the services' constraint.
    constrained: bool,
}

const SHAPES: [Shape; 8] = [
    shape("1k_nodes_1k_tasks", 1_000, 1_000, 1),
    shape("1k_nodes_10k_tasks", 1_000, 10_000, 1),
    shape("1k_nodes_100k_tasks", 1_000, 100_000, 1),
    shape("1k_nodes_100k_tasks_1k_services", 1_000, 100_000, 1_000),
    Shape {
        constrained: true,
        ..shape("1k_nodes_10k_tasks_constraint", 1_000, 10_000, 1)
    },
    Shape {
        constrained: true,
        ..shape("5k_nodes_100k_tasks_constraint", 5_000, 100_000, 1)
    },
    shape("100k_nodes_100k_tasks", 100_000, 100_000, 1),
    shape("100k_nodes_100k_tasks_1k_services", 100_000, 100_000, 1_000),
];

const fn shape(name: &'static str, nodes: u32, tasks: u32, services: u32) -> Shape {
    Shape {
        name,
        nodes,
        tasks,
        services,
        constrained: false,
    }
}

/// Measures the shapes whose name contains `only`.
pub fn measure(only: &str) -> Result<()> {
    for shape in SHAPES.iter().filter(|shape| shape.name.contains(only)) {
        let tasks = shape.tasks as usize;
        let mut cluster = Cluster::with_nodes(shape.nodes)?;
        cluster.services(shape.services, shape.tasks / shape.services, shape.constrained)?;
        let mut waiting = cluster.clone();

        let began = processor_time()?;
        cluster.settle()?;
        figure::rate(&format!("pass_{}", shape.name), tasks, processor_time()? - began);
        ensure!(
            cluster.count(TaskState::Assigned) == tasks,
            "{}: not all placed",
            shape.name
        );

        waiting.create_pending(&cluster)?;
        let began = processor_time()?;
        waiting.settle()?;
        figure::rate(&format!("scheduler_{}", shape.name), tasks, processor_time()? - began);
        ensure!(
            waiting.count(TaskState::Assigned) == tasks,
            "{}: not all placed",
            shape.name
        );
    }
    Ok(())
}
