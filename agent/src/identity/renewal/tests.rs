//! When a node renews its certificate and follows the cluster's root.

use model::Role;

use super::*;
use crate::identity::fixture::Authority;

#[test]
fn a_certificate_is_renewed_between_half_and_four_fifths_of_its_life() {
    let life = Validity {
        not_before: 1000,
        not_after: 2000,
    };
    assert_eq!(due(life, 0, 1000), Duration::from_secs(500));
    assert_eq!(due(life, 255, 1000), Duration::from_secs(800));
    assert_eq!(due(life, 255, 1900), Duration::ZERO, "overdue is now");
}

#[test]
fn a_certificate_that_begins_later_is_taken_only_if_the_one_before_does_not_last_until_then() {
    let authority = Authority::new();
    let living = |years| authority.living(1, Role::Worker, years);
    // 2001-09-09.
    let now = 1_000_000_000;
    let old = living([1975, 2010]);
    assert_eq!(old.gives_way_to(&living([2000, 2020]), now), Ok(()));
    let refused = old.gives_way_to(&living([2005, 2020]), now).unwrap_err();
    assert!(refused.contains("begins in") && refused.contains("clocks"), "{refused}");
    let refused = old.gives_way_to(&living([1980, 1990]), now).unwrap_err();
    assert!(refused.contains("ended"), "{refused}");
    assert_eq!(old.gives_way_to(&living([2015, 2020]), now), Ok(()));
    let late = "by the clocks of managers the old one ends sooner";
    assert_eq!(old.gives_way_to(&living([2008, 2020]), now), Ok(()), "{late}");
    assert_eq!(living([1975, 1990]).gives_way_to(&living([2005, 2020]), now), Ok(()));
}

#[test]
fn another_root_is_followed_step_by_step() {
    let (old, new) = (Authority::new(), Authority::new());
    let digest = |authority: &Authority| peer::digests(&authority.pem).unwrap().concat();
    let both = format!("{}{}", old.pem, new.pem);
    let trust = |issuer: &Authority, roots_pem: &str, confirmed| Trust {
        roots_pem: roots_pem.to_owned(),
        issuer: digest(issuer),
        confirmed,
        spread: Duration::ZERO,
    };
    // The middle of a certificate's life from 1975 to 4096, in seconds.
    let step = |identity: &Identity, trust| step(identity, Some(&trust), None, 255, 1_000_000_000).unwrap();
    let before = old.identity(1, Role::Worker);
    assert!(matches!(step(&before, trust(&old, &old.pem, true)), Step::Wait(_)));
    assert_eq!(step(&before, trust(&old, &old.pem, false)), Step::Confirm);
    assert_eq!(
        step(&before, trust(&new, &both, false)),
        Step::Recertify(Duration::ZERO)
    );
    let mut after = new.identity(1, Role::Worker);
    after.ca_pem.clone_from(&both);
    assert_eq!(step(&after, trust(&new, &both, false)), Step::Confirm);
    assert_eq!(step(&after, trust(&new, &new.pem, false)), Step::Adopt(new.pem.clone()));
    after.ca_pem.clone_from(&new.pem);
    assert!(matches!(step(&after, trust(&new, &new.pem, true)), Step::Wait(_)));
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_its_turn_to_follow_a_root_still_does_what_is_ordered() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (Authority::new(), Authority::new());
    let told = Trust {
        roots_pem: format!("{}{}", old.pem, new.pem),
        issuer: peer::digests(&new.pem).unwrap().concat(),
        confirmed: false,
        spread: Duration::from_secs(24 * 3600),
    };
    let (identity, session) = (
        watch::Sender::new(old.identity(1, Role::Manager)),
        watch::Sender::default(),
    );
    let (trust, calling) = (watch::Sender::new(Some(told)), watch::Sender::new(None));
    let (orders, covers) = mpsc::channel(1);
    let root = folder.path().to_owned();
    let keeping = keep_fresh(
        identity,
        session.subscribe(),
        trust.subscribe(),
        calling.subscribe(),
        covers,
        root,
    );
    tokio::time::sleep(Duration::from_millis(10)).await;
    let (done, lies) = oneshot::channel();
    let keys = Some(Arc::new(Keys::fresh()));
    orders.send(CoverOrder { keys, done }).await.unwrap();
    let lies = tokio::time::timeout(Duration::from_secs(1), lies).await;
    lies.expect("at once").unwrap().unwrap();
    assert!(Identity::load(folder.path()).unwrap().unwrap().is_sealed());
    keeping.abort();
}
