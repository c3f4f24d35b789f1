//! One node of the wire: its namespaces, devices, addresses and attached programs.

use std::fs::File;
use std::net::{Ipv4Addr, UdpSocket};
use std::process::Command;

use abi::*;
use anyhow::{Context as _, Result};
use aya::programs::tc::qdisc_add_clsact;
use aya::programs::{CgroupAttachMode, CgroupSockAddr, SchedClassifier, TcAttachType};

use super::Ns;
use crate::node::Node;
use crate::world::*;

/// A node with its namespaces; the programs are attached while it lives.
pub struct WireNode {
    /// The host.
    pub host: Ns,
    /// Where the resolver listens.
    pub resolver: Ns,
    /// Container on network 5000.
    pub member: Ns,
    /// Container on the ingress network.
    pub task: Ns,
    /// Its tables.
    pub node: Node,
    pub(super) number: u8,
}

/// Underlay address of a node.
pub(super) fn underlay(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(192, 168, 7, number)
}

/// Ifindex of the host end of an endpoint's veth.
pub(super) fn veth_index(addr: Ipv4Addr) -> u32 {
    100 + u32::from(addr.octets()[3])
}

impl WireNode {
    pub(super) fn new(number: u8, member: Ipv4Addr, task: Ipv4Addr) -> Result<Self> {
        let host = Ns::new()?;
        let node = host.run(Node::load)?;
        let mut this = Self {
            host,
            resolver: Ns::new()?,
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
             link set dev ntl-vx0 up
             link add ntl-dns index 93 type veth peer name eth0 netns {}
             link set dev ntl-dns up",
            this.resolver.path()
        ))?;
        let resolver_mac = RESOLVER_MAC.map(|b| format!("{b:02x}")).join(":");
        this.resolver.ip(&format!(
            "link set dev eth0 address {resolver_mac} up
             addr add {DNS_ADDR}/24 dev eth0
             route add default via {HOST_GATEWAY}"
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

    pub(super) fn configure(&mut self) -> Result<()> {
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
            resolver_ifindex: 93,
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

    pub(super) fn attach(&mut self) -> Result<()> {
        let (host, node) = (&self.host, &mut self.node);
        host.run(|| -> Result<()> {
            let mut at = |program: &str, device: &str| -> Result<()> {
                let p: &mut SchedClassifier = node.program(program)?.try_into()?;
                // Before 6.6 programs hang on this qdisc; later it is not needed and does no harm.
                let _ = qdisc_add_clsact(device);
                p.attach(device, TcAttachType::Ingress)
                    .with_context(|| format!("{program} at {device}"))?;
                Ok(())
            };
            at(program::FROM_OVERLAY, "ntl-vx0")?;
            at(program::FROM_HOST, "ntl-hostp")?;
            at(program::FROM_HOST, "ntl-dns")?;
            at(program::FROM_UPLINK, "wire")?;
            at(program::FROM_UPLINK, "leg")
        })?;
        let local = [[A, E], [C, G], [D, H]][usize::from(self.number) - 1];
        for addr in local {
            host.run(|| -> Result<()> {
                let p: &mut SchedClassifier = node.program(program::FROM_CONTAINER)?.try_into()?;
                let device = format!("ntl{}", veth_index(addr));
                let _ = qdisc_add_clsact(&device);
                p.attach(&device, TcAttachType::Ingress)?;
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Id of a container's namespace as the host sees it, plus one.
    pub(super) fn netns_id(&self, addr: Ipv4Addr) -> Result<u32> {
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
