//! Where a node is from now on whose address has gone from this host, by the rules of `swarm init` and `swarm join`. Pure.

use std::net::IpAddr;

use crate::{
    advertise::{ChoiceError, HostAddr, choose, choose_towards},
    state::NodeState,
};

/// The place of a node that was at `place`; the same if nothing of it has gone. What the user typed comes first, as soon
/// as the host has it; then the address as it is; then the only candidate, or the one that `routed` names.
pub fn relocate(
    place: &NodeState,
    host: &[HostAddr],
    routed: impl FnOnce() -> Option<IpAddr>,
) -> Result<NodeState, ChoiceError> {
    let has = |addr: IpAddr| host.iter().any(|h| h.addr == addr);
    let given = |option, text: &str| {
        let typed = Some(text).filter(|text| !text.is_empty());
        typed.and_then(|text| choose(option, text, host).ok())
    };
    let mut new = place.clone();
    let old = place.advertise_addr.ip();
    let advertised = match given("--advertise-addr", &place.advertise_given) {
        Some(typed) => typed.ip(),
        None if has(old) => old,
        None => choose_towards("--advertise-addr", "", host, routed)?.ip(),
    };
    new.advertise_addr.set_ip(advertised);
    new.data_path_addr = match given("--data-path-addr", &place.data_path_given) {
        Some(typed) => typed.ip(),
        None if place.data_path_addr != old && has(place.data_path_addr) => place.data_path_addr,
        None => advertised,
    };
    let bound = place.listen_addr.ip();
    if !bound.is_unspecified() && !has(bound) {
        new.listen_addr.set_ip(advertised);
    }
    Ok(new)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(pairs: &[(&str, &str)]) -> Vec<HostAddr> {
        let addr = |(device, addr): &(&str, &str)| HostAddr {
            device: (*device).into(),
            addr: addr.parse().unwrap(),
        };
        pairs.iter().map(addr).collect()
    }

    fn place(advertise: &str, listen: &str, data: &str) -> NodeState {
        let (advertise, listen) = (advertise.parse().unwrap(), listen.parse().unwrap());
        NodeState::new(advertise, listen, data.parse().unwrap())
    }

    fn nowhere() -> Option<IpAddr> {
        None
    }

    #[test]
    fn what_is_there_stays() {
        let place = place("192.0.2.1:2377", "192.0.2.1:2377", "192.0.2.1");
        let host = host(&[("eth0", "192.0.2.1"), ("eth1", "198.51.100.1")]);
        assert_eq!(relocate(&place, &host, nowhere).unwrap(), place);
    }

    #[test]
    fn the_only_candidate_takes_the_place_of_all_that_has_gone() {
        let old = place("192.0.2.1:2999", "192.0.2.1:2999", "192.0.2.1");
        let new = relocate(&old, &host(&[("lo", "127.0.0.1"), ("eth0", "192.0.2.7")]), nowhere).unwrap();
        assert_eq!(new, place("192.0.2.7:2999", "192.0.2.7:2999", "192.0.2.7"));
    }

    #[test]
    fn of_several_the_one_towards_a_manager_and_without_one_nothing_changes() {
        let old = place("192.0.2.1:2377", "0.0.0.0:2377", "203.0.113.1");
        let host = host(&[("eth0", "192.0.2.7"), ("eth1", "203.0.113.1")]);
        assert!(matches!(relocate(&old, &host, nowhere), Err(ChoiceError::Ambiguous(_))));
        let new = relocate(&old, &host, || "192.0.2.7".parse().ok()).unwrap();
        assert_eq!(new, place("192.0.2.7:2377", "0.0.0.0:2377", "203.0.113.1"));
    }

    #[test]
    fn what_the_user_typed_is_followed_and_returned_to() {
        let mut old = place("192.0.2.1:2377", "0.0.0.0:2377", "192.0.2.1");
        old.advertise_given = "eth0".to_owned();
        let both = host(&[("eth0", "192.0.2.9"), ("eth1", "198.51.100.1")]);
        assert_eq!(
            relocate(&old, &both, nowhere).unwrap().advertise_addr.ip(),
            both[0].addr
        );
        let other = host(&[("eth1", "198.51.100.1")]);
        let new = relocate(&old, &other, nowhere).unwrap();
        assert_eq!(new.advertise_addr.ip(), other[0].addr);
        assert_eq!(relocate(&new, &both, nowhere).unwrap().data_path_addr, both[0].addr);
    }
}
