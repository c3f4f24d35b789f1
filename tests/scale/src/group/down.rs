//! What an agent reads of what it is told, and no more: a thousand of them share a machine with the managers that are
//! measured, while real ones take in their rows each on a machine of its own. Unknown fields are passed over.

use prost::{Message, bytes::Buf as _};
use tonic::{
    Status,
    codec::{Codec, DecodeBuf, Decoder},
};
use tonic_prost::ProstEncoder;
use wire::pb;

/// A message, and its length as it was sent, bytes.
pub struct Down {
    pub length: u64,
    pub kind: Option<Kind>,
}

/// `SessionDown`; numbers are those of `node.proto` and `objects.proto`.
#[derive(Clone, PartialEq, Message)]
struct Read {
    #[prost(oneof = "Kind", tags = "2, 3, 4, 5")]
    message: Option<Kind>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub enum Kind {
    #[prost(message, tag = "2")]
    View(View),
    #[prost(message, tag = "3")]
    Managers(pb::Managers),
    #[prost(message, tag = "4")]
    Identity(pb::NodeIdentity),
    #[prost(message, tag = "5")]
    Delta(Delta),
}

/// `NodeView`.
#[derive(Clone, PartialEq, Message)]
pub struct View {
    #[prost(message, repeated, tag = "8")]
    pub tasks: Vec<Task>,
}

/// `ViewDelta`.
#[derive(Clone, PartialEq, Message)]
pub struct Delta {
    #[prost(message, repeated, tag = "11")]
    pub tasks: Vec<Task>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Task {
    #[prost(string, tag = "1")]
    pub id: String,
    #[prost(int64, tag = "4")]
    pub updated_at: i64,
}

/// Of a session.
#[derive(Clone, Copy, Default)]
pub struct SessionCodec;

impl Codec for SessionCodec {
    type Encode = pb::SessionUp;
    type Decode = Down;
    type Encoder = ProstEncoder<pb::SessionUp>;
    type Decoder = Self;

    fn encoder(&mut self) -> Self::Encoder {
        ProstEncoder::default()
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Decoder for SessionCodec {
    type Item = Down;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Down>, Status> {
        let length = from.remaining() as u64;
        let read = Read::decode(from).map_err(|why| Status::internal(why.to_string()))?;
        Ok(Some(Down {
            length,
            kind: read.message,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_of_views_and_deltas_are_read_by_their_numbers() {
        let task = pb::Task {
            id: "t1".to_owned(),
            updated_at: 7,
            service: "s1".to_owned(),
            ..pb::Task::default()
        };
        let view = pb::NodeView {
            seq: 3,
            tasks: vec![task.clone()],
            endpoints: vec![pb::EndpointView::default()],
            ..pb::NodeView::default()
        };
        let delta = pb::ViewDelta {
            tasks: vec![task],
            ..pb::ViewDelta::default()
        };
        let read = |message| {
            let sent = pb::SessionDown { message: Some(message) }.encode_to_vec();
            Read::decode(sent.as_slice()).unwrap().message
        };
        let tasks = vec![Task {
            id: "t1".to_owned(),
            updated_at: 7,
        }];
        let whole = read(pb::session_down::Message::View(view));
        assert_eq!(whole, Some(Kind::View(View { tasks: tasks.clone() })));
        let part = read(pb::session_down::Message::Delta(delta));
        assert_eq!(part, Some(Kind::Delta(Delta { tasks })));
        let beat = read(pb::session_down::Message::Beat(pb::Beat::default()));
        assert_eq!(beat, None);
    }
}
