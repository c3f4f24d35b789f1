//! The small cluster that inputs meet: a manager, a worker, a network, a secret, a service with a published port that uses
//! both, its tasks; a root that signs, and a token for workers.

use std::sync::LazyLock;

use control::{Dirty, Moment, pass, plan_create_network, plan_create_payload, plan_create_service, plan_init};
use model::{
    Cluster, ClusterId, ClusterSecrets, ClusterSettings, JoinToken, NetworkAttachment, NetworkId, NetworkSpec, NodeId,
    NodeState, PayloadBytes, PayloadId, PayloadKind, PayloadRef, PayloadSpec, RequestId, Role, ServiceId, ServiceSpec,
    Timestamp,
};
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, PKCS_ECDSA_P256_SHA256};
use store::{Command, Entry, NewPayload, Refused, State};

/// When everything happens.
pub(crate) const AT: Timestamp = Timestamp(1_000_000_000);

/// The network's id.
pub(crate) const BLUE: NetworkId = NetworkId::from_bits(20);
/// The service's id.
pub(crate) const WEB: ServiceId = ServiceId::from_bits(30);
/// The secret's id.
pub(crate) const PASSWORD: PayloadId = PayloadId::from_bits(40);
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

/// The token that makes workers.
pub(crate) fn token() -> JoinToken {
    let (digest, secret) = ([7; 32], [9; 16]);
    JoinToken { digest, secret }
}

/// A signing request, PEM, that can be signed.
pub(crate) fn signing_request() -> &'static str {
    static MADE: LazyLock<String> = LazyLock::new(|| {
        let made = key().and_then(|key| CertificateParams::default().serialize_request(&key)?.pem());
        made.unwrap_or_else(|why| panic!("no signing request can be made: {why}"))
    });
    &MADE
}

fn key() -> Result<KeyPair, rcgen::Error> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)
}

/// Certificate and key of a root, PEM.
fn root() -> Result<(String, String), rcgen::Error> {
    let (key, mut params) = (key()?, CertificateParams::default());
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(1));
    Ok((params.self_signed(&key)?.pem(), key.serialize_pem()))
}

fn founded() -> Result<Cluster, Refused> {
    let (root_ca, root_ca_key) = root().map_err(|why| Refused::Invalid(why.to_string()))?;
    Ok(Cluster {
        id: ClusterId::from_bits(1),
        version: 0,
        created_at: AT,
        settings: ClusterSettings::default(),
        root_ca,
        secrets: ClusterSecrets {
            worker_token: token().to_string(),
            manager_token: String::new(),
            root_ca_key,
            unlock_key: String::new(),
        },
    })
}

fn made() -> Result<(State, Vec<Entry>), Refused> {
    let mut made = (State::default(), Vec::new());
    let addr = std::net::IpAddr::from([192, 0, 2, 1]);
    let Command::UpsertNode(mut first) = Command::join(NodeId::from_bits(1), AT, Role::Manager, addr) else {
        return Ok(made);
    };
    first.raft_id = Some(1);
    let init = plan_init(&made.0, founded()?, *first, NetworkId::from_bits(10))?;
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
    let command = plan_create_payload(&made.0, password()?)?;
    carry_out(&mut made, command)?;
    let command = plan_create_service(&made.0, WEB, AT, web()?)?;
    carry_out(&mut made, command)?;
    settle(&mut made)?;
    Ok(made)
}

fn password() -> Result<NewPayload, Refused> {
    let name = "password".parse().map_err(invalid)?;
    Ok(NewPayload {
        id: PASSWORD,
        at: AT,
        kind: PayloadKind::Secret,
        spec: PayloadSpec {
            name,
            labels: std::collections::BTreeMap::new(),
            templated: false,
        },
        bytes: PayloadBytes::new(b"swordfish"),
    })
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
    spec.container.secrets = vec![PayloadRef {
        id: PASSWORD,
        name: "password".parse().map_err(invalid)?,
        target: "password".to_owned(),
        uid: "0".to_owned(),
        gid: "0".to_owned(),
        mode: 0o444,
    }];
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

/// A log entry that nobody had before.
pub(crate) fn entry(command: Command) -> Entry {
    let request = RequestId::from_bits(u128::MAX);
    Entry { request, command }
}

fn carry_out(made: &mut (State, Vec<Entry>), command: Command) -> Result<(), Refused> {
    let index = made.0.applied() + 1;
    let request = RequestId::from_bits(u128::from(index));
    let entry = Entry { request, command };
    made.1.push(entry.clone());
    made.0.apply(index, entry).map(|_| ())
}
