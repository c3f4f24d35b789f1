//! `network create|ls|rm`

use model::NetworkSpec;
use wire::pb;

use crate::{
    args::{ListArgs, NetworkCreateArgs},
    client::{Client, request_id},
    failure::Failure,
    render::network_rows,
    request::{Filter, has_label, network_spec},
    terminal::{complain, say, show},
};

use super::fetch;

/// Makes a network and prints its id.
pub async fn create(client: &mut Client, args: &NetworkCreateArgs) -> Result<(), Failure> {
    let spec = network_spec(args)?;
    warn_of_attachable(&spec);
    let request = pb::CreateNetworkRequest {
        request: request_id(),
        spec: Some(spec.into()),
    };
    say(&client.control.create_network(request).await?.into_inner().id);
    Ok(())
}

/// Says of an attachable network that it is not yet; `stack deploy` uses it too.
pub fn warn_of_attachable(spec: &NetworkSpec) {
    if spec.attachable {
        complain(&format!(
            "WARNING: network {}: attachable is noted, but attaching containers by hand is not built yet",
            spec.name
        ));
    }
}

/// Lists networks.
pub async fn list(client: &mut Client, args: &ListArgs) -> Result<(), Failure> {
    let filter = Filter::parse(&args.filter, &["id", "name", "label", "driver", "scope"])?;
    let mut networks = fetch::networks(client).await?;
    networks.retain(|network| {
        filter.passes(|key, value| match key {
            "id" => network.id.to_string().starts_with(value),
            "name" => network.spec.name.as_str().contains(value),
            "label" => has_label(&network.spec.labels, value),
            "driver" => value == "overlay",
            _ => value == "swarm",
        })
    });
    let listing = network_rows(networks, args.no_trunc);
    show(&listing.render(args.format.as_deref(), args.quiet)?);
    Ok(())
}
