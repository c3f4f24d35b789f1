//! The end of a root certificate's rotation.

use store::{Command, View};

/// What has to be proposed once the new root has reached every node; `None` while it has not, or there is none.
pub(crate) fn finish(view: &View) -> Option<Command> {
    let rotation = view.root_rotation()?;
    let mut nodes = view.nodes();
    let done = nodes.all(|node| rotation.has_reached(view.node_trust(node.id)));
    done.then(|| Command::FinishRootRotation {
        digest: rotation.digest.clone(),
    })
}
