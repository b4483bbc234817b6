//! Questions to the operating system about the other ends of client connections. Its answers may take milliseconds, so
//! all questions that come in meanwhile are answered by one look, and never on a task that forwards.

use std::{net::SocketAddr, time::Duration};

use tokio::sync::{mpsc, oneshot};

use crate::sys::{descendants, have_left, pids_of_peers};

/// How long questions that nobody is in a hurry about are collected.
const COLLECT: Duration = Duration::from_secs(1);

/// Both ends of a connection: ours, theirs.
pub(super) type Ends = (SocketAddr, SocketAddr);

/// Where questions go.
#[derive(Clone, Debug)]
pub(super) struct Peers {
    who: mpsc::UnboundedSender<Question<Option<u32>>>,
    left: mpsc::UnboundedSender<Question<bool>>,
    left_by_now: mpsc::UnboundedSender<Question<bool>>,
}

type Question<T> = (Ends, oneshot::Sender<T>);

impl Peers {
    /// Starts tasks that end when the last clone is dropped.
    pub(super) fn start() -> Peers {
        let (who, who_questions) = mpsc::unbounded_channel();
        let (left, left_questions) = mpsc::unbounded_channel();
        let (left_by_now, patient_questions) = mpsc::unbounded_channel();
        tokio::spawn(answer(who_questions, Duration::ZERO, own_pids));
        tokio::spawn(answer(left_questions, Duration::ZERO, have_left));
        tokio::spawn(answer(patient_questions, COLLECT, have_left));
        Peers { who, left, left_by_now }
    }

    /// The process at the other end; none if it is not one of those that devloop has started.
    pub(super) async fn pid(&self, ends: Ends) -> Option<u32> {
        ask(&self.who, ends).await.flatten()
    }

    /// Whether the other end is closed although unread data hides that.
    pub(super) async fn has_left(&self, ends: Ends) -> bool {
        ask(&self.left, ends).await.unwrap_or(false)
    }

    /// The same, in a while: for those who ask again and again.
    pub(super) async fn has_left_by_now(&self, ends: Ends) -> bool {
        match ask(&self.left_by_now, ends).await {
            Some(left) => left,
            // Not on this machine: nothing can be known, ever.
            None => std::future::pending().await,
        }
    }
}

/// Nobody else can wait for himself, so nobody else is looked for: that would be a look at every open file of the
/// machine.
fn own_pids(connections: &[Ends]) -> Vec<Option<u32>> {
    pids_of_peers(connections, &descendants(std::process::id()))
}

async fn ask<T>(to: &mpsc::UnboundedSender<Question<T>>, ends: Ends) -> Option<T> {
    if !ends.1.ip().to_canonical().is_loopback() {
        return None;
    }
    let (sender, answer) = oneshot::channel();
    to.send((ends, sender)).ok()?;
    answer.await.ok()
}

async fn answer<T: Send + 'static>(
    mut questions: mpsc::UnboundedReceiver<Question<T>>,
    collect: Duration,
    look: fn(&[Ends]) -> Vec<T>,
) {
    while let Some(first) = questions.recv().await {
        if !collect.is_zero() {
            tokio::time::sleep(collect).await;
        }
        let mut asked = vec![first];
        while let Ok(next) = questions.try_recv() {
            asked.push(next);
        }
        asked.retain(|(_, sender)| !sender.is_closed());
        let ends: Vec<Ends> = asked.iter().map(|(ends, _)| *ends).collect();
        let Ok(answers) = tokio::task::spawn_blocking(move || look(&ends)).await else { continue };
        for ((_, sender), answer) in asked.into_iter().zip(answers) {
            // Who no longer waits needs no answer.
            let _ = sender.send(answer);
        }
    }
}
