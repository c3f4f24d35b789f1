//! What a container has to have in order to pass: files about names, and which endpoints it gets. One folder per task,
//! which outlives the daemon, as containers do, and no boot.

use std::{
    fs::{self, Permissions},
    io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use model::{Mount, TaskId};
use plan::container::{ContainerRequest, HOSTS, RESOLV_CONF, hosts, resolv_conf};

use crate::{
    dns::RESOLVER,
    network::EndpointSpec,
    vault::{bind, gone, keep_folders},
};

/// Below the daemon's folder for what does not outlive a boot: folders of tasks, and where the gate is mounted.
const FOLDERS: [&str; 2] = ["endpoints", "gate"];
/// Which endpoints the container gets.
const ENDPOINTS: &str = "endpoints.json";
/// Why it was not let through last.
const REFUSAL: &str = "refusal";
/// Where the host has its own resolver and domains.
const HOST: &str = "/etc/resolv.conf";
/// Why there are no mounts.
const NO_WAY: &str = "mounts at both /etc/resolv.conf and /etc/hosts leave no way to give the container its network";
/// Characters of an engine's container id that are the host name of a container without one.
const HOST_NAME: usize = 12;

/// See the module.
#[derive(Clone, Debug)]
pub struct Papers {
    root: PathBuf,
    gate: PathBuf,
}

impl Papers {
    /// Below `run_dir`.
    pub fn new(run_dir: &Path) -> Self {
        let [root, gate] = FOLDERS.map(|name| run_dir.join(name));
        Self { root, gate }
    }

    /// Where the gate is mounted.
    pub(super) fn gate(&self) -> PathBuf {
        self.gate.clone()
    }

    /// The folder of a task.
    pub(super) fn folder(&self, task: TaskId) -> PathBuf {
        self.root.join(task.to_string())
    }

    /// Whether a task's are here.
    pub fn has(&self, task: TaskId) -> bool {
        self.folder(task).join(ENDPOINTS).is_file()
    }

    /// Writes them, and answers with the mounts that put the files into the container, the first of them through the gate.
    pub fn write(&self, request: &ContainerRequest) -> io::Result<Vec<Mount>> {
        let mounts = self.mounts(request).ok_or_else(|| io::Error::other(NO_WAY))?;
        let folder = self.folder(request.task);
        fs::create_dir_all(&folder)?;
        // Which tasks there are is nobody's business but root's.
        fs::set_permissions(&self.root, Permissions::from_mode(0o700))?;
        let host = fs::read_to_string(HOST).unwrap_or_default();
        let text = resolv_conf(&request.spec.dns, RESOLVER.into(), &host);
        fs::write(file(&folder, RESOLV_CONF), text)?;
        fs::write(file(&folder, HOSTS), hosts(request, ""))?;
        // Last: it says that they are here.
        fs::write(folder.join(ENDPOINTS), serde_json::to_vec(&endpoints(request))?)?;
        Ok(mounts)
    }

    /// `None`: the service has files of its own in both places.
    fn mounts(&self, request: &ContainerRequest) -> Option<Vec<Mount>> {
        let given = |target: &str| request.spec.mounts.iter().any(|mount| mount.target == target);
        let mut targets = [RESOLV_CONF, HOSTS].into_iter().filter(|target| !given(target));
        let mount = |folder: &Path, target| bind(&file(folder, target), target, request.spec.read_only);
        let first = mount(&self.gate.join(request.task.to_string()), targets.next()?);
        let rest = targets.map(|target| mount(&self.folder(request.task), target));
        Some(std::iter::once(first).chain(rest).collect())
    }

    /// The container is made: its own name is known.
    pub fn name(&self, request: &ContainerRequest, container: &str) -> io::Result<()> {
        let short = container.get(..HOST_NAME).unwrap_or(container);
        let name = request.spec.hostname.as_deref().unwrap_or(short);
        fs::write(file(&self.folder(request.task), HOSTS), hosts(request, name))
    }

    /// The endpoints that a task's container gets.
    pub(super) fn endpoints(&self, task: TaskId) -> io::Result<Vec<EndpointSpec>> {
        Ok(serde_json::from_slice(&fs::read(self.folder(task).join(ENDPOINTS))?)?)
    }

    /// Notes why a container is not let through; `None`: it is.
    pub(super) fn judge(&self, task: TaskId, refusal: Option<&str>) -> io::Result<()> {
        let path = self.folder(task).join(REFUSAL);
        match refusal {
            Some(words) => fs::write(path, words),
            None => gone(fs::remove_file(path)),
        }
    }

    /// Why a task's container was not let through last, if it was not.
    pub fn refusal(&self, task: TaskId) -> Option<String> {
        fs::read_to_string(self.folder(task).join(REFUSAL)).ok()
    }

    /// Removes a task's.
    pub fn wipe(&self, task: TaskId) -> io::Result<()> {
        gone(fs::remove_dir_all(self.folder(task)))
    }

    /// Removes those of all tasks but these.
    pub fn keep(&self, wanted: impl Fn(TaskId) -> bool) -> io::Result<()> {
        keep_folders(&self.root, wanted)
    }

    /// Removes everything.
    pub fn close(&self) -> io::Result<()> {
        gone(fs::remove_dir_all(&self.root))?;
        gone(fs::remove_dir(&self.gate))
    }
}

/// The file in `folder` that is named as the one at `target`.
fn file(folder: &Path, target: &str) -> PathBuf {
    folder.join(Path::new(target).file_name().unwrap_or_default())
}

fn endpoints(request: &ContainerRequest) -> Vec<EndpointSpec> {
    let specs = request
        .endpoints
        .iter()
        .enumerate()
        .map(|(number, endpoint)| EndpointSpec {
            task: request.task,
            network: endpoint.network,
            address: endpoint.address,
            mac: endpoint.mac,
            gateway: endpoint.gateway,
            device: format!("eth{number}"),
        });
    specs.collect()
}

#[cfg(test)]
mod tests {
    use plan::container::container_request;

    use super::*;
    use crate::worker::{FACTS, fixture};

    fn request() -> ContainerRequest {
        let view = fixture::view(&[1]);
        container_request(&view, &view.tasks[0], FACTS).unwrap()
    }

    #[test]
    fn the_first_file_goes_through_the_gate_and_all_go_with_the_task() {
        let folder = tempfile::tempdir().unwrap();
        let papers = Papers::new(folder.path());
        let request = request();
        assert!(!papers.has(request.task));
        let mounts = papers.write(&request).unwrap();
        let way = folder.path().join("gate").join(request.task.to_string());
        assert_eq!(mounts[0].source, way.join("resolv.conf").to_string_lossy());
        assert_eq!(
            mounts[1].source,
            papers.folder(request.task).join("hosts").to_string_lossy()
        );
        assert_eq!((mounts[1].target.as_str(), mounts[1].read_only), ("/etc/hosts", false));
        papers.name(&request, &"4".repeat(64)).unwrap();
        let mode = fs::metadata(folder.path().join("endpoints"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o700);
        let text = fs::read_to_string(&mounts[1].source).unwrap();
        assert!(text.ends_with("10.1.0.5\t444444444444\n"), "{text}");
        let endpoints = papers.endpoints(request.task).unwrap();
        assert_eq!(
            (endpoints[0].device.as_str(), endpoints[0].mac),
            ("eth0", request.endpoints[0].mac)
        );
        papers.keep(|task| task == request.task).unwrap();
        assert!(papers.has(request.task));
        papers.keep(|_| false).unwrap();
        assert!(!papers.has(request.task));
        papers.close().unwrap();
    }

    #[test]
    fn a_file_of_the_services_own_stays_and_two_of_them_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let papers = Papers::new(folder.path());
        let mut request = request();
        request.spec.mounts = vec![bind(Path::new("/srv/own"), RESOLV_CONF, true)];
        let mounts = papers.write(&request).unwrap();
        assert_eq!(mounts.len(), 1);
        assert!(mounts[0].source.contains("/gate/") && mounts[0].target == HOSTS);
        request.spec.mounts.push(bind(Path::new("/srv/own"), HOSTS, true));
        let error = papers.write(&request).unwrap_err().to_string();
        assert!(error.contains("/etc/resolv.conf and /etc/hosts"), "{error}");
    }

    #[test]
    fn why_somebody_was_refused_is_known_until_he_passes() {
        let folder = tempfile::tempdir().unwrap();
        let papers = Papers::new(folder.path());
        let request = request();
        papers.write(&request).unwrap();
        assert_eq!(papers.refusal(request.task), None);
        papers.judge(request.task, Some("map PORT is full")).unwrap();
        assert_eq!(papers.refusal(request.task).as_deref(), Some("map PORT is full"));
        papers.judge(request.task, None).unwrap();
        assert_eq!(papers.refusal(request.task), None);
    }
}
