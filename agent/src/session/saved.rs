//! The last view and the known managers on the node's disk: `<data-root>/agent/view`.
//!
//! With them a node that boots alone comes back serving. Writes go to a file of their own first, and only the latest is
//! written; a file of another format, or a broken one, counts as none.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use model::{NodeView, PayloadKind};
use seal::durable;
use serde::{Deserialize, Serialize};
use tokio::{sync::watch, task::JoinHandle};

use super::{Manager, WRITE_AGAIN};
use crate::worker::CurrentView;

const FORMAT: u32 = 1;
/// Least span between two writes.
const REST: Duration = Duration::from_millis(200);

/// What is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved {
    format: u32,
    /// Which boot of the machine wrote it.
    pub boot: String,
    /// Managers, `HOST:PORT`.
    pub managers: Vec<String>,
    /// The view.
    pub view: NodeView,
}

/// Where it is kept.
pub fn path(data_root: &Path) -> PathBuf {
    data_root.join("agent").join("view")
}

/// Reads what was kept.
pub fn load(path: &Path) -> Option<Saved> {
    let content = durable::read(path).ok().flatten()?;
    match ciborium::from_reader::<Saved, _>(content.as_slice()) {
        Ok(saved) if saved.format == FORMAT => Some(saved),
        Ok(other) => {
            tracing::warn!(path = %path.display(), format = other.format, "saved view of another version is not used");
            None
        }
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "saved view is not readable");
            None
        }
    }
}

/// Writes the latest view that the managers have confirmed, and where they are, until the handle is aborted. Managers may
/// be replaced one by one while nothing else changes: a node that then boots must find those of now. What cannot be written
/// is tried again although nothing changes: a view from before is worse the longer it lies there.
pub fn keep(
    path: PathBuf,
    mut views: watch::Receiver<Option<CurrentView>>,
    mut managers: watch::Receiver<Vec<Manager>>,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut failed = false;
        loop {
            tokio::select! {
                changed = views.changed() => if changed.is_err() { return },
                Ok(()) = managers.changed() => {}
                () = tokio::time::sleep(WRITE_AGAIN), if failed => {}
            }
            let current = views.borrow_and_update().clone();
            let Some(current) = current.filter(|c| c.confirmed) else {
                continue;
            };
            let managers = managers.borrow_and_update().iter().map(|m| m.addr.clone()).collect();
            let saved = Saved {
                format: FORMAT,
                boot: boot_id(),
                managers,
                view: without_secrets(&current.view),
            };
            let target = path.clone();
            let written = tokio::task::spawn_blocking(move || save(&target, &saved)).await;
            let again = std::mem::replace(&mut failed, !matches!(written, Ok(Ok(()))));
            match written {
                // Said once.
                Ok(Err(error)) if !again => tracing::error!(path = %path.display(), %error, "cannot save the view"),
                _ => {}
            }
            tokio::time::sleep(REST).await;
        }
    })
}

/// Secrets are in memory only. What has no secrets any more knows so: [`NodeView::has_payloads`].
fn without_secrets(view: &NodeView) -> NodeView {
    let mut view = NodeView::clone(view);
    view.payloads.retain(|payload| payload.kind != PayloadKind::Secret);
    view
}

fn save(path: &Path, saved: &Saved) -> io::Result<()> {
    let mut content = Vec::new();
    ciborium::into_writer(saved, &mut content).map_err(io::Error::other)?;
    // Specs hold credentials of registries.
    durable::replace(path, 0o600, &content)
}

/// Identifies the machine's present boot.
pub fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::fixture;

    #[tokio::test]
    async fn secrets_do_not_get_to_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        let path = path(folder.path());
        let mut view = fixture::view(&[1]);
        fixture::give_secret(&mut view, b"canary-on-disk");
        let views = watch::Sender::new(None);
        let keeping = keep(path.clone(), views.subscribe(), watch::Sender::default().subscribe());
        views.send_replace(Some(CurrentView::from_managers(view.into())));
        let saved = loop {
            match load(&path) {
                Some(saved) => break saved,
                None => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        };
        keeping.abort();
        let bytes = std::fs::read(&path).unwrap();
        assert!(!bytes.windows(6).any(|part| part == b"canary"));
        assert!(saved.view.payloads.is_empty() && !saved.view.has_payloads());
        assert_eq!(saved.view.tasks[0].container.secrets.len(), 1, "what it needs is known");
    }

    #[tokio::test]
    async fn managers_that_change_are_kept_though_the_view_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = path(folder.path());
        let managers = watch::Sender::default();
        let views = watch::Sender::new(None);
        let keeping = keep(path.clone(), views.subscribe(), managers.subscribe());
        let view = fixture::view(&[1]).into();
        views.send_replace(Some(CurrentView::from_managers(view)));
        for addr in ["192.0.2.1:2377", "192.0.2.2:2377"] {
            managers.send_replace(vec![Manager::at(addr.to_owned())]);
            let known = async {
                while load(&path).is_none_or(|saved| saved.managers != [addr]) {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            };
            tokio::time::timeout(Duration::from_secs(30), known).await.expect(addr);
        }
        keeping.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn a_view_that_could_not_be_written_is_written_when_there_is_room_though_nothing_changes() {
        let folder = tempfile::tempdir().unwrap();
        let path = path(folder.path());
        let in_the_way = path.parent().unwrap();
        std::fs::write(in_the_way, b"").unwrap();
        let view = CurrentView::from_managers(fixture::view(&[1]).into());
        let views = watch::Sender::new(None);
        let keeping = keep(path.clone(), views.subscribe(), watch::Sender::default().subscribe());
        views.send_replace(Some(view.clone()));
        tokio::time::sleep(WRITE_AGAIN / 2).await;
        std::fs::remove_file(in_the_way).unwrap();
        assert_eq!(load(&path), None);
        tokio::time::sleep(WRITE_AGAIN).await;
        assert_eq!(load(&path).map(|saved| saved.view), Some((*view.view).clone()));
        keeping.abort();
    }

    #[test]
    fn a_saved_view_comes_back_and_other_formats_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = path(folder.path());
        assert_eq!(load(&path), None);
        let mut saved = Saved {
            format: FORMAT,
            boot: boot_id(),
            managers: vec!["192.0.2.1:2377".to_owned()],
            view: fixture::view(&[1]),
        };
        save(&path, &saved).unwrap();
        assert_eq!(load(&path).as_ref(), Some(&saved));
        saved.format = FORMAT + 1;
        save(&path, &saved).unwrap();
        assert_eq!(load(&path), None);
        std::fs::write(&path, b"\xff\x00").unwrap();
        assert_eq!(load(&path), None);
    }
}
