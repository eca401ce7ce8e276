//! What can go wrong between us and a provider. Carries no word of the provider: its text is logged where it was read.

use std::fmt;
use switchboard_domain::ErrorKind;

/// Which timer ran out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Name lookup, TCP, TLS.
    Connect,
    /// Until the first visible text.
    FirstToken,
    /// From one text to the next.
    BetweenTokens,
    /// The answer as a whole.
    Total,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "while connecting",
            Self::FirstToken => "before the first token",
            Self::BetweenTokens => "between two tokens",
            Self::Total => "before the answer's end",
        })
    }
}

/// Why there is no answer, or no more of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// No connection, or it broke before a response began.
    #[error("the model provider cannot be reached")]
    Unreachable,
    /// A timer ran out.
    #[error("the model provider took too long {phase}")]
    Timeout {
        /// Which one.
        phase: Phase,
    },
    /// The provider said no, or that it failed.
    #[error("the model provider refused with status {status}{}", told(*.vendor_code))]
    Refused {
        /// The HTTP status; 200 when the refusal came in the body of a success.
        status: u16,
        /// The provider's own number, where it gave one.
        vendor_code: Option<i64>,
    },
    /// Our credentials were refused, also after renewal.
    #[error("the model provider refused our credentials")]
    Unauthorized,
    /// Too many calls, or the conversation still runs another answer (Coze 4016).
    #[error("the model provider is busy{}", told(*.vendor_code))]
    Busy {
        /// The provider's own number, where it gave one.
        vendor_code: Option<i64>,
    },
    /// A setting is missing or wrong, here or at the provider.
    #[error("the model is misconfigured: {hint}")]
    Misconfigured {
        /// What to look at.
        hint: &'static str,
    },
    /// The provider sent what its protocol does not allow, or more than our limits allow.
    #[error("the model provider sent a malformed or oversized reply")]
    BadReply,
    /// The stream ended in the middle of an answer.
    #[error("the model provider cut the answer off")]
    Interrupted,
    /// The answer is complete and has no visible text.
    #[error("the model provider sent an empty answer")]
    Empty,
}

fn told(vendor_code: Option<i64>) -> String {
    vendor_code.map_or_else(String::new, |code| format!(" (code {code})"))
}

/// Coze: the conversation still runs another answer.
pub(crate) const CONVERSATION_BUSY: i64 = 4016;

impl ModelError {
    /// How the outside sees it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Timeout { .. } => ErrorKind::Timeout,
            Self::Misconfigured { .. } => ErrorKind::Internal,
            Self::Unreachable
            | Self::Refused { .. }
            | Self::Unauthorized
            | Self::Busy { .. }
            | Self::BadReply
            | Self::Interrupted
            | Self::Empty => ErrorKind::Unavailable,
        }
    }

    /// Whether the same prompt may succeed when it is sent again later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Unreachable
            | Self::Timeout { .. }
            | Self::Busy { .. }
            | Self::Interrupted
            | Self::Empty => true,
            Self::Refused { .. } => self.is_providers_fault(),
            Self::Unauthorized | Self::Misconfigured { .. } | Self::BadReply => false,
        }
    }

    /// Whether it speaks against the provider as such, and not against one prompt or one conversation.
    pub fn counts_for_breaker(&self) -> bool {
        match self {
            Self::Refused { .. } => self.is_providers_fault(),
            Self::Busy { vendor_code } => *vendor_code != Some(CONVERSATION_BUSY),
            Self::Unreachable
            | Self::Timeout { .. }
            | Self::Unauthorized
            | Self::Misconfigured { .. }
            | Self::BadReply
            | Self::Interrupted
            | Self::Empty => true,
        }
    }

    /// A short name for metrics and log fields.
    pub fn class(&self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Timeout { phase: Phase::Connect } => "timeout_connect",
            Self::Timeout { phase: Phase::FirstToken } => "timeout_first_token",
            Self::Timeout { phase: Phase::BetweenTokens } => "timeout_between_tokens",
            Self::Timeout { phase: Phase::Total } => "timeout_total",
            Self::Refused { .. } => "refused",
            Self::Unauthorized => "unauthorized",
            Self::Busy { .. } => "busy",
            Self::Misconfigured { .. } => "misconfigured",
            Self::BadReply => "bad_reply",
            Self::Interrupted => "interrupted",
            Self::Empty => "empty",
        }
    }

    /// For refusals: a status of 500 and above, or one of the codes with which Coze reports its own trouble (balance
    /// used up, model failed, internal error). Codes the provider gave without a number are its own trouble too.
    fn is_providers_fault(&self) -> bool {
        match self {
            Self::Refused { status, vendor_code } => {
                *status >= 500
                    || matches!(vendor_code, Some(4011 | 4013 | 5000..=5999))
                    || (*status == 200 && vendor_code.is_none())
            }
            Self::Unreachable
            | Self::Timeout { .. }
            | Self::Unauthorized
            | Self::Busy { .. }
            | Self::Misconfigured { .. }
            | Self::BadReply
            | Self::Interrupted
            | Self::Empty => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_customers_trouble_does_not_open_the_breaker() {
        let refused = |status, vendor_code| ModelError::Refused { status, vendor_code };
        let table = [
            (refused(500, None), true, true),
            (refused(200, Some(5000)), true, true),
            (refused(200, None), true, true),
            (refused(400, None), false, false),
            (refused(200, Some(4010)), false, false),
            (ModelError::Busy { vendor_code: Some(CONVERSATION_BUSY) }, true, false),
            (ModelError::Busy { vendor_code: None }, true, true),
            (ModelError::Unauthorized, false, true),
        ];
        for (error, retryable, counts) in table {
            assert_eq!((error.is_retryable(), error.counts_for_breaker()), (retryable, counts), "{error:?}");
        }
    }

    #[test]
    fn texts_are_one_clause_with_the_vendors_number_only() {
        let error = ModelError::Refused { status: 200, vendor_code: Some(4000) };
        assert_eq!(error.to_string(), "the model provider refused with status 200 (code 4000)");
        let error = ModelError::Timeout { phase: Phase::BetweenTokens };
        assert_eq!(error.to_string(), "the model provider took too long between two tokens");
    }
}
