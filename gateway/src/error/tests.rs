//! Statuses, headers and bodies of problems.

use super::*;
use serde_json::json;

#[test]
fn every_kind_has_its_status() {
    let table = [
        (ErrorKind::Invalid, 400),
        (ErrorKind::Mismatch, 422),
        (ErrorKind::TooLarge, 413),
        (ErrorKind::Unauthenticated, 401),
        (ErrorKind::Forbidden, 403),
        (ErrorKind::NotFound, 404),
        (ErrorKind::Conflict, 409),
        (ErrorKind::RateLimited, 429),
        (ErrorKind::Timeout, 504),
        (ErrorKind::Unavailable, 503),
        (ErrorKind::Internal, 500),
    ];
    for (kind, status) in table {
        let response = Problem::new(kind, "SOME_CODE", "some text").into_response();
        assert_eq!(response.status(), status, "{kind:?}");
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        assert_eq!(response.headers().contains_key("retry-after"), kind.is_transient(), "{kind:?}");
        assert_eq!(response.headers().contains_key("www-authenticate"), status == 401);
    }
}

#[test]
fn facts_stand_beside_the_members_and_cannot_replace_them() {
    let problem = Problem::new(ErrorKind::Invalid, "MESSAGE_TOO_LONG", "太长")
        .with("max_length", 2000)
        .with("code_point", "U+0000")
        .with("status", "spoofed");
    let body = problem.body();
    assert_eq!(body["max_length"], 2000);
    assert_eq!(body["code_point"], "U+0000");
    assert_eq!(body["status"], 400);
    assert_eq!(body["detail"], "MESSAGE_TOO_LONG: 太长");
    assert_eq!(body["type"], "/problems/message_too_long");
}

#[test]
fn a_value_that_a_part_refuses_is_a_422_that_names_the_field() {
    let failure = Failure::new(ErrorKind::Invalid, "VALIDATION_ERROR", "`username` must be longer")
        .with("field", "username")
        .with("rule", "longer");
    let problem = Problem::from(switchboard_mesh::status::to_status(&failure));
    assert_eq!(problem.0.status, 422);
    let errors = json!([{ "loc": ["body", "username"], "msg": "longer", "type": "value_error" }]);
    assert_eq!(problem.body()["errors"], errors);
}

#[test]
fn waiting_is_told_in_whole_seconds_and_never_zero() {
    let told = |after| {
        let problem = Problem::new(ErrorKind::RateLimited, "RATE_LIMITED", "slow down").retry_after(after);
        problem.into_response().headers()["retry-after"].clone()
    };
    assert_eq!(told(Duration::from_millis(1)), "1");
    assert_eq!(told(Duration::from_millis(2001)), "3");
    assert_eq!(told(Duration::ZERO), "1");
}
