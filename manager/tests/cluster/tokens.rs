//! Join tokens with limits, and what becomes of somebody who shows wrong ones.

use model::Role;
use tonic::Code;
use wire::pb;

use crate::node::{bootstrap, join, operator};

fn limited(ttl_secs: Option<u64>, uses: Option<u32>) -> pb::GetJoinTokenRequest {
    pb::GetJoinTokenRequest {
        role: pb::Role::Worker.into(),
        ttl: ttl_secs.map(|secs| secs * 1_000_000_000),
        uses,
        ..Default::default()
    }
}

#[tokio::test]
async fn of_many_that_show_the_last_use_one_is_admitted() {
    let folder = tempfile::tempdir().unwrap();
    let (manager, _) = bootstrap(folder.path()).await;
    let mut control = operator(&manager).await;
    let token = control.get_join_token(limited(None, Some(1))).await.unwrap();
    let token = token.into_inner().token;
    assert_ne!(token, manager.join_token(Role::Worker).unwrap(), "another token");
    let joins = (0..4).map(|_| join(manager.listen_addr(), &token));
    let (admitted, refused): (Vec<_>, Vec<_>) = futures::future::join_all(joins)
        .await
        .into_iter()
        .partition(Result::is_ok);
    assert_eq!((admitted.len(), refused.len()), (1, 3));
    for refused in refused {
        let why = refused.err().unwrap();
        assert_eq!(why.code(), Code::FailedPrecondition);
        assert!(why.message().contains("used up"), "{why:?}");
    }
    let nodes = control.list_nodes(pb::ListNodesRequest::default()).await.unwrap();
    assert_eq!(nodes.into_inner().nodes.len(), 2, "the refused ones are no nodes");
    manager.shutdown().await;
}

#[tokio::test]
async fn a_token_is_told_expired_when_its_time_is_over_and_unknown_when_its_role_was_rotated() {
    let folder = tempfile::tempdir().unwrap();
    let (manager, _) = bootstrap(folder.path()).await;
    let mut control = operator(&manager).await;
    let brief = control
        .get_join_token(limited(Some(1), None))
        .await
        .unwrap()
        .into_inner();
    let long = control
        .get_join_token(limited(Some(3600), Some(9)))
        .await
        .unwrap()
        .into_inner();
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    let expired = join(manager.listen_addr(), &brief.token).await.unwrap_err();
    assert_eq!(expired.code(), Code::FailedPrecondition);
    assert!(expired.message().contains("expired"), "{expired:?}");
    join(manager.listen_addr(), &long.token).await.unwrap();
    let mut rotate = limited(None, None);
    rotate.rotate = true;
    control.get_join_token(rotate).await.unwrap();
    let unknown = join(manager.listen_addr(), &long.token).await.unwrap_err();
    assert_eq!(
        (unknown.code(), unknown.message()),
        (
            Code::InvalidArgument,
            "A valid join token is necessary to join this cluster"
        )
    );
    manager.shutdown().await;
}

#[tokio::test]
async fn limits_that_make_no_sense_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (manager, _) = bootstrap(folder.path()).await;
    let mut control = operator(&manager).await;
    let mut rotated = limited(Some(60), None);
    rotated.rotate = true;
    for (wrong, word) in [
        (limited(Some(0), None), "--ttl"),
        (limited(Some(366 * 86_400), None), "--ttl"),
        (limited(None, Some(0)), "--uses"),
        (rotated, "--rotate"),
    ] {
        let why = control.get_join_token(wrong).await.unwrap_err();
        assert_eq!(why.code(), Code::InvalidArgument);
        assert!(why.message().contains(word), "{why:?}");
    }
    assert_eq!(manager.view().limited_tokens().count(), 0);
    manager.shutdown().await;
}

#[tokio::test]
async fn wrong_tokens_are_slowed_down_and_good_ones_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let (manager, _) = bootstrap(folder.path()).await;
    let wrong = format!("SWMTKN-1-{}-{}", "0".repeat(50), "0".repeat(25));
    let mut slowed = None;
    for _ in 0..1000 {
        let why = join(manager.listen_addr(), &wrong).await.unwrap_err();
        if why.code() == Code::ResourceExhausted {
            slowed = Some(why);
            break;
        }
        assert_eq!(why.code(), Code::InvalidArgument);
    }
    let slowed = slowed.unwrap();
    assert!(
        slowed.message().contains("127.0.0.1") && slowed.message().contains("try again in"),
        "{slowed:?}"
    );
    let token = manager.join_token(Role::Worker).unwrap();
    join(manager.listen_addr(), &token).await.unwrap();
    manager.shutdown().await;
}

#[tokio::test]
async fn a_token_that_is_used_up_is_slowed_down_as_a_wrong_one_is() {
    let folder = tempfile::tempdir().unwrap();
    let (manager, _) = bootstrap(folder.path()).await;
    let mut control = operator(&manager).await;
    let token = control.get_join_token(limited(None, Some(1))).await.unwrap();
    let token = token.into_inner().token;
    join(manager.listen_addr(), &token).await.unwrap();
    let mut codes = Vec::new();
    for _ in 0..30 {
        codes.push(join(manager.listen_addr(), &token).await.unwrap_err().code());
    }
    assert_eq!(codes.first(), Some(&Code::FailedPrecondition));
    assert!(codes.contains(&Code::ResourceExhausted), "{codes:?}");
    manager.shutdown().await;
}
