//! What the web front answers: the table of routes, to which each part adds its own.

use web::{Routes, text};

pub(crate) fn routes() -> Routes {
    let mut routes = Routes::default();
    routes.get("/", |_| async { text(concat!("CHAT ", env!("CARGO_PKG_VERSION"), "\n")) });
    // For those who watch whether a server serves; it says nothing else.
    routes.get("/health", |_| async { text("ok\n") });
    routes
}
