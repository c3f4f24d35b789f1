//! Why a value was refused. Each variant is a fact; its text names the object, the limit and the way out.

use thiserror::Error;

/// A value that a constructor of this crate refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[allow(
    missing_docs,
    reason = "the message of each variant says what it and its fields mean"
)]
pub enum Invalid {
    #[error("invalid {kind} id \"{text}\": an id has 25 characters of 0-9 and a-z")]
    Id { kind: &'static str, text: String },
    #[error(
        "invalid {kind} name \"{text}\": names have 1 to 63 characters of a-z, A-Z, 0-9, \"-\", \"_\" and \".\", and begin and end with a letter or digit"
    )]
    Name { kind: &'static str, text: String },
    #[error("invalid VNI {0}: must be between 4096 and 16777199")]
    Vni(u32),
    #[error("invalid subnet {0}: needs a prefix between /8 and /29, and no bits set after it")]
    Subnet(String),
    #[error("gateway {gateway} is not a host address of subnet {subnet}")]
    Gateway { gateway: String, subnet: String },
    #[error(
        "invalid port \"{0}\": use [PUBLISHED:]TARGET[/tcp|udp], each a port between 1 and 65535 or a range of them"
    )]
    Port(String),
    #[error("invalid port \"{0}\": SCTP is not built yet: use tcp or udp")]
    Sctp(String),
    #[error("invalid port \"{0}\": a range goes up, and is published as one of the same length or to a single port")]
    PortRange(String),
    #[error("invalid environment variable \"{0}\": use NAME=VALUE")]
    Env(String),
    #[error(
        "invalid constraint \"{0}\": use KEY==VALUE or KEY!=VALUE with node.id, node.hostname, node.role, node.ip, node.platform.os, node.platform.arch, node.labels.NAME or engine.labels.NAME"
    )]
    Constraint(String),
    #[error("invalid image reference \"{0}\": use [REGISTRY/]NAME[:TAG][@DIGEST]")]
    Image(String),
    #[error("port {port}/{protocol} is published twice by the same service")]
    PortTwice { port: u16, protocol: String },
    #[error("network {0} is attached twice by the same service")]
    NetworkTwice(String),
    #[error(
        "endpoint mode dnsrr cannot publish ports through the ingress mesh: use --endpoint-mode vip or publish with mode=host"
    )]
    DnsrrPublish,
    #[error("{0} parts of a million are no share: a ratio is between 0 and 1")]
    Ratio(u32),
    #[error("invalid canary share {0}: must be between 1% and 99%; to update all tasks leave --canary out")]
    CanaryShare(String),
    #[error("invalid placement preference \"{0}\": use spread=node.labels.NAME or spread=engine.labels.NAME")]
    Spread(String),
    #[error("invalid generic resource \"{0}\": use KIND=AMOUNT with an amount of at least 1")]
    GenericResource(String),
    #[error(
        "generic resource {0} has two amounts, or an amount and names: use one KIND=AMOUNT, or a KIND=NAME for each"
    )]
    ResourceTwice(String),
    #[error("invalid {what} {number}: must be at least 0 (0: none)")]
    Negative { what: &'static str, number: i64 },
    #[error("invalid memory limit {0}: must be at least 6 MiB, below that no process starts")]
    MemoryLimit(i64),
    #[error("invalid memory swappiness: must be between 0 and 100, or -1 for the engine's default")]
    Swappiness,
    #[error("invalid probe \"{0}\": use tcp://:PORT or http://:PORT/PATH with a port of the container")]
    Probe(String),
    #[error("a service has a probe or a health check by command, not both: drop one of them")]
    ProbeAndHealthCheck,
    #[error("invalid probe of {target}: interval and timeout must be at least 100 ms, failures at least 1")]
    ProbeTimes { target: String },
    #[error("invalid health check: {0}")]
    HealthCheck(&'static str),
    #[error("invalid mount at \"{target}\": {reason}")]
    Mount { target: String, reason: &'static str },
    #[error("duplicate mount point: {0} is used twice")]
    MountTwice(String),
    #[error("invalid target of {kind} \"{name}\": {reason}")]
    PayloadTarget {
        kind: &'static str,
        name: String,
        reason: &'static str,
    },
    #[error("{kind} {name} has {bytes} bytes: must have between 1 and {max}")]
    PayloadSize {
        kind: &'static str,
        name: String,
        bytes: usize,
        max: usize,
    },
    #[error("a job ends by itself: restart condition \"any\" does not fit, use \"none\" or \"on-failure\"")]
    JobRestartAny,
    #[error("a job is not updated in steps: --update-* and --rollback-* flags do not fit mode \"{0}\"")]
    JobUpdate(&'static str),
    #[error("a job publishes no ports through the ingress mesh in mode \"{0}\": publish with mode=host")]
    JobPublish(&'static str),
    #[error("invalid schedule \"{text}\": {why}; use MINUTE HOUR DAY MONTH WEEKDAY as in crontab(5), as \"0 3 * * *\"")]
    Schedule { text: String, why: String },
    #[error("a schedule is for jobs: it does not fit mode \"{0}\", use --mode replicated-job or global-job")]
    ScheduleWithoutJob(&'static str),
    #[error("a rollback cannot roll back: its failure action is \"pause\" or \"continue\"")]
    RollbackOfRollback,
    #[error("invalid {what} \"{text}\": {way}")]
    Word {
        what: &'static str,
        text: String,
        way: &'static str,
    },
    #[error(transparent)]
    Template(#[from] crate::TemplateError),
    #[error("task state cannot go back from {from} to {to}")]
    Backwards { from: &'static str, to: &'static str },
    #[error("invalid MAC address \"{0}\"")]
    Mac(String),
    #[error(
        "invalid join token: use the whole text SWMTKN-1-... as printed by \"netctl swarm join-token worker\" on a manager"
    )]
    Token,
    #[error("minimum certificate expiry time is: 1h0m0s, maximum 10 years; {0:?} was given")]
    CertExpiry(std::time::Duration),
    #[error("heartbeat period {0} ms: must be between 100 ms and 1 h")]
    Heartbeat(u32),
    #[error("heartbeat grace {0}: a node must be allowed to miss between 2 and 100 heartbeats")]
    HeartbeatGrace(u32),
    #[error("snapshot interval {0}: must be between 100 and 10000000 log entries")]
    SnapshotInterval(u64),
}
