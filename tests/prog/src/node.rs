//! One node: the real object loaded in a network namespace of its own, tables filled by hand.

use std::collections::BTreeMap;

use abi::*;
use anyhow::{Context as _, Result, ensure};
use aya::Ebpf;
use aya::maps::{Array, HashMap, MapData, PerCpuArray, ProgramArray};
use aya::programs::{Program, TestRun as _, TestRunOptions};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

use crate::load::{classifier, load, object, verify};
use crate::packet::Frame;

/// The programs of the packet path, at their places in `PROBED`.
pub const PROGRAMS: [&str; 4] = [
    program::FROM_CONTAINER,
    program::FROM_OVERLAY,
    program::FROM_UPLINK,
    program::FROM_HOST,
];
/// An empty place in `PROBED`: the probe returns without calling anything.
pub const NOTHING: u32 = 7;

/// `TC_ACT_REDIRECT`.
pub const REDIRECT: i32 = 7;
/// `TC_ACT_SHOT`.
pub const SHOT: i32 = 2;
/// `TCX_NEXT`.
pub const NEXT: i32 = -1;

/// Where a packet enters.
#[derive(Clone, Copy, Debug)]
pub enum Entry {
    /// The host veth with this ifindex.
    Container(u32),
    /// `ntl-vx0`, with VNI and sending node.
    Overlay(u32, std::net::Ipv4Addr),
    /// A device of the host.
    Uplink,
    /// `ntl-hostp`.
    Host,
}

impl Entry {
    /// Program, ifindex, VNI, tunnel source.
    fn parts(self) -> (u32, u32, u32, u32) {
        match self {
            Self::Container(ifindex) => (0, ifindex, 0, 0),
            Self::Overlay(vni, from) => (1, 1, vni, from.to_bits()),
            Self::Uplink => (2, 1, 0, 0),
            Self::Host => (3, 1, 0, 0),
        }
    }
}

/// What became of a packet.
#[derive(Debug)]
pub struct Ran {
    /// The program's return value.
    pub code: i32,
    /// The frame afterwards.
    pub bytes: Vec<u8>,
    /// Words of the counters that went up, with how much.
    pub counted: BTreeMap<&'static str, u64>,
}

impl Ran {
    /// The frame afterwards, every checksum verified.
    pub fn frame(&self) -> Frame {
        Frame::parse(&self.bytes).unwrap_or_else(|e| panic!("{e} wrong in {self:?}"))
    }
    /// Whether the counter of this event went up.
    pub fn did(&self, event: Event) -> bool {
        self.counted.contains_key(event.word())
    }
    /// The reason of a drop.
    pub fn dropped(&self) -> Option<&'static str> {
        if self.code != SHOT {
            return None;
        }
        DropReason::ALL
            .iter()
            .map(|r| r.word())
            .find(|w| self.counted.contains_key(w))
    }
}

/// A loaded node.
pub struct Node {
    bpf: Ebpf,
    programs: ProgramArray<MapData>,
}

