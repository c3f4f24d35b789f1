//! Datagrams that go one way only, to nodes that do not answer: what the other end hears of them tells the ways apart. When
//! one way is blocked both nodes miss their answers, probe each other for as long, and one of them hears the other.
//!
//! The programs put them into the tunnel as if they were answers to probes (`decide::probe`): no socket of the host may
//! write to a data port itself.

use std::{collections::BTreeSet, io, net::Ipv4Addr};

use tokio::net::UdpSocket;

/// Between the receiver's tunnel endpoint, by which the program finds it, and the sender's.
const MARK: &[u8; 8] = b"ntl-1way";
/// Room for one of them; what is longer is none.
const LENGTH: usize = 16;

/// Both ends of one node's one-way datagrams.
pub(super) struct OneWay {
    own: Ipv4Addr,
    socket: UdpSocket,
    heard: BTreeSet<Ipv4Addr>,
}

impl OneWay {
    /// Of the node whose tunnel endpoint is `own`. Fails while another round of probes is under way.
    pub(super) async fn open(own: Ipv4Addr) -> io::Result<Self> {
        Ok(Self {
            own,
            socket: UdpSocket::bind((abi::DNS_ADDR, abi::ONE_WAY_PORT.get())).await?,
            heard: BTreeSet::new(),
        })
    }

    /// Sends one to a node. That it could not be sent is seen by its not being heard.
    pub(super) async fn send(&self, to: Ipv4Addr) {
        let target = (abi::PROBE_ADDR, abi::ONE_WAY_PORT.get());
        let _ = self.socket.send_to(&content(to, self.own), target).await;
    }

    /// The tunnel endpoints of the nodes that were heard until now.
    pub(super) fn heard(&mut self) -> &BTreeSet<Ipv4Addr> {
        let mut buffer = [0; LENGTH + 1];
        while let Ok((length, from)) = self.socket.try_recv_from(&mut buffer) {
            let content = buffer.get(..length).unwrap_or_default();
            if from.ip() == abi::PROBE_ADDR {
                self.heard.extend(sender(content, self.own));
            }
        }
        &self.heard
    }
}

fn content(to: Ipv4Addr, own: Ipv4Addr) -> Vec<u8> {
    [&to.octets()[..], MARK, &own.octets()].concat()
}

/// Who sent this, if it is for the node `own`.
fn sender(content: &[u8], own: Ipv4Addr) -> Option<Ipv4Addr> {
    let (to, rest) = content.split_first_chunk::<4>()?;
    let octets: [u8; 4] = rest.strip_prefix(MARK.as_slice())?.try_into().ok()?;
    (Ipv4Addr::from(*to) == own).then(|| Ipv4Addr::from(octets))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datagram_begins_with_its_target_and_names_its_sender() {
        let [one, two] = [1, 2].map(|last| Ipv4Addr::new(192, 0, 2, last));
        let sent = content(two, one);
        assert_eq!((&sent[..4], sent.len()), (&two.octets()[..], LENGTH));
        assert_eq!(sender(&sent, two), Some(one));
        assert_eq!(sender(&sent, one), None, "it is for another node");
        assert_eq!(sender(&sent[..15], two), None);
        assert_eq!(sender(b"something else", two), None);
    }
}
