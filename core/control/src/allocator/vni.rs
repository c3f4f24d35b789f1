//! Segments: the lowest VNI that no network has.

use model::{VNI_FIRST, VNI_LAST, Vni};
use store::{Refused, View};

/// A VNI for the network `name`.
pub(crate) fn choose(view: &View, name: &str) -> Result<Vni, Refused> {
    let all = (VNI_FIRST..=VNI_LAST).filter_map(|number| Vni::try_from(number).ok());
    let free = |vni: &Vni| view.network_with_vni(*vni).is_none();
    all.into_iter()
        .find(free)
        .ok_or_else(|| Refused::NoVni(name.to_owned()))
}
