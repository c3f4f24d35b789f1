//! What an ended task printed last, read from its node when somebody asks: it may hold secrets, and is stored nowhere else.

use std::time::Duration;

use tokio::time::timeout;
use wire::pb;

use crate::{client::Client, terminal};

/// Lines that are shown.
const LINES: usize = 5;
/// Bytes of all of them.
const BYTES: usize = 1024;
/// Longest wait for the node.
const PATIENCE: Duration = Duration::from_secs(3);

/// None if there are none any more, or its node is out of reach.
pub async fn last_lines(client: &mut Client, task: &str) -> Vec<String> {
    let request = pb::LogsRequest {
        tasks: vec![task.to_owned()],
        tail: Some(LINES as u64),
        ..pb::LogsRequest::default()
    };
    let mut lines = Vec::new();
    let reading = async {
        let Ok(answer) = client.control.logs(request).await else {
            return;
        };
        let mut stream = answer.into_inner();
        while let Ok(Some(response)) = stream.message().await {
            lines.extend(response.lines.iter().map(|line| plain(&line.text)));
        }
    };
    // What has come by then is shown.
    let _ = timeout(PATIENCE, reading).await;
    within(lines)
}

fn plain(text: &[u8]) -> String {
    terminal::plain(&String::from_utf8_lossy(text))
}

/// The last of the lines, as far as there is room.
fn within(lines: Vec<String>) -> Vec<String> {
    let mut room = BYTES;
    let mut shown: Vec<String> = Vec::new();
    for mut line in lines.into_iter().rev().take(LINES) {
        let length = line.len();
        line.truncate(line.floor_char_boundary(room));
        room -= line.len();
        let cut = line.len() < length;
        shown.push(line);
        if cut || room == 0 {
            break;
        }
    }
    shown.reverse();
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_few_short_and_harmless() {
        let lines: Vec<String> = (0..9).map(|number| number.to_string()).collect();
        assert_eq!(within(lines), ["4", "5", "6", "7", "8"]);
        let long = vec!["a".repeat(600), "ä".repeat(300)];
        let shown: Vec<usize> = within(long).iter().map(String::len).collect();
        assert_eq!(shown, [BYTES - 600, 600]);
        assert_eq!(within(vec!["ä".repeat(900)])[0].len(), BYTES);
        assert_eq!(plain(b"\x1b[31mred\tend\xff"), "[31mred\tend\u{fffd}");
    }
}
