//! What the keys of a pane steer: the loop in this process, or another devloop over its control socket.

use std::sync::Arc;

use tokio::sync::{mpsc::UnboundedSender, oneshot};

use super::Happening;
use crate::{
    control::{Ask, Wish},
    core::event::Earlier,
    ui::pane::Steer,
};

/// What the keys steer.
pub(super) enum Steering {
    /// The loop in this process.
    Own(UnboundedSender<Happening>),
    /// Another devloop.
    Far {
        /// Where its project answers.
        url: Option<String>,
        /// Asks it.
        asks: UnboundedSender<Ask>,
    },
}

impl Steering {
    /// Does it; nobody waits for the outcome, which is seen. Why it is refused, if it is, goes to `refused`.
    pub(super) fn steer(&self, steer: Steer, refused: &UnboundedSender<String>) {
        match (self, steer) {
            (Steering::Own(inbox), Steer::Stop) => _ = inbox.send(Happening::Quit),
            (Steering::Own(inbox), steer) => {
                let (answer, answered) = oneshot::channel();
                // Without a receiver devloop is ending, and nobody wants to know.
                _ = inbox.send(Happening::Wish(Wish { ask: wish(steer), answer }));
                let refused = refused.clone();
                tokio::spawn(async move {
                    if let Ok(Err(refusal)) = answered.await {
                        _ = refused.send(refusal.error);
                    }
                });
            }
            // Without a receiver that devloop has ended, and the pane is about to hear it.
            (Steering::Far { asks, .. }, steer) => _ = asks.send(wish(steer)),
        }
    }
}

/// What is asked, here or of another devloop.
fn wish(steer: Steer) -> Ask {
    let name = |name: Arc<str>| name.to_string();
    match steer {
        Steer::Rebuild(step) => Ask::Rebuild { step: step.map(name) },
        Steer::Restart(service) => Ask::Restart { service: Some(name(service)) },
        Steer::RollBack(Earlier::Back(back)) => Ask::Rollback { revision: None, back: Some(back) },
        Steer::RollBack(Earlier::Revision(revision)) => Ask::Rollback { revision: Some(revision.0), back: None },
        Steer::Debug(service, switch) => Ask::Debug { service: Some(name(service)), switch },
        Steer::Pause => Ask::Pause,
        Steer::Resume => Ask::Resume,
        Steer::Stop => Ask::Stop,
    }
}
