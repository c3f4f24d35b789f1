//! Logs that go on: lines as nodes send them, held back for a moment to come in order. Who is followed is looked at
//! again when something becomes of that, not with every entry of the log: there are many readers, and busy clusters.

use lines::Window;
use tokio::{
    sync::{broadcast, mpsc},
    time::{Duration, Instant, sleep},
};

use super::{
    crew::Crew,
    reading::{End, Reading},
    telling::Telling,
    wanted::Wanted,
};
use crate::{mint, raft::News};

/// Batches of all nodes that may wait.
const WAITING: usize = 8;
/// How often it looks for nodes that are missing.
const LOOK: Duration = Duration::from_secs(1);

impl Reading {
    pub(super) async fn follow(&mut self, telling: &mut Telling) -> Result<(), End> {
        let (to, mut inbox) = mpsc::channel(WAITING);
        let mut crew = Crew::new(self.desk.open(true, self.wanted.details)?, to);
        let mut window = Window::default();
        // Before the first look at the state, so that nothing is missed in between.
        let mut events = self.proposer.events();
        let mut touched = true;
        loop {
            let view = self.proposer.view();
            if std::mem::take(&mut touched) {
                crew.muster(&self.wanted, &view, telling, Instant::now());
            }
            while let Some(line) = window.pop(mint::steady()) {
                telling.line(line).await?;
            }
            // What came while the reader took its time is heard before anybody is let go.
            while let Ok(said) = inbox.try_recv() {
                crew.hear(said, &view, &mut window, telling);
            }
            crew.look(&view, telling, Instant::now());
            telling.flush().await?;
            if !crew.goes_on() && window.due().is_none() {
                return Ok(());
            }
            let due = window.due().map_or(LOOK, |due| due.since(mint::steady()).min(LOOK));
            tokio::select! {
                Some(said) = inbox.recv() => crew.hear(said, &view, &mut window, telling),
                goes_on = touch(&mut events, &self.wanted, &crew) => match goes_on {
                    true => touched = true,
                    false => return Ok(()),
                },
                () = sleep(due) => {}
            }
        }
    }
}

/// Waits until something has become of what is wanted or of a node that is followed. False: this manager ends.
async fn touch(events: &mut broadcast::Receiver<News>, wanted: &Wanted, crew: &Crew) -> bool {
    loop {
        match events.recv().await {
            Ok(news) if is_about(&news, wanted, crew) => return true,
            Ok(_) => {}
            // What was missed may have been that.
            Err(broadcast::error::RecvError::Lagged(_)) => return true,
            Err(broadcast::error::RecvError::Closed) => return false,
        }
    }
}

fn is_about(news: &News, wanted: &Wanted, crew: &Crew) -> bool {
    let mut events = news.events();
    news.everything || events.any(|event| wanted.is_touched(event) || crew.is_touched(event))
}

#[cfg(test)]
mod tests {
    use model::ServiceId;
    use store::{Event, View};

    use super::*;
    use crate::{logs::Desk, raft::Changed};

    fn news(event: Event) -> News {
        let changed = Changed {
            view: View::default(),
            events: vec![event],
        };
        News {
            view: View::default(),
            entries: [changed].into(),
            everything: false,
        }
    }

    #[tokio::test]
    async fn other_entries_of_the_log_wake_nobody() {
        let (up, mut events) = broadcast::channel(4);
        let (to, _said) = mpsc::channel(1);
        let crew = Crew::new(Desk::default().open(true, false).unwrap(), to);
        let wanted = Wanted {
            services: [ServiceId::from_bits(1)].into(),
            ..Wanted::default()
        };
        let _ = up.send(news(Event::Service(ServiceId::from_bits(2))));
        let waited = tokio::time::timeout(Duration::from_millis(50), touch(&mut events, &wanted, &crew));
        assert!(waited.await.is_err());
        let _ = up.send(news(Event::Service(ServiceId::from_bits(1))));
        assert!(touch(&mut events, &wanted, &crew).await);
        let lost = News {
            everything: true,
            ..news(Event::Cluster)
        };
        let _ = up.send(lost);
        assert!(touch(&mut events, &wanted, &crew).await);
        drop(up);
        assert!(!touch(&mut events, &wanted, &crew).await, "the manager ends");
    }
}
