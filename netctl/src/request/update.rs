//! `service update`: what the arguments change in the spec that the service has.

use model::{Constraint, Mode, PortSpec, Protocol, ServiceSpec};

use crate::{args::ServiceUpdateArgs, failure::Failure};

use super::{
    service::{environment, parse_all},
    words::{labels, split_command},
};

/// Changes `spec` as the arguments say.
pub fn update_spec(spec: &mut ServiceSpec, args: &ServiceUpdateArgs) -> Result<(), Failure> {
    if let Some(image) = &args.image {
        spec.container.image = image.clone();
    }
    if let Some(line) = &args.args {
        spec.container.args = split_command(line)?;
    }
    if let Some(replicas) = args.replicas {
        spec.mode = Mode::Replicated { replicas };
    }
    update_environment(&mut spec.container.env, args);
    spec.labels.retain(|key, _| !args.label_rm.contains(key));
    spec.labels.extend(labels(&args.label_add)?);
    let removed = parse_all::<Constraint>(&args.constraint_rm)?;
    spec.placement
        .constraints
        .retain(|constraint| !removed.contains(constraint));
    for constraint in parse_all::<Constraint>(&args.constraint_add)? {
        if !spec.placement.constraints.contains(&constraint) {
            spec.placement.constraints.push(constraint);
        }
    }
    update_ports(&mut spec.ports, args)?;
    Ok(spec.validate()?)
}

/// The name of a `NAME=VALUE`.
fn variable(text: &str) -> &str {
    text.split('=').next().unwrap_or(text)
}

fn update_environment(env: &mut Vec<String>, args: &ServiceUpdateArgs) {
    let added = environment(&args.env_add);
    let replaced = |have: &str| added.iter().any(|new| variable(new) == variable(have));
    env.retain(|have| !args.env_rm.iter().any(|name| name == variable(have)) && !replaced(have));
    env.extend(added);
}

fn update_ports(ports: &mut Vec<PortSpec>, args: &ServiceUpdateArgs) -> Result<(), Failure> {
    for text in &args.publish_rm {
        let (target, protocol) = text.split_once('/').unwrap_or((text, Protocol::Tcp.word()));
        let before = ports.len();
        ports.retain(|port| port.target.to_string() != target || port.protocol.word() != protocol);
        if ports.len() == before {
            return Err(Failure::Wrong(format!(
                "--publish-rm {text}: the service publishes no such target port"
            )));
        }
    }
    for new in parse_all::<PortSpec>(&args.publish_add)? {
        ports.retain(|port| (port.target, port.protocol) != (new.target, new.protocol));
        ports.push(new);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Cli, Command, ServiceCommand};

    fn updated(line: &str) -> Result<ServiceSpec, String> {
        let mut spec = ServiceSpec::new("web".parse().unwrap(), "web:1");
        spec.container.env = vec!["A=1".into(), "B=2".into()];
        spec.ports = vec!["8080:80".parse().unwrap()];
        spec.placement.constraints = vec!["node.role==worker".parse().unwrap()];
        let words = format!("netctl service update {line} web");
        let cli = Cli::try_parse_from(words.split_whitespace()).map_err(|error| error.to_string())?;
        let Command::Service(ServiceCommand::Update(args)) = cli.command else {
            panic!("{words} is service update");
        };
        update_spec(&mut spec, &args).map_err(|failure| failure.to_string())?;
        Ok(spec)
    }

    #[test]
    fn each_flag_changes_its_part_only() {
        let spec = updated("--image web:2 --replicas 4").unwrap();
        assert_eq!((spec.container.image.as_str(), spec.replicas()), ("web:2", Some(4)));
        assert_eq!(spec.container.env, ["A=1", "B=2"]);
    }

    #[test]
    fn variables_are_replaced_by_name() {
        assert_eq!(updated("--env-add A=9 --env-rm B").unwrap().container.env, ["A=9"]);
    }

    #[test]
    fn ports_and_constraints_come_and_go() {
        let spec = updated("--publish-add 9090:80 --constraint-rm node.role==worker").unwrap();
        assert_eq!(spec.ports, ["9090:80".parse().unwrap()]);
        assert!(spec.placement.constraints.is_empty());
        assert!(updated("--publish-rm 80").unwrap().ports.is_empty());
        assert!(updated("--publish-rm 81").unwrap_err().contains("--publish-rm 81"));
    }
}
