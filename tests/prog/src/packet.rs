//! Frames: built from parts with right checksums, taken apart again with every checksum verified.

use std::net::Ipv4Addr;

use abi::{GATEWAY_MAC, IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP, Mac};

/// TCP flags: SYN.
pub const SYN: u8 = 2;
/// TCP flags: ACK.
pub const ACK: u8 = 16;
/// TCP flags: FIN and ACK.
pub const FIN: u8 = 17;
/// TCP flags: RST and ACK.
pub const RST: u8 = 20;

/// Data of the ready-made frames: long enough that a frame has 64 bytes.
const DATA: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz012345";

/// What a frame says, and its way to bytes and back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Ethernet destination.
    pub dst_mac: Mac,
    /// Ethernet source.
    pub src_mac: Mac,
    /// IPv4 source.
    pub src: Ipv4Addr,
    /// IPv4 destination.
    pub dst: Ipv4Addr,
    /// IP identification.
    pub id: u16,
    /// Fragment field as it lies in the header: 0x2000 = more, low 13 bits = offset / 8.
    pub fragment: u16,
    /// Layer 4.
    pub body: Body,
}

/// Layer 4 of a [`Frame`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// TCP with flags.
    Tcp(u16, u16, u8, Vec<u8>),
    /// UDP.
    Udp(u16, u16, Vec<u8>),
    /// ICMP echo: type, identifier, data.
    Echo(u8, u16, Vec<u8>),
    /// ICMP error: type, code, the packet it quotes from its IP header on.
    Error(u8, u8, Vec<u8>),
    /// Anything else, or a later fragment.
    Raw(u8, Vec<u8>),
}

/// A frame with zero MACs.
pub fn ip(src: Ipv4Addr, dst: Ipv4Addr, body: Body) -> Frame {
    Frame {
        dst_mac: GATEWAY_MAC,
        src_mac: [0; 6],
        src,
        dst,
        id: 7,
        fragment: 0,
        body,
    }
}

/// TCP segment with some data.
pub fn tcp(src: Ipv4Addr, sport: u16, dst: Ipv4Addr, dport: u16, flags: u8) -> Frame {
    ip(src, dst, Body::Tcp(sport, dport, flags, DATA.to_vec()))
}

/// UDP datagram with some data.
pub fn udp(src: Ipv4Addr, sport: u16, dst: Ipv4Addr, dport: u16) -> Frame {
    ip(src, dst, Body::Udp(sport, dport, DATA.to_vec()))
}

/// An ICMP error (host unreachable) about `about`, quoting its IP header and 8 bytes.
pub fn unreachable(from: Ipv4Addr, about: &Frame) -> Frame {
    let quoted = about.bytes()[14..14 + 28].to_vec();
    ip(from, about.src, Body::Error(3, 1, quoted))
}

/// An ARP request.
pub fn arp(sender_mac: Mac, sender: Ipv4Addr, target: Ipv4Addr) -> Vec<u8> {
    let mut b = vec![0xff; 6];
    b.extend(sender_mac);
    b.extend([0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1]);
    b.extend(sender_mac);
    b.extend(sender.octets());
    b.extend([0; 6]);
    b.extend(target.octets());
    b
}

/// One's complement sum of 16-bit words.
fn sum(bytes: &[u8], mut acc: u32) -> u32 {
    for pair in bytes.chunks(2) {
        acc += u32::from(u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)]));
    }
    while acc >> 16 != 0 {
        acc = (acc & 0xffff) + (acc >> 16);
    }
    acc
}

impl Frame {
    /// Sets the source MAC.
    pub fn from_mac(mut self, mac: Mac) -> Self {
        self.src_mac = mac;
        self
    }
    /// Sets identification and fragment field.
    pub fn fragment(mut self, id: u16, fragment: u16) -> Self {
        self.id = id;
        self.fragment = fragment;
        self
    }

    fn pseudo(&self, proto: u8, len: usize) -> u32 {
        let mut b = self.src.octets().to_vec();
        b.extend(self.dst.octets());
        b.extend([0, proto]);
        b.extend((len as u16).to_be_bytes());
        sum(&b, 0)
    }

    fn layer4(&self) -> (u8, Vec<u8>) {
        let (proto, mut b, at) = match &self.body {
            Body::Tcp(s, d, flags, data) => {
                let mut b = [s.to_be_bytes(), d.to_be_bytes()].concat();
                b.extend([0, 0, 0, 1, 0, 0, 0, 2, 0x50, *flags, 0x20, 0, 0, 0, 0, 0]);
                b.extend(data);
                (IPPROTO_TCP, b, 16)
            }
            Body::Udp(s, d, data) => {
                let mut b = [
                    s.to_be_bytes(),
                    d.to_be_bytes(),
                    (8 + data.len() as u16).to_be_bytes(),
                    [0, 0],
                ]
                .concat();
                b.extend(data);
                (IPPROTO_UDP, b, 6)
            }
            Body::Echo(kind, id, data) => {
                let mut b = vec![*kind, 0, 0, 0];
                b.extend(id.to_be_bytes());
                b.extend([0, 1]);
                b.extend(data);
                (IPPROTO_ICMP, b, 2)
            }
            Body::Error(kind, code, data) => {
                let mut b = vec![*kind, *code, 0, 0, 0, 0, 0, 0];
                b.extend(data);
                (IPPROTO_ICMP, b, 2)
            }
            Body::Raw(proto, data) => return (*proto, data.clone()),
        };
        let start = if proto == IPPROTO_ICMP {
            0
        } else {
            self.pseudo(proto, b.len())
        };
        let c = !(sum(&b, start) as u16);
        b[at..at + 2].copy_from_slice(&c.to_be_bytes());
        (proto, b)
    }

