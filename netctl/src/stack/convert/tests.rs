//! Whole files, and what is wrong with them.

use super::*;

const SHOP: &str = r#"
version: "3.8"
services:
  front:
    image: web:1
    command: serve --port 80
    environment: {A: 1, B: "x y"}
    ports: ["8080-8081:80-81", "8080:80", {target: 53, protocol: udp, mode: host}]
    networks: {inner: {aliases: [www]}}
    volumes: ["data:/data:ro", "/srv:/srv"]
    secrets: [token, {source: token, target: /etc/token, mode: 0400}]
    healthcheck: {test: curl -f localhost, interval: 2s, retries: 3}
    deploy:
      replicas: 2
      update_config: {parallelism: 2, order: start-first, failure_action: rollback}
      restart_policy: {condition: on-failure}
      placement: {constraints: [node.role == worker], preferences: [{spread: node.labels.rack}]}
      resources:
        limits: {cpus: "0.5", memory: 64M}
        reservations: {generic_resources: [{discrete_resource_spec: {kind: gpu, value: 2}}]}
  back:
    image: api:1
networks:
  inner: {driver: overlay, ipam: {config: [{subnet: 10.9.0.0/24}]}}
volumes:
  data:
secrets:
  token: {external: true}
"#;

fn planned(text: &str) -> Result<Plan, String> {
    let file = serde_saphyr::from_str_with_options(text, serde_saphyr::options! { legacy_octal_numbers: true });
    plan(&file.unwrap(), "shop", Path::new("")).map_err(|failure| failure.to_string())
}

#[test]
fn a_file_becomes_networks_and_services_under_the_stacks_name() {
    let plan = planned(SHOP).unwrap();
    let networks: Vec<_> = plan.networks.iter().map(|network| network.name.as_str()).collect();
    assert_eq!(networks, ["shop_inner", "shop_default"]);
    let [back, front] = plan.services.as_slice() else {
        panic!("two services")
    };
    assert_eq!(
        (back.name.as_str(), back.networks[0].network.as_str()),
        ("shop_back", "shop_default")
    );
    assert_eq!(front.networks[0].aliases, ["front", "www"]);
    let container = front.container.clone().unwrap();
    assert_eq!(container.env, ["A=1", "B=x y"]);
    assert_eq!(container.args, ["serve", "--port", "80"]);
    assert_eq!(container.secrets[1].mode, 0o400);
    assert_eq!(
        (container.mounts[0].source.as_str(), container.mounts[0].read_only),
        ("shop_data", true)
    );
    let resources = container.resources.unwrap();
    assert_eq!(resources.limits.unwrap().nano_cpus, 500_000_000);
    assert_eq!(resources.reservations.unwrap().generic.len(), 1);
    assert_eq!(front.update.unwrap().parallelism, 2);
    assert_eq!((front.ports.len(), front.preferences.len()), (3, 1));
    assert!(
        front
            .labels
            .iter()
            .any(|label| label.name == NAMESPACE && label.value == "shop")
    );
}

#[test]
fn forms_of_version_3_are_read() {
    let plan = planned(
        r#"
services:
  web:
    image: w
    networks: [outer, inner]
    secrets: [key]
    volumes: ["data:/x"]
    extra_hosts: {db: 192.0.2.1, six: ["2001:db8::1", 192.0.2.6]}
    cap_add: [net_admin, NET_ADMIN]
    cap_drop: [all]
networks:
  outer: {external: {name: blue}}
  inner: {ipam: {driver: default, config: [{subnet: 10.9.0.0/24}]}}
secrets: {key: {external: {name: password}}}
volumes: {data: {external: {name: old}}}
"#,
    );
    let plan = plan.unwrap();
    let web = &plan.services[0];
    let container = web.container.as_ref().unwrap();
    assert_eq!(
        (web.networks[0].network.as_str(), plan.networks.len()),
        ("blue", 1),
        "what is external is not made"
    );
    assert!(plan.networks[0].subnet.is_some());
    let secret = &container.secrets[0];
    assert_eq!((secret.name.as_str(), secret.target.as_str()), ("password", "key"));
    assert_eq!(container.mounts[0].source, "old");
    assert_eq!(container.hosts, ["192.0.2.1 db", "2001:db8::1 six", "192.0.2.6 six"]);
    assert_eq!(
        (container.cap_add.as_slice(), container.cap_drop.as_slice()),
        (["CAP_NET_ADMIN".to_owned()].as_slice(), ["ALL".to_owned()].as_slice())
    );
}

#[test]
fn nothing_of_a_networks_addresses_is_passed_over() {
    let refused = |ipam: &str| {
        let text = format!("services: {{web: {{image: w}}}}\nnetworks: {{blue: {{ipam: {ipam}}}}}");
        planned(&text).err().unwrap()
    };
    let two = refused("{config: [{subnet: 10.9.0.0/24}, {subnet: 10.8.0.0/24}]}");
    assert!(two.starts_with("network blue: ") && two.contains("2 entries"), "{two}");
    let driver = refused("{driver: dhcp}");
    assert!(driver.contains("blue") && driver.contains("dhcp"), "{driver}");
}

#[test]
fn what_is_used_and_not_declared_is_named() {
    for (text, word) in [
        (
            "services: {web: {image: w, networks: [blue]}}",
            "undefined network \"blue\"",
        ),
        (
            "services: {web: {image: w, secrets: [key]}}",
            "undefined secret \"key\"",
        ),
        (
            "services: {web: {image: w, volumes: [\"data:/x\"]}}",
            "undefined volume \"data\"",
        ),
        ("services: {web: {command: x}}", "an image is needed"),
        ("services: {web: {image: w, volumes: [\"./x:/x\"]}}", "absolute path"),
        ("services: {web: {image: w, deploy: {mode: odd}}}", "odd"),
    ] {
        let error = planned(text).err().unwrap();
        assert!(error.contains(word) && error.contains("web"), "{text}: {error}");
    }
}
