//! Flags that `service create` gives as lists, and `service update` changes with `--*-add` and `--*-rm`.

use clap::Args;

/// Of `service create`.
#[derive(Clone, Debug, Default, Args)]
pub struct AddedLists {
    /// Set environment variables
    #[arg(short, long, value_name = "NAME=VALUE")]
    pub env: Vec<String>,
    /// Service labels
    #[arg(short, long, value_name = "KEY=VALUE")]
    pub label: Vec<String>,
    /// Container labels
    #[arg(long, value_name = "KEY=VALUE")]
    pub container_label: Vec<String>,
    /// Placement constraints
    #[arg(long, value_name = "CONSTRAINT")]
    pub constraint: Vec<String>,
    /// Placement preferences (spread=node.labels.NAME)
    #[arg(long, value_name = "PREF")]
    pub placement_pref: Vec<String>,
    /// Publish a port as a node port ([PUBLISHED:]TARGET[/tcp|udp] or published=,target=,protocol=,mode=)
    #[arg(short, long, value_name = "PORT")]
    pub publish: Vec<String>,
    /// Network attachments (NETWORK or name=NETWORK,alias=NAME)
    #[arg(long, value_name = "NETWORK")]
    pub network: Vec<String>,
    /// Attach a filesystem mount (type=,source=,target=,...)
    #[arg(long, value_name = "MOUNT")]
    pub mount: Vec<String>,
    /// Specify secrets to expose to the service (NAME or source=,target=,uid=,gid=,mode=)
    #[arg(long, value_name = "SECRET")]
    pub secret: Vec<String>,
    /// Specify configurations to expose to the service (NAME or source=,target=,uid=,gid=,mode=)
    #[arg(long, value_name = "CONFIG")]
    pub config: Vec<String>,
    /// Set custom DNS servers
    #[arg(long, value_name = "ADDRESS")]
    pub dns: Vec<String>,
    /// Set DNS options
    #[arg(long, value_name = "OPTION")]
    pub dns_option: Vec<String>,
    /// Set custom DNS search domains
    #[arg(long, value_name = "DOMAIN")]
    pub dns_search: Vec<String>,
    /// Set one or more custom host-to-IP mappings (host:ip)
    #[arg(long, value_name = "HOST:IP")]
    pub host: Vec<String>,
    /// Set one or more supplementary user groups for the container
    #[arg(long, value_name = "GROUP")]
    pub group: Vec<String>,
    /// Sysctl options
    #[arg(long, value_name = "KEY=VALUE")]
    pub sysctl: Vec<String>,
    /// Ulimit options
    #[arg(long, value_name = "NAME=SOFT[:HARD]")]
    pub ulimit: Vec<String>,
    /// User defined resources
    #[arg(long, value_name = "KIND=AMOUNT")]
    pub generic_resource: Vec<String>,
    /// Devices of the host; need "netctl swarm update --allow-privileged"
    #[arg(long, value_name = "HOST[:CONTAINER[:rwm]]")]
    pub device: Vec<String>,
    /// Read in a file of environment variables
    #[arg(long, value_name = "FILE")]
    pub env_file: Vec<String>,
    /// Add Linux capabilities
    #[arg(long, value_name = "CAPABILITY")]
    pub cap_add: Vec<String>,
    /// Drop Linux capabilities
    #[arg(long, value_name = "CAPABILITY")]
    pub cap_drop: Vec<String>,
}

