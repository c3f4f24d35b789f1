//! Broken wires: packets between given nodes that are lost, all of them or a
//! share, in one direction or in both. Done by `ebpf/faults` on the switch's
//! port of each node; no other link of the machine has that program.
//!
//! Links and table belong to this process: however it ends, the wires are whole
//! again.

use crate::lab::layout::{Node, SWITCH};
use crate::lab::state::Record;
use crate::{ebpf, repo};
use anyhow::{Context, Result, anyhow};
use aya::Ebpf;
use aya::maps::{HashMap, MapData};
use aya::programs::{SchedClassifier, TcAttachType, tc};
use nix::sched::{CloneFlags, setns};
use std::fs::File;

const PROGRAM: &str = "faults";
/// Of 2^32 packets.
const ALL: f64 = 4_294_967_296.0;

/// The lab's wires, as far as they can break.
pub struct Wires {
    object: Ebpf,
    rules: HashMap<MapData, [u8; 8], [u64; 2]>,
}

impl Wires {
    /// Attaches the program to the port of every node; all wires are whole.
    ///
    /// # Errors
    /// The program cannot be built, loaded or attached.
    pub fn attach(record: &Record) -> Result<Self> {
        ebpf::build_faults()?;
        let path = repo::faults_object();
        let mut object = Ebpf::load_file(&path).with_context(|| format!("loading {}", path.display()))?;
        let rules = object.take_map("RULE").context("the object has no map RULE")?;
        let rules = HashMap::try_from(rules)?;
        program(&mut object)?.load()?;
        let mut wires = Self { object, rules };
        for node in Node::first(record.count()) {
            wires.adopt(node)?;
        }
        Ok(wires)
    }

    /// Takes a node's port in hand; again after the node was without power, which made it a new one.
    ///
    /// # Errors
    /// The node has no port, or the program cannot be attached.
    pub fn adopt(&mut self, node: Node) -> Result<()> {
        let program = program(&mut self.object)?;
        let switch = File::open(format!("/run/netns/{SWITCH}")).context("the lab's switch")?;
        let attached = std::thread::scope(|scope| {
            let inside = scope.spawn(|| -> Result<()> {
                setns(switch, CloneFlags::CLONE_NEWNET)?;
                // Kernels before 6.6 hang programs there; on others it is of no use and does no harm.
                let _ = tc::qdisc_add_clsact(&node.name());
                program.attach(&node.name(), TcAttachType::Ingress)?;
                Ok(())
            });
            inside
                .join()
                .map_err(|_| anyhow!("the thread in the switch panicked"))?
        });
        attached.with_context(|| format!("breaking the wire of {}", node.name()))
    }

    /// From now on loses `share` (0 to 1) of what `from` sends to `to`.
    ///
    /// # Errors
    /// The kernel refuses the rule.
    pub fn lose(&mut self, from: Node, to: Node, share: f64) -> Result<()> {
        // Lossless: shares are between 0 and 1, and a float of 2^32 is exact.
        let threshold = (share.clamp(0.0, 1.0) * ALL) as u64;
        self.rules.insert(pair(from, to), [threshold, 0], 0)?;
        Ok(())
    }

    /// Loses `share` of what any two of the nodes send each other.
    ///
    /// # Errors
    /// As [`Self::lose`].
    pub fn lose_among(&mut self, nodes: &[Node], share: f64) -> Result<()> {
        for from in nodes {
            for to in nodes.iter().filter(|to| *to != from) {
                self.lose(*from, *to, share)?;
            }
        }
        Ok(())
    }

    /// Nothing passes between `one` and any of `others`, in either direction.
    ///
    /// # Errors
    /// As [`Self::lose`].
    pub fn cut(&mut self, one: Node, others: &[Node]) -> Result<()> {
        for other in others.iter().filter(|other| **other != one) {
            self.lose(one, *other, 1.0)?;
            self.lose(*other, one, 1.0)?;
        }
        Ok(())
    }

    /// Mends all wires; returns how many packets were lost since the last time.
    ///
    /// # Errors
    /// The kernel does not give the rules.
    pub fn mend(&mut self) -> Result<u64> {
        let mut lost = 0;
        for key in self.rules.keys().collect::<Result<Vec<_>, _>>()? {
            lost += self.rules.get(&key, 0)?[1];
            self.rules.remove(&key)?;
        }
        Ok(lost)
    }
}

fn program(object: &mut Ebpf) -> Result<&mut SchedClassifier> {
    let program = object
        .program_mut(PROGRAM)
        .context("the object has no program faults")?;
    Ok(program.try_into()?)
}

/// The table's key: source and destination as on the wire.
fn pair(from: Node, to: Node) -> [u8; 8] {
    let mut key = [0; 8];
    key[..4].copy_from_slice(&from.address().octets());
    key[4..].copy_from_slice(&to.address().octets());
    key
}
