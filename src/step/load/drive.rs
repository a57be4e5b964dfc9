//! An open loop: each request is sent when it is due, even if earlier ones have no response yet, and its latency counts from
//! that time. So a slow service does not get fewer requests, and waiting counts (no coordinated omission).

use std::time::Duration;

use futures::{Stream, StreamExt};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};

use crate::action::Instances;
use crate::diagnostic::counted;
use crate::failure::{Failure, Outcome};
use crate::resource::Report;

/// The seconds of which the rate of the answers is taken, at least.
const LEAST_MEASURED: f64 = 0.5;

/// A phase of the load: a rate, and its end.
#[derive(Clone, Debug)]
pub struct Phase {
    /// Requests a second. 0 sends none.
    pub rate: f64,
    /// The longest time that it takes.
    pub limit: Duration,
    pub ends: Ends,
}

/// What ends a phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    /// At its time limit.
    AtLimit,
    /// When there are so many instances or more, or else at its time limit.
    Grown(i32),
    /// When there are so many instances and no other number is wanted. Reaching the time limit is an error.
    Settled(i32),
}

impl Ends {
    fn met(self, seen: Instances) -> bool {
        match self {
            Self::AtLimit => false,
            Self::Grown(count) => seen.current >= count,
            Self::Settled(count) => seen == Instances { current: count, desired: count },
        }
    }
}

#[derive(Clone, Debug)]
pub struct Request {
    /// Seconds from the start of the load to the time when it was due.
    pub due: f64,
    /// Seconds from that time to the end of the response.
    pub latency: f64,
    pub failure: Option<Failure>,
}

/// The measurements of a load.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    pub requests: Vec<Request>,
    /// Each with the seconds from the start of the load.
    pub instances: Vec<(f64, Instances)>,
    /// The most requests without a response at a time.
    pub peak: usize,
    /// The requests that a rate asked for and that were not sent, because too many were unanswered.
    pub held_back: usize,
    /// Seconds in which requests were sent.
    pub sending: f64,
    /// Seconds in all.
    pub seconds: f64,
}

/// Runs the phases. `watched` returns how many instances there are, again and again. `seen` has what was measured, on an error
/// too.
///
/// # Errors
/// `TooManyInFlight` if nothing is answered, `NotSettled`, `Interrupted`, and the errors of `watched`.
pub async fn drive<F, S>(
    phases: &[Phase],
    max_in_flight: usize,
    send: impl Fn() -> F,
    watched: S,
    interrupted: watch::Receiver<bool>,
    report: Report<'_>,
    seen: &mut Observed,
) -> Outcome<()>
where
    F: Future<Output = Outcome<()>> + Send + 'static,
    S: Stream<Item = Outcome<Instances>> + Unpin,
{
    let (start, in_flight) = (Instant::now(), JoinSet::new());
    let mut drive = Drive { start, in_flight, seen, max_in_flight, send, watched, interrupted, report };
    let ended = drive.run(phases).await;
    drive.seen.seconds = start.elapsed().as_secs_f64();
    ended
}

/// The next event of a load.
enum Turn {
    Interrupted,
    Seen(Instances),
    Due(Instant),
    Answered(Result<Request, JoinError>),
    Over,
}

struct Drive<'a, F, S> {
    start: Instant,
    /// The requests without a response. Dropping the set cancels them.
    in_flight: JoinSet<Request>,
    seen: &'a mut Observed,
    max_in_flight: usize,
    send: F,
    watched: S,
    interrupted: watch::Receiver<bool>,
    report: Report<'a>,
}

