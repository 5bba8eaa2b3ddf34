//! Files of at most 1,000 lines and functions of at most 70, comments and tests included.

use super::{Violation, mask::Masked, repo::Repo};

/// Lines in a Rust file.
const FILE_LINES_MAX: usize = 1000;

/// Lines from `fn` to its closing brace.
const FUNCTION_LINES_MAX: usize = 70;

/// Finds files and functions past the hard stops.
pub fn check(repo: &Repo) -> Vec<Violation> {
    let mut found = Vec::new();
    for (file, masked) in repo.rust_files() {
        let lines = file.text.lines().count();
        if lines > FILE_LINES_MAX {
            let message = format!("expected at most {FILE_LINES_MAX} lines, found {lines}; split the file");
            found.push(Violation::new(&file.path, message));
        }
        let functions = functions(masked);
        for function in &functions {
            let lines = own_lines(function, &functions);
            if lines > FUNCTION_LINES_MAX {
                let message = format!(
                    "fn {} has {lines} lines, at most {FUNCTION_LINES_MAX} are allowed; give its parts names",
                    function.name
                );
                found.push(Violation::new(format!("{}:{}", file.path, function.line), message));
            }
        }
    }
    found
}

struct Function {
    name: String,
    line: usize,
    lines: usize,
}

/// Lines of a function without those of the functions declared inside it, which have names of their own.
fn own_lines(function: &Function, all: &[Function]) -> usize {
    let end = function.line + function.lines;
    let mut own = function.lines;
    let mut at = function.line;
    for inner in all.iter().filter(|inner| inner.line > function.line && inner.line + inner.lines < end) {
        // Sorted by line, so what lies inside another inner function starts before its end.
        if inner.line > at {
            own -= inner.lines;
            at = inner.line + inner.lines - 1;
        }
    }
    own
}

/// Functions with bodies in order of lines, found by matching braces in code without comments and literals.
fn functions(masked: &Masked) -> Vec<Function> {
    let code = masked.code.as_bytes();
    let mut found = Vec::new();
    let mut line = 1;
    for at in 0..code.len() {
        if code[at] == b'\n' {
            line += 1;
        }
        if !starts_function(code, at) {
            continue;
        }
        if let Some(end) = body_end(code, at) {
            let lines = 1 + code[at..end].iter().filter(|&&byte| byte == b'\n').count();
            found.push(Function { name: name_after(&masked.code[at + 3..]), line, lines });
        }
    }
    found
}

fn starts_function(code: &[u8], at: usize) -> bool {
    let before_is_word = at > 0 && (code[at - 1].is_ascii_alphanumeric() || code[at - 1] == b'_');
    // `fn(` is a type, not a function, so a space has to follow.
    !before_is_word && code[at..].starts_with(b"fn ")
}

/// Where the body closes; none for a declaration without one.
fn body_end(code: &[u8], start: usize) -> Option<usize> {
    let (mut round, mut square, mut depth) = (0_i32, 0_i32, 0_i32);
    for (offset, &byte) in code[start..].iter().enumerate() {
        match byte {
            b'(' => round += 1,
            b')' => round -= 1,
            b'[' => square += 1,
            b']' => square -= 1,
            b';' if depth == 0 && round == 0 && square == 0 => return None,
            b'{' => depth += 1,
            b'}' => {
                depth -= 1;
                if depth == 0 && round == 0 {
                    return Some(start + offset);
                }
            }
            _ => {}
        }
    }
    None
}

fn name_after(code: &str) -> String {
    code.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_' || *c == '$').collect()
}

#[cfg(test)]
mod tests {
    use super::{super::repo::SourceFile, *};

    fn repo(text: &str) -> Repo {
        Repo { files: vec![SourceFile::new("crates/a/src/lib.rs", text)], ..Repo::default() }
    }

    #[test]
    fn a_file_of_1001_lines_is_a_violation() {
        assert_eq!(check(&repo(&"//\n".repeat(1000))), []);
        assert_eq!(check(&repo(&"//\n".repeat(1001))).len(), 1);
    }

    #[test]
    fn a_function_of_71_lines_is_a_violation() {
        let function = |body: usize| {
            format!("trait T {{ fn short(); }}\nfn long(x: [u8; 3]) {{\n{}}}\n", "x();\n".repeat(body))
        };
        assert_eq!(check(&repo(&function(68))), []);
        let found = check(&repo(&function(69)));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].place, "crates/a/src/lib.rs:2");
        assert!(found[0].message.starts_with("fn long has 71 lines"), "{}", found[0].message);
    }

    #[test]
    fn named_inner_functions_count_for_themselves() {
        let inner = |body: usize| format!("    fn inner() {{\n{}    }}\n", "x();\n".repeat(body));
        let outer = |inner: String| format!("fn outer() {{\n{inner}{inner}{}}}\n", "y();\n".repeat(60));
        assert_eq!(check(&repo(&outer(inner(60)))), []);
        assert_eq!(check(&repo(&outer(inner(69)))).len(), 2);
        let deep = format!("fn outer() {{\n{}{}}}\n", inner(10), "y();\n".repeat(69));
        assert_eq!(check(&repo(&deep)).len(), 1);
    }

    #[test]
    fn braces_in_literals_and_comments_do_not_count() {
        let text = format!("fn f() {{ let a = '{{'; // }}\n}}\n{}", "\n".repeat(80));
        assert_eq!(check(&repo(&text)), []);
    }
}
