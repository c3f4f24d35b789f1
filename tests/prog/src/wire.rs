//! Three nodes, containers and a client in namespaces joined by veths, with the programs attached: real sockets
//! through the real kernel paths that a test run cannot show (redirects, tunnel device, checksums).
//!
//! Node i (1 to 3): underlay 192.168.7.i over a switch, client leg 172.16.i.1, containers A, C or D (network 5000)
//! and E, G or H (ingress network). The client is 203.0.113.9 on both legs. Nothing outlives the process.

use std::fs::File;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::process::Command;

use abi::*;
use anyhow::{Context as _, Result};
use aya::programs::{CgroupAttachMode, CgroupSockAddr, SchedClassifier, TcAttachType};
use nix::sched::{CloneFlags, setns, unshare};

use crate::node::{Node, ip};
use crate::world::*;

/// A network namespace, alive as long as this value.
#[derive(Debug)]
pub struct Ns(File);

impl Ns {
    /// An empty one with `lo` up.
    ///
    /// # Errors
    /// No root.
    pub fn new() -> Result<Self> {
        let file = std::thread::spawn(|| -> Result<File> {
            unshare(CloneFlags::CLONE_NEWNET).context("a network namespace: run as root")?;
            ip("link set lo up")?;
            Ok(File::open("/proc/thread-self/ns/net")?)
        });
        Ok(Self(file.join().map_err(|_| anyhow::anyhow!("namespace thread"))??))
    }

    /// Runs `f` on a thread inside.
    pub fn run<T: Send>(&self, f: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|s| {
            let inside = s.spawn(|| {
                setns(&self.0, CloneFlags::CLONE_NEWNET).unwrap_or_else(|e| panic!("setns: {e}"));
                f()
            });
            inside.join().unwrap_or_else(|e| std::panic::resume_unwind(e))
        })
    }

    /// Runs several `ip` commands, one a line.
    ///
    /// # Errors
    /// The first that fails.
    pub fn ip(&self, lines: &str) -> Result<()> {
        self.run(|| lines.lines().map(str::trim).filter(|l| !l.is_empty()).try_for_each(ip))
    }

    /// A name that `ip ... netns` takes.
    fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd())
    }
}

/// A node of the pair with its namespaces; the programs are attached while it lives.
pub struct WireNode {
    /// The host.
    pub host: Ns,
    /// Container on network 5000.
    pub member: Ns,
    /// Container on the ingress network.
    pub task: Ns,
    /// Its tables.
    pub node: Node,
    number: u8,
}

/// The whole.
pub struct Wire {
    /// Node 1.
    pub one: WireNode,
    /// Node 2.
    pub two: WireNode,
    /// Node 3.
    pub three: WireNode,
    /// The client.
    pub client: Ns,
    switch: Ns,
}

impl Wire {
    /// Builds and attaches everything.
    ///
    /// # Errors
    /// No root, no object, no `ip`.
    pub fn new() -> Result<Self> {
        let (client, switch) = (Ns::new()?, Ns::new()?);
        client.ip("addr add 203.0.113.9/32 dev lo")?;
        switch.ip("link add name sw type bridge\nlink set dev sw up")?;
        let one = WireNode::new(1, A, E)?;
        let two = WireNode::new(2, C, G)?;
        let three = WireNode::new(3, D, H)?;
        let mut wire = Self {
            one,
            two,
            three,
            client,
            switch,
        };
        for i in 0..3 {
            wire.plug(i)?;
        }
        Ok(wire)
    }

    /// The nodes in order.
    pub fn nodes(&mut self) -> [&mut WireNode; 3] {
        [&mut self.one, &mut self.two, &mut self.three]
    }

