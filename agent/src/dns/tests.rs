//! Whole packets through the resolver, without sockets.

use hickory_proto::{
    op::{Message, MessageType, OpCode, Query, ResponseCode},
    rr::{Name, RData, RecordType},
};
use model::{NetworkId, ServiceId, ServiceView, VirtualIp};

use super::*;
use crate::worker::fixture;

pub(super) fn resolver() -> Resolver {
    let mut view = fixture::view(&[1]);
    view.services = vec![ServiceView {
        id: ServiceId::from_bits(1),
        name: "web".parse().unwrap(),
        vips: vec![VirtualIp {
            network: NetworkId::from_bits(1),
            addr: "10.1.0.2".parse().unwrap(),
        }],
        aliases: vec![],
        restart: None,
        canary: None,
        earlier_ports: Vec::new(),
        ports: vec![],
    }];
    let clients = [(7, (TaskId::from_bits(1), NetworkId::from_bits(1)))];
    Resolver::new(
        watch::channel(Some(CurrentView::from_managers(Arc::new(view)))).1,
        watch::channel(Arc::new(clients.into())).1,
    )
}

/// A question as a packet.
pub(super) fn request(name: &str, kind: RecordType) -> Vec<u8> {
    let mut request = Message::new(99, MessageType::Query, OpCode::Query);
    request.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
    request.to_vec().unwrap()
}

async fn ask_of(resolver: &Resolver, name: &str, kind: RecordType, source: [u8; 4]) -> Message {
    let packet = request(name, kind);
    let reply = resolver.resolve(&packet, source.into(), Transport::Udp).await.unwrap();
    Message::from_vec(&reply).unwrap()
}

async fn ask(name: &str, kind: RecordType, source: [u8; 4]) -> Message {
    ask_of(&resolver(), name, kind, source).await
}

#[tokio::test]
async fn a_name_in_any_case_is_answered_with_a_short_life() {
    let reply = ask("WEB.", RecordType::A, [169, 254, 64, 7]).await;
    assert_eq!(
        (reply.metadata.id, reply.metadata.response_code),
        (99, ResponseCode::NoError)
    );
    let [record] = reply.answers.as_slice() else {
        panic!("{reply:?}")
    };
    assert!(record.ttl <= 5);
    assert!(matches!(record.data, RData::A(a) if a.0 == Ipv4Addr::new(10, 1, 0, 2)));
}

#[tokio::test]
async fn a_known_name_without_ipv6_is_empty_and_no_error() {
    let reply = ask("web.", RecordType::AAAA, [169, 254, 64, 7]).await;
    assert_eq!(reply.metadata.response_code, ResponseCode::NoError);
    assert!(reply.answers.is_empty());
}

#[tokio::test]
async fn addresses_have_names() {
    let reply = ask("2.0.1.10.in-addr.arpa.", RecordType::PTR, [169, 254, 64, 7]).await;
    let [record] = reply.answers.as_slice() else {
        panic!("{reply:?}")
    };
    assert!(matches!(&record.data, RData::PTR(name) if name.0.to_ascii() == "web.blue."));
}

#[tokio::test]
async fn callers_that_are_no_endpoint_are_refused() {
    for source in [[169, 254, 64, 8], [192, 0, 2, 1]] {
        let reply = ask("web.", RecordType::A, source).await;
        assert_eq!(reply.metadata.response_code, ResponseCode::Refused);
    }
}

#[tokio::test]
async fn an_agent_that_has_just_begun_answers_when_it_knows_the_caller() {
    let (tell, clients) = watch::channel(DnsClients::default());
    let early = Resolver { clients, ..resolver() };
    let index = 7;
    let source = IpAddr::from([169, 254, 64, 7]);
    let (known, ()) = tokio::join!(early.known(source), async {
        tokio::task::yield_now().await;
        let clients = [(index, (TaskId::from_bits(1), NetworkId::from_bits(1)))];
        tell.send_replace(Arc::new(clients.into()));
    });
    assert_eq!(known.map(|(_, caller)| caller), Some(TaskId::from_bits(1)));
}

/// Upstreams are out: as many questions wait for them as may.
#[tokio::test(start_paused = true)]
async fn names_of_others_fail_at_once_when_too_many_wait_for_upstreams_and_ours_are_answered() {
    let resolver = resolver();
    let _waiting = resolver.forwards.try_acquire_many(FORWARDED as u32).unwrap();
    let begun = tokio::time::Instant::now();
    for (name, code) in [
        ("example.org.", ResponseCode::ServFail),
        ("web.", ResponseCode::NoError),
    ] {
        let reply = ask_of(&resolver, name, RecordType::A, [169, 254, 64, 7]).await;
        assert_eq!(reply.metadata.response_code, code, "{name}");
    }
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test]
async fn what_is_no_question_gets_no_answer() {
    let response = Message::response(1, OpCode::Query).to_vec().unwrap();
    let source = IpAddr::from([169, 254, 64, 7]);
    assert_eq!(resolver().resolve(&response, source, Transport::Udp).await, None);
    assert_eq!(resolver().resolve(b"\x00", source, Transport::Udp).await, None);
}

#[test]
fn client_addresses_are_the_indexes_of_endpoints() {
    assert_eq!(client_index([169, 254, 64, 0].into()), Some(0));
    assert_eq!(client_index([169, 254, 127, 255].into()), Some(16383));
    assert_eq!(client_index([169, 254, 128, 0].into()), None);
    assert_eq!(client_index([169, 254, 63, 255].into()), None);
}
