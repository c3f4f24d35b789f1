//! Containers of a node: what each assigned task needs next, and what its container is made from.
//!
//! Called by the agent's worker after every change (a new view, an engine event, a finished operation). Pure: the
//! worker applies what comes out and asks again. Task states only grow; one operation per task is in flight at a time.

mod alone;
mod answers;
mod let_go;
mod lifecycle;
mod names;
mod request;
mod template;

#[cfg(test)]
pub(crate) mod fixture;

pub use alone::{Ended, PATIENCE, has_ended, next_again, run_again};
pub use answers::{Answers, Asked};
pub use let_go::{LONGEST, LetGo, kept_until};
pub(crate) use lifecycle::later;
pub use lifecycle::{Container, ContainerState, Local, Standing, Step, next, next_unassigned};
pub use names::{HOSTS, RESOLV_CONF, hosts, resolv_conf};
pub use request::{
    ContainerRequest, EndpointRequest, FileRequest, TASK_LABEL, Unprepared, container_request, host_name,
};
pub use template::NodeFacts;
