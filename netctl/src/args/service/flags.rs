//! Flags that `service create` and `service update` share: each sets one part of the spec, and leaves it alone when it is
//! not given.

use clap::{Args, ValueEnum};

/// How the service's name is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum EndpointModeArg {
    /// By a virtual IP
    Vip,
    /// By the tasks' addresses
    Dnsrr,
}

/// When an ended task is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RestartConditionArg {
    /// Never
    None,
    /// When it failed
    OnFailure,
    /// Always
    Any,
}

/// What follows when an update fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FailureActionArg {
    /// Stop where it is
    Pause,
    /// Go on
    Continue,
    /// Go back to the previous spec
    Rollback,
}

/// Which task of a slot comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OrderArg {
    /// The new one
    StartFirst,
    /// The end of the old one
    StopFirst,
}

/// When an image is pulled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PullArg {
    /// For each task
    Always,
    /// When the node does not have it
    Missing,
    /// Not at all
    Never,
}

/// All of them.
#[derive(Debug, Args)]
pub struct ServiceFlags {
    #[command(flatten)]
    pub mode: ModeFlags,
    #[command(flatten)]
    pub container: ContainerFlags,
    #[command(flatten)]
    pub health: HealthFlags,
    #[command(flatten)]
    pub resources: ResourceFlags,
    #[command(flatten)]
    pub restart: RestartFlags,
    #[command(flatten)]
    pub update: UpdateFlags,
    #[command(flatten)]
    pub rollback_policy: RollbackFlags,
}

/// How many tasks, where, and how they are reached.
#[derive(Debug, Args)]
pub struct ModeFlags {
    /// Number of tasks
    #[arg(long)]
    pub replicas: Option<u32>,
    /// Number of job tasks to run concurrently (default equal to --replicas)
    #[arg(long, value_name = "N")]
    pub max_concurrent: Option<u32>,
    /// When a job runs, as in crontab(5): "0 3 * * *"; "" ends that
    #[arg(long, value_name = "CRON")]
    pub schedule: Option<String>,
    /// Time zone of --schedule (default UTC)
    #[arg(long, value_name = "ZONE")]
    pub schedule_timezone: Option<String>,
    /// What if a run takes longer than the time to the next: "skip", "queue" or "replace" (default skip)
    #[arg(long, value_name = "POLICY")]
    pub schedule_overlap: Option<String>,
    /// Maximum number of tasks per node (0 = unlimited)
    #[arg(long, value_name = "N")]
    pub replicas_max_per_node: Option<u32>,
    /// Endpoint mode
    #[arg(long, value_enum)]
    pub endpoint_mode: Option<EndpointModeArg>,
    /// Send registry authentication details to swarm agents
    #[arg(long)]
    pub with_registry_auth: bool,
    /// Do not query the registry to resolve image digest (netctl never does)
    #[arg(long, hide = true)]
    pub no_resolve_image: bool,
    /// Service container isolation mode (Windows only: refused)
    #[arg(long, hide = true)]
    pub isolation: Option<String>,
    /// Credential spec for managed service account (Windows only: refused)
    #[arg(long, hide = true)]
    pub credential_spec: Option<String>,
}

