//! What `/proc` says of processes and of the machine.

use std::{fs, time::Duration};

/// Clock ticks per second of `/proc`; the same on every Linux that we build for.
const USER_HZ: u64 = 100;

/// Processes that are looked at together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Group {
    pids: Vec<u32>,
    /// A process whose children come and go, as those of Postgres do.
    family: Option<u32>,
}

impl Group {
    /// These processes.
    pub(crate) fn of(pids: Vec<u32>) -> Self {
        Self { pids, family: None }
    }

    /// These, the parent of a family, and its children at each moment.
    pub(crate) fn with_family(self, family: Option<u32>) -> Self {
        Self { family, ..self }
    }

    /// Both groups; at most one family is known.
    pub(crate) fn and(mut self, other: &Self) -> Self {
        self.pids.extend(&other.pids);
        self.family = self.family.or(other.family);
        self
    }

    /// CPU time of all threads, those that have ended included. A process that is gone counts 0.
    pub(crate) fn cpu(&self) -> Duration {
        let stats = self.members().into_iter().filter_map(stat);
        ticks_to_time(stats.filter_map(|stat| process_ticks(&stat)).sum())
    }

    /// Resident memory, in KiB.
    pub(crate) fn resident_kib(&self) -> u64 {
        let status = |pid| fs::read_to_string(format!("/proc/{pid}/status")).ok();
        let statuses = self.members().into_iter().filter_map(status);
        statuses.filter_map(|status| status_kib(&status, "VmRSS:")).sum()
    }

    fn members(&self) -> Vec<u32> {
        let family = self.family.into_iter().flat_map(|parent| children(parent).into_iter().chain([parent]));
        self.pids.iter().copied().chain(family).collect()
    }
}

/// The parent of a process.
pub(crate) fn parent(pid: u32) -> Option<u32> {
    let stat = stat(pid)?;
    let (_, fields) = stat.rsplit_once(") ")?;
    fields.split_whitespace().nth(1)?.parse().ok()
}

fn children(of: u32) -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(|pid| parent(*pid) == Some(of)).collect()
}

fn stat(pid: u32) -> Option<String> {
    fs::read_to_string(format!("/proc/{pid}/stat")).ok()
}

/// CPU time that the machine has spent, and that its host took from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Machine {
    busy: Duration,
    stolen: Duration,
}

impl Machine {
    /// Reads it now.
    pub(crate) fn now() -> Self {
        let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
        Self::parse(&stat).unwrap_or(Self { busy: Duration::ZERO, stolen: Duration::ZERO })
    }

    fn parse(stat: &str) -> Option<Self> {
        let line = stat.lines().next()?.strip_prefix("cpu ")?;
        let ticks: Vec<u64> = line.split_whitespace().map_while(|field| field.parse().ok()).collect();
        // user nice system idle iowait irq softirq steal
        let [user, nice, system, _, _, irq, softirq, steal, ..] = ticks[..] else { return None };
        Some(Self { busy: ticks_to_time(user + nice + system + irq + softirq), stolen: ticks_to_time(steal) })
    }

    /// What others took between `earlier` and now, of which `own` was ours: steal and neighbours, in CPUs.
    pub(crate) fn others_since(self, earlier: Self, own: Duration, elapsed: Duration) -> f64 {
        let busy = self.busy.saturating_sub(earlier.busy);
        let stolen = self.stolen.saturating_sub(earlier.stolen);
        let others = busy.saturating_sub(own) + stolen;
        if elapsed.is_zero() { 0.0 } else { others.as_secs_f64() / elapsed.as_secs_f64() }
    }
}

fn ticks_to_time(ticks: u64) -> Duration {
    Duration::from_millis(ticks * (1000 / USER_HZ))
}

/// utime + stime of `/proc/PID/stat`. The command may hold spaces and brackets, so fields count from the last bracket.
fn process_ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut times = fields.split_whitespace().skip(11).map(str::parse::<u64>);
    Some(times.next()?.ok()? + times.next()?.ok()?)
}

fn status_kib(status: &str, key: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_of_a_process_with_an_odd_name() {
        let stat = "42 (a) b) S 1 2 3 4 5 6 7 8 9 10 150 25 99 98 20 0 3 0 100 1 2";
        assert_eq!(process_ticks(stat), Some(175));
        assert_eq!(ticks_to_time(175), Duration::from_millis(1750));
        assert_eq!(process_ticks("42"), None);
    }

    #[test]
    fn memory_of_a_process() {
        let status = "Name:\tx\nVmHWM:\t  900 kB\nVmRSS:\t  512 kB\n";
        assert_eq!(status_kib(status, "VmRSS:"), Some(512));
        assert_eq!(status_kib("Name:\tkthread\n", "VmRSS:"), None);
    }

    #[test]
    fn what_is_not_ours_is_others() {
        let at = |user: u64, steal: u64| {
            let stat = format!("cpu  {user} 0 100 5000 10 1 2 {steal} 0 0\ncpu0 1 2 3\n");
            Machine::parse(&stat).unwrap()
        };
        let (before, after) = (at(1000, 50), at(1300, 70));
        // 3 s busy of which 2 s were ours, and 0.2 s stolen, in 2 s.
        let others = after.others_since(before, Duration::from_secs(2), Duration::from_secs(2));
        assert!((others - 0.6).abs() < 1e-9, "{others}");
        assert!(after.others_since(before, Duration::from_secs(9), Duration::from_secs(2)) < 0.11);
        assert_eq!(Machine::parse("intr 1"), None);
    }

    #[test]
    fn a_family_counts_with_all_its_children() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let me = std::process::id();
        assert_eq!(parent(child.id()), Some(me));
        let family = Group::default().with_family(Some(me)).members();
        assert!(family.contains(&me) && family.contains(&child.id()));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(Group::default().members().is_empty());
    }

    #[test]
    fn this_process_is_found() {
        assert!(Group::of(vec![std::process::id()]).resident_kib() > 0);
        assert_eq!(Group::of(vec![u32::MAX]).cpu(), Duration::ZERO);
    }
}
