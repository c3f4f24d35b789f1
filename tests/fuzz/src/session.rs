//! What nodes and managers say to each other in a session.

use control::node_view;
use model::{NodeDescription, NodeView, TaskId, TaskStatus, Unfit, ViewDelta};
use prost::Message;
use wire::pb::{self, session_down, session_up};

use crate::base::{self, WORKER};

/// Messages in both directions are refused with an error or survive a round trip.
pub fn session(bytes: &[u8]) {
    let Some((direction, bytes)) = bytes.split_first() else {
        return;
    };
    if direction % 2 == 0 {
        up(bytes);
    } else {
        down(bytes);
    }
}

fn up(bytes: &[u8]) {
    let message = pb::SessionUp::decode(bytes).ok().and_then(|up| up.message);
    match message {
        Some(session_up::Message::Hello(hello)) => hello.description.map_or((), description),
        Some(session_up::Message::Description(of_node)) => description(of_node),
        Some(session_up::Message::Statuses(batch)) => batch.reports.into_iter().for_each(report),
        Some(session_up::Message::Kept(kept)) => kept.tasks.iter().for_each(|id| task(id)),
        _ => {}
    }
}

fn task(text: &str) {
    let Ok(id) = text.parse::<TaskId>() else { return };
    assert_eq!(id.to_string().parse(), Ok(id), "a task's id survives a round trip");
}

fn description(message: pb::NodeDescription) {
    let Ok(description) = NodeDescription::try_from(message) else {
        return;
    };
    let wire = pb::NodeDescription::from(description.clone());
    assert_eq!(
        NodeDescription::try_from(wire),
        Ok(description),
        "a description survives a round trip"
    );
}

fn report(message: pb::TaskReport) {
    let Some(Ok(status)) = message.status.map(TaskStatus::try_from) else {
        return;
    };
    let wire = pb::TaskStatus::from(status.clone());
    assert_eq!(TaskStatus::try_from(wire), Ok(status), "a status survives a round trip");
}

fn down(bytes: &[u8]) {
    let message = pb::SessionDown::decode(bytes).ok().and_then(|down| down.message);
    match message {
        Some(session_down::Message::View(message)) => view(message),
        Some(session_down::Message::Delta(message)) => delta(message),
        _ => {}
    }
}

fn view(message: pb::NodeView) {
    let Ok(view) = NodeView::try_from(message) else { return };
    let wire = pb::NodeView::from(view.clone());
    assert_eq!(NodeView::try_from(wire), Ok(view), "a view survives a round trip");
}

/// Changes a node's view or is refused; with the numbers that it should have, it fits.
fn delta(message: pb::ViewDelta) {
    let Ok(mut delta) = ViewDelta::try_from(message) else {
        return;
    };
    let wire = pb::ViewDelta::from(delta.clone());
    assert_eq!(
        ViewDelta::try_from(wire).as_ref(),
        Ok(&delta),
        "a change survives a round trip"
    );
    let state = &base::cluster().0;
    let Some(view) = node_view(state, WORKER, state.applied()) else {
        return;
    };
    let _ = view.apply(&delta);
    delta.base = view.seq;
    if let Err(Unfit::Drift { found, .. }) = view.apply(&delta) {
        delta.checksum = found;
    }
    let changed = view.apply(&delta).map(|view| (view.seq, view.checksum()));
    assert_eq!(changed, Ok((delta.seq, delta.checksum)), "a change that fits is taken");
}
