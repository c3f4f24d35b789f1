//! Joins against a real TLS server, and identities on disk.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, sync::Arc};

use model::{Availability, JoinToken};

use super::{
    disk::Folders,
    fixture::{Authority, Server, serve, serve_root, serve_tls},
    *,
};

fn request(server: &Server, token: JoinToken) -> JoinRequest {
    JoinRequest {
        remote: server.addr.clone(),
        token,
        availability: Availability::Active,
        addr: "192.0.2.7".to_owned(),
    }
}

#[tokio::test]
async fn a_valid_token_gives_an_identity_with_a_key_of_its_own() {
    let authority = Arc::new(Authority::new());
    let server = serve(authority.clone(), Role::Manager).await;
    let identity = join(&request(&server, authority.token())).await.unwrap();
    assert_eq!((identity.node, identity.role), (NodeId::from_bits(7), Role::Worker));
    assert_eq!(identity.ca_pem, authority.pem);
}

#[tokio::test]
async fn a_token_of_another_cluster_is_never_shown_to_the_server() {
    let server = serve(Arc::new(Authority::new()), Role::Manager).await;
    let error = join(&request(&server, Authority::new().token())).await.unwrap_err();
    let words = error.to_string();
    assert!(
        words.starts_with("remote CA does not match fingerprint. Expected: "),
        "{words}"
    );
    assert!(server.shown.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_token_is_not_shown_to_who_sends_a_root_of_its_own_along() {
    let (real, attacker) = (Authority::new(), Arc::new(Authority::new()));
    for said in [
        format!("{}{}", real.pem, attacker.pem),
        format!("{}{}", attacker.pem, real.pem),
    ] {
        let server = serve_root(attacker.clone(), Role::Manager, said).await;
        join(&request(&server, real.token())).await.unwrap_err();
        assert!(server.shown.lock().unwrap().is_empty());
    }
    // What else it sends does no harm, and is not kept.
    let said = format!("{}# words\n", real.pem);
    let real = Arc::new(real);
    let server = serve_root(real.clone(), Role::Manager, said).await;
    assert_eq!(join(&request(&server, real.token())).await.unwrap().ca_pem, real.pem);
}

#[tokio::test]
async fn a_wrong_secret_is_refused_in_the_managers_words() {
    let authority = Arc::new(Authority::new());
    let server = serve(authority.clone(), Role::Manager).await;
    let mut token = authority.token();
    token.secret = [2; 16];
    let error = join(&request(&server, token)).await.unwrap_err();
    assert!(matches!(error, JoinError::Refused(_)), "{error:?}");
    assert_eq!(
        error.to_string(),
        "A valid join token is necessary to join this cluster"
    );
}

#[tokio::test]
async fn a_worker_that_poses_as_a_manager_gets_no_token() {
    let authority = Arc::new(Authority::new());
    let server = serve(authority.clone(), Role::Worker).await;
    let error = join(&request(&server, authority.token())).await.unwrap_err();
    assert!(matches!(error, JoinError::Connect(_)), "{error}");
    assert!(server.shown.lock().unwrap().is_empty());
}

#[tokio::test]
async fn an_unreachable_manager_is_named() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    drop(listener);
    let authority = Authority::new();
    let mut unreachable = Server {
        addr: addr.clone(),
        shown: Arc::default(),
    };
    unreachable.addr.clone_from(&addr);
    let error = join(&request(&unreachable, authority.token())).await.unwrap_err();
    assert!(error.to_string().contains(&addr), "{error}");
}

#[tokio::test]
async fn what_a_manager_says_to_a_node_that_it_does_not_know_any_more_is_passed_on() {
    let authority = Authority::new();
    let words = "node is not part of this swarm (any more)";
    let refusing = tower::service_fn(move |_| async move {
        Ok::<_, std::convert::Infallible>(tonic::Status::permission_denied(words).into_http())
    });
    let addr = serve_tls(&authority.identity(2, Role::Manager), refusing).await;
    let removed = authority.identity(7, Role::Worker);
    let channel = removed.connect(&addr).await.unwrap();
    let renewed = renew(&removed, &addr, channel.clone()).await.map(drop);
    for refused in [renewed, confirm(&removed, &addr, channel).await] {
        let said = refused.unwrap_err().to_string();
        assert!(
            said.contains(words) && said.contains(&addr) && !said.contains("token"),
            "{said}"
        );
    }
}

#[test]
fn an_identity_survives_on_disk_with_its_key_hidden() {
    let folder = tempfile::tempdir().unwrap();
    assert!(Identity::load(folder.path()).unwrap().is_none());
    let identity = Authority::new().identity(3, Role::Manager);
    identity.save(folder.path(), None).unwrap();
    let loaded = Identity::load(folder.path()).unwrap().unwrap();
    assert_eq!((loaded.node, loaded.role), (identity.node, Role::Manager));
    assert_eq!(loaded.key_pem, identity.key_pem);
    let key = fs::metadata(folder.path().join("identity/node.key")).unwrap();
    assert_eq!(key.permissions().mode() & 0o777, 0o600);
    assert!(!format!("{identity:?}").contains("PRIVATE"));
}

#[test]
fn a_sealed_key_is_nowhere_on_the_disk_and_comes_back_with_the_data_keys() {
    let folder = tempfile::tempdir().unwrap();
    let identity = Authority::new().identity(3, Role::Manager);
    let keys = seal::Keys::fresh();
    identity.save(folder.path(), None).unwrap();
    identity.save(folder.path(), Some(&keys)).unwrap();
    for file in fs::read_dir(folder.path().join("identity")).unwrap() {
        let text = fs::read_to_string(file.unwrap().path()).unwrap();
        assert!(!text.contains("PRIVATE KEY"), "{text}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    let loaded = Identity::load(folder.path()).unwrap().unwrap();
    assert!(loaded.is_sealed() && loaded.node == identity.node);
    let words = loaded.client_config().unwrap_err().to_string();
    assert!(words.contains("netctl swarm unlock"), "{words}");
    assert!(
        loaded.save(folder.path(), None).is_err(),
        "what cannot be read is not written"
    );
    assert!(loaded.clone().opened(&seal::Keys::fresh()).is_err());
    assert_eq!(loaded.opened(&keys).unwrap().key_pem, identity.key_pem);
}

/// A folder with a worker's identity, and a manager's for the same node.
fn about_to_be_replaced() -> (tempfile::TempDir, [Identity; 2]) {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let both = [Role::Worker, Role::Manager].map(|role| authority.identity(3, role));
    both[0].save(folder.path(), None).unwrap();
    (folder, both)
}

#[test]
fn a_cut_while_an_identity_is_replaced_leaves_a_whole_one() {
    let (folder, [_, new]) = about_to_be_replaced();
    let Folders { now, next, .. } = Folders::below(folder.path());
    // Cut before the new one was whole.
    fs::create_dir(&next).unwrap();
    fs::write(next.join("node.key"), &new.key_pem).unwrap();
    assert_eq!(Identity::load(folder.path()).unwrap().unwrap().role, Role::Worker);
    new.save(folder.path(), None).unwrap();
    assert_eq!(Identity::load(folder.path()).unwrap().unwrap().role, Role::Manager);
    // Cut between the two renames.
    fs::rename(&now, &next).unwrap();
    assert_eq!(Identity::load(folder.path()).unwrap().unwrap().role, Role::Manager);
}

#[test]
fn an_identity_is_there_after_a_power_cut_before_the_one_before_it_goes() {
    let (folder, [old, new]) = about_to_be_replaced();
    let folders = Folders::below(folder.path());
    new.save(&folder.path().join("elsewhere"), None).unwrap();
    fs::rename(folder.path().join("elsewhere/identity"), &folders.next).unwrap();
    let certificate = |folder: &Path| fs::read_to_string(folder.join("node.crt")).unwrap();
    let failed = folders.swap(|root| {
        assert_eq!(root, folder.path());
        let there = (certificate(&folders.now), certificate(&folders.last));
        assert_eq!(there, (new.certificate_pem.clone(), old.certificate_pem.clone()));
        Err(std::io::ErrorKind::StorageFull.into())
    });
    assert!(failed.is_err(), "managers are not told of what is not on the disk");
    assert!(folders.last.exists());
}

#[test]
fn identities_of_another_format_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    Authority::new()
        .identity(3, Role::Worker)
        .save(folder.path(), None)
        .unwrap();
    std::fs::write(folder.path().join("identity/format"), "2\n").unwrap();
    let error = Identity::load(folder.path()).unwrap_err().to_string();
    assert!(error.contains("upgrade netd"), "{error}");
}

#[test]
fn a_key_of_another_certificate_is_refused() {
    let authority = Authority::new();
    let (one, other) = (authority.identity(1, Role::Worker), authority.identity(2, Role::Worker));
    assert!(Identity::from_pem(one.certificate_pem, other.key_pem, one.ca_pem).is_err());
}
