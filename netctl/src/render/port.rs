//! Published ports in cells of tables.

use model::{PublishMode, PublishedPort};

/// Ports that follow each other on both sides.
struct Run {
    published: (u16, u16),
    target: (u16, u16),
    first: PublishedPort,
}

impl Run {
    fn of(port: &PublishedPort) -> Self {
        Self {
            published: (port.published, port.published),
            target: (port.target, port.target),
            first: port.clone(),
        }
    }

    /// Takes a port in that goes on from the last one: to the next target port, or to the same from the beginning.
    fn takes(&mut self, port: &PublishedPort) -> bool {
        let next = |last: u16, number: u16| last.checked_add(1) == Some(number);
        let target = match self.target {
            (first, last) if first == last && self.published.0 != self.published.1 => port.target == last,
            (first, last) if first == last => port.target == last || next(last, port.target),
            (_, last) => next(last, port.target),
        };
        let fits = port.protocol == self.first.protocol && next(self.published.1, port.published) && target;
        if fits {
            (self.published.1, self.target.1) = (port.published, port.target);
        }
        fits
    }

    fn text(&self) -> String {
        let range = |(first, last): (u16, u16)| match first == last {
            true => first.to_string(),
            false => format!("{first}-{last}"),
        };
        format!(
            "*:{}->{}/{}",
            range(self.published),
            range(self.target),
            self.first.protocol
        )
    }
}

/// `*:8080-8081->80-81/tcp, *:53->53/udp`: what answers on every node. Ports of mode `host` are their tasks'.
pub fn ingress(ports: &[PublishedPort]) -> String {
    let mut ports: Vec<_> = ports.iter().filter(|port| port.mode == PublishMode::Ingress).collect();
    ports.sort_by_key(|port| (port.protocol, port.published));
    let mut runs: Vec<Run> = Vec::new();
    for port in ports {
        if !runs.last_mut().is_some_and(|run| run.takes(port)) {
            runs.push(Run::of(port));
        }
    }
    runs.iter().map(Run::text).collect::<Vec<_>>().join(", ")
}

/// `*:8080->80/tcp,*:53->53/udp`: what answers on the node of a task.
pub fn host(ports: &[PublishedPort]) -> String {
    let one = |port| Run::of(port).text();
    ports.iter().map(one).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use model::PortSpec;

    use super::*;

    fn published(texts: &[&str]) -> Vec<PublishedPort> {
        let specs = texts.iter().flat_map(|text| PortSpec::several(text).unwrap());
        let port = |spec: PortSpec| PublishedPort {
            published: spec.published.unwrap(),
            target: spec.target,
            protocol: spec.protocol,
            mode: spec.mode,
        };
        specs.map(port).collect()
    }

    #[test]
    fn ports_of_the_mesh_are_sorted_and_put_together() {
        for (texts, told) in [
            (&["8080:80"][..], "*:8080->80/tcp"),
            (
                &["53:53/udp", "8081:81", "8080:80"],
                "*:8080-8081->80-81/tcp, *:53->53/udp",
            ),
            (&["8080-8082:80"], "*:8080-8082->80/tcp"),
            (
                &["8080:80", "8081:80", "8082:81"],
                "*:8080-8081->80/tcp, *:8082->81/tcp",
            ),
            (&["8080:80", "8082:81"], "*:8080->80/tcp, *:8082->81/tcp"),
            (&["8080:81", "8081:80"], "*:8080->81/tcp, *:8081->80/tcp"),
            (&["published=80,target=80,mode=host", "81:81"], "*:81->81/tcp"),
            (&[], ""),
        ] {
            assert_eq!(ingress(&published(texts)), told);
        }
        assert_eq!(
            host(&published(&["8081:81", "8080:80"])),
            "*:8081->81/tcp,*:8080->80/tcp"
        );
    }
}
