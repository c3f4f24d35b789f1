//! What to do about the reasons that the scheduler, the allocator, agents and engines give. They are texts, since the
//! engine's are; the first entry that fits counts.

/// Words of a reason, and the way out.
const WAYS: &[(&str, &str)] = &[
    (
        "insufficient resources",
        "add nodes, or lower what the service sets aside with --reserve-cpu, --reserve-memory or --generic-resource-rm",
    ),
    (
        "max replicas per node limit exceed",
        "add nodes, raise --replicas-max-per-node, or scale the service down",
    ),
    (
        "host-mode port already in use",
        "publish another port, use mode=ingress, or run fewer tasks than there are nodes",
    ),
    (
        "scheduling constraints not satisfied",
        "label nodes with \"netctl node update --label-add\", or change them with --constraint-rm and --constraint-add",
    ),
    (
        "unsupported platform",
        "use an image that is made for the nodes' architecture",
    ),
    (
        "missing plugin",
        "install the volume or log driver on the nodes that shall run the service",
    ),
    (
        "not available for new tasks",
        "set a node's availability back with \"netctl node update --availability active\"",
    ),
    (
        "no suitable node",
        "look at \"netctl node ls\": which nodes are Ready and Active",
    ),
    (
        "no address left",
        "use a network with a larger --subnet, or remove tasks from it",
    ),
    (
        "No such image",
        "check the image's name and tag; load it on the nodes, or make the registry reachable (--with-registry-auth)",
    ),
    (
        "pull access denied",
        "log in to the registry and update the service with --with-registry-auth",
    ),
    (
        "unhealthy",
        "see what the health check says below, and the service's logs",
    ),
    (
        "probe failed",
        "check that the task listens on the probed port and answers; see the service's logs",
    ),
    (
        "not ready",
        "the task runs and takes no traffic until its probe or ready command succeeds",
    ),
    (
        "bind source path does not exist",
        "make the path on the node, use a volume, or limit the service to nodes that have it",
    ),
    (
        "port is already allocated",
        "another container of the engine publishes that port: end it, or publish another",
    ),
    (
        "(137)",
        "it was killed: out of memory (raise --limit-memory), or it did not end within --stop-grace-period",
    ),
    (
        "(139)",
        "the program crashed (segmentation fault): see the service's logs",
    ),
    (
        "executable file not found",
        "check the command and entrypoint: the image has no such program",
    ),
    (
        "permission denied",
        "check the program's mode, the user (--user) and the mounts",
    ),
    (
        "(126)",
        "the command cannot be run: check its permissions and the image's architecture",
    ),
    (
        "(127)",
        "the command is not in the image: check the arguments and --entrypoint",
    ),
    ("non-zero exit", "see why the program ends: \"netctl service logs\""),
    ("secret", "make the secret again, or update the service to use another"),
];

/// The way out of a reason, if it is a known one.
pub(super) fn way_out(reason: &str) -> Option<&'static str> {
    let reason = reason.to_lowercase();
    let found = WAYS.iter().find(|(words, _)| reason.contains(&words.to_lowercase()));
    found.map(|(_, way)| *way)
}
