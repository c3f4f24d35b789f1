//! The web page of the image of the day: asks the API, which it finds by the
//! service name `iotd`, and shows the image and which tasks had a part in it.
//!
//! The client's address is the one this program's own socket sees: that the
//! access log shows the real one is the cluster's doing, not a header's.

use mini::http::{Request, Response, request, serve};

fn main() -> std::io::Result<()> {
    let task = mini::task_name();
    serve(80, move |request| page(&task, request))
}

fn page(task: &str, client: &Request) -> Response {
    let address = client.peer.ip().to_string();
    let headers = [
        ("X-Client-Address", address.as_str()),
        ("X-Client-Path", client.path.as_str()),
    ];
    match request("GET", "iotd", 80, "/", &headers, "") {
        Ok((200, answer)) => Response::html(render(task, &address, &answer)),
        Ok((status, text)) => Response::text(502, format!("iotd: status {status}: {text}")),
        Err(error) => Response::text(502, format!("iotd: {error}\n")),
    }
}

fn render(task: &str, address: &str, answer: &str) -> String {
    let field = |name: &str| {
        let found = answer
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        found.unwrap_or("?").to_owned()
    };
    format!(
        "<!doctype html><title>Image of the day</title>\n<h1>{title}</h1>\n\
         <svg width=\"200\" height=\"120\"><circle cx=\"100\" cy=\"60\" r=\"50\" fill=\"{colour}\"/></svg>\n\
         <ul>\n<li>web: {task}</li>\n<li>api: {api}</li>\n<li>log: {log}</li>\n<li>client: {address}</li>\n</ul>\n",
        title = field("title"),
        colour = field("colour"),
        api = field("api"),
        log = field("log"),
    )
}
