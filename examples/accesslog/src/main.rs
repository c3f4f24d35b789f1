//! The access log: `POST /log` appends its body, `GET /log` lists what this
//! replica holds, oldest first. `GET /` names the task.

use mini::http::{Request, Response, serve};
use std::sync::Mutex;

const MAX_ENTRIES: usize = 10_000;

fn main() -> std::io::Result<()> {
    let entries = Mutex::new(Vec::<String>::new());
    let task = mini::task_name();
    serve(80, move |request| handle(&entries, &task, request))
}

fn handle(entries: &Mutex<Vec<String>>, task: &str, request: &Request) -> Response {
    let Ok(mut entries) = entries.lock() else {
        return Response::text(500, "the log is broken\n");
    };
    match (request.method.as_str(), request.path.as_str()) {
        ("POST", "/log") if entries.len() >= MAX_ENTRIES => Response::text(507, "the log is full\n"),
        ("POST", "/log") => {
            entries.push(request.body.trim().to_owned());
            Response::text(200, format!("{task}\n"))
        }
        ("GET", "/log") => Response::text(200, entries.join("\n") + "\n"),
        ("GET", "/") => Response::text(200, format!("{task}\n")),
        _ => Response::text(404, "no such page\n"),
    }
}
