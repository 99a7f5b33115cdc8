//! Processes that are measured: each ends with the value that stands for it, and none that others started is touched.

use std::{
    fs,
    io::{BufRead, BufReader, Lines},
    net::TcpListener,
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

/// Ticks of a processor's time in a second, as /proc counts them on every Linux that is in use.
const TICKS: f64 = 100.0;
/// Open files that a process may have, if the machine allows that many.
const OPEN_FILES: u32 = 65_536;
/// How long a program may take to end when it is asked to.
const PATIENCE: Duration = Duration::from_secs(20);

/// A program that we started.
pub(crate) struct Process {
    child: Child,
}

impl Process {
    /// Starts it with as many open files as the machine allows, and what it says on standard error in `log`.
    pub(crate) fn start(program: &Path, log: &Path, prepare: impl FnOnce(&mut Command)) -> Result<Self> {
        let mut command = Command::new("sh");
        let raise = format!("ulimit -n {OPEN_FILES} 2>/dev/null || ulimit -n \"$(ulimit -Hn)\"; exec \"$0\" \"$@\"");
        command.args(["-c", &raise]).arg(program);
        prepare(&mut command);
        let errors = fs::OpenOptions::new().create(true).append(true).open(log)?;
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(errors);
        let child = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        Ok(Self { child })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it prints, line by line.
    pub(crate) fn lines(&mut self) -> Result<Lines<BufReader<ChildStdout>>> {
        Ok(BufReader::new(self.child.stdout.take().context("its output is taken")?).lines())
    }

    /// Waits for its end and gives what it printed.
    pub(crate) fn output(mut self) -> Result<String> {
        let lines: Vec<String> = self.lines()?.collect::<Result<_, _>>()?;
        let status = self.child.wait()?;
        if !status.success() {
            bail!("a load generator failed ({status}): {}", lines.join("\n"));
        }
        Ok(lines.join("\n"))
    }

    /// Whether it is still there.
    pub(crate) fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Asks it to end and waits until it has.
    pub(crate) fn stop(mut self) -> Result<()> {
        let status = Command::new("kill").arg(self.id().to_string()).status()?;
        let since = Instant::now();
        while status.success() && self.is_running() && since.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Seconds of processor time that it has taken.
    pub(crate) fn cpu_seconds(&self) -> Result<f64> {
        // User and system.
        seconds(&format!("/proc/{}/stat", self.id()), 14)
    }

    /// Memory that it holds, in KiB.
    pub(crate) fn resident_kib(&self) -> Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        line.split_whitespace().next().and_then(|kib| kib.parse().ok()).context("VmRSS is no number")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Seconds of processor time that those took which we started and which have ended.
pub(crate) fn children_cpu_seconds() -> Result<f64> {
    seconds("/proc/self/stat", 16)
}

/// Two neighbouring fields of a process's line, which are times: `proc_pid_stat(5)` numbers them.
fn seconds(path: &str, field: usize) -> Result<f64> {
    let stat = fs::read_to_string(path)?;
    // The name, field 2, may hold anything.
    let fields = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let ticks: f64 = fields.split(' ').skip(field - 3).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum();
    Ok(ticks / TICKS)
}

/// An address of this machine that nobody listens on at the moment.
pub(crate) fn free_address() -> Result<String> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}

/// What the figures were measured on, and how busy it is.
pub(crate) fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let processors = read("/proc/cpuinfo");
    let name = processors.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("an unknown processor");
    let count = processors.lines().filter(|line| line.starts_with("processor")).count();
    let memory = read("/proc/meminfo");
    let memory = memory.lines().next().and_then(|line| line.split_whitespace().nth(1)).unwrap_or("0").to_owned();
    let mib = memory.parse::<u64>().unwrap_or(0) / 1024;
    let load: Vec<String> = read("/proc/loadavg").split(' ').take(3).map(str::to_owned).collect();
    let name = name.trim_start_matches([':', ' ', '\t']);
    format!("bench: {count} × {name}, {mib} MiB of memory, load average {}", load.join(" "))
}
