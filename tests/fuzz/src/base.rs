//! The small cluster that inputs meet: a manager, a worker, a network, a service with a published port, its tasks.

use std::sync::LazyLock;

use control::{Dirty, Moment, pass, plan_create_network, plan_create_service, plan_init};
use model::{
    Cluster, ClusterId, ClusterSecrets, ClusterSettings, NetworkAttachment, NetworkId, NetworkSpec, NodeId, NodeState,
    RequestId, Role, ServiceId, ServiceSpec, Timestamp,
};
use store::{Command, Entry, Refused, State};

/// When everything happens.
pub(crate) const AT: Timestamp = Timestamp(1_000_000_000);

/// The network's id.
pub(crate) const BLUE: NetworkId = NetworkId::from_bits(20);
/// The service's id.
pub(crate) const WEB: ServiceId = ServiceId::from_bits(30);
/// The worker's id.
pub(crate) const WORKER: NodeId = NodeId::from_bits(2);

/// The state and the entries that made it. A clone is cheap.
pub(crate) fn cluster() -> &'static (State, Vec<Entry>) {
    static MADE: LazyLock<(State, Vec<Entry>)> = LazyLock::new(|| match made() {
        Ok(made) => made,
        Err(why) => panic!("the cluster that inputs meet cannot be made: {why}"),
    });
    &MADE
}

fn founded() -> Cluster {
    Cluster {
        id: ClusterId::from_bits(1),
        version: 0,
        created_at: AT,
        settings: ClusterSettings::default(),
        root_ca: String::new(),
        secrets: ClusterSecrets {
            worker_token: String::new(),
            manager_token: String::new(),
            root_ca_key: String::new(),
            unlock_key: String::new(),
        },
    }
}

fn made() -> Result<(State, Vec<Entry>), Refused> {
    let mut made = (State::default(), Vec::new());
    let addr = std::net::IpAddr::from([192, 0, 2, 1]);
    let Command::UpsertNode(mut first) = Command::join(NodeId::from_bits(1), AT, Role::Manager, addr) else {
        return Ok(made);
    };
    first.raft_id = Some(1);
    let init = plan_init(&made.0, founded(), *first, NetworkId::from_bits(10))?;
    carry_out(&mut made, init)?;
    carry_out(&mut made, Command::join(WORKER, AT, Role::Worker, addr))?;
    for id in [NodeId::from_bits(1), WORKER] {
        let (state, message) = (NodeState::Ready, String::new());
        let at = AT;
        carry_out(&mut made, Command::NodeStatus { id, at, state, message })?;
    }
    let blue = NetworkSpec::named("blue".parse().map_err(invalid)?);
    let command = plan_create_network(&made.0, BLUE, AT, blue)?;
    carry_out(&mut made, command)?;
    let command = plan_create_service(&made.0, WEB, AT, web()?)?;
    carry_out(&mut made, command)?;
    settle(&mut made)?;
    Ok(made)
}

/// The service as a user would write it.
pub(crate) fn web() -> Result<ServiceSpec, Refused> {
    let mut spec = ServiceSpec::new("web".parse().map_err(invalid)?, "image:1");
    spec.mode = model::Mode::Replicated { replicas: 2 };
    spec.networks = vec![NetworkAttachment {
        network: BLUE,
        aliases: Vec::new(),
    }];
    spec.ports = vec!["8080:80".parse().map_err(invalid)?];
    Ok(spec)
}

fn invalid(why: model::Invalid) -> Refused {
    Refused::Invalid(why.to_string())
}

/// What the leader would do: passes until nothing is left to decide, at most a few.
fn settle(made: &mut (State, Vec<Entry>)) -> Result<(), Refused> {
    let mut next = 1_000u128;
    for _ in 0..8 {
        let mut ids = || {
            next += 1;
            next
        };
        let commands = pass(&made.0, &Dirty::all(), Moment::settled(AT), &mut ids);
        if commands.is_empty() {
            break;
        }
        carry_out(made, Command::Batch(commands))?;
    }
    Ok(())
}

fn carry_out(made: &mut (State, Vec<Entry>), command: Command) -> Result<(), Refused> {
    let index = made.0.applied() + 1;
    let request = RequestId::from_bits(u128::from(index));
    let entry = Entry { request, command };
    made.1.push(entry.clone());
    made.0.apply(index, entry).map(|_| ())
}
