//! Following changes: in order, without a gap, from any index that is still known.

use prost::Message as _;
use tonic::{Code, Streaming, transport::Channel};
use wire::pb::{self, control_client::ControlClient};

use crate::node::{bootstrap, config, network, operator};

async fn follow(
    control: &mut ControlClient<Channel>,
    from_index: u64,
    kinds: &[pb::ObjectKind],
) -> Streaming<pb::WatchResponse> {
    let kinds = kinds.iter().map(|kind| i32::from(*kind)).collect();
    let request = pb::WatchRequest {
        from_index,
        kinds,
        since: None,
    };
    control.watch(request).await.unwrap().into_inner()
}

/// Responses until `count` changes have come; their indexes and names.
async fn told(stream: &mut Streaming<pb::WatchResponse>, count: usize) -> Vec<(u64, String)> {
    let mut told = Vec::new();
    while told.len() < count {
        let response = stream.message().await.unwrap().unwrap();
        told.extend(response.changes.into_iter().map(|change| (response.index, change.name)));
    }
    told
}

#[tokio::test]
async fn concurrent_changes_are_told_once_each_in_the_order_of_the_log_and_again_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (manager, credentials) = bootstrap(folder.path()).await;
    let mut control = operator(&manager).await;
    let mut stream = follow(&mut control, 0, &[pb::ObjectKind::Network]).await;
    let begin = stream.message().await.unwrap().unwrap();
    assert!(begin.changes.is_empty(), "first it says where it begins");
    let writers = (0..4).map(|writer| {
        let mut control = control.clone();
        tokio::spawn(async move {
            for n in 0..15 {
                control
                    .create_network(network(&format!("n{writer}-{n}")))
                    .await
                    .unwrap();
            }
        })
    });
    let written = futures::future::join_all(writers).await;
    assert!(written.iter().all(Result::is_ok), "{written:?}");
    let live = told(&mut stream, 60).await;
    assert!(live.windows(2).all(|pair| pair[0].0 < pair[1].0), "ordered: {live:?}");
    let mut names: Vec<&str> = live.iter().map(|(_, name)| name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 60, "each once");

    let (middle, _) = live[29];
    let mut resumed = follow(&mut control, middle + 1, &[pb::ObjectKind::Network]).await;
    assert_eq!(
        told(&mut resumed, 30).await,
        live[30..],
        "without a gap from the middle"
    );
    drop((control, stream, resumed));
    manager.shutdown().await;

    // Its log has the entries; whoever followed goes on as if nothing had been.
    let manager = manager::Manager::start(config(folder.path()), credentials, None)
        .await
        .unwrap();
    let mut control = operator(&manager).await;
    let mut again = follow(&mut control, middle + 1, &[pb::ObjectKind::Network]).await;
    assert_eq!(told(&mut again, 30).await, live[30..]);
    manager.shutdown().await;
}

#[tokio::test]
async fn what_is_not_known_any_more_is_said_to_be_compacted() {
    let folder = tempfile::tempdir().unwrap();
    let (manager, _) = bootstrap(folder.path()).await;
    let mut control = operator(&manager).await;
    let mut stream = follow(&mut control, 1, &[]).await;
    stream.message().await.unwrap();
    let ended = stream.message().await.unwrap_err();
    assert_eq!(ended.code(), Code::OutOfRange, "index 1 is in the first snapshot");
    let compacted = pb::Compacted::decode(ended.details()).unwrap();
    let mut stream = follow(&mut control, compacted.oldest, &[]).await;
    assert!(!told(&mut stream, 1).await.is_empty(), "the oldest index is known");
    manager.shutdown().await;
}
