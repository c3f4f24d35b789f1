//! Life of a flow record: whether it still counts, what a packet changes in it, how a new one gets
//! its place in both directions.
//!
//! A record outlives its connection (the tables are LRU and nothing sweeps them), hence the state
//! bits: both FINs or one RST end it. The record of the other direction is found by reversing
//! [`Flow::to`], so that either side's packets keep both records' state equal.

use abi::*;

use crate::tables::{Created, Table, Tables};
use crate::work::{Kind, TCP_FIN, TCP_RST, Work};

/// How long the stamp of a record in use may lag, in its unit (2^30 ns): writes stay rare.
const STAMP_LAG: u32 = 16;
/// After this the place of a closed connection may be given to another, in stamp units (about TIME_WAIT).
const CLOSED_AGE: u32 = 60;
/// After this the place of a silent TCP connection may: above two hours of keepalive.
const TCP_AGE: u32 = 8000;
/// After this the place of a silent datagram flow may.
const DATAGRAM_AGE: u32 = 180;
/// How many source ports are tried before a flow is refused.
const PORT_TRIES: u32 = 24;

/// Where source ports are taken from.
#[derive(Clone, Copy)]
pub(crate) struct Ports {
    /// The lowest.
    pub first: u16,
    /// How many.
    pub span: u16,
}

impl Ports {
    /// Inside the usual ephemeral range.
    pub(crate) const EPHEMERAL: Self = Self {
        first: 32768,
        span: 28000,
    };
}

/// Who sent the packet.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// The one that opened the flow.
    Client,
    /// The one that answers.
    Server,
}

/// Whether the record's place may be given to another flow.
#[inline(always)]
fn is_reusable(flow: &Flow, now: u32) -> bool {
    let age = now.wrapping_sub(flow.stamp);
    let limit = if flow.is_closed() {
        CLOSED_AGE
    } else if flow.to.proto == IPPROTO_TCP {
        TCP_AGE
    } else {
        DATAGRAM_AGE
    };
    age > limit
}

/// Books a packet on the record it hit (`w.key` in `table`) and, when it closes, on the other one. After a silence the
/// other one is put back if it has been evicted: each is kept young by its own direction only.
#[inline(always)]
pub(crate) fn touch<T: Tables>(t: &T, w: &mut Work, table: Table, other: Table, flow: &Flow, side: Side) {
    let bits = closing_bits(w, side);
    let now = t.now();
    let news = bits & !flow.state != 0;
    let lags = now.wrapping_sub(flow.stamp) > STAMP_LAG;
    if !news && !lags {
        return;
    }
    t.note(table, &w.key, bits, now);
    w.partner.tuple = flow.to.reversed();
    w.partner.scope = flow.scope;
    w.partner.via = flow.via;
    if lags {
        w.flow = *flow;
        w.flow.to = w.key.tuple.reversed();
        w.flow.scope = w.key.scope;
        w.flow.via = w.key.via;
        w.flow.stamp = now;
        // Taken is what it should be.
        let _ = t.create(other, &w.partner, &w.flow);
    }
    if news {
        t.note(other, &w.partner, bits, now);
    }
}

/// State bits that a packet adds to its flow.
#[inline(always)]
fn closing_bits(w: &Work, side: Side) -> u8 {
    if w.packet.kind != Kind::Tcp {
        return 0;
    }
    let fin = match side {
        Side::Client => STATE_FIN_CLIENT,
        Side::Server => STATE_FIN_SERVER,
    };
    let mut bits = 0;
    if w.packet.tcp_flags & TCP_FIN != 0 {
        bits |= fin;
    }
    if w.packet.tcp_flags & TCP_RST != 0 {
        bits |= STATE_RST;
    }
    bits
}

/// What the forward record says about a packet.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    /// Its flow goes on; `w.to` has been translated, `w.task_vni` set.
    Yes,
    /// As `Yes`, but the connection has ended: a last ACK, or a packet of another node's connection
    /// between the same ports.
    Ended,
    /// No record, or one that this packet may replace.
    No,
    /// Its backend is gone, and this packet (a later fragment, an ICMP error) cannot open another flow.
    Gone,
}

