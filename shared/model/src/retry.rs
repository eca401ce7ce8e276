//! What is tried again before the first token, and how often. Time is bounded by the caller.

use crate::{ModelError, Retry, error::CONVERSATION_BUSY};
use std::time::Duration;

/// The repeats that one call has left.
#[derive(Debug)]
pub(crate) struct Patience<'a> {
    retry: &'a Retry,
    reached_for: bool,
    busy: u32,
}

impl<'a> Patience<'a> {
    pub(crate) fn new(retry: &'a Retry) -> Self {
        Self { retry, reached_for: false, busy: 0 }
    }

    /// Waits when `error` allows another try.
    ///
    /// # Errors
    /// `error` itself when it does not.
    pub(crate) async fn wait_after(&mut self, error: ModelError) -> Result<(), ModelError> {
        let Some(pause) = self.pause_after(&error) else { return Err(error) };
        tokio::time::sleep(pause).await;
        Ok(())
    }

    fn pause_after(&mut self, error: &ModelError) -> Option<Duration> {
        match error {
            ModelError::Unreachable if !self.reached_for => {
                self.reached_for = true;
                Some(self.retry.unreachable_pause)
            }
            ModelError::Busy { vendor_code: Some(CONVERSATION_BUSY) }
                if self.busy < self.retry.busy_retries =>
            {
                self.busy += 1;
                Some(self.retry.busy_pause.saturating_mul(2_u32.saturating_pow(self.busy - 1)))
            }
            ModelError::Unreachable
            | ModelError::Timeout { .. }
            | ModelError::Refused { .. }
            | ModelError::Unauthorized
            | ModelError::Busy { .. }
            | ModelError::Misconfigured { .. }
            | ModelError::BadReply
            | ModelError::Interrupted
            | ModelError::Empty => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses() {
        let ms = Duration::from_millis;
        let retry = Retry { unreachable_pause: ms(200), busy_retries: 3, busy_pause: ms(250) };
        let mut patience = Patience::new(&retry);
        let busy = ModelError::Busy { vendor_code: Some(CONVERSATION_BUSY) };
        let told = [&busy, &ModelError::Unreachable, &busy, &busy, &busy, &ModelError::Unreachable];
        let pauses = told.map(|error| patience.pause_after(error));
        assert_eq!(pauses, [Some(ms(250)), Some(ms(200)), Some(ms(500)), Some(ms(1000)), None, None]);
        assert_eq!(patience.pause_after(&ModelError::Busy { vendor_code: None }), None);
    }
}