    /// Joins a node to switch and client, fills its tables and attaches the programs.
    fn plug(&mut self, index: usize) -> Result<()> {
        let (client, switch) = (self.client.path(), self.switch.path());
        let n = &mut *self.nodes()[index];
        let i = n.number;
        n.host.ip(&format!(
            "link add name wire type veth peer name port{i} netns {switch}
             addr add 192.168.7.{i}/24 dev wire
             link set dev wire up mtu 1550
             link add name leg type veth peer name leg{i} netns {client}
             addr add 172.16.{i}.1/24 dev leg
             link set dev leg up
             route add 203.0.113.9/32 via 172.16.{i}.9"
        ))?;
        n.configure()?;
        n.attach()?;
        let members = [
            (A, VNI, 1),
            (C, VNI, 2),
            (D, VNI, 3),
            (E, VNI_FIRST, 1),
            (G, VNI_FIRST, 2),
            (H, VNI_FIRST, 3),
        ];
        for (addr, vni, home) in members {
            let flags = if vni == VNI_FIRST { PORT_INGRESS_ONLY } else { 0 };
            let netns = if home == i { n.netns_id(addr)? } else { 0 };
            let ifindex = if home == i { veth_index(addr) } else { 0 };
            let e = Endpoint {
                vtep: underlay(home).into(),
                ifindex,
                netns,
                mac: mac(addr),
                flags,
            };
            n.node.put(map::ENDPOINT, EndpointKey { vni, addr: addr.into() }, e);
        }
        self.switch.ip(&format!("link set dev port{i} mtu 1550 master sw up"))?;
        self.client.ip(&format!(
            "addr add 172.16.{i}.9/24 dev leg{i}
             link set dev leg{i} up
             route add 192.168.7.{i}/32 via 172.16.{i}.1"
        ))
    }
}

/// Underlay address of a node.
fn underlay(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(192, 168, 7, number)
}

fn veth_index(addr: Ipv4Addr) -> u32 {
    100 + u32::from(addr.octets()[3])
}

impl WireNode {
    fn new(number: u8, member: Ipv4Addr, task: Ipv4Addr) -> Result<Self> {
        let host = Ns::new()?;
        let node = host.run(Node::load)?;
        let mut this = Self {
            host,
            member: Ns::new()?,
            task: Ns::new()?,
            node,
            number,
        };
        this.host.ip(&format!(
            "link add ntl-host index 90 type veth peer name ntl-hostp index 91
             link set dev ntl-host address 02:00:00:00:00:aa up
             link set dev ntl-hostp up
             addr add {DNS_ADDR}/32 dev ntl-host
             route add {HOST_GATEWAY}/32 dev ntl-host src 127.0.0.1
             route add 169.254.64.0/18 dev ntl-host
             link add ntl-vx0 index 92 address 02:4e:54:4c:00:02 type vxlan external dstport 4789
             link set dev ntl-vx0 up"
        ))?;
        this.host
            .run(|| std::fs::write("/proc/sys/net/ipv4/conf/ntl-host/forwarding", "1"))?;
        this.container(member, VNI, PORT_GATEWAY)?;
        this.container(task, VNI_FIRST, PORT_GATEWAY | PORT_INGRESS_ONLY)?;
        Ok(this)
    }

    fn container(&mut self, addr: Ipv4Addr, vni: u32, flags: u16) -> Result<()> {
        let (ns, prefix) = if vni == VNI {
            (&self.member, 24)
        } else {
            (&self.task, 16)
        };
        let index = veth_index(addr);
        let m = mac(addr).map(|b| format!("{b:02x}")).join(":");
        self.host.ip(&format!(
            "link add name ntl{index} index {index} type veth peer name eth0 netns {}\nlink set dev ntl{index} up",
            ns.path()
        ))?;
        let gateway = Ipv4Addr::from(addr.to_bits() & 0xffff_ff00 | 1);
        ns.ip(&format!(
            "link set dev eth0 address {m} mtu 1450 up
             addr add {addr}/{prefix} dev eth0
             route add default via {gateway}"
        ))?;
        let index16 = u32::from(addr.octets()[3]);
        let port = Port {
            addr: addr.into(),
            vni,
            index: index16,
            mac: mac(addr),
            flags,
            prefix: 96 + prefix,
            reserved: [0; 3],
        };
        self.node.put(map::PORT, index, port);
        let client = DnsClient {
            addr: addr.into(),
            vni,
            ifindex: index,
            mac: mac(addr),
            reserved: [0; 2],
        };
        self.node.set(map::DNS_CLIENT, index16, client);
        Ok(())
    }

