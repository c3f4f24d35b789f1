//! `swarm init|join|join-token|leave`, with docker's texts.

use std::time::Duration;

use wire::pb;

use crate::{
    args::{InitArgs, JoinAddrArgs, JoinArgs, JoinTokenArgs, LeaveArgs, TokenRole, UpdateArgs},
    client::{Client, request_id},
    command::{ca, lock::unlock_command},
    failure::Failure,
    request::{changed_settings, duration},
    terminal::{say, show},
};

/// Makes this node the first manager of a new cluster.
pub async fn init(client: &mut Client, args: &InitArgs) -> Result<(), Failure> {
    let settings = pb::ClusterSettings::from(changed_settings(model::ClusterSettings::default(), &args.settings)?);
    let request = pb::InitRequest {
        advertise_addr: args.advertise_addr.clone(),
        listen_addr: args.listen_addr.clone(),
        data_path_addr: args.data_path_addr.clone(),
        data_path_port: args.data_path_port,
        default_addr_pool: args.default_addr_pool.iter().map(ToString::to_string).collect(),
        default_addr_pool_mask_length: args.default_addr_pool_mask_length.into(),
        force_new_cluster: args.force_new_cluster,
        availability: pb::Availability::from(model::Availability::from(args.availability)).into(),
        task_history_limit: Some(settings.task_history_limit),
        heartbeat_ms: Some(settings.heartbeat_ms),
        heartbeat_grace: Some(settings.heartbeat_grace),
        cert_expiry: Some(settings.cert_expiry),
        snapshot_interval: Some(settings.snapshot_interval),
        autolock: args.autolock,
        root_ca: ca::read(args.ca_cert.as_ref())?,
        root_key: ca::read(args.ca_key.as_ref())?,
    };
    let answer = client.local.init(request).await?.into_inner();
    show(&initialized(&answer));
    show(&unlock_command(&answer.unlock_key));
    show(&former_managers(&answer.former_managers));
    Ok(())
}

/// What has to be known of the managers that a swarm goes on without; empty if there are none.
pub fn former_managers(names: &[String]) -> String {
    match names {
        [] => String::new(),
        names => format!(
            "No manager any more: {}. Should one of them still run, it must not go on as one by itself:\n\
             those that reach this node become workers; others have to leave with 'netctl swarm leave --force'.\n\
             To have managers again, run 'netctl node promote NODE'.\n",
            names.join(", ")
        ),
    }
}

/// The first words of a manager whose swarm has just begun.
pub fn initialized(answer: &pb::InitResponse) -> String {
    format!(
        "Swarm initialized: current node ({}) is now a manager.\n\n{}\
         To add a manager to this swarm, run 'netctl swarm join-token manager' and follow the instructions.\n\n",
        answer.node,
        join_command("worker", &answer.worker_token, &answer.manager_addr)
    )
}

fn join_command(role: &str, token: &str, addr: &str) -> String {
    format!(
        "To add a {role} to this swarm, run the following command:\n\n    netctl swarm join --token {token} {addr}\n\n"
    )
}

/// Joins the cluster of a manager.
pub async fn join(client: &mut Client, args: &JoinArgs) -> Result<(), Failure> {
    // A token with a typing error never leaves this machine.
    args.token.parse::<model::JoinToken>()?;
    let request = pb::JoinRequest {
        token: args.token.clone(),
        remote_addr: args.remote.clone(),
        advertise_addr: args.advertise_addr.clone(),
        listen_addr: args.listen_addr.clone(),
        data_path_addr: args.data_path_addr.clone(),
        availability: pb::Availability::from(model::Availability::from(args.availability)).into(),
    };
    let answer = client.local.join(request).await?.into_inner();
    say(match answer.role() {
        pb::Role::Manager => "This node joined a swarm as a manager.",
        _ => "This node joined a swarm as a worker.",
    });
    Ok(())
}