/// Looks up `w.key` in the forward table and, if the flow goes on, translates `w.to`.
///
/// A SYN is served anew when the old connection has ended or its backend drains, a datagram when its backend
/// drains and the flow has been silent for long; any packet is when
/// the backend is gone: another backend resets an open connection, which beats silence.
#[inline(always)]
pub(crate) fn resume<T: Tables>(t: &T, w: &mut Work) -> Known {
    let Some(flow) = t.flow(Table::Ct, &w.key) else {
        return Known::No;
    };
    let backend = t.backend(flow.backend).filter(|b| {
        b.addr == flow.to.dst
            && (b.port.raw() == 0 || b.port == flow.to.dport)
            && (b.proto == 0 || b.proto == flow.to.proto)
            && b.vni == flow.scope
    });
    let Some(backend) = backend else {
        return if w.packet.may_open() { Known::No } else { Known::Gone };
    };
    let draining = backend.flags & BACKEND_DRAINING != 0;
    if w.packet.is_syn() && (flow.is_closed() || draining) {
        return Known::No;
    }
    if draining && flow.to.proto == IPPROTO_UDP && is_reusable(flow, t.now()) {
        return Known::No;
    }
    let ended = flow.is_closed();
    touch(t, w, Table::Ct, Table::Rev, flow, Side::Client);
    w.to = flow.to;
    w.task_vni = flow.scope;
    if ended { Known::Ended } else { Known::Yes }
}

/// Makes the records of a new flow. In: `w.key` (the forward key), `w.flow` (the answer's record),
/// `w.partner` (the answer's key with the preferred port). Out: `w.to` is the translated packet.
///
/// The place in the answers' table is taken first and only if it is free: a tuple that is taken gets
/// another one of `ports`, counted. The forward record follows.
#[inline(always)]
pub(crate) fn open<T: Tables>(
    t: &T,
    w: &mut Work,
    forward: Table,
    answers: Table,
    ports: Ports,
) -> Result<(), Created> {
    let now = t.now();
    w.flow.stamp = now;
    let preferred = w.partner.tuple.dport;
    let mut seed = mix(w.key.tuple.src.low().raw() ^ ((w.key.tuple.sport.raw() as u32) << 16) ^ w.key.scope);
    let mut tries = 0;
    while !claim(t, w, answers, now)? {
        tries += 1;
        if tries > PORT_TRIES {
            return Err(Created::Taken);
        }
        seed = mix(seed.wrapping_add(tries));
        w.partner.tuple.dport = Be16::new(ports.first.wrapping_add((seed % ports.span.max(1) as u32) as u16));
    }
    if answers == Table::Rev && w.partner.tuple.dport.raw() != preferred.raw() {
        t.count(Event::PortRemapped);
    }
    w.to = w.partner.tuple.reversed();
    w.task_vni = w.partner.scope;
    w.flow.to = w.to;
    w.flow.scope = w.partner.scope;
    w.flow.via = w.partner.via;
    if !t.replace(forward, &w.key, &w.flow) {
        return Err(Created::Full);
    }
    t.count(Event::NewFlow);
    Ok(())
}

/// Takes `w.partner` for `w.flow`: true when it is ours now.
#[inline(always)]
fn claim<T: Tables>(t: &T, w: &mut Work, answers: Table, now: u32) -> Result<bool, Created> {
    match t.create(answers, &w.partner, &w.flow) {
        Created::New => return Ok(true),
        Created::Full => return Err(Created::Full),
        Created::Taken => {}
    }
    let Some(old) = t.flow(answers, &w.partner) else {
        return Ok(false);
    };
    let ours = old.to == w.flow.to && old.scope == w.flow.scope && old.via.raw() == w.flow.via.raw();
    if ours || is_reusable(old, now) {
        return if t.replace(answers, &w.partner, &w.flow) {
            Ok(true)
        } else {
            Err(Created::Full)
        };
    }
    Ok(false)
}

/// Why a flow within a network, or to a published port, got no place.
#[inline(always)]
pub(crate) fn no_place(outcome: Created) -> DropReason {
    match outcome {
        Created::Full => DropReason::TableFull,
        _ => DropReason::CollisionExhausted,
    }
}

/// Before a connection is made directly to an endpoint: the record for the answers of one through a virtual address
/// between the same ports would rewrite its answers as well. If that one has ended it is forgotten; beside one that
/// lives, the direct connection gets another port, by two records for answers, one in each direction.
#[inline(always)]
pub(crate) fn keep_apart<T: Tables>(t: &T, w: &mut Work, vni: u32) -> Result<(), Created> {
    if !w.packet.is_syn() {
        return Ok(());
    }
    w.partner.tuple = w.to.reversed();
    w.partner.scope = vni;
    w.partner.via = Be32::from_raw(0);
    let Some(flow) = t.flow(Table::Rev, &w.partner) else {
        return Ok(());
    };
    if flow.is_closed() {
        t.remove(Table::Rev, &w.partner);
        return Ok(());
    }
    w.flow = *flow;
    w.flow.to = w.partner.tuple;
    w.flow.state = 0;
    w.key.tuple = w.to;
    w.key.scope = vni;
    w.key.via = Be32::from_raw(0);
    open(t, w, Table::Rev, Table::Rev, Ports::EPHEMERAL)
}
