//! `service create` and `service scale`: arguments to spec.
//!
//! The model's spec knows networks by id and the user by name, so the networks of a request are put into the message
//! as typed; the manager resolves them.

use model::{Constraint, EndpointMode, Mode, Name, NameKind, PortSpec, RestartCondition, RestartPolicy, ServiceSpec};
use wire::pb;

use crate::{
    args::{EndpointModeArg, RestartConditionArg, ServiceCreateArgs},
    failure::Failure,
};

use super::{
    duration::duration,
    name::random_name,
    words::{labels, split_command},
};

/// The spec that the arguments ask for. `dice` are random bits for the name of a service that was given none.
pub fn service_spec(args: &ServiceCreateArgs, dice: u128) -> Result<pb::ServiceSpec, Failure> {
    let name = match &args.name {
        Some(name) => Name::parse(NameKind::Service, name)?,
        None => random_name(dice)?,
    };
    let (image, command_args) = args
        .image_and_args
        .split_first()
        .unwrap_or((const { &String::new() }, &[]));
    let mut spec = ServiceSpec::new(name, image);
    spec.labels = labels(&args.label)?;
    spec.mode = mode(args)?;
    spec.placement.constraints = parse_all::<Constraint>(&args.constraint)?;
    spec.ports = parse_all::<PortSpec>(&args.publish)?;
    spec.restart = Some(restart(args)?);
    spec.endpoint_mode = match args.endpoint_mode {
        EndpointModeArg::Vip => EndpointMode::Vip,
        EndpointModeArg::Dnsrr => EndpointMode::Dnsrr,
    };
    spec.container.args = command_args.to_vec();
    spec.container.env = environment(&args.env);
    spec.container.labels = labels(&args.container_label)?;
    spec.container.command = split_command(args.entrypoint.as_deref().unwrap_or_default())?;
    spec.container.hostname = args.hostname.clone();
    spec.container.dir = args.workdir.clone();
    spec.container.user = args.user.clone();
    spec.container.stop_grace = Some(duration("--stop-grace-period", &args.stop_grace_period)?);
    spec.validate()?;
    let mut spec = pb::ServiceSpec::from(spec);
    spec.networks = networks(&args.network)?;
    Ok(spec)
}

/// `SERVICE=REPLICAS`.
pub fn scale(text: &str) -> Result<(&str, u32), Failure> {
    let (service, replicas) = text.split_once('=').ok_or_else(|| {
        Failure::Wrong(format!(
            "invalid scale specifier '{text}'. Must be in the form SERVICE=REPLICAS"
        ))
    })?;
    match replicas.parse() {
        Ok(number) => Ok((service, number)),
        Err(_) => Err(Failure::Wrong(format!(
            "{service}: invalid replicas value {replicas}: must be a whole number that is not negative"
        ))),
    }
}

/// Parses every text with the model's parser, whose error names it.
pub fn parse_all<T: std::str::FromStr<Err = model::Invalid>>(texts: &[String]) -> Result<Vec<T>, Failure> {
    Ok(texts.iter().map(|text| text.parse()).collect::<Result<_, _>>()?)
}

/// `NAME` alone takes its value from the environment of the command line, and is left out if it has none there.
pub fn environment(texts: &[String]) -> Vec<String> {
    let value = |text: &String| match text.contains('=') {
        true => Some(text.clone()),
        false if text.is_empty() => Some(String::new()),
        false => std::env::var(text).ok().map(|value| format!("{text}={value}")),
    };
    texts.iter().filter_map(value).collect()
}

fn mode(args: &ServiceCreateArgs) -> Result<Mode, Failure> {
    match args.mode.as_str() {
        "replicated" => Ok(Mode::Replicated {
            replicas: args.replicas.unwrap_or(1),
        }),
        mode @ ("global" | "replicated-job" | "global-job") => {
            Err(Failure::Unbuilt(format!("netctl service create --mode {mode}")))
        }
        mode => Err(Failure::Wrong(format!(
            "unknown mode: {mode}, only replicated and global supported"
        ))),
    }
}

fn restart(args: &ServiceCreateArgs) -> Result<RestartPolicy, Failure> {
    Ok(RestartPolicy {
        condition: match args.restart_condition {
            RestartConditionArg::None => RestartCondition::None,
            RestartConditionArg::OnFailure => RestartCondition::OnFailure,
            RestartConditionArg::Any => RestartCondition::Any,
        },
        delay: duration("--restart-delay", &args.restart_delay)?,
        max_attempts: args.restart_max_attempts,
        window: duration("--restart-window", &args.restart_window)?,
    })
}

/// Docker's short form `NETWORK` and long form `name=NETWORK,alias=NAME,alias=NAME`.
fn networks(texts: &[String]) -> Result<Vec<pb::NetworkAttachment>, Failure> {
    let mut attachments: Vec<pb::NetworkAttachment> = Vec::new();
    for text in texts {
        let attachment = network(text)?;
        if attachments.iter().any(|other| other.network == attachment.network) {
            return Err(model::Invalid::NetworkTwice(attachment.network).into());
        }
        attachments.push(attachment);
    }
    Ok(attachments)
}

