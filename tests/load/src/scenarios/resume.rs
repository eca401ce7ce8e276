//! Listeners on sessions of their own drop all at once, miss messages, and come back with `Last-Event-ID` while further
//! messages flow. Every entry of every log has to reach its listener once.

use super::Field;
use crate::{
    bench::Bench,
    client::{Connection, PATIENCE, Request},
    error::Error,
    http1::Progress,
    lane::{Job, Lane},
    metric::{Measure, Metric, Values},
    proc::Group,
    product::{Session, seq_of},
    race::{Race, Table},
    sse, stats,
};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use std::{io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{sync::watch, time::Instant};

const COLUMNS: &[Metric] = &[Metric::BackMs, Metric::P50, Metric::P99, Metric::Cpu];
/// Turns at once while the listeners are away.
const AWAY_CALLERS: usize = 16;
/// Pause of the one writer between two turns while they come back: a steady trickle.
const TRICKLE: Duration = Duration::from_millis(10);
/// How long the trickle goes on after all are back.
const AFTERMATH: Duration = Duration::from_millis(200);

/// Heads of all logs at the end; `None` while messages flow.
type Heads = Option<Arc<Vec<u64>>>;

/// Listeners that come back.
#[derive(Debug)]
pub(crate) struct Storm {
    address: SocketAddr,
    kind: Kind,
    listeners: Vec<Listener>,
}

#[derive(Debug)]
enum Kind {
    /// Each connection brings one event: the least there is.
    Limit,
    /// Switchboard, and its sessions.
    Product(Vec<Session>),
}

/// What one listener has.
#[derive(Debug, Default)]
struct Listener {
    last_id: Option<String>,
    last: u64,
    lost: u64,
    doubled: u64,
}

/// Listeners that come back, beside connections that bring one event.
///
/// # Errors
/// When a lane cannot be run.
pub(crate) async fn run(bench: &Bench) -> Result<Table, Error> {
    let field = Field::start(bench).await?;
    let callers = bench.options.listeners;
    let lane = |name, limit, processes, address, kind| {
        let listeners = (0..callers).map(|_| Listener::default()).collect();
        Lane { name, limit, processes, job: Job::Storm(Box::new(Storm { address, kind, listeners })) }
    };
    let mut lanes = vec![lane("c", None, field.limits.inside(), field.limits.edge_address, Kind::Limit)];
    for product in &field.products {
        let sessions = product.sessions(callers).await?;
        lanes.push(lane(
            product.shape.name(),
            Some("c"),
            product.processes(),
            product.address,
            Kind::Product(sessions),
        ));
    }
    let ours = field.ours();
    Race { scenario: "resume", callers, lanes, direct: None, columns: COLUMNS, ours }.run(bench).await
}

impl Storm {
    /// One storm.
    ///
    /// # Errors
    /// When messages cannot be sent; listeners that fail are told in the measure.
    pub(crate) async fn measure(&mut self, processes: &Group) -> Result<Measure, Error> {
        let (heads, settled) = watch::channel(Heads::None);
        let Kind::Product(sessions) = &mut self.kind else {
            let targets = vec![1; self.listeners.len()];
            let _ = heads.send(Some(Arc::new(targets.clone())));
            self.listeners.iter_mut().for_each(|listener| *listener = Listener::default());
            let request = |_: usize, _: &Listener| Request::new("GET /c/stream", &[], "");
            return come_back(
                self.address,
                &mut self.listeners,
                &targets,
                request,
                &settled,
                processes,
                async {},
            )
            .await;
        };
        // All listen once, and know where they are.
        let known: Vec<u64> = sessions.iter().map(|session| session.head).collect();
        let _ = heads.send(Some(Arc::new(known.clone())));
        let by_name = sessions.clone();
        let request = |place: usize, listener: &Listener| by_name[place].events(listener.last_id.as_deref());
        let listening =
            come_back(self.address, &mut self.listeners, &known, request, &settled, processes, async {});
        let before = listening.await?;
        // They are gone, and each misses a turn.
        let _ = heads.send(None);
        let missed = turns(self.address, sessions).await?;
        sessions.iter_mut().zip(&missed).for_each(|(session, head)| session.head = *head);
        // They come back while turns go on.
        let (stop, stopped) = watch::channel(false);
        let trickle = async {
            let moved = trickle(self.address, sessions, stopped).await;
            let ends = sessions.iter().map(|session| session.head).collect();
            let _ = heads.send(Some(Arc::new(ends)));
            moved
        };
        let back = async {
            let all_back =
                come_back(self.address, &mut self.listeners, &missed, request, &settled, processes, async {
                    tokio::time::sleep(AFTERMATH).await;
                    let _ = stop.send(true);
                });
            all_back.await
        };
        let (moved, measure) = tokio::join!(trickle, back);
        moved?;
        let mut measure = measure?;
        measure.bad += before.bad;
        measure.lost += before.lost;
        measure.doubled += before.doubled;
        measure.complaint = before.complaint.or(measure.complaint);
        Ok(measure)
    }
}

/// Lets all listeners connect at once and read to their targets, then, once `settled` says them, to the ends of their
/// logs. `then` runs as soon as all are at their targets.
async fn come_back(
    address: SocketAddr,
    listeners: &mut Vec<Listener>,
    targets: &[u64],
    request: impl Fn(usize, &Listener) -> Request,
    settled: &watch::Receiver<Heads>,
    processes: &Group,
    then: impl Future<Output = ()>,
) -> Result<Measure, Error> {
    let (before, began) = (processes.cpu(), Instant::now());
    let (arrived, mut arrivals) = tokio::sync::mpsc::channel(listeners.len().max(1));
    let tasks: Vec<_> = std::mem::take(listeners)
        .into_iter()
        .enumerate()
        .map(|(place, listener)| {
            let (request, target, settled) = (request(place, &listener), targets[place], settled.clone());
            let arrived = arrived.clone();
            tokio::spawn(listen(address, place, listener, request, target, settled, arrived))
        })
        .collect();
    drop(arrived);
    let mut waits = Vec::with_capacity(tasks.len());
    while waits.len() < tasks.len() {
        let Some(at) = arrivals.recv().await else { break };
        waits.push(u64::try_from(at.duration_since(began).as_nanos()).unwrap_or(u64::MAX));
    }
    let cpu = processes.cpu().saturating_sub(before);
    then.await;
    let (mut bad, mut complaint) = (0, None);
    for task in tasks {
        let (mut listener, outcome) = task.await.map_err(|error| Error::other("a listener failed", error))?;
        if let Err(error) = outcome {
            bad += 1;
            complaint.get_or_insert(error);
            // It begins anew in the next round.
            listener = Listener { lost: listener.lost, doubled: listener.doubled, ..Listener::default() };
        }
        listeners.push(listener);
    }
    waits.sort_unstable();
    let us = |percent| stats::real(stats::percentile(&waits, percent)) / 1e3;
    let count = stats::real_len(targets.len()).max(1.0);
    let values = Values::from([
        (Metric::BackMs, us(100) / 1e3),
        (Metric::P50, us(50)),
        (Metric::P99, us(99)),
        (Metric::Cpu, cpu.as_secs_f64() * 1e6 / count),
    ]);
    let (lost, doubled) = listeners
        .iter_mut()
        .map(Listener::take_faults)
        .fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    Ok(Measure { values, bad, lost, doubled, complaint })
}

/// One listener, from its connection to the end of its log.
async fn listen(
    address: SocketAddr,
    place: usize,
    mut listener: Listener,
    mut request: Request,
    target: u64,
    mut settled: watch::Receiver<Heads>,
    arrived: tokio::sync::mpsc::Sender<Instant>,
) -> (Listener, Result<(), String>) {
    let listening = async {
        let mut connection = Connection::open(address).await?;
        connection.send(&mut request).await?;
        while listener.last < target {
            listener.read(&mut connection).await?;
        }
        // The receiver counts to the number of listeners: it is there.
        let _ = arrived.send(Instant::now()).await;
        loop {
            let end = settled.borrow_and_update().as_ref().map(|heads| heads[place]);
            match end {
                Some(end) if listener.last >= end => return Ok(()),
                Some(_) => listener.read(&mut connection).await?,
                None => tokio::select! {
                    read = listener.read(&mut connection) => read?,
                    changed = settled.changed() => changed.map_err(|_| io::Error::other("the writer is gone"))?,
                },
            }
        }
    };
    let outcome: Result<io::Result<()>, _> = tokio::time::timeout(PATIENCE, listening).await;
    let outcome = match outcome {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(format!("listener {place} at {} of {target}: {error}", listener.last)),
        Err(_elapsed) => Err(format!("listener {place} stays at {} of {target}", listener.last)),
    };
    (listener, outcome)
}

impl Listener {
    /// Reads some more events. Cancel-safe: what was read is kept by the connection.
    async fn read(&mut self, connection: &mut Connection) -> io::Result<()> {
        let progress = connection.read().await?;
        let reader = connection.reader();
        if !matches!(reader.status(), 0 | 200) {
            return Err(io::Error::other(format!("refused with {}", reader.status())));
        }
        let used = sse::ids(reader.body(), |id, number| self.note(id, number));
        reader.consume(used);
        if progress == Progress::Whole { Err(io::Error::other("the stream was ended")) } else { Ok(()) }
    }

    fn note(&mut self, id: &[u8], number: u64) {
        match number.checked_sub(self.last) {
            None | Some(0) => self.doubled += 1,
            Some(step) => {
                self.lost += step - 1;
                self.last = number;
                self.last_id = Some(String::from_utf8_lossy(id).into_owned());
            }
        }
    }

    fn take_faults(&mut self) -> (u64, u64) {
        (std::mem::take(&mut self.lost), std::mem::take(&mut self.doubled))
    }
}

/// One turn in every session; gives the heads of their logs.
async fn turns(address: SocketAddr, sessions: &[Session]) -> Result<Vec<u64>, Error> {
    let turn = |session: &Session| {
        let mut request = session.chat();
        async move {
            let mut connection =
                Connection::open(address).await.map_err(|error| Error::io("no connection", error))?;
            ask(&mut connection, &mut request).await
        }
    };
    stream::iter(sessions.iter().map(turn)).buffered(AWAY_CALLERS).try_collect().await
}

/// One turn after the other, through all sessions, until told to stop.
async fn trickle(
    address: SocketAddr,
    sessions: &mut [Session],
    mut stop: watch::Receiver<bool>,
) -> Result<(), Error> {
    let mut connection =
        Connection::open(address).await.map_err(|error| Error::io("no connection", error))?;
    let mut place = 0;
    while !*stop.borrow_and_update() {
        let session = &mut sessions[place];
        session.head = ask(&mut connection, &mut session.chat()).await?;
        place = (place + 1) % sessions.len();
        tokio::time::sleep(TRICKLE).await;
    }
    Ok(())
}

async fn ask(connection: &mut Connection, request: &mut Request) -> Result<u64, Error> {
    connection.ask(request).await.map_err(|error| Error::io("a turn broke off", error))?;
    let reader = connection.reader();
    let (status, seq) = (reader.status(), seq_of(reader.body()));
    seq.filter(|_| status == 200).ok_or_else(|| Error::Answer {
        what: "a turn",
        status,
        body: crate::client::excerpt(reader.body()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_and_repeats_are_counted() {
        let mut listener = Listener::default();
        for number in [1, 2, 2, 5, 4, 6] {
            listener.note(format!("1.{number}").as_bytes(), number);
        }
        assert_eq!((listener.last, listener.last_id.as_deref()), (6, Some("1.6")));
        assert_eq!(listener.take_faults(), (2, 2));
        assert_eq!(listener.take_faults(), (0, 0));
    }
}
