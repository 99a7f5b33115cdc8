//! More connections than there is room for.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use retinue_testkit::Program;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

const BINARY: &str = env!("CARGO_BIN_EXE_retinue");
/// How long an answer may take that must come.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long an answer is waited for that must not come.
const NEVER: Duration = Duration::from_millis(300);

async fn ask(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    stream
}

async fn is_answered(stream: &mut TcpStream, patience: Duration) -> bool {
    let mut bytes = [0; 12];
    match timeout(patience, stream.read_exact(&mut bytes)).await {
        Ok(read) => {
            read.unwrap();
            assert_eq!(&bytes, b"HTTP/1.1 200");
            true
        }
        Err(_) => false,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_over_the_bound_wait_for_a_place() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::new(BINARY, folder.path()).environment("RETINUE__SERVER__MAX_CONNECTIONS", "2");
    let program = program.start().await;
    let (mut first, mut second) = (ask(program.address()).await, ask(program.address()).await);
    assert!(is_answered(&mut first, PATIENCE).await && is_answered(&mut second, PATIENCE).await);
    let mut third = ask(program.address()).await;
    assert!(!is_answered(&mut third, NEVER).await, "there was no place");
    drop(first);
    assert!(is_answered(&mut third, PATIENCE).await);
    assert_eq!(program.stop().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_ran_out_of_files_goes_on_when_there_are_some() {
    let folder = tempfile::tempdir().unwrap();
    let limited = folder.path().join("limited");
    fs::write(&limited, format!("#!/bin/sh\nulimit -n 80\nexec '{BINARY}'\n")).unwrap();
    fs::set_permissions(&limited, fs::Permissions::from_mode(0o700)).unwrap();
    let program = Program::new(&limited, folder.path()).start().await;
    let mut crowd = Vec::new();
    for _ in 0..100 {
        crowd.push(ask(program.address()).await);
    }
    assert!(is_answered(&mut crowd[0], PATIENCE).await);
    assert!(!is_answered(crowd.last_mut().unwrap(), NEVER).await, "there were files enough");
    let mut last = crowd.pop().unwrap();
    drop(crowd);
    assert!(is_answered(&mut last, PATIENCE).await);
    assert_eq!(program.stop().await.code(), Some(0));
}
