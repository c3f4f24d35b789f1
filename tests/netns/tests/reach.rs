//! Probes of the data port between real network halves.

use std::net::IpAddr;

use agent::{network::Network, probe};
use anyhow::{Result, anyhow};
use model::{NodeView, PeerView};
use netns::{Lab, node_id, vtep};
use plan::tasks::CurrentView;
use tokio::runtime::Runtime;

/// The nodes that node 1 does not reach.
fn unreached(lab: &Lab, view: &NodeView) -> Result<Vec<String>> {
    let runtime = Runtime::new()?;
    let failures = lab.nodes[0].ns.run(|| runtime.block_on(probe::probe(Some(view), &[])));
    Ok(failures.into_iter().map(|failure| failure.node).collect())
}

#[test]
fn a_probe_tells_who_answers_at_the_data_port_and_who_does_not() -> Result<()> {
    let mut lab = Lab::new()?;
    lab.reconcile()?;
    let mut view = NodeView::clone(&lab.cluster.view(1));
    assert_eq!(unreached(&lab, &view)?, Vec::<String>::new(), "{}", lab.figures());
    view.peers.push(PeerView {
        node: node_id(3),
        hostname: "n3".to_owned(),
        vtep: IpAddr::V4(vtep(3)),
    });
    let told = lab.nodes[0]
        .network()?
        .reconcile(CurrentView::from_managers(view.clone().into()));
    Runtime::new()?.block_on(told).map_err(|error| anyhow!("{error}"))?;
    assert_eq!(unreached(&lab, &view)?, [node_id(3).to_string()]);
    // The other node's programs answer without its daemon.
    lab.nodes[1].crash();
    assert_eq!(unreached(&lab, &view)?, [node_id(3).to_string()]);
    Ok(())
}

#[test]
fn the_end_that_a_blocked_way_leads_away_from_is_heard() -> Result<()> {
    let mut lab = Lab::new()?;
    lab.reconcile()?;
    let rule = format!("iptables -I INPUT -p udp --dport 4789 -s {} -j DROP", vtep(2));
    lab.nodes[0].ns.output(&rule)?;
    let heard = |number: u8| -> Result<Vec<Option<bool>>> {
        let view = lab.cluster.view(number);
        let runtime = Runtime::new()?;
        let asked = || runtime.block_on(probe::probe(Some(&view), &[]));
        let failures = lab.nodes[usize::from(number) - 1].ns.run(asked);
        Ok(failures.into_iter().map(|failure| failure.heard).collect())
    };
    let (first, second) = std::thread::scope(|scope| {
        let first = scope.spawn(|| heard(1));
        let second = heard(2);
        (first.join(), second)
    });
    let first = first.map_err(|_| anyhow!("the probe of node 1 panicked"))??;
    assert_eq!(
        (first, second?),
        (vec![Some(false)], vec![Some(true)]),
        "{}",
        lab.figures()
    );
    Ok(())
}