impl<G, F, S> Drive<'_, G, S>
where
    G: Fn() -> F,
    F: Future<Output = Outcome<()>> + Send + 'static,
    S: Stream<Item = Outcome<Instances>> + Unpin,
{
    async fn run(&mut self, phases: &[Phase]) -> Outcome<()> {
        for (index, phase) in phases.iter().enumerate() {
            // A phase whose end is already reached is skipped.
            let last = self.seen.instances.last().map(|(_, seen)| *seen);
            if index == 0 || !last.is_some_and(|seen| phase.ends.met(seen)) {
                self.phase(phase).await?;
            }
        }
        self.finish().await
    }

    async fn phase(&mut self, phase: &Phase) -> Outcome<()> {
        let begun = Instant::now();
        let mut pace = Pace::new(phase.rate, begun, self.seen.requests.len());
        let ended = self.turns(phase, begun + phase.limit, &mut pace).await;
        if phase.rate > 0.0 {
            let took = begun.elapsed().min(phase.limit).as_secs_f64();
            self.seen.sending += begun.elapsed().as_secs_f64();
            if pace.is_slowed {
                self.seen.held_back += ((took * phase.rate).ceil() as usize).saturating_sub(pace.all_sent);
            }
        }
        ended?;
        if pace.is_slowed && self.seen.requests.is_empty() {
            return Err(self.unanswered());
        }
        Ok(())
    }

    /// Sends requests and receives responses until the phase ends.
    async fn turns(&mut self, phase: &Phase, end: Instant, pace: &mut Pace) -> Outcome<()> {
        loop {
            let due = pace.next().filter(|due| *due < end);
            let turn = tokio::select! {
                biased;
                Ok(_) = self.interrupted.wait_for(|stop| *stop) => Turn::Interrupted,
                Some(instances) = self.watched.next() => Turn::Seen(instances?),
                () = sleep_until(due.unwrap_or(end)) => due.map_or(Turn::Over, Turn::Due),
                Some(done) = self.in_flight.join_next() => Turn::Answered(done),
            };
            match (turn, phase.ends) {
                (Turn::Interrupted, _) => return Err(interruption()),
                (Turn::Seen(instances), ends) => {
                    self.seen.instances.push((self.start.elapsed().as_secs_f64(), instances));
                    self.report(phase, pace);
                    if ends.met(instances) {
                        return Ok(());
                    }
                }
                (Turn::Due(due), _) => {
                    match self.fire(due)? {
                        true => pace.sent(),
                        false => pace.slow(Instant::now(), self.seen.requests.len()),
                    }
                    self.report(phase, pace);
                }
                (Turn::Answered(done), _) => self.answered(done)?,
                (Turn::Over, Ends::Settled(count)) => return Err(self.unsettled(count, phase.limit)),
                (Turn::Over, _) => return Ok(()),
            }
        }
    }

    /// Sends the request that is due, unless too many have no response.
    fn fire(&mut self, due: Instant) -> Outcome<bool> {
        while let Some(done) = self.in_flight.try_join_next() {
            self.answered(done)?;
        }
        if self.in_flight.len() >= self.max_in_flight {
            return Ok(false);
        }
        let (answer, since) = ((self.send)(), self.start);
        self.in_flight.spawn(async move {
            let failure = answer.await.err();
            Request { due: (due - since).as_secs_f64(), latency: due.elapsed().as_secs_f64(), failure }
        });
        self.seen.peak = self.seen.peak.max(self.in_flight.len());
        Ok(true)
    }

    fn unanswered(&self) -> Failure {
        let at = self.start.elapsed().as_secs_f64();
        let message = format!("not one of {} requests was answered in {at:.1} s", self.in_flight.len());
        Failure::new("TooManyInFlight", message)
            .hint("give the load more `seconds`, or look into the log of what it is for")
    }

    fn answered(&mut self, done: Result<Request, JoinError>) -> Outcome<()> {
        self.seen.requests.push(done.map_err(|error| Failure::new("Load", error.to_string()))?);
        Ok(())
    }

    /// Waits for the remaining responses.
    async fn finish(&mut self) -> Outcome<()> {
        while !self.in_flight.is_empty() {
            let turn = tokio::select! {
                Ok(_) = self.interrupted.wait_for(|stop| *stop) => None,
                done = self.in_flight.join_next() => done,
            };
            self.answered(turn.ok_or_else(interruption)?)?;
        }
        Ok(())
    }

    fn report(&mut self, phase: &Phase, pace: &Pace) {
        let now = self.seen.instances.last().map(|(_, seen)| counted(seen.current, "instance"));
        let rate = match pace.is_slowed {
            true => format!("{:.1} requests a second, which is as many as are answered", pace.rate),
            false => format!("{} a second", counted(phase.rate, "request")),
        };
        let message = match (phase.ends, now) {
            (Ends::Settled(count), Some(now)) => {
                format!("waiting for {}, {now} now", counted(count, "instance"))
            }
            (_, Some(now)) => format!("{rate}, {now}"),
            (_, None) => rate,
        };
        let planned = (phase.rate * phase.limit.as_secs_f64()).ceil() as u64;
        let part =
            (phase.ends == Ends::AtLimit && !pace.is_slowed).then_some((pace.all_sent as u64, planned));
        (self.report)(message, part);
    }

    fn unsettled(&self, count: i32, limit: Duration) -> Failure {
        let now = self.seen.instances.last().map_or("nothing known of them".to_owned(), |(_, seen)| {
            format!("{}, {} wanted", counted(seen.current, "instance"), seen.desired)
        });
        let message =
            format!("there are not {} after {} s: {now}", counted(count, "instance"), limit.as_secs());
        Failure::new("NotSettled", message).hint(
            "raise `settle.timeout`: target tracking takes its time to scale in, 15 minutes and more on AWS",
        )
    }
}