    /// The bytes, checksums filled in.
    pub fn bytes(&self) -> Vec<u8> {
        let (proto, l4) = self.layer4();
        let mut b = self.dst_mac.to_vec();
        b.extend(self.src_mac);
        b.extend([0x08, 0]);
        let mut h = vec![0x45, 0];
        h.extend((20 + l4.len() as u16).to_be_bytes());
        h.extend(self.id.to_be_bytes());
        h.extend(self.fragment.to_be_bytes());
        h.extend([64, proto, 0, 0]);
        h.extend(self.src.octets());
        h.extend(self.dst.octets());
        let c = !(sum(&h, 0) as u16);
        h[10..12].copy_from_slice(&c.to_be_bytes());
        b.extend(h);
        b.extend(l4);
        b
    }

    /// Takes bytes apart and verifies the IP checksum, the layer 4 checksum of a whole packet, and
    /// the checksum of a quoted IP header.
    ///
    /// # Errors
    /// Names the checksum or field that is wrong.
    pub fn parse(b: &[u8]) -> Result<Self, String> {
        if b.len() < 34 || b[12..15] != [0x08, 0, 0x45] {
            return Err("no plain IPv4 frame".into());
        }
        let h = &b[14..34];
        if sum(h, 0) != 0xffff {
            return Err("IP checksum".into());
        }
        let half = |at: usize| u16::from_be_bytes([b[at], b[at + 1]]);
        let quad = |at: usize| Ipv4Addr::new(b[at], b[at + 1], b[at + 2], b[at + 3]);
        let mac = |at: usize| -> Mac { std::array::from_fn(|i| b[at + i]) };
        let mut f = Frame {
            dst_mac: mac(0),
            src_mac: mac(6),
            src: quad(26),
            dst: quad(30),
            id: half(18),
            fragment: half(20),
            body: Body::Raw(h[9], b[34..].to_vec()),
        };
        let l4 = &b[34..];
        if f.fragment & 0x1fff != 0 {
            return Ok(f);
        }
        if f.fragment == 0 {
            f.verify(h[9], l4)?;
        }
        f.body = match (h[9], l4.first()) {
            (IPPROTO_TCP, _) => Body::Tcp(half(34), half(36), l4[13], l4[20..].to_vec()),
            (IPPROTO_UDP, _) => Body::Udp(half(34), half(36), l4[8..].to_vec()),
            (IPPROTO_ICMP, Some(kind @ (0 | 8))) => Body::Echo(*kind, half(38), l4[8..].to_vec()),
            (IPPROTO_ICMP, Some(kind)) => {
                if sum(&l4[8..28], 0) != 0xffff {
                    return Err("quoted IP checksum".into());
                }
                Body::Error(*kind, l4[1], l4[8..].to_vec())
            }
            _ => f.body,
        };
        Ok(f)
    }

    fn verify(&self, proto: u8, l4: &[u8]) -> Result<(), String> {
        let right = match proto {
            IPPROTO_TCP => sum(l4, self.pseudo(proto, l4.len())) == 0xffff,
            IPPROTO_UDP => l4[6..8] == [0, 0] || sum(l4, self.pseudo(proto, l4.len())) == 0xffff,
            IPPROTO_ICMP => sum(l4, 0) == 0xffff,
            _ => true,
        };
        if right {
            Ok(())
        } else {
            Err(format!("layer 4 checksum of {self:?}"))
        }
    }

    /// Source and destination as `address:port` (an echo's identifier stands for both ports).
    pub fn ends(&self) -> (String, String) {
        let (s, d) = match self.body {
            Body::Tcp(s, d, ..) | Body::Udp(s, d, _) => (s, d),
            Body::Echo(_, id, _) => (id, id),
            _ => (0, 0),
        };
        (format!("{}:{s}", self.src), format!("{}:{d}", self.dst))
    }

    /// Of an ICMP error: source and destination of the quoted packet.
    pub fn quoted_ends(&self) -> (String, String) {
        let Body::Error(_, _, q) = &self.body else {
            return (String::new(), String::new());
        };
        let port = |at: usize| u16::from_be_bytes([q[at], q[at + 1]]);
        let addr = |at: usize| Ipv4Addr::new(q[at], q[at + 1], q[at + 2], q[at + 3]);
        (
            format!("{}:{}", addr(12), port(20)),
            format!("{}:{}", addr(16), port(22)),
        )
    }

    /// Source port.
    pub fn sport(&self) -> u16 {
        match self.body {
            Body::Tcp(s, ..) | Body::Udp(s, ..) => s,
            Body::Echo(_, id, _) => id,
            _ => 0,
        }
    }
}

impl Frame {
    /// Layer 4 as it is on the wire.
    pub fn bytes_of_layer4(&self) -> Vec<u8> {
        self.layer4().1
    }
}
