//! Two routes.

use axum::{Router, routing::get};

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let port = std::env::var("PORT").unwrap_or_else(|_| "8080".to_owned());
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    let routes = Router::new().route("/", get(|| async { "hello from axum\n" })).route("/health", get(|| async { "ok" }));
    axum::serve(listener, routes).await
}
