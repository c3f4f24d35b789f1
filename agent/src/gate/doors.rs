//! The gate's file system: a folder with one symbolic link per task. Its calls come from the kernel, on a thread of their
//! own; a link that waits for endpoints is answered later, by a task of the runtime, so that nobody waits for another.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs::{self, File},
    io,
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, UNIX_EPOCH},
};

use fuser::{
    Errno, FileAttr, FileHandle, FileType, Filesystem, Generation, INodeNo, ReplyAttr, ReplyData, ReplyEntry, Request,
};
use model::TaskId;
use tokio::{
    runtime::Handle,
    time::{Instant, sleep},
};

use super::Papers;
use crate::network::{Namespace, Network};

/// How long a container that is refused waits at most, and how often it is tried again meanwhile.
const PATIENCE: Duration = Duration::from_secs(3);
const AGAIN: Duration = Duration::from_millis(200);
/// The kernel asks each time.
const NOT_KEPT: Duration = Duration::ZERO;

/// See the module.
pub(super) struct Doors {
    papers: Papers,
    network: Arc<dyn Network>,
    runtime: Handle,
    /// The host's own network namespace.
    host: u64,
    known: Arc<Mutex<Known>>,
}

/// Links that the kernel has been told of, by number, until it forgets them.
type Known = BTreeMap<u64, Door>;

struct Door {
    task: TaskId,
    /// How often the kernel has looked it up.
    lookups: u64,
    /// Who was let through last: process and namespace.
    passed: Option<(u32, u64)>,
}

impl Doors {
    pub(super) fn new(papers: Papers, network: Arc<dyn Network>) -> io::Result<Self> {
        Ok(Self {
            papers,
            network,
            runtime: Handle::current(),
            host: fs::metadata("/proc/thread-self/ns/net")?.ino(),
            known: Arc::default(),
        })
    }

    /// Held for an instant only.
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The network namespace of a process if it is not the host's own, with its number.
    fn foreign(&self, process: u32) -> io::Result<Option<(Namespace, u64)>> {
        let namespace = File::open(format!("/proc/{process}/ns/net"))?;
        let number = namespace.metadata()?.ino();
        Ok((number != self.host).then(|| (Arc::new(namespace), number)))
    }

    /// Answers who reads the link of `task` from another namespace, once the endpoints are there.
    fn admit(&self, (ino, task): (u64, TaskId), who: (u32, u64), namespace: Namespace, reply: ReplyData) {
        let (papers, network, known) = (self.papers.clone(), self.network.clone(), self.known.clone());
        self.runtime.spawn(async move {
            let verdict = enter(&papers, &*network, task, namespace).await;
            if let Err(error) = papers.judge(task, verdict.as_ref().err().map(String::as_str)) {
                tracing::warn!(%task, %error, "cannot note who passes the gate");
            }
            match verdict {
                Ok(()) => {
                    note(&known, ino, who);
                    reply.data(papers.folder(task).as_os_str().as_bytes());
                }
                Err(why) => {
                    tracing::warn!(%task, why, "a container does not get its network");
                    reply.error(Errno::EIO);
                }
            }
        });
    }
}

/// Remembers who was let through, for the next look of the same mount.
fn note(known: &Mutex<Known>, ino: u64, who: (u32, u64)) {
    let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(door) = known.get_mut(&ino) {
        door.passed = Some(who);
    }
}

/// Puts all endpoints of a task into a namespace. A container may be here before the network has taken in the view that
/// has its task, which waits in line behind other containers: what is refused is tried again for a while.
async fn enter(papers: &Papers, network: &dyn Network, task: TaskId, namespace: Namespace) -> Result<(), String> {
    let unknown = |error: io::Error| format!("the endpoints of task {task} are not known: {error}");
    let endpoints = papers.endpoints(task).map_err(unknown)?;
    let end = Instant::now() + PATIENCE;
    for endpoint in endpoints {
        while let Err(error) = network.ensure_endpoint(endpoint.clone(), namespace.clone()).await {
            if Instant::now() + AGAIN > end {
                return Err(error.to_string());
            }
            sleep(AGAIN).await;
        }
    }
    Ok(())
}

/// A task's number in the file system; 1 is the folder's.
fn number(task: TaskId) -> u64 {
    task.bits() as u64 | 1 << 63
}

fn attributes(ino: INodeNo, kind: FileType, perm: u16) -> FileAttr {
    FileAttr {
        ino,
        size: 0,
        blocks: 0,
        atime: UNIX_EPOCH,
        mtime: UNIX_EPOCH,
        ctime: UNIX_EPOCH,
        crtime: UNIX_EPOCH,
        kind,
        perm,
        nlink: 1,
        uid: 0,
        gid: 0,
        rdev: 0,
        blksize: 4096,
        flags: 0,
    }
}

impl Filesystem for Doors {
    fn lookup(&self, _: &Request, _: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let task: Option<TaskId> = name.to_str().and_then(|name| name.parse().ok());
        let Some(task) = task.filter(|task| self.papers.has(*task)) else {
            return reply.error(Errno::ENOENT);
        };
        let number = number(task);
        let door = Door {
            task,
            lookups: 0,
            passed: None,
        };
        self.known().entry(number).or_insert(door).lookups += 1;
        let link = attributes(INodeNo(number), FileType::Symlink, 0o777);
        reply.entry(&NOT_KEPT, &link, Generation(0));
    }

    fn forget(&self, _: &Request, ino: INodeNo, lookups: u64) {
        let mut known = self.known();
        if let Some(door) = known.get_mut(&ino.0) {
            door.lookups = door.lookups.saturating_sub(lookups);
            if door.lookups == 0 {
                known.remove(&ino.0);
            }
        }
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        let attributes = match ino {
            INodeNo::ROOT => attributes(ino, FileType::Directory, 0o755),
            _ => attributes(ino, FileType::Symlink, 0o777),
        };
        reply.attr(&NOT_KEPT, &attributes);
    }

    fn readlink(&self, request: &Request, ino: INodeNo, reply: ReplyData) {
        // The runtime sets up mounts as root. Anybody else may be root of a namespace that he made for the purpose, and
        // would get the endpoints of a task for it; his user id here is the one that he has outside.
        if request.uid() != 0 {
            return reply.error(Errno::EACCES);
        }
        let door = self.known().get(&ino.0).map(|door| (door.task, door.passed));
        let Some((task, passed)) = door else {
            return reply.error(Errno::ENOENT);
        };
        match self.foreign(request.pid()) {
            Ok(Some((namespace, number))) if passed != Some((request.pid(), number)) => {
                self.admit((ino.0, task), (request.pid(), number), namespace, reply);
            }
            Ok(_) => reply.data(self.papers.folder(task).as_os_str().as_bytes()),
            // Who asks has gone already, or is in another namespace of processes.
            Err(_) => reply.error(Errno::EIO),
        }
    }
}