fn network(text: &str) -> Result<pb::NetworkAttachment, Failure> {
    let invalid = || {
        Failure::Wrong(format!(
            "invalid network \"{text}\": use NETWORK or name=NETWORK,alias=NAME"
        ))
    };
    let mut attachment = pb::NetworkAttachment::default();
    if !text.contains('=') {
        attachment.network = text.to_owned();
    }
    for part in text.split(',').filter(|_| text.contains('=')) {
        match part.split_once('=') {
            Some(("name", name)) => attachment.network = name.to_owned(),
            Some(("alias", alias)) => attachment.aliases.push(alias.parse::<Name>()?.into()),
            Some(("driver-opt", _)) => return Err(Failure::Unbuilt("--network driver-opt".into())),
            _ => return Err(invalid()),
        }
    }
    match attachment.network.is_empty() {
        true => Err(invalid()),
        false => Ok(attachment),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::Parser;

    use super::*;
    use crate::args::{Cli, Command, ServiceCommand};

    fn spec(line: &str) -> Result<pb::ServiceSpec, String> {
        let words = format!("netctl service create {line}");
        let cli = Cli::try_parse_from(words.split_whitespace()).map_err(|error| error.to_string())?;
        let Command::Service(ServiceCommand::Create(args)) = cli.command else {
            panic!("{words} is service create");
        };
        service_spec(&args, 0).map_err(|failure| failure.to_string())
    }

    fn model(line: &str) -> ServiceSpec {
        let mut spec = spec(line).unwrap();
        spec.networks.clear();
        spec.try_into().unwrap()
    }

    #[test]
    fn an_image_is_enough() {
        assert_eq!(model("nginx"), ServiceSpec::new("able_abel".parse().unwrap(), "nginx"));
    }

    #[test]
    fn flags_after_the_image_belong_to_the_command() {
        let spec = model("--name web nginx:1 serve --name x -p 80");
        assert_eq!(spec.name.as_str(), "web");
        assert_eq!(spec.container.args, ["serve", "--name", "x", "-p", "80"]);
        assert!(spec.ports.is_empty());
    }

    #[test]
    fn flags_become_fields() {
        let spec = model(
            "--name web --replicas 3 -p 8080:80 --publish published=53,target=53,protocol=udp -e A=b --env C=d \
             --constraint node.role==worker -l tier=front --container-label x=y --hostname h --endpoint-mode vip \
             --restart-condition on-failure --restart-delay 1s --restart-max-attempts 2 --restart-window 1m \
             --stop-grace-period 3s --entrypoint /bin/sh -w /tmp -u 1000 -d nginx",
        );
        assert_eq!(spec.mode, Mode::Replicated { replicas: 3 });
        assert_eq!(spec.ports, ["8080:80", "53:53/udp"].map(|text| text.parse().unwrap()));
        assert_eq!(spec.container.env, ["A=b", "C=d"]);
        assert_eq!(spec.placement.constraints[0].to_string(), "node.role==worker");
        assert_eq!(
            (spec.labels["tier"].as_str(), spec.container.labels["x"].as_str()),
            ("front", "y")
        );
        assert_eq!(spec.container.command, ["/bin/sh"]);
        assert_eq!(spec.container.hostname.as_deref(), Some("h"));
        assert_eq!(
            (spec.container.dir.as_deref(), spec.container.user.as_deref()),
            (Some("/tmp"), Some("1000"))
        );
        assert_eq!(spec.container.stop_grace(), Duration::from_secs(3));
        let restart = RestartPolicy {
            condition: RestartCondition::OnFailure,
            delay: Duration::from_secs(1),
            max_attempts: 2,
            window: Duration::from_secs(60),
        };
        assert_eq!(spec.restart, Some(restart));
    }

    #[test]
    fn networks_go_by_name_with_aliases() {
        let networks = spec("--network blue --network name=red,alias=db,alias=sql nginx")
            .unwrap()
            .networks;
        assert_eq!(networks[0].network, "blue");
        assert_eq!((networks[1].network.as_str(), networks[1].aliases.len()), ("red", 2));
    }

    #[test]
    fn what_cannot_work_is_named() {
        for (line, word) in [
            ("--name a--b- nginx", "a--b-"),
            ("Nginx", "Nginx"),
            ("-p 80:80 -p 80:81 nginx", "80/tcp"),
            ("-p 99999:80 nginx", "99999:80"),
            ("--constraint node.colour==red nginx", "node.colour==red"),
            ("--network alias=x nginx", "alias=x"),
            ("--network blue --network blue nginx", "blue"),
            ("--restart-delay 5 nginx", "--restart-delay"),
            ("--mode global nginx", "not built yet"),
            ("--mode odd nginx", "unknown mode: odd"),
            ("--endpoint-mode dnsrr -p 80 nginx", "dnsrr"),
            ("-l =x nginx", "=x"),
            ("", "IMAGE"),
        ] {
            let error = spec(line).unwrap_err();
            assert!(error.contains(word), "{line}: {error}");
        }
    }

    #[test]
    fn scales_are_service_and_number() {
        assert_eq!(scale("web=3").unwrap(), ("web", 3));
        for bad in ["web", "web=", "web=-1", "web=x"] {
            assert!(scale(bad).is_err(), "{bad}");
        }
    }
}
