//! What a container finds under `/etc` about names: who resolves them, and its own. As the engine writes them for a
//! container in a network of its own.

use std::{fmt::Write, net::IpAddr};

use model::DnsConfig;

use super::ContainerRequest;

/// Where a container looks for its resolver.
pub const RESOLV_CONF: &str = "/etc/resolv.conf";
/// Where a container looks for names before it asks.
pub const HOSTS: &str = "/etc/hosts";

/// Names of the loopback device and of groups, as the engine has them.
const LOOPBACK: &str = "127.0.0.1\tlocalhost\n\
    ::1\tlocalhost ip6-localhost ip6-loopback\n\
    fe00::0\tip6-localnet\n\
    ff00::0\tip6-mcastprefix\n\
    ff02::1\tip6-allnodes\n\
    ff02::2\tip6-allrouters\n";

/// `resolv.conf(5)` of a container. Only `resolver` knows the names of services; it asks other name servers itself. What
/// the service does not say of domains and options is as the `host` has it in its own file.
pub fn resolv_conf(dns: &DnsConfig, resolver: IpAddr, host: &str) -> String {
    let mut search = dns.search.clone();
    if search.is_empty() {
        search = words(host, "search");
    }
    let mut options = dns.options.clone();
    if options.is_empty() {
        options = words(host, "options");
    }
    // Names of services have no dots, and are asked for as they are before a domain is put behind them.
    if !options.iter().any(|option| option.starts_with("ndots:")) {
        options.push("ndots:0".to_owned());
    }
    let mut text = format!("nameserver {resolver}\n");
    // A single dot is how to say: none.
    if !search.is_empty() && search != ["."] {
        let _ = writeln!(text, "search {}", search.join(" "));
    }
    let _ = writeln!(text, "options {}", options.join(" "));
    text
}

/// The words of the last line of that kind, which is the one that counts.
fn words(text: &str, kind: &str) -> Vec<String> {
    let lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let last = lines.rev().find(|words| words.first() == Some(&kind));
    last.into_iter()
        .flat_map(|words| words.into_iter().skip(1).map(ToOwned::to_owned))
        .collect()
}

/// `hosts(5)` of a container that is called `host_name`: its own addresses, and what its service adds.
pub fn hosts(request: &ContainerRequest, host_name: &str) -> String {
    let mut text = LOOPBACK.to_owned();
    for line in &request.spec.hosts {
        let mut words = line.split_whitespace();
        let address = words.next().unwrap_or_default();
        for name in words {
            let _ = writeln!(text, "{address}\t{name}");
        }
    }
    // A name with a domain is found without it, too.
    let short = host_name.split_once('.').map_or("", |(short, _)| short);
    for endpoint in &request.endpoints {
        let line = format!("{}\t{host_name} {short}", endpoint.address.addr());
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::{NodeFacts, container_request, fixture};
    use super::*;

    const HOST: &str = "nameserver 192.0.2.1\nsearch old\nsearch a.example b.example\noptions timeout:2\n";

    #[test]
    fn the_nodes_resolver_is_asked_with_domains_and_options_of_service_or_host() {
        let resolver = "169.254.63.53".parse().unwrap();
        let text = resolv_conf(&DnsConfig::default(), resolver, HOST);
        assert_eq!(
            text,
            "nameserver 169.254.63.53\nsearch a.example b.example\noptions timeout:2 ndots:0\n"
        );
        let dns = DnsConfig {
            nameservers: vec!["192.0.2.9".parse().unwrap()],
            search: vec!["c.example".to_owned()],
            options: vec!["ndots:2".to_owned()],
        };
        let text = resolv_conf(&dns, resolver, HOST);
        assert_eq!(text, "nameserver 169.254.63.53\nsearch c.example\noptions ndots:2\n");
        let none = DnsConfig {
            search: vec![".".to_owned()],
            ..DnsConfig::default()
        };
        assert_eq!(
            resolv_conf(&none, resolver, ""),
            "nameserver 169.254.63.53\noptions ndots:0\n"
        );
    }

    #[test]
    fn a_container_finds_its_own_name_and_those_of_its_service() {
        let (view, mut task) = (fixture::view(), fixture::task(1));
        let container = std::sync::Arc::make_mut(&mut task.container);
        container.hosts = vec!["192.0.2.1 db db.example".to_owned()];
        let facts = NodeFacts {
            os: "linux",
            arch: "x86_64",
        };
        let request = container_request(&view, &task, facts).unwrap();
        let text = hosts(&request, "web.example");
        assert!(text.starts_with("127.0.0.1\tlocalhost\n::1\tlocalhost "), "{text}");
        assert!(text.contains("192.0.2.1\tdb\n192.0.2.1\tdb.example\n"), "{text}");
        assert!(text.contains("\n10.1.0.5\tweb.example web\n"), "{text}");
        assert!(hosts(&request, "4f6a").contains("\n10.1.0.5\t4f6a\n"));
    }
}
