//! The ends of this node's tasks on its disk: `<data-root>/agent/ends`.
//!
//! An end that the managers hear frees what the task had: others get its addresses. A node that starts anew may have a
//! view from before that, and nobody in reach who knows better; it must not run such a task again. What must stay true:
//! an end is on the disk before it is told.

use std::{
    io,
    path::{Path, PathBuf},
};

use seal::durable;
use serde::{Deserialize, Serialize};
use tokio::{sync::watch, task::JoinHandle};

use super::WRITE_AGAIN;
use crate::worker::{Statuses, replace};

const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Saved {
    format: u32,
    ends: Statuses,
}

/// Where they are kept.
pub fn path(data_root: &Path) -> PathBuf {
    data_root.join("agent").join("ends")
}

/// Reads what was kept.
pub fn load(path: &Path) -> Statuses {
    let content = durable::read(path).ok().flatten().unwrap_or_default();
    match ciborium::from_reader::<Saved, _>(content.as_slice()) {
        Ok(saved) if saved.format == FORMAT => saved.ends,
        Err(_) if content.is_empty() => Statuses::new(),
        _ => {
            tracing::warn!(path = %path.display(), "the ends of tasks are not readable");
            Statuses::new()
        }
    }
}

fn save(path: &Path, ends: Statuses) -> io::Result<()> {
    let mut content = Vec::new();
    let saved = Saved { format: FORMAT, ends };
    ciborium::into_writer(&saved, &mut content).map_err(io::Error::other)?;
    durable::replace(path, 0o600, &content)
}

fn ends(statuses: &Statuses) -> Statuses {
    let over = statuses.iter().filter(|(_, status)| status.state.is_terminal());
    over.map(|(task, status)| (*task, status.clone())).collect()
}

/// Passes statuses on to whoever tells them, those that are ends once they are on the disk, until the handle is aborted.
/// What cannot be written is told all the same, else nobody would replace the task, and is tried again.
pub fn pass_on(
    path: PathBuf,
    mut statuses: watch::Receiver<Statuses>,
    told: watch::Sender<Statuses>,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut kept = load(&path);
        let mut failed = false;
        loop {
            let now = statuses.borrow_and_update().clone();
            let ends = ends(&now);
            let again = std::mem::take(&mut failed);
            if ends.iter().any(|(task, status)| kept.get(task) != Some(status)) {
                let (target, content) = (path.clone(), ends.clone());
                match tokio::task::spawn_blocking(move || save(&target, content)).await {
                    Ok(Ok(())) => kept = ends,
                    Ok(Err(error)) => {
                        failed = true;
                        if !again {
                            tracing::error!(path = %path.display(), %error, "cannot save the ends of tasks");
                        }
                    }
                    Err(_) => return,
                }
            }
            told.send_if_modified(|old| replace(old, now));
            tokio::select! {
                changed = statuses.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(WRITE_AGAIN), if failed => {}
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use model::{TaskId, TaskState};

    use super::*;
    use crate::worker::fixture;

    fn statuses(states: &[TaskState]) -> Statuses {
        let one = |(number, state)| {
            let mut status = fixture::task(number).status;
            status.state = state;
            (TaskId::from_bits(number.into()), status)
        };
        (1..).zip(states.iter().copied()).map(one).collect()
    }

    #[tokio::test]
    async fn an_end_is_told_once_it_is_on_the_disk_and_kept_as_long_as_its_task_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = path(folder.path());
        let now = watch::Sender::new(statuses(&[TaskState::Running, TaskState::Running]));
        let told = watch::Sender::default();
        let mut heard = told.subscribe();
        let passing = pass_on(path.clone(), now.subscribe(), told);
        for states in [
            [TaskState::Running, TaskState::Running],
            [TaskState::Running, TaskState::Failed],
            [TaskState::Complete, TaskState::Failed],
        ] {
            let next = statuses(&states);
            now.send_replace(next.clone());
            heard.wait_for(|told| *told == next).await.unwrap();
            assert_eq!(load(&path), ends(&next));
        }
        let other = statuses(&[TaskState::Rejected]);
        now.send_replace(other.clone());
        heard.wait_for(|told| *told == other).await.unwrap();
        assert_eq!(load(&path), other, "the second is not assigned any more");
        passing.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn an_end_that_could_not_be_written_is_told_and_written_later_though_nothing_changes() {
        let folder = tempfile::tempdir().unwrap();
        let path = path(folder.path());
        let in_the_way = path.parent().unwrap();
        std::fs::write(in_the_way, b"").unwrap();
        let end = statuses(&[TaskState::Failed]);
        let now = watch::Sender::new(end.clone());
        let told = watch::Sender::default();
        let mut heard = told.subscribe();
        let passing = pass_on(path.clone(), now.subscribe(), told);
        heard.wait_for(|told| *told == end).await.unwrap();
        std::fs::remove_file(in_the_way).unwrap();
        tokio::time::sleep(WRITE_AGAIN * 2).await;
        assert_eq!(load(&path), end);
        assert!(!heard.has_changed().unwrap(), "told once");
        passing.abort();
    }

    #[test]
    fn what_is_not_readable_counts_as_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = path(folder.path());
        assert!(load(&path).is_empty());
        save(&path, statuses(&[TaskState::Failed])).unwrap();
        assert_eq!(load(&path).len(), 1);
        std::fs::write(&path, b"\xff\x00").unwrap();
        assert!(load(&path).is_empty());
    }
}
