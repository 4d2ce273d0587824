//! `argocd-cmp-canary-steps serve` beside argocd-cmp-server, both called by Argo CD's own client, in the same run.
//!
//!     cargo bench -p interop --bench cmp -- dist/linux-amd64/argocd-cmp-canary-steps
//!
//! Ours edits the steps of all Rollouts of 100 files. The peer runs a bare `cat *.yaml`, which edits nothing, and the
//! usual loop in a shell. The servers take turns, so that what else the machine does hits all of them alike.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a report for a human")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

const STARTS: usize = 20;
const ROUNDS: usize = 9;
/// Calls of each server in a round.
const CALLS: u32 = 20;
/// How long a server rests before its memory is read.
const REST: Duration = Duration::from_secs(3);
const LARGE: usize = 50_000_000;
/// What is switched: every Rollout gets other steps than Git has.
const SWITCH: &str = r#"ARGOCD_APP_PARAMETERS=[{"name":"canary","string":"25,pause,75,pause:30s,100"}]"#;
const CAT: &str = "cat *.yaml";
const LOOP: &str = r#"for file in *.yaml; do echo "---"; cat "$file"; done"#;

fn main() {
    let Some(ours) = std::env::args().skip(1).find(|arg| !arg.starts_with('-')) else {
        println!("name the plugin: dist/linux-amd64/argocd-cmp-canary-steps");
        return;
    };
    let (Some(client), Some(peer)) = (
        interop::go_package("cmp", "."),
        interop::go_package("cmp", "./server"),
    ) else {
        return;
    };
    let ours = fs::canonicalize(ours).unwrap();

    let megabytes = fs::metadata(&ours).unwrap().len() as f64 / 1e6;
    goal("static binary", megabytes, "MB", 9.0);
    let mut starts: Vec<_> = (0..STARTS).map(|_| Server::ours(&ours).ready).collect();
    starts.sort();
    goal(
        "ready, median of 20 starts",
        millis(starts[STARTS / 2]),
        "ms",
        10.0,
    );

    let servers = [
        ("canary-steps", Server::ours(&ours)),
        ("cat *.yaml", Server::peer(&peer, CAT)),
        ("shell loop", Server::peer(&peer, LOOP)),
    ];
    std::thread::sleep(REST);
    goal("resident, idle", servers[0].1.resident(), "MB", 15.0);

    let repository = tempfile::tempdir().unwrap();
    let bytes: usize = (0..100)
        .map(|number| write_rollout(repository.path(), number))
        .sum();
    println!("GenerateManifest of 100 files, {bytes} bytes, as Argo CD's client sees it:");
    let mut medians = [const { Vec::new() }; 3];
    let before = servers.each_ref().map(|(_, server)| server.processor_time());
    for _ in 0..ROUNDS {
        for (median, (_, server)) in medians.iter_mut().zip(&servers) {
            median.push(server.bench(&client, repository.path(), CALLS, 1));
        }
    }
    for ((median, (name, server)), before) in medians.iter_mut().zip(&servers).zip(before) {
        median.sort_by(f64::total_cmp);
        // The client calls five times before it measures.
        let calls = f64::from(CALLS + 5) * ROUNDS as f64;
        let work = (server.processor_time() - before).as_secs_f64() * 1e3 / calls;
        println!(
            "  {name:<14} p50 {:6.1} ms ({:.1} to {:.1} in {ROUNDS} rounds), {work:.1} ms of the server's processor",
            median[ROUNDS / 2],
            median[0],
            median[ROUNDS - 1]
        );
    }
    let p50 = medians.map(|rounds| rounds[ROUNDS / 2]);
    goal("of the time of a bare cat", p50[0] / p50[1], "", 0.5);
    goal("of the time of a shell loop", p50[0] / p50[2], "", 0.125);

    write_large(repository.path());
    println!("20 at once, each a repository of {} MB:", LARGE / 1_000_000);
    for (name, server) in &servers[..2] {
        let _ = server.bench(&client, repository.path(), 20, 20);
        std::thread::sleep(REST);
        let (now, most) = (server.resident(), server.most_resident());
        println!("  {name:<14} resident {now:.0} MB afterwards, {most:.0} MB at most");
    }
    goal("resident after 20 at once", servers[0].1.resident(), "MB", 60.0);
}

