//! The API of the image of the day: answers with the image and the name of the
//! task that answered, and writes the client's address to the access log,
//! which it finds by its service name.
//!
//! The client's address comes from the web page in `X-Client-Address`.

use mini::http::{Request, Response, request, serve};
use std::time::{SystemTime, UNIX_EPOCH};

const IMAGES: [(&str, &str); 4] = [
    ("Crab Nebula", "#c33"),
    ("Whirlpool Galaxy", "#36c"),
    ("Saturn", "#ca3"),
    ("Tycho Crater", "#777"),
];

fn main() -> std::io::Result<()> {
    let task = mini::task_name();
    serve(80, move |request| answer(&task, request))
}

fn answer(task: &str, request: &Request) -> Response {
    let (title, colour) = image_of_the_day();
    let header = |name: &str| request.headers.get(name).map_or("-", String::as_str);
    let entry = format!("{} {}", header("x-client-address"), header("x-client-path"));
    let log = match log(&entry) {
        Ok(replica) => replica,
        Err(error) => return Response::text(502, format!("access log: {error}\n")),
    };
    Response::text(
        200,
        format!("title: {title}\ncolour: {colour}\napi: {task}\nlog: {log}\n"),
    )
}

fn image_of_the_day() -> (&'static str, &'static str) {
    let seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    IMAGES[(seconds / 86_400) as usize % IMAGES.len()]
}

/// Appends one entry; returns the access log task that took it.
fn log(entry: &str) -> std::io::Result<String> {
    match request("POST", "accesslog", 80, "/log", &[], entry)? {
        (200, task) => Ok(task.trim().to_owned()),
        (status, text) => Err(std::io::Error::other(format!("status {status}: {}", text.trim()))),
    }
}
