//! A connection to one of several managers, of which some may be dead: each has a head start over the next, and the first
//! that takes the connection is the one (as RFC 8305 has it for the addresses of one host).

use std::time::Duration;

use futures::{StreamExt, stream::FuturesUnordered};
use tokio::time::{Instant, sleep_until, timeout};

use super::course::Call;

/// A manager takes a connection within this, although its first packet be lost.
pub const CONNECT: Duration = Duration::from_millis(1_500);

/// What came of a round.
#[derive(Debug, PartialEq, Eq)]
pub struct Dialled<C> {
    /// Who took the connection.
    pub taken: Option<(String, C)>,
    /// Who did not, with the reason, in the order in which they failed.
    pub failed: Vec<(String, String)>,
}

/// Calls the managers until one takes a connection, or none of them has.
pub async fn first<C, F>(calls: Vec<Call>, connect: impl Fn(String) -> F) -> Dialled<C>
where
    F: Future<Output = Result<C, String>>,
{
    let mut calls = calls.into_iter();
    let mut under_way = FuturesUnordered::new();
    let mut failed = Vec::new();
    let mut next = Instant::now();
    loop {
        tokio::select! {
            Some((addr, outcome)) = under_way.next() => match outcome {
                Ok(connection) => return Dialled { taken: Some((addr, connection)), failed },
                Err(why) => {
                    failed.push((addr, why));
                    next = Instant::now();
                }
            },
            () = sleep_until(next), if calls.len() > 0 => {
                let call = calls.next().map(|Call { addr, alone }| {
                    next = Instant::now() + alone;
                    let connecting = timeout(CONNECT, connect(addr.clone()));
                    async move {
                        let silent = || Err(format!("manager {addr} does not answer"));
                        let outcome = connecting.await.unwrap_or_else(|_| silent());
                        (addr, outcome)
                    }
                });
                under_way.extend(call);
            }
            else => return Dialled { taken: None, failed },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    fn calls(names: &[&str]) -> Vec<Call> {
        let call = |name: &&str| Call {
            addr: (*name).to_owned(),
            alone: Duration::from_millis(250),
        };
        names.iter().map(call).collect()
    }

    /// `dead` ones say nothing, `closed` ones refuse, a number takes the connection after so many milliseconds.
    async fn connect(addr: String) -> Result<u64, String> {
        match addr.as_str() {
            "dead" => pending().await,
            "closed" => Err("refused".to_owned()),
            number => {
                let millis = number.parse().unwrap();
                tokio::time::sleep(Duration::from_millis(millis)).await;
                Ok(millis)
            }
        }
    }

    async fn timed(names: &[&str]) -> (Dialled<u64>, u128) {
        let start = Instant::now();
        let dialled = first(calls(names), connect).await;
        (dialled, start.elapsed().as_millis())
    }

    #[tokio::test(start_paused = true)]
    async fn dead_managers_cost_their_head_start_and_closed_ones_nothing() {
        let (dialled, took) = timed(&["dead", "closed", "10"]).await;
        assert_eq!((dialled.taken, took), (Some(("10".to_owned(), 10)), 260));
        assert_eq!(dialled.failed, [("closed".to_owned(), "refused".to_owned())]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_manager_is_taken_if_the_next_is_no_quicker() {
        let (dialled, took) = timed(&["400", "300"]).await;
        assert_eq!((dialled.taken, took), (Some(("400".to_owned(), 400)), 400));
        let (dialled, took) = timed(&["400", "30"]).await;
        assert_eq!((dialled.taken, took), (Some(("30".to_owned(), 30)), 280));
    }

    #[tokio::test(start_paused = true)]
    async fn when_all_are_dead_each_is_named() {
        let (dialled, took) = timed(&["dead", "closed"]).await;
        assert_eq!((dialled.taken, took), (None, 1_500));
        let names: Vec<String> = dialled.failed.into_iter().map(|(addr, _)| addr).collect();
        assert_eq!(names, ["closed", "dead"]);
        assert_eq!(first(Vec::new(), connect).await.failed, []);
    }
}
