//! Tries to reach every manager and every other node, when the managers ask: what a firewall blocks is found before a
//! user misses it.
//!
//! The control port of a manager by a TCP connection. The data port of a node by a datagram that goes through the tunnel
//! and that the other node's program sends back (`decide::probe`), so that it tells of the whole way, both directions,
//! whether or not a daemon runs over there. Which of them is blocked is told by datagrams that go one way (`one_way`).

mod one_way;

use std::{
    collections::BTreeMap,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use futures::future::join_all;
use model::{NodeView, PeerView};
use tokio::{
    net::{TcpStream, UdpSocket},
    time::{Instant, timeout, timeout_at},
};
use wire::pb;

use self::one_way::OneWay;

/// A node or manager that has not answered within this is not reached.
const PATIENCE: Duration = Duration::from_secs(2);
/// Probes of the data port are repeated this often within it: a lost datagram is no firewall.
const TRIES: u32 = 5;
/// Room for an answer; it is as long as its question.
const ANSWER: usize = 64;

/// Probes all; `managers` are `HOST:PORT`.
pub async fn probe(view: Option<&NodeView>, managers: &[String]) -> Vec<pb::ProbeFailure> {
    let data = async {
        match view {
            Some(view) => data_ports(view).await,
            None => Vec::new(),
        }
    };
    let (mut failures, data) = tokio::join!(control_ports(managers), data);
    failures.extend(data);
    failures
}

async fn control_ports(managers: &[String]) -> Vec<pb::ProbeFailure> {
    let outcomes = join_all(managers.iter().map(|addr| timeout(PATIENCE, TcpStream::connect(addr)))).await;
    let failed = managers.iter().zip(outcomes).filter_map(|(addr, outcome)| {
        let reason = match outcome {
            Ok(Ok(_)) => return None,
            Ok(Err(error)) => error.to_string(),
            Err(_) => no_answer(),
        };
        Some(pb::ProbeFailure {
            kind: pb::ProbeKind::Control.into(),
            addr: addr.clone(),
            node: String::new(),
            reason,
            heard: None,
        })
    });
    failed.collect()
}

fn no_answer() -> String {
    format!("no answer within {PATIENCE:?}")
}

async fn data_ports(view: &NodeView) -> Vec<pb::ProbeFailure> {
    let (own, others): (Vec<_>, Vec<_>) = view.peers.iter().partition(|p| p.node == view.node);
    let mut silent: BTreeMap<Ipv4Addr, &PeerView> = others.iter().filter_map(|p| Some((v4(p.vtep)?, *p))).collect();
    let own = own.first().and_then(|own| v4(own.vtep));
    let mut one_way = match own {
        Some(own) => OneWay::open(own).await.ok(),
        None => None,
    };
    let reason = match ask(&mut silent, one_way.as_ref()).await {
        Ok(()) => no_answer(),
        Err(error) => format!("the tunnel of this node is not up: {error}"),
    };
    let failed = silent.into_iter().map(|(addr, peer)| pb::ProbeFailure {
        kind: pb::ProbeKind::Data.into(),
        addr: peer.vtep.to_string(),
        node: peer.node.to_string(),
        reason: reason.clone(),
        heard: one_way.as_mut().map(|one_way| one_way.heard().contains(&addr)),
    });
    failed.collect()
}

fn v4(addr: IpAddr) -> Option<Ipv4Addr> {
    match addr {
        IpAddr::V4(v4) => Some(v4),
        IpAddr::V6(_) => None,
    }
}

/// Sends probes to all that are silent and takes away who answers, until nobody is left or their time is over.
async fn ask(silent: &mut BTreeMap<Ipv4Addr, &PeerView>, one_way: Option<&OneWay>) -> io::Result<()> {
    let socket = UdpSocket::bind((abi::DNS_ADDR, 0)).await?;
    let mark: [u8; 8] = random()?;
    for _ in 0..TRIES {
        let until = Instant::now() + PATIENCE / TRIES;
        for addr in silent.keys() {
            let question = [addr.octets().as_slice(), &mark].concat();
            // One that cannot be sent is one that is not answered.
            let _ = socket
                .send_to(&question, (abi::PROBE_ADDR, abi::PROBE_PORT.get()))
                .await;
            if let Some(one_way) = one_way {
                one_way.send(*addr).await;
            }
        }
        let mut buffer = [0; ANSWER];
        while !silent.is_empty() {
            let Ok(received) = timeout_at(until, socket.recv_from(&mut buffer)).await else {
                break;
            };
            let Ok((length, SocketAddr::V4(from))) = received else {
                continue;
            };
            let answer = buffer.get(..length).unwrap_or_default();
            if let Some((addr, rest)) = answer.split_first_chunk::<4>()
                && *from.ip() == abi::PROBE_ADDR
                && *rest == mark
            {
                silent.remove(&Ipv4Addr::from(*addr));
            }
        }
        if silent.is_empty() {
            break;
        }
    }
    Ok(())
}

/// Tells answers to this round from those to an earlier one.
fn random() -> io::Result<[u8; 8]> {
    let mut mark = [0; 8];
    getrandom::fill(&mut mark).map_err(|e| io::Error::other(e.to_string()))?;
    Ok(mark)
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_manager_that_listens_is_reached_and_another_is_named() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let open = listener.local_addr().unwrap().to_string();
        let closed = "127.0.0.1:1".to_owned();
        let failures = probe(None, &[open, closed.clone()]).await;
        assert_eq!(failures.len(), 1, "{failures:?}");
        assert_eq!(
            (&failures[0].addr, failures[0].kind()),
            (&closed, pb::ProbeKind::Control)
        );
        assert!(failures[0].reason.contains("refused"), "{}", failures[0].reason);
    }
}
