//! The readers of logs that are followed: one for each task that is wished, and no longer than it is.

use std::collections::{BTreeMap, BTreeSet};

use model::{TaskId, Timestamp};
use tokio::{
    sync::watch,
    task::{AbortHandle, JoinSet},
};
use wire::pb;

use super::source::position;

/// What a manager wishes of one reading.
#[derive(Clone, Debug, Default)]
pub struct Wished {
    /// Tasks, and where their logs go on.
    pub tasks: Vec<pb::LogPosition>,
    /// Those of them that have ended.
    pub ended: BTreeSet<TaskId>,
}

impl Wished {
    /// Of a wish as it comes from a manager.
    pub fn of(wish: pb::LogWish) -> Self {
        let ended = wish.ended.iter().filter_map(|task| task.parse().ok());
        Self {
            ended: ended.collect(),
            tasks: wish.tasks,
        }
    }
}

/// See the module. All end when it is dropped.
#[derive(Default)]
pub struct Readers {
    running: JoinSet<()>,
    /// Also those that have come to their end: each task is read once.
    open: BTreeMap<TaskId, Reader>,
}

struct Reader {
    ended: watch::Sender<bool>,
    task: AbortHandle,
}

impl Readers {
    /// Begins and ends readers so that exactly what is wished is read, and tells them which tasks have ended.
    pub fn serve<F>(
        &mut self,
        wished: &Wished,
        begin: impl Fn((TaskId, Timestamp, Option<u64>), watch::Receiver<bool>) -> F,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        while self.running.try_join_next().is_some() {}
        let places: BTreeMap<TaskId, _> = wished.tasks.iter().filter_map(position).map(|at| (at.0, at)).collect();
        self.open.retain(|task, reader| {
            let stays = places.contains_key(task);
            if !stays {
                reader.task.abort();
            }
            stays
        });
        for (task, place) in places {
            let has_ended = wished.ended.contains(&task);
            let reader = self.open.entry(task).or_insert_with(|| {
                let (ended, receiver) = watch::channel(has_ended);
                let task = self.running.spawn(begin(place, receiver));
                Reader { ended, task }
            });
            reader
                .ended
                .send_if_modified(|known| std::mem::replace(known, has_ended) != has_ended);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wished(tasks: &[u128], ended: &[u128]) -> Wished {
        let name = |task: &u128| TaskId::from_bits(*task).to_string();
        let position = |task: &u128| pb::LogPosition {
            task: name(task),
            ..pb::LogPosition::default()
        };
        Wished::of(pb::LogWish {
            tasks: tasks.iter().map(position).collect(),
            ended: ended.iter().map(name).collect(),
            ..pb::LogWish::default()
        })
    }

    #[tokio::test]
    async fn a_reader_lives_as_long_as_its_task_is_wished_or_has_not_ended() {
        let mut readers = Readers::default();
        let begin = |_, mut ended: watch::Receiver<bool>| async move {
            let _ = ended.wait_for(|ended| *ended).await;
        };
        readers.serve(&wished(&[1, 2, 3], &[]), begin);
        assert_eq!(readers.running.len(), 3);
        readers.serve(&wished(&[2, 3], &[]), begin);
        let first = readers.running.join_next().await.unwrap();
        assert!(first.unwrap_err().is_cancelled(), "nobody wishes the first");
        readers.serve(&wished(&[2, 3], &[2]), begin);
        readers.running.join_next().await.unwrap().unwrap();
        readers.serve(&wished(&[2, 3], &[2]), begin);
        assert_eq!(
            (readers.running.len(), readers.open.len()),
            (1, 2),
            "none is read twice"
        );
    }
}
