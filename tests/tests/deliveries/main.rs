//! What goes out of the house arrives: the notifier as in production, with a real session service behind it and a mail
//! server and receivers in front of it that can be told to misbehave.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod crash;
mod mails;
mod poison;
mod reading;
mod staff;
mod webhooks;
mod world;
