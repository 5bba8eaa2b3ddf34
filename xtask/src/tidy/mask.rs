//! Rust text with comments and literals blanked, so that rules can look at code without a parser.

/// Two views of one file, each of the original's line structure.
#[derive(Debug, PartialEq, Eq)]
pub struct Masked {
    /// Code only: comments, strings and characters are spaces.
    pub code: String,
    /// Comments only.
    pub comments: String,
}

/// Splits a Rust text into code and comments. Malformed text is masked to its end rather than refused: the compiler
/// will say what is wrong with it.
pub fn mask(text: &str) -> Masked {
    let mut scanner =
        Scanner { chars: text.chars().collect(), at: 0, code: String::new(), comments: String::new() };
    while scanner.at < scanner.chars.len() {
        scanner.step();
    }
    Masked { code: scanner.code, comments: scanner.comments }
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Code,
    Comment,
    Literal,
}

struct Scanner {
    chars: Vec<char>,
    at: usize,
    code: String,
    comments: String,
}

impl Scanner {
    fn peek(&self, ahead: usize) -> char {
        self.chars.get(self.at + ahead).copied().unwrap_or('\0')
    }

    /// Moves `count` characters into the view they belong to; the others get blanks, and line ends stay everywhere.
    fn take(&mut self, count: usize, kind: Kind) {
        for _ in 0..count.min(self.chars.len() - self.at) {
            let c = self.chars[self.at];
            let blank = if c == '\n' { '\n' } else { ' ' };
            self.code.push(if kind == Kind::Code { c } else { blank });
            self.comments.push(if kind == Kind::Comment { c } else { blank });
            self.at += 1;
        }
    }

    fn step(&mut self) {
        match (self.peek(0), self.peek(1)) {
            ('/', '/') => self.take_line_comment(),
            ('/', '*') => self.take_block_comment(),
            ('"', _) => self.take_string(),
            ('\'', _) => self.take_quote(),
            (c, _) if c.is_alphabetic() || c == '_' => self.take_word(),
            _ => self.take(1, Kind::Code),
        }
    }

    fn take_line_comment(&mut self) {
        while self.at < self.chars.len() && self.peek(0) != '\n' {
            self.take(1, Kind::Comment);
        }
    }

    fn take_block_comment(&mut self) {
        let mut depth = 0_usize;
        while self.at < self.chars.len() {
            match (self.peek(0), self.peek(1)) {
                ('/', '*') => {
                    depth += 1;
                    self.take(2, Kind::Comment);
                }
                ('*', '/') => {
                    depth -= 1;
                    self.take(2, Kind::Comment);
                    if depth == 0 {
                        return;
                    }
                }
                _ => self.take(1, Kind::Comment),
            }
        }
    }

    fn take_string(&mut self) {
        self.take(1, Kind::Literal);
        while self.at < self.chars.len() {
            match self.peek(0) {
                '\\' => self.take(2, Kind::Literal),
                '"' => return self.take(1, Kind::Literal),
                _ => self.take(1, Kind::Literal),
            }
        }
    }

    /// A character literal or a lifetime: only the former has a closing quote after one (possibly escaped) character.
    fn take_quote(&mut self) {
        if self.peek(1) == '\\' {
            self.take(3, Kind::Literal);
            while self.at < self.chars.len() && self.peek(0) != '\'' {
                self.take(1, Kind::Literal);
            }
            self.take(1, Kind::Literal);
        } else if self.peek(2) == '\'' {
            self.take(3, Kind::Literal);
        } else {
            self.take(1, Kind::Code);
        }
    }

    /// A word, which may turn out to be the prefix of a raw string (`r#"`, `br"`, `cr"`).
    fn take_word(&mut self) {
        let mut length = 1;
        while self.peek(length).is_alphanumeric() || self.peek(length) == '_' {
            length += 1;
        }
        let word: String = self.chars[self.at..self.at + length].iter().collect();
        let mut hashes = 0;
        while self.peek(length + hashes) == '#' {
            hashes += 1;
        }
        let raw = matches!(word.as_str(), "r" | "br" | "cr") && self.peek(length + hashes) == '"';
        if !raw {
            return self.take(length, Kind::Code);
        }
        self.take(length + hashes + 1, Kind::Literal);
        while self.at < self.chars.len() {
            let closes = self.peek(0) == '"' && (1..=hashes).all(|ahead| self.peek(ahead) == '#');
            if closes {
                return self.take(1 + hashes, Kind::Literal);
            }
            self.take(1, Kind::Literal);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> String {
        mask(text).code.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn strings_and_comments_are_not_code() {
        assert_eq!(code("let a = \"unsafe \\\" { \"; // unsafe\n/* { /* x */ unsafe */ b"), "let a = ; b");
        assert_eq!(code("r#\"unsafe \" \"# + br\"x\" + rx"), "+ + rx");
    }

    #[test]
    fn lifetimes_are_code_and_characters_are_not() {
        assert_eq!(code("fn f<'a>(x: &'a str) { '{' '\\'' '\\u{7b}' 'x' }"), "fn f<'a>(x: &'a str) { }");
    }

    #[test]
    fn lines_stay_where_they_were() {
        let text = "a\n// note\n\"x\ny\"\nb";
        let masked = mask(text);
        assert_eq!(masked.code.lines().count(), text.lines().count());
        assert_eq!(masked.comments.lines().nth(1), Some("// note"));
    }
}