/// Shows, or first changes, the token for a role.
pub async fn join_token(client: &mut Client, args: &JoinTokenArgs) -> Result<(), Failure> {
    let (role, word) = match args.role {
        TokenRole::Worker => (pb::Role::Worker, "worker"),
        TokenRole::Manager => (pb::Role::Manager, "manager"),
    };
    let nanos = |span: Duration| u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
    let ttl = args.ttl.as_deref().map(|text| duration("--ttl", text).map(nanos));
    let request = pb::GetJoinTokenRequest {
        role: role.into(),
        rotate: args.rotate,
        request: request_id(),
        ttl: ttl.transpose()?,
        uses: args.uses,
    };
    let answer = client.control.get_join_token(request).await?.into_inner();
    if args.quiet {
        say(&answer.token);
        return Ok(());
    }
    if args.rotate {
        say(&format!("Successfully rotated {word} join token.\n"));
    }
    show(&join_command(word, &answer.token, &answer.manager_addr));
    if let Some(limits) = limits(args) {
        say(&limits);
    }
    Ok(())
}

/// What a token just minted is limited to, in words; `None` for the cluster's own.
fn limits(args: &JoinTokenArgs) -> Option<String> {
    let time = args.ttl.as_ref().map(|ttl| format!("for {ttl}"));
    let uses = args.uses.map(|uses| match uses {
        1 => "for one node".to_owned(),
        uses => format!("for {uses} nodes"),
    });
    let both: Vec<_> = time.into_iter().chain(uses).collect();
    (!both.is_empty()).then(|| format!("This token is good {}, and shown this once only.", both.join(" and ")))
}

/// Tells this node where a manager is.
pub async fn join_addr(client: &mut Client, args: &JoinAddrArgs) -> Result<(), Failure> {
    let addr = args.addr.clone();
    client.local.join_addr(pb::JoinAddrRequest { addr }).await?;
    say("This node looks for managers there from now on, besides those that it knows.");
    Ok(())
}

/// Leaves the cluster.
pub async fn leave(client: &mut Client, args: &LeaveArgs) -> Result<(), Failure> {
    client.local.leave(pb::LeaveRequest { force: args.force }).await?;
    say("Node left the swarm.");
    Ok(())
}

/// Changes settings of the cluster.
pub async fn update(client: &mut Client, args: &UpdateArgs) -> Result<(), Failure> {
    let cluster = client.control.get_cluster(pb::GetClusterRequest {}).await?.into_inner();
    let before = model::ClusterSettings::try_from(cluster.settings.unwrap_or_default())?;
    let before_autolock = before.autolock;
    let mut settings = changed_settings(before, &args.settings)?;
    settings.autolock = args.autolock.unwrap_or(settings.autolock);
    settings.allow_privileged = args.allow_privileged.unwrap_or(settings.allow_privileged);
    let request = pb::UpdateClusterRequest {
        request: request_id(),
        version: cluster.version,
        settings: Some(settings.into()),
    };
    let locks = args.autolock == Some(true) && !before_autolock;
    client.control.update_cluster(request).await?;
    say("Swarm updated.");
    if locks {
        let answer = client
            .control
            .get_unlock_key(pb::GetUnlockKeyRequest::default())
            .await?;
        show(&unlock_command(&answer.into_inner().unlock_key));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tokens_limits_are_told_in_words() {
        let args = |ttl: Option<&str>, uses| JoinTokenArgs {
            role: TokenRole::Worker,
            rotate: false,
            ttl: ttl.map(Into::into),
            uses,
            quiet: false,
        };
        assert_eq!(limits(&args(None, None)), None);
        let both = limits(&args(Some("1h"), Some(1)));
        assert_eq!(
            both.as_deref(),
            Some("This token is good for 1h and for one node, and shown this once only.")
        );
    }

    #[test]
    fn init_prints_the_line_to_paste() {
        let answer = pb::InitResponse {
            node: "abc".into(),
            worker_token: "SWMTKN-1-x-y".into(),
            manager_addr: "192.0.2.1:2377".into(),
            ..pb::InitResponse::default()
        };
        assert_eq!(
            initialized(&answer),
            "Swarm initialized: current node (abc) is now a manager.\n\n\
             To add a worker to this swarm, run the following command:\n\n    \
             netctl swarm join --token SWMTKN-1-x-y 192.0.2.1:2377\n\n\
             To add a manager to this swarm, run 'netctl swarm join-token manager' and follow the instructions.\n\n"
        );
    }
}
