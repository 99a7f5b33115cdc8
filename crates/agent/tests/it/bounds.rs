//! Servers that never end, and memory that does.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use retinue_model::run::Usage;
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;

use crate::fake::{Fake, STREAM_HEAD, answer, client, event, finish, hear, hear_from, request};

const MIB: usize = 1024 * 1024;

/// A server that says `opening`, and then `more` again and again until a GiB is written or the connection is gone. Counts the
/// bytes.
async fn endless(opening: String, more: Vec<u8>) -> (Fake, Arc<AtomicUsize>) {
    let written = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&written);
    let more: Arc<[u8]> = Arc::from(more);
    let fake = Fake::script(move |_, mut socket| {
        let (opening, more, count) = (opening.clone(), Arc::clone(&more), Arc::clone(&count));
        async move {
            if socket.write_all(opening.as_bytes()).await.is_err() {
                return;
            }
            while count.load(Ordering::Relaxed) < 1024 * MIB && socket.write_all(&more).await.is_ok() {
                count.fetch_add(more.len(), Ordering::Relaxed);
            }
        }
    })
    .await;
    (fake, written)
}

#[tokio::test]
async fn an_answer_that_never_ends_is_cut_at_its_limit() {
    let (fake, written) = endless(STREAM_HEAD.to_owned(), event(&"word ".repeat(200)).into_bytes()).await;
    let heard = hear_from(&fake).await;
    assert_eq!(heard.failure().code, "output_too_long");
    assert!(heard.failure().message.contains("1024 KiB"), "{}", heard.failure().message);
    assert_eq!(heard.text().len(), MIB);
    assert!(heard.deltas.iter().all(|delta| delta.len() <= 16 * 1024));
    assert!(written.load(Ordering::Relaxed) < 32 * MIB, "the connection was closed");
}

#[tokio::test]
async fn a_server_that_does_not_keep_to_the_tokens_it_was_told_is_stopped() {
    let (fake, written) = endless(STREAM_HEAD.to_owned(), event(&"word ".repeat(200)).into_bytes()).await;
    let mut asked = request(&fake.base_url());
    asked.max_output_tokens = Some(1_000);
    let heard = hear(&client(), asked).await;
    assert_eq!(heard.failure().code, "output_too_long");
    assert!(heard.failure().message.contains("output limit"), "{}", heard.failure().message);
    assert!((4_000..20_000).contains(&heard.text().len()), "{}", heard.text().len());
    assert!(written.load(Ordering::Relaxed) < 32 * MIB, "the connection was closed");
}

#[tokio::test]
async fn what_was_counted_of_an_answer_that_fails_is_told() {
    let counted =
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":900}}\n\ndata: [DONE]\n\n";
    let fake = Fake::replying([format!("{STREAM_HEAD}{}{}{counted}", event("Half"), finish("length"))]).await;
    let heard = hear_from(&fake).await;
    assert_eq!((heard.text().as_str(), heard.failure().code.as_str()), ("Half", "output_too_long"));
    assert_eq!(heard.counted, Some(Usage { input_tokens: 5, output_tokens: 900 }));
}

#[tokio::test]
async fn a_line_that_never_ends_is_refused() {
    for opening in ["data: ", "{\"choices\":\"", ": ", "x"] {
        let (fake, written) = endless(format!("{STREAM_HEAD}{opening}"), vec![b'x'; 64 * 1024]).await;
        assert_eq!(hear_from(&fake).await.failure().code, "model_protocol");
        assert!(written.load(Ordering::Relaxed) < 32 * MIB, "the connection was closed");
    }
}

#[tokio::test]
async fn an_error_that_never_ends_is_read_in_part() {
    let (fake, written) = endless("HTTP/1.1 400 Bad\r\n\r\n".to_owned(), vec![b'x'; 64 * 1024]).await;
    let heard = hear_from(&fake).await;
    assert_eq!(heard.failure().code, "model_error");
    assert!(heard.failure().message.len() < 600);
    assert!(written.load(Ordering::Relaxed) < 32 * MIB, "the connection was closed");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_only_keeps_alive_ends() {
    let fake = Fake::script(|_, mut socket| async move {
        let _ = socket.write_all(STREAM_HEAD.as_bytes()).await;
        while socket.write_all(b": keep-alive\n\n").await.is_ok() {
            tokio::time::sleep(Duration::from_secs(10)).await;
        }
    })
    .await;
    let start = Instant::now();
    let mut asked = request(&fake.base_url());
    asked.limits.max_duration = Duration::from_mins(10);
    let heard = hear(&client(), asked).await;
    assert_eq!(heard.failure().code, "run_too_long");
    assert!(heard.failure().message.contains("10 minutes"), "{}", heard.failure().message);
    assert!(start.elapsed() >= Duration::from_mins(10) && start.elapsed() < Duration::from_mins(11));
}

#[tokio::test(start_paused = true)]
async fn a_run_ends_while_it_waits_for_its_head() {
    let fake = Fake::script(|_, socket| async move {
        let _open = socket;
        std::future::pending::<()>().await;
    })
    .await;
    let mut asked = request(&fake.base_url());
    asked.limits.max_duration = Duration::from_mins(1);
    assert_eq!(hear(&client(), asked).await.failure().code, "run_too_long");
}

/// Runs the test below in a process of its own, because its memory is measured.
#[test]
fn a_gigabyte_without_a_line_end_costs_less_than_4_mib() {
    let this = std::env::current_exe().unwrap();
    let output =
        Command::new(this).args(["--exact", "--ignored", "--nocapture", "bounds::measured_alone"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"));
}

#[tokio::test]
#[ignore = "run by the test above, alone in its process"]
async fn measured_alone() {
    if !cfg!(target_os = "linux") {
        return;
    }
    let client = client();
    // A good answer first, for what every process needs once.
    let good = Fake::replying([answer(&["Hi"])]).await;
    assert!(hear(&client, request(&good.base_url())).await.outcome.is_ok());
    let (fake, _) = endless(format!("{STREAM_HEAD}data: "), vec![b'x'; 64 * 1024]).await;
    let before = peak_kib();
    assert_eq!(hear(&client, request(&fake.base_url())).await.failure().code, "model_protocol");
    let first = peak_kib();
    for _ in 0..5 {
        assert_eq!(hear(&client, request(&fake.base_url())).await.failure().code, "model_protocol");
    }
    eprintln!("peak memory: {before} KiB before, {first} KiB after one, {} KiB after six", peak_kib());
    assert!(peak_kib() - before < 4 * 1024, "{before} KiB, then {} KiB", peak_kib());
}

/// The most memory that this process ever had.
fn peak_kib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
