//! `service create`, `service update`, `service scale`: arguments to spec.
//!
//! The model's spec knows networks, secrets and configs by id and the user by name, so those of a request are put into
//! the message as typed; the manager resolves them.

mod attached;
mod capability;
mod flags;
mod health;
mod lists;
mod mount;
mod number;
mod update;

use model::{Mode, Name, NameKind, ServiceSpec};
use wire::pb;

use crate::{
    args::{Edits, ModeFlags, ServiceCreateArgs},
    failure::Failure,
};

pub use attached::refer;
pub use capability::change_capabilities;
pub use lists::environment_file;
pub use mount::mount;
pub use number::{bytes, canary_share, nano_cpus, ratio};
pub use update::update_spec;

use super::{name::random_name, words::split_command};

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
    spec.mode = mode(&args.mode, &args.flags.mode)?;
    spec.container.args = command_args.to_vec();
    flags::apply(&mut spec, &args.flags)?;
    let edits = Edits::from(&args.lists);
    lists::apply(&mut spec, &edits)?;
    spec.validate()?;
    let mut spec = pb::ServiceSpec::from(spec);
    attached::apply(&mut spec, &edits)?;
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

/// Sets the number of tasks of a service or of a job.
pub fn set_replicas(mode: &mut Mode, number: u32) -> Result<(), Failure> {
    match mode {
        Mode::Replicated { replicas } => *replicas = number,
        Mode::ReplicatedJob { total_completions, .. } => *total_completions = number,
        Mode::Global | Mode::GlobalJob => {
            return Err(Failure::Wrong(
                "replicas can only be used with replicated or replicated-job mode".to_owned(),
            ));
        }
    }
    Ok(())
}

/// The mode that a word names; how many tasks it has, [`flags::apply`] sets.
fn mode(word: &str, flags: &ModeFlags) -> Result<Mode, Failure> {
    let mode = match word {
        "replicated" => Mode::Replicated { replicas: 1 },
        "global" => Mode::Global,
        "replicated-job" => Mode::ReplicatedJob {
            max_concurrent: flags.max_concurrent.or(flags.replicas).unwrap_or(1),
            total_completions: 1,
        },
        "global-job" => Mode::GlobalJob,
        _ => {
            return Err(Failure::Wrong(format!(
                "Unknown mode: {word}, only replicated, global, replicated-job and global-job are supported"
            )));
        }
    };
    Ok(mode)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use model::{FailureAction, HealthTest, RestartCondition, RestartPolicy, UpdateOrder};

    use super::*;
    use crate::args::{Cli, Command, ServiceCommand};

    fn spec(line: &str) -> Result<pb::ServiceSpec, String> {
        let words = format!("netctl service create {line}");
        let cli = Cli::read(words.split_whitespace()).map_err(|error| error.to_string())?;
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
    fn flags_of_updates_health_and_resources_become_fields() {
        let spec = model(
            "--name web --update-parallelism 2 --update-delay 1s --update-order start-first --update-monitor 3s \
             --update-failure-action rollback --update-max-failure-ratio 0.25 --rollback-parallelism 0 \
             --health-cmd curl --health-retries 2 --limit-cpu .5 --limit-memory 64m --reserve-memory 1g \
             --memory-swap -1 --placement-pref spread=node.labels.rack --replicas-max-per-node 2 -t --init=false \
             --ulimit nofile=10:20 --sysctl a.b=1 --cap-add net_admin --group audio --host db:192.0.2.1 \
             --mount type=bind,src=/srv,dst=/data,ro --env-file /dev/null --stop-signal SIGQUIT web:1",
        );
        let update = spec.update.unwrap();
        assert_eq!((update.parallelism, update.order), (2, UpdateOrder::StartFirst));
        assert_eq!(update.failure_action, FailureAction::Rollback);
        assert_eq!(update.max_failure_ratio.parts_per_million(), 250_000);
        assert_eq!(spec.rollback.unwrap().parallelism, 0);
        let container = &spec.container;
        assert_eq!(
            container.health.as_ref().unwrap().test,
            HealthTest::Shell("curl".into())
        );
        assert_eq!(container.resources.limits.nano_cpus, 500_000_000);
        assert_eq!(container.resources.limits.memory_bytes, 64 << 20);
        assert_eq!(container.resources.memory_swap, Some(-1));
        assert_eq!((spec.placement.max_replicas, spec.placement.preferences.len()), (2, 1));
        assert_eq!((container.tty, container.init), (true, Some(false)));
        assert_eq!(
            (container.cap_add[0].as_str(), container.hosts[0].as_str()),
            ("CAP_NET_ADMIN", "192.0.2.1 db")
        );
        assert!(container.mounts[0].read_only && container.ulimits["nofile"].hard == 20);
    }

    #[test]
    fn jobs_have_completions() {
        let job = |line: &str| model(&format!("--name j {line} job:1")).mode;
        let mode = |max_concurrent, total_completions| Mode::ReplicatedJob {
            max_concurrent,
            total_completions,
        };
        assert_eq!(job("--mode replicated-job --replicas 5"), mode(5, 5));
        assert_eq!(job("--mode replicated-job --replicas 5 --max-concurrent 2"), mode(2, 5));
        assert_eq!(job("--mode global-job"), Mode::GlobalJob);
    }

    #[test]
    fn secrets_and_configs_go_by_name() {
        let container = spec("--secret password --config source=app,target=/etc/app,mode=0400,uid=5 web:1");
        let container = container.unwrap().container.unwrap();
        assert_eq!(
            (container.secrets[0].name.as_str(), container.secrets[0].mode),
            ("password", 0o444)
        );
        let config = &container.configs[0];
        assert_eq!(
            (config.target.as_str(), config.mode, config.uid.as_str()),
            ("/etc/app", 0o400, "5")
        );
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
            ("--mode odd nginx", "Unknown mode: odd"),
            ("--mode global --replicas 2 nginx", "replicas can only be used"),
            ("--mode replicated-job --restart-condition any nginx", "job"),
            ("--limit-memory 1m nginx", "6 MiB"),
            ("--limit-cpu x nginx", "--limit-cpu"),
            ("--health-cmd true --no-healthcheck nginx", "--no-healthcheck conflicts"),
            ("--mount type=volume,target=rel nginx", "absolute path"),
            ("--mount type=npipe,target=/x nginx", "npipe"),
            ("--secret source=a,colour=red nginx", "colour=red"),
            ("--ulimit nofile nginx", "nofile"),
            ("--host db nginx", "db"),
            ("--dns x nginx", "x"),
            ("--env-file /nonexistent nginx", "/nonexistent"),
            ("--isolation hyperv nginx", "Windows"),
            ("--rollback-failure-action rollback nginx", "rollback cannot roll back"),
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
