//! Datagrams that go one way only, to nodes that do not answer: what the other end hears of them tells the ways apart. When
//! one way is blocked both nodes miss their answers, probe each other for as long, and one of them hears the other.
//!
//! Nothing in the kernel sends such a datagram, so the agent makes the whole of it: an answer to a probe that nobody sent,
//! in VXLAN, from a socket of the host. Over there it comes through the tunnel as every answer does (`decide::probe`).

use std::{collections::BTreeSet, io, net::Ipv4Addr};

use abi::Mac;
use tokio::net::UdpSocket;

/// Where these datagrams are heard, on the agent's own address.
const HEARD_PORT: u16 = 9;
/// Begins the content; the sender's tunnel endpoint follows.
const MARK: &[u8; 8] = b"ntl-1way";
/// VXLAN: the VNI is valid.
const VXLAN_FLAGS: u8 = 0x08;
const IPV4_TYPE: [u8; 2] = [0x08, 0x00];
/// Time to live of the inner packet, which no router sees.
const TTL: u8 = 64;

/// Both ends of one node's one-way datagrams.
pub(super) struct OneWay {
    own: Ipv4Addr,
    data_port: u16,
    out: UdpSocket,
    ear: UdpSocket,
    heard: BTreeSet<Ipv4Addr>,
}

impl OneWay {
    /// Of the node whose tunnel endpoint is `own`. Fails while another round of probes is under way.
    pub(super) async fn open(own: Ipv4Addr, data_port: u16) -> io::Result<Self> {
        Ok(Self {
            own,
            data_port,
            out: UdpSocket::bind((own, 0)).await?,
            ear: UdpSocket::bind((abi::DNS_ADDR, HEARD_PORT)).await?,
            heard: BTreeSet::new(),
        })
    }

    /// Sends one to a node. That it could not be sent is seen by its not being heard.
    pub(super) async fn send(&self, to: Ipv4Addr) {
        let _ = self.out.send_to(&datagram(self.own), (to, self.data_port)).await;
    }

    /// The tunnel endpoints of the nodes that were heard until now.
    pub(super) fn heard(&mut self) -> &BTreeSet<Ipv4Addr> {
        let mut buffer = [0; 64];
        while let Ok((length, from)) = self.ear.try_recv_from(&mut buffer) {
            let content = buffer.get(..length).unwrap_or_default();
            if let Some(sender) = sender(content).filter(|_| from.ip() == abi::PROBE_ADDR) {
                self.heard.insert(sender);
            }
        }
        &self.heard
    }
}

fn sender(content: &[u8]) -> Option<Ipv4Addr> {
    let octets: [u8; 4] = content.strip_prefix(MARK.as_slice())?.try_into().ok()?;
    Some(Ipv4Addr::from(octets))
}

/// The whole of a datagram of the node with this tunnel endpoint, from the VXLAN header on (RFC 7348).
fn datagram(own: Ipv4Addr) -> Vec<u8> {
    let content = [MARK.as_slice(), &own.octets()].concat();
    let udp = udp(&content);
    let [_, vni @ ..] = abi::VNI_PROBE_REPLY.to_be_bytes();
    let mut all = vec![VXLAN_FLAGS, 0, 0, 0];
    all.extend(vni);
    all.push(0);
    // A VXLAN device drops what seems to come from itself, and that of every node has the same MAC.
    let (to, from): (Mac, Mac) = (abi::VXLAN_MAC, abi::GATEWAY_MAC);
    all.extend([to, from].concat());
    all.extend(IPV4_TYPE);
    all.extend(ipv4(udp.len()));
    all.extend(udp);
    all
}

/// Without a checksum, which IPv4 allows.
fn udp(content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(8 + content.len()).unwrap_or(u16::MAX);
    let fields = [abi::PROBE_PORT.get(), HEARD_PORT, length, 0];
    let mut all: Vec<u8> = fields.into_iter().flat_map(u16::to_be_bytes).collect();
    all.extend(content);
    all
}

fn ipv4(content: usize) -> Vec<u8> {
    let length = u16::try_from(20 + content).unwrap_or(u16::MAX).to_be_bytes();
    let mut header = vec![0x45, 0, length[0], length[1], 0, 0, 0, 0, TTL, abi::IPPROTO_UDP, 0, 0];
    header.extend(abi::PROBE_ADDR.octets());
    header.extend(abi::DNS_ADDR.octets());
    let sum = checksum(&header).to_be_bytes();
    header.splice(10..12, sum);
    header
}

/// RFC 1071.
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| match pair {
        [high, low] => u32::from(u16::from_be_bytes([*high, *low])),
        [high] => u32::from(*high) << 8,
        _ => 0,
    });
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datagram_is_an_answer_to_a_probe_and_names_its_sender() {
        let own = Ipv4Addr::new(192, 0, 2, 1);
        let all = datagram(own);
        let (vxlan, rest) = all.split_at(8);
        assert_eq!(vxlan, [8, 0, 0, 0, 0xff, 0xff, 0xf3, 0]);
        let (ethernet, rest) = rest.split_at(14);
        assert_eq!(ethernet[..6], abi::VXLAN_MAC);
        assert_ne!(ethernet[6..12], abi::VXLAN_MAC, "the device would take it for its own");
        let (ip, udp) = rest.split_at(20);
        assert_eq!(checksum(ip), 0, "its own checksum included");
        assert_eq!(usize::from(u16::from_be_bytes([ip[2], ip[3]])), rest.len());
        assert_eq!(udp[..4], [0, 7, 0, 9]);
        assert_eq!(sender(&udp[8..]), Some(own));
        assert_eq!(sender(b"something"), None);
    }
}