fn interruption() -> Failure {
    Failure::interrupted("the load was stopped by Ctrl-C; the next run repeats it from its start")
}

/// When the requests of a phase are due: at its rate, and once too many are unanswered, at the rate of the answers.
struct Pace {
    rate: f64,
    /// Since when this is the rate, how many requests have left since then, and how many were answered before.
    since: Instant,
    sent: u32,
    answered: usize,
    all_sent: usize,
    is_slowed: bool,
}

impl Pace {
    fn new(rate: f64, since: Instant, answered: usize) -> Self {
        Self { rate, since, sent: 0, answered, all_sent: 0, is_slowed: false }
    }

    fn next(&self) -> Option<Instant> {
        let wait = Duration::try_from_secs_f64(f64::from(self.sent) / self.rate).ok()?;
        (self.rate > 0.0).then(|| self.since + wait)
    }

    fn sent(&mut self) {
        self.sent += 1;
        self.all_sent += 1;
    }

    /// Leaves out the request that is due, and goes on at the rate of the answers so far. If that isn't known yet, the rate stays.
    fn slow(&mut self, now: Instant, answered: usize) {
        self.is_slowed = true;
        let seconds = (now - self.since).as_secs_f64();
        let measured = (answered - self.answered) as f64 / seconds.max(f64::EPSILON);
        if seconds < LEAST_MEASURED || measured <= 0.0 {
            self.sent += 1;
            return;
        }
        // One is left out, so that the next turn isn't at once.
        (self.rate, self.since, self.sent, self.answered) = (self.rate.min(measured), now, 1, answered);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use futures::stream;

    use super::*;

    fn phase(rate: f64, limit: Duration, ends: Ends) -> Phase {
        Phase { rate, limit, ends }
    }

    fn seen(current: i32, desired: i32) -> Outcome<Instances> {
        Ok(Instances { current, desired })
    }

    async fn run<F: Future<Output = Outcome<()>> + Send + 'static>(
        phases: &[Phase],
        max: usize,
        send: impl Fn() -> F,
        instances: Vec<Outcome<Instances>>,
    ) -> Outcome<Observed> {
        let mut seen = Observed::default();
        run_into(&mut seen, phases, max, send, instances).await.map(|()| seen)
    }