impl Node {
    /// Enters a fresh network namespace (of this thread) and loads the programs into it.
    ///
    /// # Errors
    /// No root, no object (`cargo xtask build-ebpf`), or the verifier's own words.
    pub fn new() -> Result<Self> {
        ensure!(
            nix::unistd::geteuid().is_root(),
            "packet tests load eBPF programs: run them as root"
        );
        unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_FS | CloneFlags::CLONE_NEWNS)
            .context("a network namespace of our own")?;
        mount(
            None::<&str>,
            "/",
            None::<&str>,
            MsFlags::MS_REC | MsFlags::MS_PRIVATE,
            None::<&str>,
        )?;
        Self::load()
    }

    /// Loads the programs from the network namespace of this thread.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn load() -> Result<Self> {
        let mut bpf = load(&object()?)?;
        let mut programs = ProgramArray::try_from(bpf.take_map("PROBED").context("no map PROBED")?)?;
        for (index, name) in PROGRAMS.iter().enumerate() {
            let p = verify(&mut bpf, name)?;
            programs.set(index as u32, p.fd()?, 0)?;
        }
        verify(&mut bpf, "probe")?;
        Ok(Self { bpf, programs })
    }

    /// A program by its name.
    ///
    /// # Errors
    /// The object has none.
    pub fn program(&mut self, name: &str) -> Result<&mut Program> {
        self.bpf.program_mut(name).with_context(|| format!("no program {name}"))
    }

    /// How many instructions the verifier walked, by program.
    ///
    /// # Errors
    /// The kernel's.
    pub fn verified(&mut self) -> Result<Vec<(&'static str, u32)>> {
        let mut all = Vec::new();
        for name in PROGRAMS {
            let n = classifier(&mut self.bpf, name)?.info()?.verified_instruction_count();
            all.push((name, n.unwrap_or(0)));
        }
        let _ = &self.programs;
        Ok(all)
    }

    /// Sends a frame through a program.
    pub fn send(&mut self, entry: Entry, frame: &Frame) -> Ran {
        self.send_bytes(entry, &frame.bytes())
            .unwrap_or_else(|e| panic!("{e:#}"))
    }

    /// As [`Self::send`] with any bytes (14 or more).
    ///
    /// # Errors
    /// The kernel refuses the run.
    pub fn send_bytes(&mut self, entry: Entry, bytes: &[u8]) -> Result<Ran> {
        let before = self.counters()?;
        let mut out = vec![0; bytes.len() + 256];
        let (code, len) = self
            .run(entry, bytes, &mut out, false, 1)
            .map(|r| (r.return_value as i32, r.data_size_out))?;
        ensure!((-1..=7).contains(&code), "the probe could not run the program: {code}");
        out.truncate(len as usize);
        let mut counted = self.counters()?;
        for (word, n) in before {
            let left = counted[word] - n;
            if left == 0 {
                counted.remove(word);
            } else {
                counted.insert(word, left);
            }
        }
        Ok(Ran {
            code,
            bytes: out,
            counted,
        })
    }

    /// Nanoseconds for one packet, mean of `repeat` runs; the first 64 bytes are restored before each.
    ///
    /// # Errors
    /// The kernel refuses the run, or the program drops the packet.
    pub fn time(&mut self, entry: Option<Entry>, frame: &Frame, repeat: u32) -> Result<f64> {
        let bytes = frame.bytes();
        let template: [u8; 64] = std::array::from_fn(|i| bytes[i]);
        Array::<_, [u8; 64]>::try_from(self.bpf.map_mut("TEMPLATE").context("no map TEMPLATE")?)?
            .set(0, template, 0)?;
        let mut out = vec![0; bytes.len() + 256];
        let ran = match entry {
            Some(entry) => self.run(entry, &bytes, &mut out, true, repeat)?,
            None => self.run_probe(NOTHING, 1, 1, 0x0a09_0002, true, &bytes, &mut out, repeat)?,
        };
        ensure!(
            entry.is_none() || ran.return_value as i32 != SHOT,
            "the measured packet is dropped"
        );
        Ok(ran.duration.as_nanos() as f64)
    }

    fn run(&mut self, e: Entry, b: &[u8], out: &mut [u8], template: bool, n: u32) -> Result<aya::TestRunResult> {
        let (program, ifindex, vni, source) = e.parts();
        self.run_probe(program, ifindex, vni, source, template, b, out, n)
    }

    #[allow(clippy::too_many_arguments)]
    fn run_probe(
        &mut self,
        program: u32,
        ifindex: u32,
        vni: u32,
        source: u32,
        template: bool,
        bytes: &[u8],
        out: &mut [u8],
        repeat: u32,
    ) -> Result<aya::TestRunResult> {
        // struct __sk_buff: ifindex at 40, cb at 48.
        let mut ctx = [0u8; 192];
        for (at, v) in [
            (40, ifindex),
            (48, program),
            (52, vni),
            (56, source),
            (60, u32::from(template)),
        ] {
            ctx[at..at + 4].copy_from_slice(&v.to_ne_bytes());
        }
        let p = classifier(&mut self.bpf, "probe")?;
        let opts = TestRunOptions {
            data_in: Some(bytes),
            data_out: Some(out),
            ctx_in: Some(&ctx),
            repeat,
            ..TestRunOptions::new()
        };
        Ok(p.test_run(opts)?)
    }

    /// Sums of all counters by their words.
    ///
    /// # Errors
    /// The kernel's.
    pub fn counters(&self) -> Result<BTreeMap<&'static str, u64>> {
        let stats = PerCpuArray::<_, Tally>::try_from(self.bpf.map(map::STATS).context("no map STATS")?)?;
        let rows = DropReason::ALL.iter().map(|r| (*r as u32, r.word()));
        let rows = rows.chain(Event::ALL.iter().map(|e| (EVENT_BASE + *e as u32, e.word())));
        rows.map(|(row, word)| Ok((word, stats.get(&row, 0)?.iter().map(|t| t.packets).sum())))
            .collect()
    }

    /// Writes a row of a hash.
    pub fn put<K: aya::Pod, V: aya::Pod>(&mut self, name: &str, key: K, value: V) {
        let map = self.bpf.map_mut(name).unwrap_or_else(|| panic!("no map {name}"));
        let mut map = HashMap::<_, K, V>::try_from(map).unwrap_or_else(|e| panic!("{name}: {e}"));
        map.insert(key, value, 0).unwrap_or_else(|e| panic!("{name}: {e}"));
    }

    /// Removes a row of a hash.
    pub fn remove<K: aya::Pod, V: aya::Pod>(&mut self, name: &str, key: K) {
        let map = self.bpf.map_mut(name).unwrap_or_else(|| panic!("no map {name}"));
        let mut map = HashMap::<_, K, V>::try_from(map).unwrap_or_else(|e| panic!("{name}: {e}"));
        map.remove(&key).unwrap_or_else(|e| panic!("{name}: {e}"));
    }

    /// Writes a row of an array.
    pub fn set<V: aya::Pod>(&mut self, name: &str, index: u32, value: V) {
        let map = self.bpf.map_mut(name).unwrap_or_else(|| panic!("no map {name}"));
        let mut map = Array::<_, V>::try_from(map).unwrap_or_else(|e| panic!("{name}: {e}"));
        map.set(index, value, 0).unwrap_or_else(|e| panic!("{name}: {e}"));
    }
}
