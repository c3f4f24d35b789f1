//! `network create|ls|rm`

use wire::pb;

use crate::{
    args::{ListArgs, NetworkCreateArgs},
    client::{Client, request_id},
    failure::Failure,
    render::network_rows,
    request::{Filter, has_label, network_spec},
    terminal::{say, show},
};

use super::fetch;

/// Makes a network and prints its id.
pub async fn create(client: &mut Client, args: &NetworkCreateArgs) -> Result<(), Failure> {
    let request = pb::CreateNetworkRequest {
        request: request_id(),
        spec: Some(network_spec(args)?.into()),
    };
    say(&client.control.create_network(request).await?.into_inner().id);
    Ok(())
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