    async fn run_into<F: Future<Output = Outcome<()>> + Send + 'static>(
        seen: &mut Observed,
        phases: &[Phase],
        max: usize,
        send: impl Fn() -> F,
        instances: Vec<Outcome<Instances>>,
    ) -> Outcome<()> {
        let (_asks, interrupted) = watch::channel(false);
        // Each poll returns a sample. After the last one, the stream never returns.
        let watched = Box::pin(stream::iter(instances).chain(stream::pending()));
        drive(phases, max, send, watched, interrupted, &mut |_, _| (), seen).await
    }

    #[tokio::test]
    async fn requests_leave_on_schedule_whatever_the_answers_do() {
        const SLOW: Duration = Duration::from_millis(150);
        let answer = || async {
            tokio::time::sleep(SLOW).await;
            Ok(())
        };
        let load = [phase(100.0, Duration::from_millis(200), Ends::AtLimit)];
        let observed = run(&load, 100, answer, Vec::new()).await.unwrap();
        assert_eq!(observed.requests.len(), 20);
        assert!(observed.peak > 5, "a closed loop would have one: {}", observed.peak);
        let mut due: Vec<f64> = observed.requests.iter().map(|request| request.due).collect();
        due.sort_by(f64::total_cmp);
        for (index, due) in due.iter().enumerate() {
            assert!((due - index as f64 / 100.0).abs() < 0.05, "request {index} was due at {due}");
        }
        assert!(observed.requests.iter().all(|request| request.latency >= SLOW.as_secs_f64()));
    }

    #[tokio::test]
    async fn a_request_that_leaves_late_has_waited() {
        let first = Arc::new(AtomicU32::new(0));
        let send = || {
            // The first one blocks the thread that all run on.
            if first.fetch_add(1, Ordering::Relaxed) == 0 {
                std::thread::sleep(Duration::from_millis(120));
            }
            async { Ok(()) }
        };
        let load = [phase(50.0, Duration::from_millis(60), Ends::AtLimit)];
        let observed = run(&load, 100, send, Vec::new()).await.unwrap();
        let second = observed.requests.iter().find(|r| (r.due - 0.02).abs() < 0.01).unwrap();
        assert!(second.latency > 0.08, "it was due 100 ms before it could leave: {second:?}");
    }

    #[tokio::test]
    async fn a_load_to_which_nothing_is_answered_fails() {
        let load = [phase(1000.0, Duration::from_millis(100), Ends::AtLimit)];
        let failure = run(&load, 7, std::future::pending, Vec::new()).await.unwrap_err();
        assert_eq!(failure.code, "TooManyInFlight");
        assert!(failure.message.starts_with("not one of 7 requests"), "{failure}");
    }

    #[tokio::test]
    async fn what_answers_slowly_gets_as_many_requests_as_it_answers() {
        // Four at a time, of 50 ms each, are 80 a second.
        let gate = Arc::new(tokio::sync::Semaphore::new(4));
        let send = || {
            let gate = Arc::clone(&gate);
            async move {
                let _turn = gate.acquire().await;
                tokio::time::sleep(Duration::from_millis(50)).await;
                Ok(())
            }
        };
        let load = [phase(1000.0, Duration::from_secs(2), Ends::AtLimit)];
        let observed = run(&load, 20, send, Vec::new()).await.unwrap();
        let sent = observed.requests.len();
        assert!(sent > 20 && sent < 400, "{sent} requests");
        assert_eq!(observed.held_back, 2000 - sent);
        assert_eq!(observed.peak, 20);
    }

    #[test]
    fn the_pace_is_that_of_the_answers() {
        let begun = Instant::now();
        let at = |seconds: f64| begun + Duration::from_secs_f64(seconds);
        let mut pace = Pace::new(10.0, begun, 3);
        assert_eq!(pace.next(), Some(begun));
        pace.sent();
        assert_eq!(pace.next(), Some(at(0.1)));
        // Too early to tell, and then half as many as were sent.
        pace.slow(at(0.1), 4);
        assert_eq!((pace.rate, pace.next()), (10.0, Some(at(0.2))));
        pace.slow(at(2.0), 13);
        assert_eq!((pace.rate, pace.next()), (5.0, Some(at(2.2))));
        // Faster than was asked for it never is.
        pace.slow(at(3.0), 113);
        assert_eq!((pace.rate, pace.all_sent), (5.0, 1));
        assert_eq!(Pace::new(0.0, begun, 0).next(), None);
    }

    #[tokio::test]
    async fn it_ends_when_it_has_grown_and_when_it_has_settled() {
        let long = Duration::from_secs(600);
        let phases = [
            phase(10.0, long, Ends::Grown(3)),
            phase(10.0, long, Ends::Grown(3)),
            phase(0.0, long, Ends::Settled(1)),
        ];
        let path = vec![seen(1, 1), seen(1, 3), seen(3, 3), seen(3, 1), seen(1, 2), seen(1, 1), seen(2, 2)];
        let observed = run(&phases, 100, || async { Ok(()) }, path).await.unwrap();
        let counts: Vec<i32> = observed.instances.iter().map(|(_, seen)| seen.current).collect();
        assert_eq!(counts, [1, 1, 3, 3, 1, 1]);
    }

    #[tokio::test]
    async fn what_does_not_settle_is_an_error() {
        let load = phase(100.0, Duration::from_millis(50), Ends::AtLimit);
        let phases = [load, phase(0.0, Duration::from_millis(30), Ends::Settled(1))];
        let mut measured = Observed::default();
        let send = || async { Ok(()) };
        let failure = run_into(&mut measured, &phases, 9, send, vec![seen(3, 1)]).await.unwrap_err();
        assert_eq!((measured.requests.len(), measured.instances.len()), (5, 1), "what was measured is kept");
        assert!(measured.sending >= 0.05 && measured.seconds >= 0.08, "{measured:?}");
        assert_eq!(
            failure.to_string(),
            "NotSettled: there are not 1 instance after 0 s: 3 instances, 1 wanted"
        );
    }
}
