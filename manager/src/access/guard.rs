//! Bodies of calls that end when the caller loses its rights: a stream that was opened rightfully is not open for ever.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use futures::future::BoxFuture;
use hyper::{
    HeaderMap,
    body::{Body as HttpBody, Bytes, Frame, SizeHint},
};
use tonic::{Status, body::Body};

/// What the other end hears, or this end reads, when the rights are lost.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    /// The service reads the status as an error.
    Request,
    /// The caller gets it as the call's end.
    Response,
}

/// A body until `lost` says why it ends.
pub(super) struct Guarded {
    body: Body,
    lost: BoxFuture<'static, Status>,
    direction: Direction,
    ended: bool,
}

impl Guarded {
    pub(super) fn request(body: Body, lost: impl Future<Output = Status> + Send + 'static) -> Self {
        Self::new(body, lost, Direction::Request)
    }

    pub(super) fn response(body: Body, lost: impl Future<Output = Status> + Send + 'static) -> Self {
        Self::new(body, lost, Direction::Response)
    }

    fn new(body: Body, lost: impl Future<Output = Status> + Send + 'static, direction: Direction) -> Self {
        Self {
            body,
            lost: Box::pin(lost),
            direction,
            ended: false,
        }
    }
}

impl HttpBody for Guarded {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        if let Poll::Ready(why) = self.lost.as_mut().poll(context) {
            self.ended = true;
            return Poll::Ready(Some(match self.direction {
                Direction::Request => Err(why),
                Direction::Response => trailers(&why),
            }));
        }
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn trailers(why: &Status) -> Result<Frame<Bytes>, Status> {
    let mut headers = HeaderMap::new();
    why.add_header(&mut headers)?;
    Ok(Frame::trailers(headers))
}

#[cfg(test)]
mod tests {
    use std::{
        future::{pending, poll_fn, ready},
        time::Duration,
    };

    use super::*;

    /// A stream that says nothing and never ends.
    struct Silent;

    impl HttpBody for Silent {
        type Data = Bytes;
        type Error = Status;
        fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
            Poll::Pending
        }
    }

    async fn next(body: &mut Guarded) -> Option<Result<Frame<Bytes>, Status>> {
        poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await
    }

    #[tokio::test]
    async fn an_open_answer_ends_with_the_reason_in_its_trailers() {
        let mut body = Guarded::response(Body::new(Silent), ready(Status::permission_denied("demoted")));
        let frame = next(&mut body).await.unwrap().unwrap();
        let status = Status::from_header_map(&frame.into_trailers().unwrap()).unwrap();
        assert_eq!(
            (status.code(), status.message()),
            (tonic::Code::PermissionDenied, "demoted")
        );
        assert!(next(&mut body).await.is_none(), "nothing comes after it");
    }

    #[tokio::test]
    async fn an_open_request_is_read_no_further() {
        let mut body = Guarded::request(Body::new(Silent), ready(Status::permission_denied("removed")));
        assert_eq!(next(&mut body).await.unwrap().unwrap_err().message(), "removed");
        assert!(next(&mut body).await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_ends_while_the_rights_last() {
        let mut body = Guarded::response(Body::new(Silent), pending());
        let waited = tokio::time::timeout(Duration::from_secs(3600), next(&mut body)).await;
        assert!(waited.is_err());
    }
}
