//! [`Datapath`] over the kernel: the embedded object, its pinned maps, its hooks.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use abi::ABI_VERSION;
use aya::{
    Ebpf, EbpfLoader,
    programs::{Program, ProgramError},
};
use plan::network::{Hook, Op, Tables};

use super::{
    Counts, Datapath, DatapathError, DatapathPaths,
    attach::{Hooks, Mode, with_cause},
    cgroup, environment,
    flows::FlowMaps,
    heap,
    maps::AgentMaps,
    stats::Stats,
};

/// What `cargo xtask build-ebpf` made.
static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/bpf/progs.o"));

/// The datapath of the calling thread's network namespace; must stay on that thread, since devices are found by index.
pub struct KernelDatapath {
    object: Ebpf,
    maps: AgentMaps,
    flows: FlowMaps,
    stats: Stats,
    hooks: Hooks,
    dirs: Dirs,
}

/// Directories of pins.
struct Dirs {
    root: PathBuf,
    maps: PathBuf,
    links: PathBuf,
}

impl Dirs {
    fn below(bpffs: &Path) -> Self {
        let root = bpffs.join(format!("v{ABI_VERSION}"));
        Self {
            maps: root.join("maps"),
            links: root.join("links"),
            root,
        }
    }
}

impl KernelDatapath {
    /// Loads the programs and adopts what an earlier daemon has pinned: its maps as they are, its hooks with the new
    /// programs in place of the old ones. Nothing new is attached but the socket hooks.
    pub fn open(paths: &DatapathPaths) -> Result<Self, DatapathError> {
        Self::open_with(paths, Mode::Tcx)
    }

    /// As [`KernelDatapath::open`], with the way to attach given: tests of the fallback need no old kernel.
    pub fn open_with(paths: &DatapathPaths, mode: Mode) -> Result<Self, DatapathError> {
        environment::check()?;
        let dirs = Dirs::below(&paths.bpffs);
        environment::prepare_bpffs(&dirs.maps)?;
        environment::prepare_bpffs(&dirs.links)?;
        let mut object = load(&dirs.maps)?;
        let maps = AgentMaps::take(&mut object)?;
        let flows = FlowMaps::take(&mut object)?;
        let stats = Stats::take(&mut object)?;
        let hooks = Hooks::adopt(&mut object, &dirs.links, mode)?;
        match paths
            .cgroup
            .clone()
            .or_else(|| environment::cgroup2_mount().unwrap_or_default())
        {
            Some(cgroup) => cgroup::attach(&mut object, &cgroup, &dirs.links)?,
            None => tracing::warn!("no cgroup2 tree: published ports do not answer on localhost of this node"),
        }
        heap::trim();
        Ok(Self {
            object,
            maps,
            flows,
            stats,
            hooks,
            dirs,
        })
    }
}

/// Loads object and programs into the kernel; maps that are pinned are used again.
fn load(pins: &Path) -> Result<Ebpf, DatapathError> {
    let refused = |what: &str, error: &dyn std::error::Error| {
        let words = with_cause(error);
        tracing::error!(%words, "the kernel refuses {what}");
        DatapathError::Load {
            what: what.to_owned(),
            reason: shortened(&words),
        }
    };
    let mut loader = EbpfLoader::new();
    let mut object = loader
        .default_map_pin_directory(pins)
        .load(OBJECT)
        .map_err(|error| refused("the BPF object", &error))?;
    for name in Hook::ALL.map(Hook::program).into_iter().chain(cgroup::PROGRAMS) {
        let program = object.program_mut(name).ok_or_else(|| DatapathError::Load {
            what: format!("the BPF object, which has no program {name}"),
            reason: "run `cargo xtask build-ebpf`".to_owned(),
        })?;
        let result = verify(program);
        result.map_err(|error| refused(&format!("program {name}"), &error))?;
    }
    Ok(object)
}

/// Begin and end of a text, in characters, that say what it is about and what it came to.
const TELLING: (usize, usize) = (200, 600);

/// The verifier says all that it has looked at, in megabytes, and its verdict at the end. Whoever asked for the datapath
/// gets the verdict; the log has all.
fn shortened(words: &str) -> String {
    let count = words.chars().count();
    let (begin, end) = TELLING;
    if count <= begin + end {
        return words.to_owned();
    }
    let head: String = words.chars().take(begin).collect();
    let tail: String = words.chars().skip(count - end).collect();
    format!(
        "{head} [{} characters are in the daemon's log] {tail}",
        count - begin - end
    )
}

/// Removes a directory and the pins in it; gone already is as good.
fn remove_with_pins(dir: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        fs::remove_file(entry?.path())?;
    }
    fs::remove_dir(dir)
}

/// How often a program is offered to the kernel.
const VERIFY_TRIES: u32 = 10;

/// Loads a program. The kernel gives up with `EAGAIN` when a signal arrives while it verifies, so it is asked again.
fn verify(program: &mut Program) -> Result<(), ProgramError> {
    let mut tries = 0;
    loop {
        let result = match program {
            Program::SchedClassifier(program) => program.load(),
            Program::CgroupSockAddr(program) => program.load(),
            _ => return Err(ProgramError::UnexpectedProgramType),
        };
        tries += 1;
        match result {
            Err(ProgramError::LoadError { io_error, .. })
                if io_error.kind() == io::ErrorKind::WouldBlock && tries < VERIFY_TRIES => {}
            result => return result,
        }
    }
}

impl Datapath for KernelDatapath {
    fn dump(&mut self) -> Result<Tables, DatapathError> {
        let mut tables = self.maps.dump()?;
        tables.hooks = self.hooks.attached().clone();
        Ok(tables)
    }

    fn apply(&mut self, op: &Op) -> Result<(), DatapathError> {
        if self.maps.apply(op)? {
            return Ok(());
        }
        match op {
            Op::Attach { ifindex, hook } => self.hooks.attach(&mut self.object, *ifindex, *hook),
            Op::Detach { ifindex, hook } => self.hooks.detach(*ifindex, *hook),
            Op::PurgeFlows(endpoints) => self.flows.purge(endpoints),
            _ => Ok(()),
        }
    }

    fn counts(&mut self) -> Result<Counts, DatapathError> {
        let mut counts = self.maps.counts();
        counts.extend(self.flows.counts());
        for hook in Hook::ALL {
            let devices = self
                .hooks
                .attached()
                .values()
                .filter(|attached| **attached == hook)
                .count();
            counts.push((format!("program {}", hook.program()), devices as u64));
        }
        counts.extend(self.stats.counts());
        Ok(counts)
    }

    fn detach_all(&mut self) -> Result<(), DatapathError> {
        self.hooks.detach_all()?;
        cgroup::detach(&self.dirs.links)?;
        for dir in [&self.dirs.maps, &self.dirs.links, &self.dirs.root] {
            remove_with_pins(dir).map_err(|source| DatapathError::Pin {
                path: dir.clone(),
                source,
            })?;
        }
        // The node's own directory goes too unless somebody else uses it or has mounted it.
        let _ = self.dirs.root.parent().map(fs::remove_dir);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::shortened;

    #[test]
    fn the_verifiers_verdict_is_told_and_its_way_there_is_not() {
        assert_eq!(shortened("Permission denied"), "Permission denied");
        let log = format!(
            "BPF_PROG_LOAD failed: {} R1 invalid mem access",
            "0: r1 = r2\n".repeat(100_000)
        );
        let told = shortened(&log);
        assert!(
            told.starts_with("BPF_PROG_LOAD failed") && told.ends_with("R1 invalid mem access"),
            "{told}"
        );
        assert!(told.len() < 1000, "{}", told.len());
    }
}
