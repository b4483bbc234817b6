//! Answers made of the files of a folder (`files` of a route). What is asked for is found in `find`; `range` and
//! `condition` say which part of it is wanted, if any; `stream` sends it.

mod condition;
mod find;
mod range;
mod stream;

use hyper::{
    HeaderMap, Method, Response, StatusCode, Uri,
    header::{self, HeaderName, HeaderValue},
};

pub(super) use self::stream::FileStream;
use self::{
    condition::{Condition, Version},
    find::{Asked, Found, Missing, find},
    range::Part,
};
use super::{
    download::Answer,
    headers::{REASON, is_navigation},
    refusal::Refusal,
};
use crate::plan::Files;

/// What a request says of the file that it wants.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    pub(super) method: &'a Method,
    pub(super) uri: &'a Uri,
    pub(super) headers: &'a HeaderMap,
    /// What follows the route's path, as the client wrote it.
    pub(super) below: &'a str,
}

/// The answer; or why there is none.
pub(super) async fn answer(files: &Files, wanted: Wanted<'_>) -> Result<Response<Answer>, Refusal> {
    if !matches!(*wanted.method, Method::GET | Method::HEAD) {
        return Err(Refusal::Method);
    }
    let mut response = match look_again(files, wanted).await? {
        Found::File(file) => respond(file, wanted),
        Found::Folder => with_slash(wanted.uri),
    };
    response.headers_mut().insert(REASON, HeaderValue::from_static("files"));
    Ok(response)
}

/// The file, or the one that stands in for it.
async fn look_again(files: &Files, wanted: Wanted<'_>) -> Result<Found, Refusal> {
    let found = match look(files, Asked::new(wanted.below)).await {
        // Only a person that wants a page is given another one: a script that is not there must not become HTML.
        Err(Missing::File) if is_navigation(wanted.headers) => match &files.fallback {
            Some(fallback) => look(files, Asked::new(fallback)).await,
            None => Err(Missing::File),
        },
        found => found,
    };
    found.map_err(|missing| {
        Refusal::NoFile(match missing {
            Missing::File => format!("`{}` has no file for this path", files.shown),
            Missing::Folder => format!("the folder `{}` does not exist", files.shown),
            Missing::Unreadable(why) => format!("the file cannot be read: {why}"),
        })
    })
}

async fn look(files: &Files, asked: Option<Asked>) -> Result<Found, Missing> {
    let Some(asked) = asked else { return Err(Missing::File) };
    let folder = files.folder.clone();
    let looking = tokio::task::spawn_blocking(move || find(&folder, &asked));
    looking.await.unwrap_or_else(|error| Err(Missing::Unreadable(error.to_string())))
}

fn respond(file: find::File, wanted: Wanted<'_>) -> Response<Answer> {
    let version = Version::of(&file);
    let mut response = Response::new(Answer::Own(None));
    let headers = response.headers_mut();
    headers.insert(header::ETAG, version.tag.clone());
    headers.insert(header::LAST_MODIFIED, version.modified.clone());
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    match version.judge(wanted.method, wanted.headers) {
        Condition::Go => {}
        Condition::NotModified => {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return response;
        }
        Condition::Failed => {
            *response.status_mut() = StatusCode::PRECONDITION_FAILED;
            return response;
        }
    }
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let part = match wanted.headers.get(header::RANGE) {
        Some(range) if *wanted.method == Method::GET && version.fits_if_range(wanted.headers) => {
            range::part(range.as_bytes(), file.length)
        }
        _ => Part::Whole,
    };
    let (status, bytes) = match part {
        Part::Whole => (StatusCode::OK, 0..file.length),
        Part::Of(bytes) => {
            let value = format!("bytes {}-{}/{}", bytes.start, bytes.end - 1, file.length);
            set(headers, header::CONTENT_RANGE, &value);
            (StatusCode::PARTIAL_CONTENT, bytes)
        }
        Part::Outside => {
            set(headers, header::CONTENT_RANGE, &format!("bytes */{}", file.length));
            *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
            return response;
        }
    };
    set(headers, header::CONTENT_TYPE, &content_type(&file.path));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes.end - bytes.start));
    *response.status_mut() = status;
    if *wanted.method == Method::GET && !bytes.is_empty() {
        *response.body_mut() = Answer::File(Box::new(FileStream::new(file.file, bytes)));
    }
    response
}

/// Relative links in a folder's page need a `/` at the end of its address.
fn with_slash(uri: &Uri) -> Response<Answer> {
    let last = uri.path().rsplit('/').next().unwrap_or_default();
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let mut response = Response::new(Answer::Own(None));
    *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
    // Relative, so that no client chooses a host by it.
    set(response.headers_mut(), header::LOCATION, &format!("./{last}/{query}"));
    response
}

fn content_type(path: &std::path::Path) -> String {
    let kind = mime_guess::from_path(path).first_raw().unwrap_or("application/octet-stream");
    if kind.starts_with("text/") { format!("{kind}; charset=utf-8") } else { kind.to_owned() }
}

/// A value that is made of visible letters; a target may have bytes beyond ASCII, which fields may have, too.
fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
        headers.insert(name, value);
    }
}
