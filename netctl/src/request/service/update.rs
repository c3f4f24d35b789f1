//! `service update`: what the arguments change in the spec that the service has.

use std::collections::BTreeMap;

use model::{NetworkId, ServiceSpec};
use wire::pb;

use super::{attached, flags, lists};
use crate::{
    args::{Edits, ServiceUpdateArgs},
    failure::Failure,
    request::words::split_command,
};

/// `spec` with the changes that the arguments ask for. Its networks are called by their names, as users do.
pub fn update_spec(
    mut spec: ServiceSpec,
    args: &ServiceUpdateArgs,
    networks: &BTreeMap<NetworkId, String>,
) -> Result<pb::ServiceSpec, Failure> {
    if let Some(image) = &args.image {
        spec.container.image.clone_from(image);
    }
    if let Some(line) = &args.args {
        spec.container.args = split_command(line)?;
    }
    spec.force_update += u64::from(args.force);
    flags::apply(&mut spec, &args.flags)?;
    let edits = Edits::from(&args.lists);
    lists::apply(&mut spec, &edits)?;
    attached::detach(&mut spec.networks, edits.network.rm, networks)?;
    spec.validate()?;
    let ids: Vec<NetworkId> = spec.networks.iter().map(|attachment| attachment.network).collect();
    let mut spec = pb::ServiceSpec::from(spec);
    for (attachment, name) in spec.networks.iter_mut().zip(ids.iter().map(|id| networks.get(id))) {
        if let Some(name) = name {
            attachment.network.clone_from(name);
        }
    }
    attached::apply(&mut spec, &edits)?;
    Ok(spec)
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::args::{Cli, Command, ServiceCommand};

    fn sent(line: &str) -> Result<pb::ServiceSpec, String> {
        let mut spec = ServiceSpec::new("web".parse().unwrap(), "web:1");
        spec.container.env = vec!["A=1".into(), "B=2".into()];
        spec.container.hosts = vec!["192.0.2.2 db".into(), "192.0.2.3 db".into()];
        spec.ports = vec!["8080:80".parse().unwrap()];
        spec.placement.constraints = vec!["node.role==worker".parse().unwrap()];
        let words = format!("netctl service update {line} web");
        let cli = Cli::read(words.split_whitespace()).map_err(|error| error.to_string())?;
        let Command::Service(ServiceCommand::Update(args)) = cli.command else {
            panic!("{words} is service update");
        };
        spec.networks = vec![model::NetworkAttachment {
            network: NetworkId::from_bits(1),
            aliases: Vec::new(),
        }];
        let names = BTreeMap::from([(NetworkId::from_bits(1), "blue".to_owned())]);
        update_spec(spec, &args, &names).map_err(|failure| failure.to_string())
    }

    fn updated(line: &str) -> Result<ServiceSpec, String> {
        let mut spec = sent(line)?;
        spec.networks.clear();
        Ok(spec.try_into().unwrap())
    }

    #[test]
    fn each_flag_changes_its_part_only() {
        let spec = updated("--image web:2 --replicas 4").unwrap();
        assert_eq!((spec.container.image.as_str(), spec.replicas()), ("web:2", Some(4)));
        assert_eq!(spec.container.env, ["A=1", "B=2"]);
    }

    #[test]
    fn what_is_not_named_stays() {
        let spec = updated("--restart-delay 1s --update-order start-first").unwrap();
        let spec = ServiceSpec {
            restart: None,
            update: None,
            ..spec
        };
        assert_eq!(spec, updated("").unwrap());
        assert_eq!(updated("--force").unwrap().force_update, 1);
    }

    #[test]
    fn what_takes_a_spec_as_it_is_goes_with_no_change_of_it() {
        for alone in ["--rollback", "--promote", "--abort", "--promote -d --quiet"] {
            assert!(updated(alone).is_ok(), "{alone}");
        }
        for other in [
            "--image web:2",
            "--args x",
            "--force",
            "--network-add red",
            "--replicas 4",
            "--with-registry-auth",
            "--user 1000",
            "--health-retries 2",
            "--limit-cpu 1",
            "--restart-delay 1s",
            "--update-delay 1s",
            "--rollback-delay 1s",
        ] {
            for alone in ["--rollback", "--promote", "--abort"] {
                let refused = updated(&format!("{alone} {other}")).unwrap_err();
                assert!(refused.contains("cannot be used with"), "{alone} {other}: {refused}");
            }
        }
        for bad in [
            "--promote --abort",
            "--canary 10% --promote",
            "--rollback --abort",
            "--canary 10% --rollback",
        ] {
            assert!(updated(bad).unwrap_err().contains("cannot be used with"), "{bad}");
        }
    }

    #[test]
    fn networks_come_and_go_by_name() {
        let names = |line: &str| {
            sent(line)
                .unwrap()
                .networks
                .into_iter()
                .map(|n| n.network)
                .collect::<Vec<_>>()
        };
        assert_eq!(names("--network-add red"), ["blue", "red"]);
        assert_eq!(names("--network-add red --network-rm blue"), ["red"]);
        assert!(sent("--network-add blue").is_err());
        let id = NetworkId::from_bits(1).to_string();
        for called in [id.clone(), id[..12].to_owned()] {
            assert!(names(&format!("--network-rm {called}")).is_empty(), "{called}");
        }
    }

    #[test]
    fn a_network_that_is_not_there_cannot_be_left() {
        let refused = sent("--network-rm bule").unwrap_err();
        assert_eq!(
            refused,
            "--network-rm bule: the service is not attached to it, but to blue"
        );
        let id = NetworkId::from_bits(1 << 64).to_string();
        assert!(sent(&format!("--network-rm {id}")).unwrap_err().contains(&id));
    }

    #[test]
    fn a_beginning_that_several_networks_have_names_none() {
        let attached = |id| model::NetworkAttachment {
            network: NetworkId::from_bits(id),
            aliases: Vec::new(),
        };
        let mut networks = vec![attached(1), attached(2)];
        let begin = NetworkId::from_bits(1).short();
        let refused = attached::detach(&mut networks, &[begin], &BTreeMap::new());
        assert!(refused.unwrap_err().to_string().contains("several networks"));
        assert_eq!(networks.len(), 2);
    }

    #[test]
    fn one_file_displaces_no_other_in_silence() {
        let targets = |line: &str| {
            let secrets = sent(line)?.container.unwrap().secrets.into_iter();
            Ok::<_, String>(secrets.map(|file| (file.name, file.mode)).collect::<Vec<_>>())
        };
        let same = targets("--secret-add key --secret-add source=key,target=/run/secrets/key,mode=0400");
        assert_eq!(same, Ok(vec![("key".to_owned(), 0o400)]));
        assert_eq!(
            targets("--secret-add key --secret-add source=key,target=k2")
                .unwrap()
                .len(),
            2
        );
        let refused = targets("--secret-add key --secret-add source=other,target=key").unwrap_err();
        assert!(
            refused.starts_with("secrets key and other are both to be at /run/secrets/key: "),
            "{refused}"
        );
        let refused = sent("--config-add source=a,target=/x --config-add source=b,target=x").unwrap_err();
        assert!(
            refused.starts_with("configs a and b are both to be at /x: "),
            "{refused}"
        );
    }

    #[test]
    fn variables_are_replaced_by_name() {
        assert_eq!(updated("--env-add A=9 --env-rm B").unwrap().container.env, ["A=9"]);
    }

    #[test]
    fn ports_and_constraints_come_and_go() {
        let spec = updated("--publish-add 9090:80 --publish-add 8080:80 --constraint-rm node.role==worker").unwrap();
        assert_eq!(spec.ports, ["8080:80", "9090:80"].map(|text| text.parse().unwrap()));
        assert!(spec.placement.constraints.is_empty());
        assert!(updated("--publish-add 8080:81").unwrap_err().contains("8080/tcp"));
        let spec = updated("--publish-rm 80 --publish-add 9090:80").unwrap();
        assert_eq!(spec.ports, ["9090:80".parse().unwrap()]);
        assert!(updated("--publish-rm 80").unwrap().ports.is_empty());
        assert!(updated("--publish-rm 81").unwrap_err().contains("--publish-rm 81"));
        for gone in ["8080:80", "published=8080,target=80", "target=80"] {
            assert!(
                updated(&format!("--publish-rm {gone}")).unwrap().ports.is_empty(),
                "{gone}"
            );
        }
        let ports = updated("--publish-add 9000-9001:80 --publish-add 9002-9003:90-91")
            .unwrap()
            .ports;
        assert_eq!(ports.len(), 5);
        for other in ["8081:80", "80/udp", "target=80,mode=host"] {
            let refused = updated(&format!("--publish-rm {other}")).unwrap_err();
            assert!(refused.contains("target=80,mode=host"), "{refused}");
        }
    }

    #[test]
    fn hosts_go_by_name_and_one_of_them_by_its_address() {
        let hosts = |line: &str| {
            updated(&format!("--host-add a:192.0.2.1 {line}"))
                .unwrap()
                .container
                .hosts
        };
        assert_eq!(hosts("--host-rm db:192.0.2.3"), ["192.0.2.2 db", "192.0.2.1 a"]);
        assert_eq!(hosts("--host-rm db"), ["192.0.2.1 a"]);
    }
}
