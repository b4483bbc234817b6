//! Waits for words in a program's output: whoever reads the output feeds the ear, a probe holds the other end.

use tokio::sync::watch;

/// Reads lines. Feed it from the first line on; it neither blocks nor keeps them.
#[derive(Clone, Debug)]
pub struct Ear {
    words: String,
    heard: watch::Sender<bool>,
}

/// Tells when the ear has heard the words, also if that was before anybody asked.
#[derive(Clone, Debug)]
pub struct Heard(watch::Receiver<bool>);

/// An ear for `words`, a piece of a line as `health.log` has it.
pub fn ear(words: &str) -> (Ear, Heard) {
    let (sender, receiver) = watch::channel(false);
    (Ear { words: words.to_owned(), heard: sender }, Heard(receiver))
}

impl Ear {
    /// One line of output, without escape sequences.
    pub fn hear(&self, line: &str) {
        if !*self.heard.borrow() && line.contains(&self.words) {
            self.heard.send_replace(true);
        }
    }
}

impl Heard {
    /// Returns once the words were heard; never, if they never are.
    pub(super) async fn line(&mut self) {
        if self.0.wait_for(|heard| *heard).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn words_that_came_before_anybody_asked_are_heard() {
        let (ear, mut heard) = ear("listening on");
        ear.hear("starting");
        ear.hear("app: listening on :3000");
        drop(ear);
        heard.line().await;
    }
}
