//! Virtual IPs: one per network that the spec names, unless its name is answered by the tasks' addresses. A service
//! without networks has none: its tasks sit on the ingress network, where nobody reaches them by address.

use model::{EndpointMode, Service, ServiceSpec, VirtualIp};
use store::{Refused, View};

use super::{ipam, known};

/// The virtual IPs of `spec`; those that the service has already in the same networks stay.
pub(crate) fn choose(view: &View, spec: &ServiceSpec, before: Option<&Service>) -> Result<Vec<VirtualIp>, Refused> {
    if spec.endpoint_mode == EndpointMode::Dnsrr {
        return Ok(Vec::new());
    }
    let had = before.map_or(&[][..], |service| service.vips.as_slice());
    let mut vips = Vec::new();
    for attachment in &spec.networks {
        let vip = match had.iter().find(|vip| vip.network == attachment.network) {
            Some(vip) => vip.clone(),
            None => {
                let network = known(view, attachment.network)?;
                let addr = ipam::free_address(view, network)?;
                VirtualIp {
                    network: network.id,
                    addr,
                }
            }
        };
        vips.push(vip);
    }
    Ok(vips)
}
