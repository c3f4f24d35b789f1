//! Secrets: in memory, in the task's container, and nowhere else.

use model::{MountKind, PayloadBytes};

use super::*;

fn with_secret(bytes: &[u8]) -> NodeView {
    let mut view = fixture::view(&[1]);
    fixture::give_secret(&mut view, bytes);
    view
}

impl Bench {
    /// Contents of all files below the folder of files.
    fn files(&self) -> Vec<Vec<u8>> {
        let tasks = std::fs::read_dir(self.folder.path().join("payloads"))
            .into_iter()
            .flatten();
        let files = tasks.flat_map(|task| std::fs::read_dir(task.unwrap().path()).unwrap());
        files.map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect()
    }
}

#[tokio::test]
async fn a_secret_is_a_mount_of_its_task_and_goes_with_it() {
    let mut bench = bench(engine(), None, false);
    let mut view = with_secret(b"canary");
    bench.tell(view.clone());
    let status = bench.until(1, TaskState::Running).await;
    assert_eq!(bench.files(), [b"canary"]);
    let request = bench.runtime.last_request().unwrap();
    let mount = &request.spec.mounts[0];
    assert_eq!((mount.target.as_str(), mount.read_only), ("/run/secrets/db", true));
    assert!(matches!(mount.kind, MountKind::Bind { .. }));
    // Neither the engine nor the managers get to see it.
    assert!(!format!("{request:?}{status:?}").contains("canary"));
    view.seq = 2;
    view.tasks[0].desired = DesiredState::Shutdown;
    bench.tell(view);
    bench.until(1, TaskState::Shutdown).await;
    assert!(
        bench.files().is_empty(),
        "they are gone before the managers hear of its end"
    );
    assert!(bench.is_ended(1));
}

#[tokio::test]
async fn a_secret_goes_with_a_task_that_ends_by_itself() {
    let mut bench = bench(engine(), None, false);
    bench.tell(with_secret(b"canary"));
    bench.until(1, TaskState::Running).await;
    assert_eq!(bench.files(), [b"canary"]);
    bench.runtime.exit(id(1), 1);
    bench.until(1, TaskState::Failed).await;
    assert!(bench.files().is_empty());
}

#[tokio::test]
async fn files_of_tasks_that_are_no_more_are_wiped_when_managers_have_spoken() {
    let mut bench = bench(engine(), None, false);
    let file = plan::container::FileRequest {
        path: "/run/secrets/db".to_owned(),
        bytes: PayloadBytes::new(b"canary"),
        uid: nix::unistd::getuid().as_raw(),
        gid: nix::unistd::getgid().as_raw(),
        mode: 0o400,
    };
    Vault::plain(bench.folder.path()).write(id(9), &[file]).unwrap();
    bench.tell(fixture::view(&[1]));
    bench.until(1, TaskState::Running).await;
    for _ in 0..100 {
        if bench.files().is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("files of an unknown task stay");
}

#[tokio::test]
async fn after_a_boot_a_task_waits_for_its_secrets_and_runs_when_they_come() {
    let runtime = engine();
    let state = ContainerState::Exited {
        code: 255,
        error: String::new(),
    };
    runtime.place(id(1), state);
    let mut saved = with_secret(b"canary");
    saved.payloads.clear();
    saved.tasks[0].status.state = TaskState::Running;
    let mut bench = bench(runtime, Some(current(saved.clone(), false)), true);
    let waits = |s: &Statuses| {
        s.get(&id(1))
            .is_some_and(|s| s.message.starts_with("waiting for secret db"))
    };
    bench.statuses.wait_for(waits).await.unwrap();
    assert!(bench.runtime.calls().is_empty() && bench.files().is_empty());
    let mut view = with_secret(b"canary");
    view.tasks[0].status.state = TaskState::Running;
    bench.tell(view);
    bench.settled(|r| r.calls() == ["start c1"]).await;
    assert_eq!(bench.files(), [b"canary"]);
    let again = |s: &Statuses| s[&id(1)].message == "started again";
    bench.statuses.wait_for(again).await.unwrap();
}
