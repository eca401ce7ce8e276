//! The conductor, by script.

use super::{EPOCH, FakeChat, Script, Stream, refuse};
use crate::testing::log;
use futures::StreamExt as _;
use switchboard_domain::{Entry, ErrorKind, Status as SessionStatus, TurnId, turn::TurnState};
use switchboard_mesh::status::to_status;
use switchboard_proto::{
    chat::v1::{self as chat, turn_event},
    convert::entries_to_wire,
    session::v1 as wire,
};
use tonic::{Request, Response, Status};

impl FakeChat {
    /// The pieces and the end of a turn, as the script has it.
    fn play(&self, name: &str, turn: TurnId, script: Script) -> Vec<Result<turn_event::Event, Status>> {
        let delta = |(chunk, text): (usize, &str)| {
            let chunk = u32::try_from(chunk).unwrap();
            let (turn, text) = (turn.to_string(), text.to_owned());
            Ok(turn_event::Event::Delta(turn_event::Delta { turn, from_chunk: chunk, chunk, text }))
        };
        let one = Some(turn);
        match script {
            Script::Say(pieces) => {
                let mut events: Vec<_> = pieces.iter().copied().enumerate().map(delta).collect();
                let answer = self.0.write(name, log::assistant(1, &pieces.concat(), one).body);
                let done = self.0.write(name, log::turn_change(1, turn, TurnState::Done).body);
                events.push(Ok(self.ended(name, turn, TurnState::Done, &[answer, done])));
                events
            }
            Script::HandOver => {
                let (bot, pending) = (SessionStatus::BotActive, SessionStatus::PendingManual);
                let change = self.0.write(name, log::status(1, bot, pending).body);
                let notice = self.0.write(name, log::notice(1, "已为您转接人工客服", None).body);
                let over = self.0.write(name, log::turn_change(1, turn, TurnState::HandedOver).body);
                vec![Ok(self.ended(name, turn, TurnState::HandedOver, &[change, notice, over]))]
            }
            Script::Break(text) => {
                vec![delta((0, text)), Err(refuse(ErrorKind::Unavailable, "UNAVAILABLE", "gone"))]
            }
            Script::Hang(text) => vec![delta((0, text))],
            Script::Refuse(_) | Script::Panic => Vec::new(),
        }
    }

    fn ended(&self, name: &str, turn: TurnId, state: TurnState, entries: &[Entry]) -> turn_event::Event {
        turn_event::Event::Ended(turn_event::Ended {
            turn: turn.to_string(),
            state: wire::TurnState::from(state).into(),
            entries: entries_to_wire(entries),
            session: Some((&self.0.kept(name).session).into()),
        })
    }
}

#[tonic::async_trait]
impl chat::chat_service_server::ChatService for FakeChat {
    type SendStream = Stream<chat::TurnEvent>;
    type FollowStream = Stream<chat::TurnEvent>;

    async fn send(&self, request: Request<chat::SendRequest>) -> Result<Response<Self::SendStream>, Status> {
        let request = request.into_inner();
        *self.0.last_send.lock() = Some(request.clone());
        let script = self.0.script.lock().clone();
        match &script {
            Script::Refuse(failure) => return Err(to_status(failure)),
            Script::Panic => panic!("as the script has it"),
            Script::Say(_) | Script::HandOver | Script::Break(_) | Script::Hang(_) => {}
        }
        let name = &request.session;
        let created = self.0.admit(name, &request.client_message_id)?;
        let message = self.0.say(name, &request.text, &request.client_message_id);
        let turn = log::turn(u32::try_from(message.seq.get()).unwrap());
        let begun = self.0.write(name, log::turn_change(1, turn, TurnState::Accepted).body);
        let accepted = turn_event::Accepted {
            turn: Some(turn.to_string()),
            epoch: EPOCH,
            created,
            replayed: false,
            entries: entries_to_wire(&[message, begun]),
            session: Some((&self.0.kept(name).session).into()),
        };
        let hangs = matches!(script, Script::Hang(_));
        let mut events = vec![Ok(turn_event::Event::Accepted(accepted))];
        events.extend(self.play(name, turn, script));
        let events = futures::stream::iter(events)
            .map(|event| event.map(|event| chat::TurnEvent { event: Some(event) }));
        let events = if hangs { events.chain(futures::stream::pending()).boxed() } else { events.boxed() };
        Ok(Response::new(events))
    }

    async fn follow(
        &self,
        request: Request<chat::FollowRequest>,
    ) -> Result<Response<Self::FollowStream>, Status> {
        let request = request.into_inner();
        self.0.own(&request.session)?;
        let delta = turn_event::Delta { turn: request.turn, from_chunk: 0, chunk: 3, text: "so far".into() };
        let event = chat::TurnEvent { event: Some(turn_event::Event::Delta(delta)) };
        Ok(Response::new(futures::stream::iter([Ok(event)]).chain(futures::stream::pending()).boxed()))
    }

    async fn new_conversation(
        &self,
        request: Request<chat::NewConversationRequest>,
    ) -> Result<Response<chat::NewConversationResponse>, Status> {
        let request = request.into_inner();
        self.0.own(&request.session)?;
        Ok(Response::new(chat::NewConversationResponse { conversation: "cnv_1".into() }))
    }

    async fn get_bot(
        &self,
        _: Request<chat::GetBotRequest>,
    ) -> Result<Response<chat::GetBotResponse>, Status> {
        let profile =
            chat::BotProfile { name: "客服".into(), welcome: "您好！".into(), ..Default::default() };
        Ok(Response::new(chat::GetBotResponse {
            provider: "coze".into(),
            healthy: true,
            workflow_id: "wf".into(),
            app_id: "app".into(),
            profile: Some(profile),
            ..Default::default()
        }))
    }
}
