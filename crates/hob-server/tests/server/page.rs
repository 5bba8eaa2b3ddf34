//! The page for people: what browsers get, what programs get, and what protects it.

use crate::client::start;

const BROWSER: (&str, &str) = ("accept", "text/html,application/xhtml+xml,*/*;q=0.8");

#[test]
fn browsers_get_a_page_and_programs_a_line() {
    let server = start();
    let page = server.send("GET", "/", &[BROWSER], "").finish();
    assert_eq!(page.status, 200, "{}", page.body);
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(page.body.starts_with("<!doctype html>"), "{}", page.body);
    let policy = page.header("content-security-policy").unwrap_or_default();
    for part in ["default-src 'self'", "script-src 'self'", "object-src 'none'", "frame-ancestors 'none'"] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
    let line = server.get("/");
    assert_eq!(line.header("content-type"), Some("text/plain; charset=utf-8"));
    assert!(line.body.contains("Ollama is running"), "{}", line.body);
}

#[test]
fn the_page_loads_nothing_from_elsewhere() {
    let server = start();
    let page = server.send("GET", "/", &[BROWSER], "").finish().body;
    assert!(!page.contains("://"), "{page}");
    assert!(!page.contains("<script>") && !page.contains("<style"), "{page}");
    // Without the built page there are no files, and so nothing to look at.
    for name in page.split('"').filter(|text| text.starts_with("/page/")) {
        let file = server.get(name);
        assert_eq!(file.status, 200, "{name}");
        assert_eq!(file.header("x-content-type-options"), Some("nosniff"));
        let kept = file.header("cache-control").unwrap_or_default();
        assert_eq!(kept.contains("immutable"), name.contains("/assets/"), "{name}: {kept}");
    }
    for name in ["/page/nothing.js", "/page/../Cargo.toml", "/page/%2e%2e/Cargo.toml", "/page/assets"] {
        assert_eq!(server.get(name).status, 404, "{name}");
    }
}

#[test]
fn the_machine_and_its_models_are_told() {
    let server = start();
    let machine = server.get("/hob/v1/machine").ok();
    assert_eq!(machine["privacy"], "offline");
    assert!(machine["os"].is_string() && machine["threads"].is_u64(), "{machine}");
    let models = server.get("/hob/v1/models").ok();
    let ember = &models["models"][0];
    assert_eq!((&ember["name"], &ember["is_builtin"]), (&"ember".into(), &true.into()));
    assert!(ember["bytes"].as_u64().is_some_and(|bytes| bytes > 0), "{ember}");
}
