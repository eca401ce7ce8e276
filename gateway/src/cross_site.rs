//! Requests that another site makes a browser send. They arrive with the visitor's cookie, so for those that change
//! something the browser must say that our own page, or one that is allowed, sent them.

use crate::{config::Settings, error::Problem, extract};
use http::{HeaderMap, HeaderName, Uri, header};
use switchboard_domain::ErrorKind;

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Checks a request that came with the cookie and changes something.
///
/// # Errors
/// 403 `CROSS_SITE`.
pub(crate) fn check(settings: &Settings, uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
    // A form of another site cannot send this type, and a script of it needs our leave first.
    if !extract::is_json(headers) {
        return Err(refused());
    }
    let origin = text(headers, &header::ORIGIN);
    if origin.is_some_and(|origin| settings.cors.origins.iter().any(|allowed| allowed == origin)) {
        return Ok(());
    }
    if text(headers, &FETCH_SITE).is_some_and(|site| !matches!(site, "same-origin" | "none")) {
        return Err(refused());
    }
    match foreign_origin(settings, uri, headers) {
        Some(_) => Err(refused()),
        None => Ok(()),
    }
}

/// The origin of the page that sent a request, when it is not our own. None too for programs, and for what browsers name
/// no origin for.
pub(crate) fn foreign_origin<'a>(settings: &Settings, uri: &Uri, headers: &'a HeaderMap) -> Option<&'a str> {
    let origin = text(headers, &header::ORIGIN)?;
    let authority = origin.split_once("://").map(|(_, authority)| authority);
    // HTTP/2 has the host in the request line.
    let host = text(headers, &header::HOST).or_else(|| uri.authority().map(http::uri::Authority::as_str));
    let is_ours = origin == settings.public_url || (authority.is_some() && authority == host);
    (!is_ours).then_some(origin)
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap_or("\u{fffd}"))
}

fn refused() -> Problem {
    Problem::new(ErrorKind::Forbidden, "CROSS_SITE", "the request was sent by another site")
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn outcome(pairs: &[(&'static str, &'static str)]) -> bool {
        let mut settings = crate::testing::settings();
        settings.public_url = "https://chat.example.com".into();
        settings.cors.origins = vec!["https://shop.example.com".into()];
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static("application/json"));
        for (name, value) in pairs {
            headers.insert(*name, HeaderValue::from_static(value));
        }
        check(&settings, &Uri::from_static("/api/chat"), &headers).is_ok()
    }

    #[test]
    fn only_our_own_page_and_allowed_ones_pass() {
        for good in [
            &[][..],
            &[("sec-fetch-site", "same-origin")],
            &[("sec-fetch-site", "none")],
            &[("origin", "https://chat.example.com")],
            &[("origin", "http://127.0.0.1:8000"), ("host", "127.0.0.1:8000")],
            &[("origin", "https://shop.example.com"), ("sec-fetch-site", "cross-site")],
        ] {
            assert!(outcome(good), "{good:?}");
        }
        for bad in [
            &[("sec-fetch-site", "cross-site")][..],
            &[("sec-fetch-site", "same-site")],
            &[("origin", "null")],
            &[("origin", "https://evil.example.com"), ("host", "chat.example.com")],
            &[("origin", "https://chat.example.com.evil.com")],
            &[("origin", "https://shop.example.com.evil.com")],
            &[("content-type", "text/plain")],
            &[("content-type", "application/x-www-form-urlencoded"), ("origin", "https://chat.example.com")],
        ] {
            assert!(!outcome(bad), "{bad:?}");
        }
    }
}