/// What runs in the container.
#[derive(Debug, Args)]
pub struct ContainerFlags {
    /// Container hostname
    #[arg(long)]
    pub hostname: Option<String>,
    /// Overwrite the default ENTRYPOINT of the image
    #[arg(long, value_name = "COMMAND", allow_hyphen_values = true)]
    pub entrypoint: Option<String>,
    /// Working directory inside the container
    #[arg(short, long, value_name = "DIR")]
    pub workdir: Option<String>,
    /// Username or UID (format: <name|uid>[:<group|gid>])
    #[arg(short, long)]
    pub user: Option<String>,
    /// Allocate a pseudo-TTY
    #[arg(short, long)]
    pub tty: Option<bool>,
    /// Use an init inside each service container to forward signals and reap processes
    #[arg(long)]
    pub init: Option<bool>,
    /// Mount the container's root filesystem as read only
    #[arg(long)]
    pub read_only: Option<bool>,
    /// Signal to stop the container
    #[arg(long, value_name = "SIGNAL")]
    pub stop_signal: Option<String>,
    /// Time to wait before force killing a container (ns|us|ms|s|m|h) (default 10s)
    #[arg(long, value_name = "DURATION")]
    pub stop_grace_period: Option<String>,
    /// Tune host's OOM preferences (-1000 to 1000)
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub oom_score_adj: Option<i32>,
    /// Logging driver for service
    #[arg(long, value_name = "DRIVER")]
    pub log_driver: Option<String>,
    /// Logging driver options
    #[arg(long, value_name = "KEY=VALUE")]
    pub log_opt: Vec<String>,
    /// Give the container all rights of its host; needs "netctl swarm update --allow-privileged"
    #[arg(long)]
    pub privileged: Option<bool>,
    /// When nodes pull the image (default missing)
    #[arg(long, value_enum)]
    pub pull: Option<PullArg>,
}

/// How it is found out whether a task is well.
#[derive(Debug, Args)]
pub struct HealthFlags {
    /// Command to run to check health
    #[arg(long, value_name = "COMMAND")]
    pub health_cmd: Option<String>,
    /// Time between running the check (ms|s|m|h)
    #[arg(long, value_name = "DURATION")]
    pub health_interval: Option<String>,
    /// Maximum time to allow one check to run (ms|s|m|h)
    #[arg(long, value_name = "DURATION")]
    pub health_timeout: Option<String>,
    /// Consecutive failures needed to report unhealthy
    #[arg(long, value_name = "N")]
    pub health_retries: Option<u32>,
    /// Start period for the container to initialize before counting retries towards unstable (ms|s|m|h)
    #[arg(long, value_name = "DURATION")]
    pub health_start_period: Option<String>,
    /// Time between running the check during the start period (ms|s|m|h)
    #[arg(long, value_name = "DURATION")]
    pub health_start_interval: Option<String>,
    /// Disable any container-specified HEALTHCHECK
    #[arg(long)]
    pub no_healthcheck: bool,
    /// Let the node ask the task from outside: tcp://:PORT or http://:PORT/PATH; "none" ends that
    #[arg(long, value_name = "ADDRESS")]
    pub probe: Option<String>,
    /// Time between two questions of the probe (default 1s)
    #[arg(long, value_name = "DURATION")]
    pub probe_interval: Option<String>,
    /// Maximum time to wait for an answer to the probe (default 1s)
    #[arg(long, value_name = "DURATION")]
    pub probe_timeout: Option<String>,
    /// Failed probes in a row that replace the task; the first one takes it out of the balancing (default 3)
    #[arg(long, value_name = "N")]
    pub probe_failures: Option<u32>,
    /// How long after its start failed probes do not replace the task (default 0s)
    #[arg(long, value_name = "DURATION")]
    pub probe_start_period: Option<String>,
    /// Command in the container that says by its exit code whether the task takes traffic; "" ends that
    #[arg(long, value_name = "COMMAND")]
    pub ready_cmd: Option<String>,
}

/// What a task may use, and what is set aside for it.
#[derive(Debug, Args)]
pub struct ResourceFlags {
    /// Limit CPUs
    #[arg(long, value_name = "DECIMAL")]
    pub limit_cpu: Option<String>,
    /// Limit Memory
    #[arg(long, value_name = "BYTES")]
    pub limit_memory: Option<String>,
    /// Limit maximum number of processes (default 0 = unlimited)
    #[arg(long, value_name = "N")]
    pub limit_pids: Option<i64>,
    /// Reserve CPUs
    #[arg(long, value_name = "DECIMAL")]
    pub reserve_cpu: Option<String>,
    /// Reserve Memory
    #[arg(long, value_name = "BYTES")]
    pub reserve_memory: Option<String>,
    /// Limit of memory and swap together: '-1' to enable unlimited swap
    #[arg(long, value_name = "BYTES", allow_hyphen_values = true)]
    pub memory_swap: Option<String>,
    /// Tune memory swappiness (0 to 100), -1 to reset to default
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub memory_swappiness: Option<i64>,
}