/// Of `service update`.
#[derive(Clone, Debug, Default, Args)]
pub struct ChangedLists {
    /// Add or update an environment variable
    #[arg(long, value_name = "NAME=VALUE")]
    pub env_add: Vec<String>,
    /// Remove an environment variable
    #[arg(long, value_name = "NAME")]
    pub env_rm: Vec<String>,
    /// Add or update a label
    #[arg(long, value_name = "KEY=VALUE")]
    pub label_add: Vec<String>,
    /// Remove a label by its key
    #[arg(long, value_name = "KEY")]
    pub label_rm: Vec<String>,
    /// Add or update a container label
    #[arg(long, value_name = "KEY=VALUE")]
    pub container_label_add: Vec<String>,
    /// Remove a container label by its key
    #[arg(long, value_name = "KEY")]
    pub container_label_rm: Vec<String>,
    /// Add or update a constraint
    #[arg(long, value_name = "CONSTRAINT")]
    pub constraint_add: Vec<String>,
    /// Remove a constraint
    #[arg(long, value_name = "CONSTRAINT")]
    pub constraint_rm: Vec<String>,
    /// Add or update a placement preference
    #[arg(long, value_name = "PREF")]
    pub placement_pref_add: Vec<String>,
    /// Remove a placement preference
    #[arg(long, value_name = "PREF")]
    pub placement_pref_rm: Vec<String>,
    /// Add or update a published port
    #[arg(long, value_name = "PORT")]
    pub publish_add: Vec<String>,
    /// Remove a published port: its target port removes all of that, its published port too only one
    #[arg(long, value_name = "PORT")]
    pub publish_rm: Vec<String>,
    /// Add or update a network
    #[arg(long, value_name = "NETWORK")]
    pub network_add: Vec<String>,
    /// Remove a network
    #[arg(long, value_name = "NETWORK")]
    pub network_rm: Vec<String>,
    /// Add or update a mount
    #[arg(long, value_name = "MOUNT")]
    pub mount_add: Vec<String>,
    /// Remove a mount by its target path
    #[arg(long, value_name = "TARGET")]
    pub mount_rm: Vec<String>,
    /// Add or update a secret
    #[arg(long, value_name = "SECRET")]
    pub secret_add: Vec<String>,
    /// Remove a secret
    #[arg(long, value_name = "SECRET")]
    pub secret_rm: Vec<String>,
    /// Add or update a config
    #[arg(long, value_name = "CONFIG")]
    pub config_add: Vec<String>,
    /// Remove a config
    #[arg(long, value_name = "CONFIG")]
    pub config_rm: Vec<String>,
    /// Add or update a custom DNS server
    #[arg(long, value_name = "ADDRESS")]
    pub dns_add: Vec<String>,
    /// Remove a custom DNS server
    #[arg(long, value_name = "ADDRESS")]
    pub dns_rm: Vec<String>,
    /// Add or update a DNS option
    #[arg(long, value_name = "OPTION")]
    pub dns_option_add: Vec<String>,
    /// Remove a DNS option
    #[arg(long, value_name = "OPTION")]
    pub dns_option_rm: Vec<String>,
    /// Add or update a DNS search domain
    #[arg(long, value_name = "DOMAIN")]
    pub dns_search_add: Vec<String>,
    /// Remove a DNS search domain
    #[arg(long, value_name = "DOMAIN")]
    pub dns_search_rm: Vec<String>,
    /// Add or update a custom host-to-IP mapping
    #[arg(long, value_name = "HOST:IP")]
    pub host_add: Vec<String>,
    /// Remove a custom host-to-IP mapping; without an address all of the host
    #[arg(long, value_name = "HOST[:IP]")]
    pub host_rm: Vec<String>,
    /// Add or update a supplementary user group
    #[arg(long, value_name = "GROUP")]
    pub group_add: Vec<String>,
    /// Remove a supplementary user group
    #[arg(long, value_name = "GROUP")]
    pub group_rm: Vec<String>,
    /// Add or update a Sysctl option
    #[arg(long, value_name = "KEY=VALUE")]
    pub sysctl_add: Vec<String>,
    /// Remove a Sysctl option by its key
    #[arg(long, value_name = "KEY")]
    pub sysctl_rm: Vec<String>,
    /// Add or update an ulimit option
    #[arg(long, value_name = "NAME=SOFT[:HARD]")]
    pub ulimit_add: Vec<String>,
    /// Remove an ulimit option by its name
    #[arg(long, value_name = "NAME")]
    pub ulimit_rm: Vec<String>,
    /// Add or update an user defined resource
    #[arg(long, value_name = "KIND=AMOUNT")]
    pub generic_resource_add: Vec<String>,
    /// Remove an user defined resource by its kind
    #[arg(long, value_name = "KIND")]
    pub generic_resource_rm: Vec<String>,
    /// Add or update a device
    #[arg(long, value_name = "HOST[:CONTAINER[:rwm]]")]
    pub device_add: Vec<String>,
    /// Remove a device by its path in the container
    #[arg(long, value_name = "CONTAINER")]
    pub device_rm: Vec<String>,
    /// Add Linux capabilities
    #[arg(long, value_name = "CAPABILITY")]
    pub cap_add: Vec<String>,
    /// Drop Linux capabilities
    #[arg(long, value_name = "CAPABILITY")]
    pub cap_drop: Vec<String>,
}