fn goal(what: &str, value: f64, unit: &str, most: f64) {
    let verdict = if value <= most { "kept" } else { "missed" };
    println!("{what}: {value:.3} {unit}, goal {most} {verdict}");
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// A running server; ended when dropped.
struct Server {
    child: Child,
    socket: PathBuf,
    ready: Duration,
    _folder: tempfile::TempDir,
}

impl Server {
    fn ours(program: &Path) -> Server {
        let mut command = Command::new(program);
        command.arg("serve");
        Server::start(command, "canary-steps@v1.sock", tempfile::tempdir().unwrap())
    }

    /// argocd-cmp-server with a command for a shell.
    fn peer(program: &Path, script: &str) -> Server {
        let folder = tempfile::tempdir().unwrap();
        let plugin = serde_json::json!({
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "ConfigManagementPlugin",
            "metadata": {"name": "peer"},
            "spec": {"generate": {"command": ["sh", "-c", script]}},
        });
        fs::write(folder.path().join("plugin.yaml"), plugin.to_string()).unwrap();
        let mut command = Command::new(program);
        command.arg(folder.path());
        Server::start(command, "peer.sock", folder)
    }

    fn start(mut command: Command, socket: &str, folder: tempfile::TempDir) -> Server {
        let socket = folder.path().join(socket);
        command
            .env("ARGOCD_PLUGINSOCKFILEPATH", folder.path())
            .env("ARGOCD_CMP_WORKDIR", folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let started = Instant::now();
        let child = command.spawn().unwrap();
        while std::os::unix::net::UnixStream::connect(&socket).is_err() {
            assert!(started.elapsed() < Duration::from_secs(60), "no server came");
            std::thread::sleep(Duration::from_micros(100));
        }
        Server {
            ready: started.elapsed(),
            child,
            socket,
            _folder: folder,
        }
    }

    /// The median of `calls` calls in milliseconds.
    fn bench(&self, client: &Path, repository: &Path, calls: u32, parallel: u32) -> f64 {
        let output = Command::new(client)
            .args(["bench", "-timeout", "5m", "-socket"])
            .arg(&self.socket)
            .arg("-repo")
            .arg(repository)
            .args(["-n", &calls.to_string(), "-parallel", &parallel.to_string()])
            .args(["ARGOCD_APP_NAME=shop", SWITCH])
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let answer: Value = serde_json::from_str(&text).unwrap_or_default();
        answer["p50_ms"]
            .as_f64()
            .unwrap_or_else(|| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)))
    }

    /// Time of its threads and of the children it has waited for.
    fn processor_time(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        // utime, stime, cutime and cstime of proc_pid_stat(5), in hundredths of a second.
        let fields = stat.rsplit_once(") ").unwrap().1.split(' ').skip(11).take(4);
        Duration::from_millis(10 * fields.map(|field| field.parse::<u64>().unwrap()).sum::<u64>())
    }

    fn resident(&self) -> f64 {
        self.status("VmRSS:")
    }

    fn most_resident(&self) -> f64 {
        self.status("VmHWM:")
    }

    /// A line of proc_pid_status(5) in MB.
    fn status(&self, key: &str) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
        let kibibytes: f64 = line.trim().trim_end_matches(" kB").parse().unwrap();
        kibibytes * 1024.0 / 1e6
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A Rollout as a team writes it; its size in bytes.
fn write_rollout(folder: &Path, number: u32) -> usize {
    let text = include_str!("cmp/rollout.yaml")
        .replace("NUMBER", &format!("{number:03}"))
        .replace("SEED", &format!("{:08x}", number.wrapping_mul(2_654_435_761)));
    fs::write(folder.join(format!("service-{number:03}.yaml")), &text).unwrap();
    text.len()
}

/// Files that are no manifests, half of them hard to compress.
fn write_large(folder: &Path) {
    let mut state = 1_u64;
    let mut noise = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) as u8
    };
    for number in 0..50 {
        let content: Vec<u8> = match number % 2 {
            0 => (0..LARGE / 50).map(&mut noise).collect(),
            _ => b"all work and no play\n".repeat(LARGE / 50 / 21),
        };
        fs::write(folder.join(format!("asset-{number}.bin")), content).unwrap();
    }
}