/// How ended tasks are replaced.
#[derive(Debug, Args)]
pub struct RestartFlags {
    /// Restart when condition is met (default any)
    #[arg(long, value_enum)]
    pub restart_condition: Option<RestartConditionArg>,
    /// Delay between restart attempts (ns|us|ms|s|m|h) (default 5s)
    #[arg(long, value_name = "DURATION")]
    pub restart_delay: Option<String>,
    /// Maximum number of restarts before giving up (default 0: no limit)
    #[arg(long, value_name = "N")]
    pub restart_max_attempts: Option<u32>,
    /// Window used to evaluate the restart policy (ns|us|ms|s|m|h)
    #[arg(long, value_name = "DURATION")]
    pub restart_window: Option<String>,
}

/// How tasks are replaced when the spec changes.
#[derive(Debug, Args)]
pub struct UpdateFlags {
    /// Maximum number of tasks updated simultaneously (0 to update all at once) (default 1)
    #[arg(long = "update-parallelism", id = "update-parallelism", value_name = "N")]
    pub parallelism: Option<u32>,
    /// Delay between task updates (ns|us|ms|s|m|h) (default 0s)
    #[arg(long = "update-delay", id = "update-delay", value_name = "DURATION")]
    pub delay: Option<String>,
    /// Duration after each task update to monitor for failure (ns|us|ms|s|m|h) (default 5s)
    #[arg(long = "update-monitor", id = "update-monitor", value_name = "DURATION")]
    pub monitor: Option<String>,
    /// Failure rate to tolerate during an update (default 0)
    #[arg(
        long = "update-max-failure-ratio",
        id = "update-max-failure-ratio",
        value_name = "RATIO"
    )]
    pub max_failure_ratio: Option<f64>,
    /// Update order (default stop-first)
    #[arg(long = "update-order", id = "update-order", value_enum)]
    pub order: Option<OrderArg>,
    /// Action on update failure (default pause)
    #[arg(long = "update-failure-action", id = "update-failure-action", value_enum)]
    pub failure_action: Option<FailureActionArg>,
}

/// How they are replaced on the way back.
#[derive(Debug, Args)]
pub struct RollbackFlags {
    /// Maximum number of tasks rolled back simultaneously (0 to roll back all at once) (default 1)
    #[arg(long = "rollback-parallelism", id = "rollback-parallelism", value_name = "N")]
    pub parallelism: Option<u32>,
    /// Delay between task rollbacks (ns|us|ms|s|m|h) (default 0s)
    #[arg(long = "rollback-delay", id = "rollback-delay", value_name = "DURATION")]
    pub delay: Option<String>,
    /// Duration after each task rollback to monitor for failure (ns|us|ms|s|m|h) (default 5s)
    #[arg(long = "rollback-monitor", id = "rollback-monitor", value_name = "DURATION")]
    pub monitor: Option<String>,
    /// Failure rate to tolerate during a rollback (default 0)
    #[arg(
        long = "rollback-max-failure-ratio",
        id = "rollback-max-failure-ratio",
        value_name = "RATIO"
    )]
    pub max_failure_ratio: Option<f64>,
    /// Rollback order (default stop-first)
    #[arg(long = "rollback-order", id = "rollback-order", value_enum)]
    pub order: Option<OrderArg>,
    /// Action on rollback failure (default pause)
    #[arg(long = "rollback-failure-action", id = "rollback-failure-action", value_enum)]
    pub failure_action: Option<FailureActionArg>,
}
