//! Questions and answers in their encoding (RFC 1035).

use std::net::IpAddr;

use hickory_proto::{
    op::{Edns, Message, MessageType, OpCode, ResponseCode},
    rr::{
        DNSClass, Name, RData, Record, RecordType,
        rdata::{A, AAAA, PTR},
    },
};

use super::{Answer, Question, Transport};

/// Seconds that a client may keep an answer: tasks come and go. One that is let go is kept for longer
/// ([`plan::container::kept_until`]).
const TTL: u32 = 1;
/// Longest answer over UDP to a client that says nothing of more, bytes.
const UDP_PLAIN: u16 = 512;
/// Longest answer over UDP at all, bytes: no fragments.
const UDP_MOST: u16 = 1232;

/// The question of a message; `None` for anything but one ordinary question.
pub fn question(request: &Message) -> Option<Question> {
    let [query] = request.queries.as_slice() else {
        return None;
    };
    let ordinary = request.metadata.message_type == MessageType::Query && request.metadata.op_code == OpCode::Query;
    if !ordinary || query.query_class() != DNSClass::IN {
        return None;
    }
    let name = query.name();
    let text = || name.to_ascii().trim_end_matches('.').to_ascii_lowercase();
    Some(match query.query_type() {
        RecordType::A | RecordType::ANY => Question::Address(text()),
        RecordType::PTR => match name.parse_arpa_name() {
            Ok(net) if net.prefix_len() == net.max_prefix_len() => Question::Name(net.addr()),
            _ => Question::Other(text()),
        },
        _ => Question::Other(text()),
    })
}

/// Encodes an answer. `None`: it cannot be encoded.
pub fn encode(request: &Message, question: &Question, answer: Answer, transport: Transport) -> Option<Vec<u8>> {
    let code = match answer {
        Answer::Addresses(_) | Answer::Name(_) => ResponseCode::NoError,
        Answer::Unknown => ResponseCode::NXDomain,
        Answer::Refused => ResponseCode::Refused,
        Answer::Elsewhere => ResponseCode::ServFail,
    };
    let mut message = head(request, code);
    message.metadata.authoritative = code != ResponseCode::Refused;
    let name = request.queries.first()?.name();
    match (answer, question) {
        (Answer::Addresses(addresses), Question::Address(_)) => {
            // Another first address each time: many clients take only that one.
            let turn = usize::from(request.metadata.id) % addresses.len().max(1);
            let (head, tail) = addresses.split_at(turn.min(addresses.len()));
            message.answers = tail.iter().chain(head).map(|a| address_record(name, *a)).collect();
        }
        (Answer::Name(text), _) => {
            let target = Name::from_ascii(format!("{text}.")).ok()?;
            message.add_answer(Record::from_rdata(name.clone(), TTL, RData::PTR(PTR(target))));
        }
        _ => {}
    }
    fit(message, request, transport)
}

/// `SERVFAIL`: nobody that could be asked has answered.
pub fn server_failure(request: &Message) -> Option<Vec<u8>> {
    head(request, ResponseCode::ServFail).to_vec().ok()
}

fn head(request: &Message, code: ResponseCode) -> Message {
    let mut message = Message::error_msg(request.metadata.id, request.metadata.op_code, code);
    message.metadata.recursion_desired = request.metadata.recursion_desired;
    message.metadata.recursion_available = true;
    message.add_queries(request.queries.iter().cloned());
    if request.edns.is_some() {
        let mut edns = Edns::new();
        edns.set_max_payload(UDP_MOST);
        message.set_edns(edns);
    }
    message
}

fn address_record(name: &Name, address: IpAddr) -> Record {
    let data = match address {
        IpAddr::V4(v4) => RData::A(A(v4)),
        IpAddr::V6(v6) => RData::AAAA(AAAA(v6)),
    };
    Record::from_rdata(name.clone(), TTL, data)
}

/// An answer that is too long for the client's UDP is cut, and the client asks again over TCP.
fn fit(message: Message, request: &Message, transport: Transport) -> Option<Vec<u8>> {
    let whole = message.to_vec().ok()?;
    let room = request
        .edns
        .as_ref()
        .map_or(UDP_PLAIN, |e| e.max_payload().clamp(UDP_PLAIN, UDP_MOST));
    if transport == Transport::Tcp || whole.len() <= usize::from(room) {
        return Some(whole);
    }
    message.truncate().to_vec().ok()
}
