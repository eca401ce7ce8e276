//! Mails arrive, whatever the mail server does meanwhile.

use crate::world::{Notifier, World};
use std::io::Write as _;
use switchboard_proto::{
    notifier::v1::{DeliveryState, RedriveRequest, SendTestMailRequest, redrive_request::What},
    session::v1::Profile,
};
use switchboard_tests::fakes::{
    FakeSmtp,
    smtp::{Mail, Options, SmtpFault, SmtpTls, Step},
};

const ATTACK: &str = "<script>alert(1)</script> & 我要退款";

fn customer(email: &str, language: &str) -> Profile {
    Profile {
        nickname: Some("Ann\u{202e}\r\nBcc: evil@example.com".into()),
        email: Some(email.into()),
        vip: false,
        language: language.into(),
    }
}

fn to<'m>(mails: &'m [Mail], address: &str) -> &'m Mail {
    mails.iter().find(|mail| mail.to.iter().any(|to| to == address)).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn team_and_customer_are_told_on_sqlite() {
    told(World::sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn team_and_customer_are_told_on_postgres() {
    told(World::postgres().await).await;
}

async fn told(world: World) {
    let smtp = FakeSmtp::start(Options::default()).await;
    let link = [("mail.session_url", "https://chat.larkway.example/desk?s={session}")];
    let notifier = world.mailing(&smtp, &link).await;
    world.ask_out_of_hours("alice", ATTACK, customer("ann@example.com", "en")).await;
    let mails = smtp.wait_for(2).await;
    let deliveries = notifier.settled(2).await;

    let team = to(&mails, "team@larkway.example");
    assert_eq!(team.to, ["team@larkway.example", "boss@larkway.example"]);
    assert_eq!(team.header("Subject"), "[Larkway客服] 人工接管请求 - alice");
    assert_eq!(team.header("From"), "Larkway客服系统 <bot@larkway.example>");
    assert_eq!(team.header("Auto-Submitted"), "auto-generated");
    assert_eq!(team.header("Reply-To"), "ann@example.com");
    assert!(team.header("Date").ends_with("+0000"), "{}", team.data);
    assert_eq!(team.header("Bcc"), "");
    let text = team.text();
    for line in [
        "会话ID：alice",
        "触发原因：用户主动请求",
        "（UTC）",
        "当前状态：非工作时间，待跟进",
        "邮箱：ann@example.com",
        "下次上班时间：",
        "打开会话：https://chat.larkway.example/desk?s=alice",
        ATTACK,
        "We are closed right now",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    let html = team.html();
    assert!(html.contains("&lt;script&gt;") && !html.contains("<script>"), "{html}");
    assert!(html.contains("我要退款") && html.contains("desk?s=alice"), "{html}");

    let confirmation = to(&mails, "ann@example.com");
    assert_eq!(confirmation.to, ["ann@example.com"]);
    assert_eq!(confirmation.header("Subject"), "[Larkway support] We have received your request");
    assert!(confirmation.text().contains("we will get back to you"), "{}", confirmation.text());
    assert!(
        !confirmation.data.contains("Ann") && !confirmation.text().contains("script"),
        "nobody's own words"
    );
    assert_eq!(confirmation.header("References"), team.header("References"));
    for delivery in &deliveries {
        assert_eq!(delivery.state(), DeliveryState::Done);
        let mail = mails.iter().find(|mail| Some(mail.id()) == delivery.message_id).unwrap();
        assert!(mail.id().contains(&delivery.id), "{}", mail.id());
    }
    notifier.stop().await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_recipient_does_not_keep_a_mail_from_the_others() {
    let world = World::sqlite().await;
    let unknown = vec!["team@larkway.example".to_owned()];
    let smtp = FakeSmtp::start(Options { unknown, ..Options::default() }).await;
    let notifier = world.mailing(&smtp, &[("mail.confirm_to_customer", "false")]).await;
    world.ask_out_of_hours("alice", "hello", Profile::default()).await;
    let mails = smtp.wait_for(1).await;
    assert_eq!(mails[0].to, ["boss@larkway.example"]);
    let settled = notifier.settled(1).await;
    assert_eq!(settled[0].state(), DeliveryState::Done);
    let told = settled[0].last_error.as_deref();
    assert_eq!(told, Some("recipient 1 of 2 was refused: the mail server answered 550"));
    assert_eq!(smtp.accepted().len(), 1);
    notifier.stop().await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_customer_without_an_address_is_not_written_to() {
    let world = World::sqlite().await;
    let smtp = FakeSmtp::start(Options::default()).await;
    let notifier = world.mailing(&smtp, &[]).await;
    for (session, email) in
        [("none", None), ("broken", Some("ann@\r\nexample.com")), ("list", Some("a@b.c, d@e.f"))]
    {
        let profile = Profile { email: email.map(str::to_owned), ..Profile::default() };
        world.ask_out_of_hours(session, "hello", profile).await;
    }
    smtp.wait_for(3).await;
    let settled = notifier.settled(6).await;
    for delivery in settled.iter().filter(|delivery| delivery.channel == "mail_customer") {
        assert_eq!(delivery.state(), DeliveryState::Cancelled);
        assert_eq!(delivery.last_error.as_deref(), Some("the customer left no mail address"));
    }
    assert!(smtp.accepted().iter().all(|mail| mail.to[0] == "team@larkway.example"));
    notifier.stop().await;
    world.stop().await;
}

/// Quick about attempts, patient enough for a slow machine.
const QUICK: [(&str, &str); 3] =
    [("mail.confirm_to_customer", "false"), ("delivery.attempt_timeout", "3s"), ("delivery.lease", "30s")];

async fn arrives(fault: SmtpFault, copies: usize, code: Option<u32>) {
    let world = World::sqlite().await;
    let smtp = FakeSmtp::start(Options::default()).await;
    // After a refusal for good each of the two recipients is tried by himself, in the same attempt.
    let times = if code.is_some_and(|code| code >= 500) { 3 } else { 1 };
    smtp.fault.set_times(fault, times);
    let notifier = world.mailing(&smtp, &QUICK).await;
    world.many_ask(1).await;
    let settled = notifier.settled(1).await;
    let (delivery, attempts) = notifier.look_at(&settled[0].id).await;
    assert_eq!((delivery.state(), attempts.len()), (DeliveryState::Done, 2), "{fault:?}: {attempts:?}");
    assert_eq!(attempts[0].code, code, "{fault:?}: {attempts:?}");
    let error = attempts[0].error.as_deref().unwrap();
    assert!(!error.contains('@') && !error.contains("customer"), "the server's words stay outside: {error}");
    let mails = smtp.accepted();
    assert_eq!(mails.len(), copies, "{fault:?}");
    assert!(mails.iter().all(|mail| Some(mail.id()) == delivery.message_id), "{fault:?}");
    notifier.stop().await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_server_that_stumbles_gets_the_mail_later() {
    arrives(SmtpFault::Refuse, 1, None).await;
    for (step, code) in [
        (Step::Greeting, 421),
        (Step::Ehlo, 421),
        (Step::Mail, 451),
        (Step::Rcpt, 450),
        (Step::Data, 451),
        (Step::Dot, 452),
        (Step::Rcpt, 550),
    ] {
        arrives(SmtpFault::Reply(step, code), 1, Some(code.into())).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_server_that_hangs_gets_the_mail_later() {
    for step in [Step::Greeting, Step::Mail, Step::Data] {
        arrives(SmtpFault::Hang(step), 1, None).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_whose_acceptance_got_lost_comes_twice_with_one_id() {
    arrives(SmtpFault::DropAfterAccept, 2, None).await;
    arrives(SmtpFault::Hang(Step::Dot), 2, None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_mail_is_given_up_and_can_be_redriven() {
    let world = World::sqlite().await;
    let smtp = FakeSmtp::start(Options::default()).await;
    smtp.fault.set(SmtpFault::Reply(Step::Rcpt, 550));
    let notifier = world.mailing(&smtp, &QUICK).await;
    world.many_ask(1).await;
    let dead = notifier.settled(1).await.remove(0);
    let (_, attempts) = notifier.look_at(&dead.id).await;
    assert_eq!((dead.state(), dead.attempts), (DeliveryState::Dead, 3));
    assert_eq!(attempts.iter().map(|attempt| attempt.number).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(attempts.iter().all(|attempt| attempt.outcome == "refused" && attempt.code == Some(550)));

    smtp.fault.heal();
    let again = || RedriveRequest { what: Some(What::Delivery(dead.id.clone())), limit: 0 };
    assert_eq!(notifier.redrive(again()).await.unwrap().redriven, 1);
    let done = notifier.settled(1).await.remove(0);
    assert_eq!((done.state(), done.attempts), (DeliveryState::Done, 4));
    assert_eq!(smtp.accepted().len(), 1);
    assert_eq!(notifier.redrive(again()).await.unwrap_err().code, "NOT_REDRIVABLE");
    notifier.stop().await;
    world.stop().await;
}

/// A mail server with a login, and a notifier that protects the connection as told.
async fn protected(world: &World, server: SmtpTls, ours: &str, trusted: bool) -> (FakeSmtp, Notifier) {
    let login = Some(("shop".to_owned(), "secret".to_owned()));
    let smtp = FakeSmtp::start(Options { tls: server, login, ..Options::default() }).await;
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(smtp.root_pem().as_bytes()).unwrap();
    let path = file.path().display().to_string();
    let settings = [
        ("mail.tls", ours),
        ("mail.username", "shop"),
        ("mail.password", "secret"),
        ("mail.root_ca_file", if trusted { &path } else { "" }),
    ];
    let notifier = world.mailing(&smtp, &settings).await;
    notifier.send_test_mail(SendTestMailRequest {}).await.unwrap();
    (smtp, notifier)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_protected_and_logged_in() {
    for (server, ours) in
        [(SmtpTls::Implicit, "implicit"), (SmtpTls::Required, "starttls"), (SmtpTls::Offered, "starttls")]
    {
        let world = World::sqlite().await;
        let (smtp, notifier) = protected(&world, server, ours, true).await;
        let mail = smtp.wait_for(1).await.remove(0);
        assert!(mail.tls, "{server:?}");
        assert_eq!(mail.user.as_deref(), Some("shop"));
        assert_eq!(mail.header("Subject"), "[Larkway客服] 测试邮件");
        notifier.settled(1).await;
        notifier.stop().await;
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_sent_over_a_connection_that_cannot_be_protected() {
    for (server, ours, trusted) in [
        (SmtpTls::Absent, "starttls", true),
        (SmtpTls::Implicit, "implicit", false),
        (SmtpTls::Required, "starttls", false),
    ] {
        let world = World::sqlite().await;
        let (smtp, notifier) = protected(&world, server, ours, trusted).await;
        let dead = notifier.settled(1).await.remove(0);
        assert_eq!((dead.state(), dead.attempts), (DeliveryState::Dead, 7), "{server:?}");
        assert_eq!(smtp.accepted(), []);
        notifier.stop().await;
        world.stop().await;
    }
}