/// One list and how it is changed: first what goes, then what comes.
#[derive(Clone, Copy, Debug)]
pub struct Edit<'a> {
    /// What is taken away, by its key.
    pub rm: &'a [String],
    /// What is added, or takes the place of what has the same key.
    pub add: &'a [String],
}

/// All lists of a service as a command changes them.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "each is the list of the flag with its name")]
pub struct Edits<'a> {
    pub env: Edit<'a>,
    pub label: Edit<'a>,
    pub container_label: Edit<'a>,
    pub constraint: Edit<'a>,
    pub placement_pref: Edit<'a>,
    pub publish: Edit<'a>,
    pub network: Edit<'a>,
    pub mount: Edit<'a>,
    pub secret: Edit<'a>,
    pub config: Edit<'a>,
    pub dns: Edit<'a>,
    pub dns_option: Edit<'a>,
    pub dns_search: Edit<'a>,
    pub host: Edit<'a>,
    pub group: Edit<'a>,
    pub sysctl: Edit<'a>,
    pub ulimit: Edit<'a>,
    pub generic_resource: Edit<'a>,
    pub device: Edit<'a>,
    pub env_file: &'a [String],
    pub cap_add: &'a [String],
    pub cap_drop: &'a [String],
}

impl<'a> From<&'a AddedLists> for Edits<'a> {
    fn from(lists: &'a AddedLists) -> Self {
        let only = |add| Edit { rm: &[], add };
        Self {
            env: only(&lists.env),
            label: only(&lists.label),
            container_label: only(&lists.container_label),
            constraint: only(&lists.constraint),
            placement_pref: only(&lists.placement_pref),
            publish: only(&lists.publish),
            network: only(&lists.network),
            mount: only(&lists.mount),
            secret: only(&lists.secret),
            config: only(&lists.config),
            dns: only(&lists.dns),
            dns_option: only(&lists.dns_option),
            dns_search: only(&lists.dns_search),
            host: only(&lists.host),
            group: only(&lists.group),
            sysctl: only(&lists.sysctl),
            ulimit: only(&lists.ulimit),
            generic_resource: only(&lists.generic_resource),
            device: only(&lists.device),
            env_file: &lists.env_file,
            cap_add: &lists.cap_add,
            cap_drop: &lists.cap_drop,
        }
    }
}

impl<'a> From<&'a ChangedLists> for Edits<'a> {
    fn from(lists: &'a ChangedLists) -> Self {
        let both = |rm, add| Edit { rm, add };
        Self {
            env: both(&lists.env_rm, &lists.env_add),
            label: both(&lists.label_rm, &lists.label_add),
            container_label: both(&lists.container_label_rm, &lists.container_label_add),
            constraint: both(&lists.constraint_rm, &lists.constraint_add),
            placement_pref: both(&lists.placement_pref_rm, &lists.placement_pref_add),
            publish: both(&lists.publish_rm, &lists.publish_add),
            network: both(&lists.network_rm, &lists.network_add),
            mount: both(&lists.mount_rm, &lists.mount_add),
            secret: both(&lists.secret_rm, &lists.secret_add),
            config: both(&lists.config_rm, &lists.config_add),
            dns: both(&lists.dns_rm, &lists.dns_add),
            dns_option: both(&lists.dns_option_rm, &lists.dns_option_add),
            dns_search: both(&lists.dns_search_rm, &lists.dns_search_add),
            host: both(&lists.host_rm, &lists.host_add),
            group: both(&lists.group_rm, &lists.group_add),
            sysctl: both(&lists.sysctl_rm, &lists.sysctl_add),
            ulimit: both(&lists.ulimit_rm, &lists.ulimit_add),
            generic_resource: both(&lists.generic_resource_rm, &lists.generic_resource_add),
            device: both(&lists.device_rm, &lists.device_add),
            env_file: &[],
            cap_add: &lists.cap_add,
            cap_drop: &lists.cap_drop,
        }
    }
}