    fn configure(&mut self) -> Result<()> {
        let own = underlay(self.number);
        self.host
            .ip(&format!("route replace {HOST_GATEWAY}/32 dev ntl-host src {own}"))?;
        let cookie = self.host.run(|| -> Result<u64> {
            let socket = UdpSocket::bind("127.0.0.1:0")?;
            Ok(netns_cookie(&socket)?)
        })?;
        let config = Config {
            abi_version: ABI_VERSION,
            vx_ifindex: 92,
            host_ifindex: 90,
            hostp_ifindex: 91,
            vtep: own.into(),
            snat_addr: own.into(),
            netns_cookie: cookie,
            snat_port_min: SNAT_PORT_MIN,
            snat_port_max: SNAT_PORT_MAX,
            data_port: Be16::new(DATA_PORT),
            host_mac: HOST_MAC,
            reserved: [0; 4],
        };
        self.node.set(map::CONFIG, 0, config);
        for a in [own, Ipv4Addr::new(172, 16, self.number, 1)] {
            self.node.put(map::HOST_ADDR, Addr::from(a), 0u32);
        }
        for node in [NODE1, NODE2, NODE3] {
            self.node.put(map::PEER, Addr::from(node), 0u32);
        }
        Ok(())
    }

    fn attach(&mut self) -> Result<()> {
        let (host, node) = (&self.host, &mut self.node);
        host.run(|| -> Result<()> {
            let mut at = |program: &str, device: &str| -> Result<()> {
                let p: &mut SchedClassifier = node.program(program)?.try_into()?;
                p.attach(device, TcAttachType::Ingress)
                    .with_context(|| format!("{program} at {device}"))?;
                Ok(())
            };
            at(program::FROM_OVERLAY, "ntl-vx0")?;
            at(program::FROM_HOST, "ntl-hostp")?;
            at(program::FROM_UPLINK, "wire")?;
            at(program::FROM_UPLINK, "leg")
        })?;
        let local = [[A, E], [C, G], [D, H]][usize::from(self.number) - 1];
        for addr in local {
            host.run(|| -> Result<()> {
                let p: &mut SchedClassifier = node.program(program::FROM_CONTAINER)?.try_into()?;
                p.attach(&format!("ntl{}", veth_index(addr)), TcAttachType::Ingress)?;
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Id of a container's namespace as the host sees it, plus one.
    fn netns_id(&self, addr: Ipv4Addr) -> Result<u32> {
        let device = format!("ntl{}", veth_index(addr));
        let out = self
            .host
            .run(|| Command::new("ip").args(["link", "show", "dev", &device]).output())?;
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        let id = text
            .split("link-netnsid ")
            .nth(1)
            .and_then(|t| t.split_whitespace().next()?.parse::<u32>().ok());
        Ok(id.with_context(|| format!("no link-netnsid in {text}"))? + 1)
    }

    /// Attaches the socket hooks at the cgroup2 root; they act in this node's namespace only.
    ///
    /// # Errors
    /// No cgroup2 mount.
    pub fn hook(&mut self) -> Result<()> {
        let mounts = std::fs::read_to_string("/proc/mounts")?;
        let root = mounts
            .lines()
            .filter_map(|l| l.split_whitespace().nth(1).zip(l.split_whitespace().nth(2)));
        let (root, _) = { root }
            .find(|(_, kind)| *kind == "cgroup2")
            .context("no cgroup2 mount in /proc/mounts")?;
        let root = File::open(root)?;
        for name in [
            program::CONNECT4,
            program::SENDMSG4,
            program::RECVMSG4,
            program::GETPEERNAME4,
        ] {
            let p: &mut CgroupSockAddr = self.node.program(name)?.try_into()?;
            p.load()?;
            p.attach(&root, CgroupAttachMode::Single)?;
        }
        Ok(())
    }
}
