//! The host's own resolvers, where names that are not ours are asked.

use std::net::IpAddr;

/// The file as the host has it.
const RESOLV_CONF: &str = "/etc/resolv.conf";

/// Name servers of the host that can be asked from here, in order. Ones on loopback are left out only if asked by
/// containers would not work; they are asked by this process, on the host, where loopback works.
pub fn read() -> Vec<IpAddr> {
    parse(&std::fs::read_to_string(RESOLV_CONF).unwrap_or_default())
}

fn parse(text: &str) -> Vec<IpAddr> {
    let server = |line: &str| {
        let mut words = line.split_whitespace();
        let address = (words.next()? == "nameserver").then(|| words.next())??;
        // A zone ("fe80::1%eth0") names a device; such servers are link-local and not used.
        address.parse().ok()
    };
    text.lines().filter_map(server).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_servers_are_read_in_order() {
        let text = "# comment\nsearch a b\nnameserver 192.0.2.1\n nameserver 2001:db8::1\nnameserver fe80::1%eth0\n";
        let expected: Vec<IpAddr> = vec!["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()];
        assert_eq!(parse(text), expected);
    }
}
