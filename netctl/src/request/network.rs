//! `network create`: arguments to spec.

use model::{Name, NameKind, NetworkSpec};

use crate::{args::NetworkCreateArgs, failure::Failure};

use super::words::labels;

/// The spec that the arguments ask for.
pub fn network_spec(args: &NetworkCreateArgs) -> Result<NetworkSpec, Failure> {
    if args.driver != "overlay" {
        return Err(Failure::Wrong(format!(
            "invalid driver \"{}\": netctl makes overlay networks; use \"docker network create\" for networks of one host",
            args.driver
        )));
    }
    if args.scope != "swarm" {
        return Err(Failure::Wrong(format!(
            "invalid scope \"{}\": networks of netctl have scope swarm",
            args.scope
        )));
    }
    if let Some(option) = args.opt.first() {
        return Err(Failure::Unbuilt(format!("netctl network create --opt {option}")));
    }
    let mut spec = NetworkSpec::named(Name::parse(NameKind::Network, &args.name)?);
    spec.labels = labels(&args.label)?;
    spec.internal = args.internal;
    spec.attachable = args.attachable;
    if let Some(text) = only("--subnet", &args.subnet)? {
        let invalid = || Failure::Wrong(format!("invalid subnet \"{text}\": use CIDR notation like 10.9.0.0/24"));
        spec.subnet = Some(text.parse().map_err(|_| invalid())?);
    }
    if let Some(text) = only("--gateway", &args.gateway)? {
        let invalid = || Failure::Wrong(format!("invalid gateway \"{text}\": use an address like 10.9.0.1"));
        spec.gateway = Some(text.parse().map_err(|_| invalid())?);
    }
    spec.validate()?;
    Ok(spec)
}

/// Docker's networks may have several subnets, one for each family; none of those that are given is to be left out in
/// silence.
fn only<'a>(flag: &str, given: &'a [String]) -> Result<Option<&'a String>, Failure> {
    match given {
        [] => Ok(None),
        [one] => Ok(Some(one)),
        several => Err(Failure::Wrong(format!(
            "{flag} is given {} times ({}): a network has one subnet with one gateway, keep one of them",
            several.len(),
            several.join(", ")
        ))),
    }
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::args::{Cli, Command, NetworkCommand};

    fn spec(line: &str) -> Result<NetworkSpec, String> {
        let words = format!("netctl network create {line}");
        let cli = Cli::read(words.split_whitespace()).map_err(|error| error.to_string())?;
        let Command::Network(NetworkCommand::Create(args)) = cli.command else {
            panic!("{words} is network create");
        };
        network_spec(&args).map_err(|failure| failure.to_string())
    }

    #[test]
    fn a_name_is_enough() {
        let blue = NetworkSpec::named("blue".parse().unwrap());
        assert_eq!(spec("blue"), Ok(blue.clone()));
        assert_eq!(spec("-d overlay blue"), Ok(blue));
    }

    #[test]
    fn flags_become_fields() {
        let spec = spec("--internal --attachable --subnet 10.9.0.0/24 --gateway 10.9.0.9 --label a=b blue").unwrap();
        assert!(spec.internal && spec.attachable);
        assert_eq!(spec.subnet, Some("10.9.0.0/24".parse().unwrap()));
        assert_eq!(spec.gateway, Some("10.9.0.9".parse().unwrap()));
        assert_eq!(spec.labels["a"], "b");
    }

    #[test]
    fn what_cannot_work_is_named() {
        for (line, word) in [
            ("-d bridge blue", "bridge"),
            ("--subnet x blue", "invalid subnet \"x\""),
            ("--subnet 10.9.0.1/24 blue", "10.9.0.1/24"),
            ("--gateway 10.9.0.1 blue", "10.9.0.1"),
            ("b--", "b--"),
            ("-o encrypted blue", "not built yet"),
            (
                "--subnet 10.9.0.0/24 --subnet 10.8.0.0/24 blue",
                "2 times (10.9.0.0/24, 10.8.0.0/24)",
            ),
            (
                "--subnet 10.9.0.0/24 --gateway 10.9.0.1 --gateway 10.9.0.2 blue",
                "--gateway is given 2 times",
            ),
        ] {
            let error = spec(line).unwrap_err();
            assert!(error.contains(word), "{line}: {error}");
        }
    }
}
