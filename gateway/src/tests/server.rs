//! The server on a real socket.

use crate::{http_server::HttpServer, testing::world::edge_with};
use std::{net::SocketAddr, time::Duration};
use switchboard_boot::Lifecycle;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

const LIVEZ: &str = "GET /livez HTTP/1.1\r\nhost: x\r\n\r\n";

fn start(
    change: impl FnOnce(&mut crate::config::Settings),
) -> (SocketAddr, Lifecycle, crate::testing::world::Edge) {
    let edge = edge_with(change);
    let server = HttpServer::bind(&edge.app.settings).unwrap();
    let address = server.address();
    edge.tasks.spawn_essential("http", server.serve(edge.router.clone(), edge.tasks.clone()));
    (address, edge.tasks.clone(), edge)
}

async fn ask(address: SocketAddr, text: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn requests_are_served_and_the_stop_is_orderly() {
    let (address, tasks, _edge) = start(|_| {});
    let answer = ask(address, "GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    // An idle connection does not hold up the stop.
    let idle = TcpStream::connect(address).await.unwrap();
    assert!(tasks.stop(Duration::from_secs(5)).await);
    drop(idle);
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn half_a_head_does_not_hold_a_connection() {
    let (address, tasks, _edge) = start(|settings| {
        settings.server.header_timeout = Duration::from_millis(100);
    });
    for half in ["", "P", "GET /livez", "GET /livez HTTP/1.1\r\nhost: x\r\nx-slow: "] {
        assert_eq!(ask(address, half).await, "", "{half}");
    }
    // Also when it is the second one of a connection.
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(LIVEZ.as_bytes()).await.unwrap();
    let mut buffer = [0; 4096];
    assert!(stream.read(&mut buffer).await.unwrap() > 0);
    stream.write_all(&LIVEZ.as_bytes()[..20]).await.unwrap();
    assert_eq!(stream.read(&mut buffer).await.unwrap(), 0);
    assert!(tasks.stop(Duration::from_secs(5)).await);
}

#[tokio::test]
async fn an_idle_connection_is_kept_longer_than_half_a_head() {
    let (address, tasks, _edge) = start(|settings| {
        settings.server.header_timeout = Duration::from_millis(50);
        settings.server.idle_timeout = Duration::from_millis(400);
    });
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut buffer = [0; 4096];
    for _ in 0..2 {
        stream.write_all(LIVEZ.as_bytes()).await.unwrap();
        assert!(stream.read(&mut buffer).await.unwrap() > 0);
        let early = tokio::time::timeout(Duration::from_millis(200), stream.read(&mut buffer)).await;
        assert!(early.is_err(), "closed while it may be idle");
    }
    assert_eq!(stream.read(&mut buffer).await.unwrap(), 0);
    assert!(tasks.stop(Duration::from_secs(5)).await);
}

#[tokio::test]
async fn an_open_event_stream_is_told_and_does_not_hold_up_the_stop() {
    let (address, tasks, edge) = start(|settings| settings.drain.bye_spread = Duration::from_millis(10));
    let token = edge.session("alice");
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "GET /api/sessions/alice/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let mut buffer = [0; 1024];
    while !answer.contains("retry: ") {
        let count = stream.read(&mut buffer).await.unwrap();
        answer.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
    }
    let stop = tasks.stop(Duration::from_secs(5));
    let (ended, rest) = tokio::join!(stop, async {
        let mut rest = String::new();
        stream.read_to_string(&mut rest).await.unwrap();
        rest
    });
    assert!(ended, "the stop was not orderly");
    assert!(rest.contains("data: {\"type\":\"bye\"}") && rest.ends_with("0\r\n\r\n"), "{rest}");
}

#[tokio::test]
async fn connections_over_the_limit_wait() {
    let (address, tasks, _edge) = start(|settings| settings.server.max_connections = 1);
    let mut first = TcpStream::connect(address).await.unwrap();
    first.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut buffer = [0; 64];
    assert!(first.read(&mut buffer).await.unwrap() > 0);
    let second = ask(address, "GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    tokio::pin!(second);
    let early = tokio::time::timeout(Duration::from_millis(100), &mut second).await;
    assert!(early.is_err(), "served beside the first");
    drop(first);
    assert!(second.await.starts_with("HTTP/1.1 200 OK"));
    assert!(tasks.stop(Duration::from_secs(5)).await);
}

#[tokio::test]
async fn a_large_body_gets_its_answer_over_a_socket() {
    let (address, tasks, _edge) = start(|_| {});
    let head =
        "POST /api/chat HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n";
    let request = format!("{head}content-length: {}\r\n\r\n{}", 10 << 20, "x".repeat(10 << 20));
    let answer = ask(address, &request).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert!(tasks.stop(Duration::from_secs(5)).await);
}
