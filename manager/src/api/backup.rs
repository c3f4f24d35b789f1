//! A backup of the cluster, as operators ask for it on the local socket.

use tokio::{sync::mpsc, task::spawn_blocking};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;
use wire::pb;

use super::Api;
use crate::{
    autolock,
    backup::{Backup, BackupError},
    mint,
};

/// Bytes of one part.
const PART: usize = 1 << 20;
/// Parts that wait in a stream.
const QUEUE: usize = 2;

pub(super) type BackupStream = ReceiverStream<Result<pb::BackupPart, Status>>;

impl Api {
    /// Of a state that has everything acknowledged before the call.
    pub(super) async fn backup(&self) -> Result<BackupStream, Status> {
        let view = self.read().await?;
        let term = self.proposer.published().borrow().standing.term;
        let unlock = view.cluster().and_then(autolock::of_cluster);
        let mut head = pb::BackupPart {
            cluster: view.cluster().map(|cluster| cluster.id.to_string()).unwrap_or_default(),
            index: view.applied(),
            sealed: unlock.is_some(),
            ..pb::BackupPart::default()
        };
        // A large state takes longer than others on this thread should wait.
        let packing = spawn_blocking(move || Backup::pack(&view, term, mint::now(), unlock.as_ref()));
        let packed = packing.await.map_err(|why| Status::internal(why.to_string()))?;
        let file = packed.map_err(|why| match why {
            BackupError::NoCluster => Status::unavailable(why.to_string()),
            why => Status::internal(why.to_string()),
        })?;
        head.size = file.len() as u64;
        let (to, stream) = mpsc::channel(QUEUE);
        tokio::spawn(async move {
            for data in file.chunks(PART) {
                let data = data.to_vec();
                let part = pb::BackupPart {
                    data,
                    ..std::mem::take(&mut head)
                };
                if to.send(Ok(part)).await.is_err() {
                    return;
                }
            }
        });
        Ok(ReceiverStream::new(stream))
    }
}
