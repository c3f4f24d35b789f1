//! What nodes and managers say to each other in a session.

use model::{NodeDescription, NodeView, TaskStatus};
use prost::Message;
use wire::pb::{self, session_down, session_up};

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
        _ => {}
    }
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
    let Some(session_down::Message::View(message)) = message else {
        return;
    };
    let Ok(view) = NodeView::try_from(message) else { return };
    let wire = pb::NodeView::from(view.clone());
    assert_eq!(NodeView::try_from(wire), Ok(view), "a view survives a round trip");
}
