//! What Switchboard itself says to a customer, in the languages it speaks. The Chinese texts of hand-over, transfer and
//! release are those that existing clients know.

use crate::Language;

/// A notice, ready to be put into words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// A human was called; the customer waits.
    Waiting,
    /// The AI could not answer; a human was called.
    AiUnavailable,
    /// The answer broke off; a human was called.
    AnswerBrokeOff,
    /// The shop is shut; the request went out as an e-mail.
    AfterHours {
        /// When it opens next, in the customer's words.
        promise: Option<String>,
    },
    /// The customer no longer waits; the bot answers again.
    WaitCancelled,
    /// An agent took over.
    TakenOver {
        /// The agent's name.
        agent: String,
    },
    /// The session moved to another agent.
    Transferred {
        /// Who had it.
        from: String,
        /// Who has it.
        to: String,
    },
    /// The agent has gone; the customer waits for another one.
    OwnerLost,
    /// The agent gave the session back to the bot.
    Released,
    /// The session was closed.
    Closed,
}

impl Notice {
    /// The notice in words.
    pub fn text(&self, language: Language) -> String {
        match language {
            Language::Zh => self.chinese(),
            Language::En => self.english(),
        }
    }

    fn chinese(&self) -> String {
        match self {
            Self::Waiting => "已为您转接人工客服，请稍候，客服会尽快接入。".into(),
            Self::AiUnavailable => "很抱歉，智能助手暂时无法回答，已为您转接人工客服，请稍候。".into(),
            Self::AnswerBrokeOff => "很抱歉，刚才的回答中断了，已为您转接人工客服，请稍候。".into(),
            Self::AfterHours { promise } => {
                let when = promise.as_deref().unwrap_or("下个工作时间");
                format!("当前为非工作时间，您的请求已转给客服团队，我们会在{when}起尽快联系您。")
            }
            Self::WaitCancelled => "已取消等待人工客服，AI 助手继续为您服务".into(),
            Self::TakenOver { agent } => format!("客服【{agent}】已接入，正在为您服务"),
            Self::Transferred { from, to } => format!("会话已从【{from}】转接至【{to}】"),
            Self::OwnerLost => "很抱歉，您的客服暂时离线，正在为您转接其他客服，请稍候。".into(),
            Self::Released => "人工服务已结束，AI 助手已接管对话".into(),
            Self::Closed => "会话已结束，感谢您的咨询".into(),
        }
    }

    fn english(&self) -> String {
        match self {
            Self::Waiting => "You have been handed over to our team. A colleague will join you shortly.".into(),
            Self::AiUnavailable => {
                "Our assistant cannot answer right now. You have been handed over to our team, please hold on.".into()
            }
            Self::AnswerBrokeOff => {
                "The answer broke off. You have been handed over to our team, please hold on.".into()
            }
            Self::AfterHours { promise } => {
                let when = promise.as_deref().map_or("when we open".to_owned(), |when| format!("from {when}"));
                format!("We are closed right now. Your request went to our team; we will get back to you {when}.")
            }
            Self::WaitCancelled => "You are no longer waiting for a colleague. The assistant continues.".into(),
            Self::TakenOver { agent } => format!("{agent} has joined and is here to help"),
            Self::Transferred { from, to } => format!("You have been transferred from {from} to {to}"),
            Self::OwnerLost => {
                "Your contact has lost the connection. We are looking for a colleague, please hold on.".into()
            }
            Self::Released => "The conversation with our team has ended. The assistant continues.".into(),
            Self::Closed => "The conversation has ended. Thank you for contacting us.".into(),
        }
    }
}
