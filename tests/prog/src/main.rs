fn main() -> anyhow::Result<()> {
    let mut b = prog::node::load()?;
    for (name, p) in b.programs_mut() {
        let r = match p {
            aya::programs::Program::SchedClassifier(p) => p.load(),
            aya::programs::Program::CgroupSockAddr(p) => p.load(),
            _ => continue,
        };
        match r {
            Ok(()) => {
                let i = p.info()?;
                println!("{name} ok insns {:?}", i.verified_instruction_count());
            }
            Err(e) => {
                let s = format!("{e}");
                println!("{name} FAIL {}", &s[s.len().saturating_sub(3000)..]);
            }
        }
    }
    Ok(())
}
