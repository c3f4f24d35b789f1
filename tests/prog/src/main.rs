//! `prog-bench`: prints nanoseconds per packet as lines `name value unit`, for `xtask bench datapath`.

fn main() -> anyhow::Result<()> {
    for (name, ns) in prog::bench::bench()? {
        println!("{name} {ns:.0} ns");
    }
    let verified = prog::node::Node::new()?.verified()?;
    for (name, n) in verified {
        println!("{name}_verified {n} instructions");
    }
    Ok(())
}
