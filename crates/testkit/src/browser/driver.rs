//! The process of chromedriver, which starts and ends the browser.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const CHROMEDRIVER: &str = "RETINUE_TEST_CHROMEDRIVER";
const TRIES: u32 = 5;
const FAREWELL: Duration = Duration::from_secs(5);

/// A chromedriver on a port of its own. It ends with this value, and its browser with it.
#[derive(Debug)]
pub(super) struct Driver {
    process: Child,
    port: u16,
}

impl Driver {
    pub(super) fn start() -> Self {
        // The port it is given for IPv4 may be another program's for IPv6; then it ends without a word.
        (0..TRIES).find_map(|_| Self::try_start()).expect("chromedriver did not say its port")
    }

    fn try_start() -> Option<Self> {
        let program = std::env::var(CHROMEDRIVER).expect("RETINUE_TEST_CHROMEDRIVER is set by `cargo xtask test`");
        let mut command = Command::new(program);
        command.arg("--port=0").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().unwrap();
        let mut said = BufReader::new(process.stdout.take().unwrap());
        let Some(port) = port(&mut said) else {
            drop(process.kill());
            drop(process.wait());
            return None;
        };
        // What it says further is read, so that it need not wait for a reader.
        thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
        Some(Self { process, port })
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}:{}", Ipv4Addr::LOCALHOST, self.port)
    }

    /// Asks it to end its browser and itself.
    fn say_farewell(&self) -> std::io::Result<()> {
        let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        connection.set_read_timeout(Some(FAREWELL))?;
        write!(connection, "GET /shutdown HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\n\r\n", self.port)?;
        connection.read_to_end(&mut Vec::new()).map(drop)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let deadline = Instant::now() + FAREWELL;
        if self.say_farewell().is_ok() {
            while Instant::now() < deadline {
                if matches!(self.process.try_wait(), Ok(Some(_))) {
                    return;
                }
                thread::sleep(Duration::from_millis(10));
            }
        }
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// `ChromeDriver was started successfully on port 34567.`
fn port(said: &mut impl BufRead) -> Option<u16> {
    let mut lines = said.lines().map_while(Result::ok);
    let port = |line: String| line.split_once("successfully on port ")?.1.trim_end_matches('.').parse().ok();
    lines.find_map(port)
}
