//! What the keys of a pane steer: the loop in this process, or another devloop over its control socket.

use std::sync::Arc;

use tokio::sync::mpsc::UnboundedSender;

use super::{Happening, carry};
use crate::{
    control::Ask,
    core::event::{Earlier, Event},
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
    /// Does it; nobody waits for the outcome, which is seen.
    pub(super) fn steer(&self, steer: Steer) {
        match self {
            Steering::Own(inbox) => match event(steer) {
                Some(event) => carry::send(inbox, event),
                None => _ = inbox.send(Happening::Quit),
            },
            // Without a receiver that devloop has ended, and the pane is about to hear it.
            Steering::Far { asks, .. } => _ = asks.send(wish(steer)),
        }
    }
}

/// What the core is told; none for the end, which is the loop's.
fn event(steer: Steer) -> Option<Event> {
    Some(match steer {
        Steer::Rebuild(step) => Event::Rebuild(step),
        Steer::Restart(service) => Event::Restart(service),
        Steer::RollBack(earlier) => Event::RollBack(earlier),
        Steer::Pause => Event::Pause,
        Steer::Resume => Event::Resume,
        Steer::Stop => return None,
    })
}

/// What another devloop is asked.
fn wish(steer: Steer) -> Ask {
    let name = |name: Arc<str>| name.to_string();
    match steer {
        Steer::Rebuild(step) => Ask::Rebuild { step: step.map(name) },
        Steer::Restart(service) => Ask::Restart { service: Some(name(service)) },
        Steer::RollBack(Earlier::Back(back)) => Ask::Rollback { revision: None, back: Some(back) },
        Steer::RollBack(Earlier::Revision(revision)) => Ask::Rollback { revision: Some(revision.0), back: None },
        Steer::Pause => Ask::Pause,
        Steer::Resume => Ask::Resume,
        Steer::Stop => Ask::Stop,
    }
}
