//! Turns whose worker died: found when their lease has run out, and taken up here.

use crate::{
    peers::as_myself,
    turn::{Conductor, Parameters},
};
use switchboard_mesh::{CallContext, reply::chain};
use switchboard_proto::session::v1 as wire;

/// Looks for abandoned turns until the process stops.
pub(crate) async fn run(conductor: Conductor) {
    let stopping = conductor.tasks.stopping();
    tokio::pin!(stopping);
    loop {
        tokio::select! {
            () = tokio::time::sleep(conductor.settings.sweep_interval) => {}
            () = &mut stopping => return,
        }
        let context = CallContext::background(crate::NAME, &*conductor.clock, &*conductor.rng);
        context.scope(sweep(&conductor)).await;
    }
}

async fn sweep(conductor: &Conductor) {
    let request = wire::ClaimTurnsRequest {
        limit: conductor.settings.sweep_batch,
        context_limit: conductor.settings.context_messages,
    };
    let turns = match as_myself(conductor.peers.session.clone().claim_turns(request)).await {
        Ok(claimed) => claimed.turns,
        Err(error) => return tracing::debug!(error = chain(&error), "abandoned turns cannot be looked for"),
    };
    for turn in turns {
        tracing::warn!(turn.id = turn.id, turn.attempt = turn.attempt, "abandoned turn taken up");
        if let Err(error) = conductor.start(turn, Parameters::default()) {
            tracing::error!(error = chain(&error), "abandoned turn cannot be read");
        }
    }
}
