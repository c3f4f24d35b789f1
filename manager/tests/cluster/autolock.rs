//! Autolock: what lies on the disk, who may start, and how the keys follow the cluster's settings.

use std::{fs, path::Path, time::Duration};

use manager::{Manager, StartError};
use seal::{KeyFileError, UnlockKey};
use wire::pb;

use crate::node::{bootstrap, config, operator};

fn on_disk(folder: &Path) -> String {
    fs::read_to_string(folder.join("raft/keys.json")).unwrap()
}

/// Waits until the key file says so.
async fn settled(folder: &Path, part: &str) {
    for _ in 0..100 {
        if on_disk(folder).contains(part) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{part} is not in {}", on_disk(folder));
}

#[tokio::test]
async fn a_manager_starts_with_the_unlock_key_only_and_the_keys_follow_the_settings() {
    let folder = tempfile::tempdir().unwrap();
    let (handle, credentials) = bootstrap(folder.path()).await;
    let mut operator = operator(&handle).await;
    assert!(
        handle.key_storage().contains("autolock is off"),
        "{}",
        handle.key_storage()
    );

    let none = pb::GetUnlockKeyRequest {
        rotate: true,
        ..Default::default()
    };
    let refused = operator.get_unlock_key(none.clone()).await.unwrap_err();
    assert!(
        refused.message().contains("autolock is not turned on"),
        "{}",
        refused.message()
    );

    let cluster = operator
        .get_cluster(pb::GetClusterRequest {})
        .await
        .unwrap()
        .into_inner();
    let mut settings = cluster.settings.unwrap();
    settings.autolock = true;
    let update = pb::UpdateClusterRequest {
        version: cluster.version,
        settings: Some(settings),
        ..Default::default()
    };
    operator.update_cluster(update).await.unwrap();
    let key = operator.get_unlock_key(pb::GetUnlockKeyRequest::default()).await;
    let first: UnlockKey = key.unwrap().into_inner().unlock_key.parse().unwrap();
    settled(folder.path(), "\"autolock\": true").await;
    assert!(handle.key_storage().contains("sealed under"));

    let rotated = operator.get_unlock_key(none).await.unwrap().into_inner().unlock_key;
    let second: UnlockKey = rotated.parse().unwrap();
    assert_ne!(first, second);
    let mut unlock = handle.unlock_key();
    unlock.wait_for(|key| key.as_ref() == Some(&second)).await.unwrap();
    handle.shutdown().await;

    let start = |key: Option<UnlockKey>| Manager::start(config(folder.path()), credentials.clone(), key);
    let locked = start(None).await.err().unwrap();
    assert!(matches!(locked, StartError::Keys(KeyFileError::Locked)), "{locked}");
    let old = start(Some(first)).await.err().unwrap();
    assert!(
        old.to_string()
            .contains("swarm could not be unlocked: invalid key provided"),
        "{old}"
    );
    let handle = start(Some(second)).await.unwrap();
    let view = handle.proposer().read().await.unwrap();
    assert!(view.cluster().unwrap().settings.autolock, "nothing is lost");
    handle.shutdown().await;
}

#[tokio::test]
async fn secrets_are_nowhere_on_the_disk_in_clear() {
    let folder = tempfile::tempdir().unwrap();
    let (handle, _) = bootstrap(folder.path()).await;
    let secrets = handle.view().cluster().unwrap().secrets.clone();
    handle.shutdown().await;
    for file in fs::read_dir(folder.path().join("raft")).unwrap() {
        let bytes = fs::read(file.unwrap().path()).unwrap();
        for secret in [&secrets.root_ca_key, &secrets.worker_token, &secrets.manager_token] {
            let part = &secret.as_bytes()[secret.len() - 20..];
            assert!(!bytes.windows(part.len()).any(|window| window == part));
        }
    }
}
