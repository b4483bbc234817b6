//! How a shell would read a command: where quotes, substitutions and operators are. It splits no words and expands
//! nothing; here-documents are read as if they were code.

/// What quoting a place in a script is in, so that a value can be put there as one piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quoting {
    /// The innermost quotes.
    pub(crate) quotes: Quotes,
    /// How many back-quotes are open around it.
    pub(crate) backs: usize,
}

/// The innermost quotes around a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quotes {
    /// None.
    Bare,
    /// `"…"`
    Double,
    /// `'…'`
    Single,
}

/// What a look at a whole script found.
#[derive(Debug)]
pub(super) struct Scan {
    /// The text has a meaning that only a shell gives it.
    pub(super) special: bool,
    /// It is one command: no list, pipe, background, group, comment or here-document.
    pub(super) single: bool,
    /// It ends within quotes.
    pub(super) open: bool,
    /// For each byte that starts an unescaped `{`: its quoting.
    pub(super) braces: Vec<(usize, Quoting)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Context {
    Double,
    Single,
    /// `$(…)`
    Substitution,
    /// `(…)`
    Group,
    /// `${…}`
    Parameter,
    /// `` `…` ``
    Back,
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
    stack: Vec<Context>,
    found: Scan,
}

/// Reads `text` as a POSIX shell would.
pub(super) fn scan(text: &str) -> Scan {
    let found = Scan { special: false, single: true, open: false, braces: Vec::new() };
    let mut scanner = Scanner { text, at: 0, stack: Vec::new(), found };
    while let Some(letter) = scanner.peek() {
        scanner.step(letter);
    }
    scanner.found.open = !scanner.stack.is_empty();
    scanner.found
}

impl Scanner<'_> {
    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn previous(&self) -> Option<char> {
        self.text[..self.at].chars().next_back()
    }

    fn step(&mut self, letter: char) {
        let next = self.text[self.at + letter.len_utf8()..].chars().next();
        match self.stack.last() {
            Some(Context::Single) => self.in_single(letter),
            Some(Context::Double) => self.in_double(letter, next),
            _ => self.in_code(letter, next),
        }
    }

    fn advance(&mut self, letters: [Option<char>; 2]) {
        self.at += letters.iter().flatten().map(|letter| letter.len_utf8()).sum::<usize>();
    }

    fn in_single(&mut self, letter: char) {
        match letter {
            '\'' => _ = self.stack.pop(),
            '{' => self.brace(),
            _ => {}
        }
        self.advance([Some(letter), None]);
    }

    fn in_double(&mut self, letter: char, next: Option<char>) {
        match letter {
            '\\' => return self.advance([Some(letter), next]),
            '"' => _ = self.stack.pop(),
            '$' | '`' => return self.expansion(letter, next),
            '{' => self.brace(),
            _ => {}
        }
        self.advance([Some(letter), None]);
    }

    fn in_code(&mut self, letter: char, next: Option<char>) {
        let outermost = self.stack.is_empty();
        match letter {
            '\\' => return self.advance([Some(letter), next]),
            '\'' if !self.in_quoted_parameter() => self.stack.push(Context::Single),
            '"' => self.stack.push(Context::Double),
            '$' | '`' => return self.expansion(letter, next),
            '(' => self.open_group(),
            ')' => self.close_group(),
            '}' if self.stack.last() == Some(&Context::Parameter) => _ = self.stack.pop(),
            '{' => self.brace(),
            '#' if self.starts_word() => return self.comment(),
            _ if outermost => self.operator(letter, next),
            _ => {}
        }
        self.advance([Some(letter), None]);
    }

    /// `$` and back-quotes, in double quotes or outside.
    fn expansion(&mut self, letter: char, next: Option<char>) {
        self.found.special = true;
        if letter == '`' {
            match self.stack.last() {
                Some(Context::Back) => _ = self.stack.pop(),
                _ => self.stack.push(Context::Back),
            }
            return self.advance([Some(letter), None]);
        }
        match next {
            Some('(') => self.stack.push(Context::Substitution),
            Some('{') => self.stack.push(Context::Parameter),
            _ => return self.advance([Some(letter), None]),
        }
        self.advance([Some(letter), next]);
    }

    fn open_group(&mut self) {
        self.found.special = true;
        self.found.single &= !self.stack.is_empty();
        self.stack.push(Context::Group);
    }

    fn close_group(&mut self) {
        self.found.special = true;
        match self.stack.last() {
            Some(Context::Group | Context::Substitution) => _ = self.stack.pop(),
            _ => self.found.single = false,
        }
    }

    /// Outside of everything.
    fn operator(&mut self, letter: char, next: Option<char>) {
        match letter {
            '*' | '?' | '~' => self.found.special = true,
            '<' | '>' => {
                self.found.special = true;
                self.found.single &= !(letter == '<' && next == Some('<'));
            }
            // `2>&1` is no operator between commands.
            '&' => {
                self.found.special = true;
                let copies = matches!(self.previous(), Some('<' | '>'))
                    && next.is_some_and(|letter| letter.is_ascii_digit() || letter == '-');
                self.found.single &= copies;
            }
            '|' | ';' | '\n' => {
                self.found.special = true;
                self.found.single = false;
            }
            _ => {}
        }
    }

    /// In `"${…}"` a single quote is a letter like any other.
    fn in_quoted_parameter(&self) -> bool {
        let mut outwards = self.stack.iter().rev().skip_while(|context| **context == Context::Parameter);
        self.stack.last() == Some(&Context::Parameter) && outwards.next() == Some(&Context::Double)
    }

    fn starts_word(&self) -> bool {
        self.previous().is_none_or(|letter| letter.is_whitespace() || "|&;()<>`".contains(letter))
    }

    fn comment(&mut self) {
        self.found.single = false;
        self.at = self.text[self.at..].find('\n').map_or(self.text.len(), |end| self.at + end);
    }

    fn brace(&mut self) {
        let quotes = match self.stack.iter().rev().find(|context| **context != Context::Parameter) {
            Some(Context::Single) => Quotes::Single,
            Some(Context::Double) => Quotes::Double,
            _ => Quotes::Bare,
        };
        let backs = self.stack.iter().filter(|context| **context == Context::Back).count();
        self.found.braces.push((self.at, Quoting { quotes, backs }));
    }
}

impl Quoting {
    /// `value`, written so that a shell reads it back as exactly these bytes at a place quoted like this.
    pub(super) fn quote(self, value: &[u8]) -> Vec<u8> {
        let mut quoted = match self.quotes {
            Quotes::Bare if is_plain(value) => value.to_vec(),
            Quotes::Bare => [b"'", &*within_single(value), b"'"].concat(),
            Quotes::Single => within_single(value),
            Quotes::Double => with_backslash(value, b"$`\"\\"),
        };
        for _ in 0..self.backs {
            quoted = with_backslash(&quoted, b"$`\\");
        }
        quoted
    }
}

fn is_plain(value: &[u8]) -> bool {
    !value.is_empty() && value.iter().all(|byte| byte.is_ascii_alphanumeric() || b"_-./:,+@%".contains(byte))
}

fn within_single(value: &[u8]) -> Vec<u8> {
    let mut quoted = Vec::with_capacity(value.len());
    for byte in value {
        match byte {
            b'\'' => quoted.extend(b"'\\''"),
            other => quoted.push(*other),
        }
    }
    quoted
}

fn with_backslash(value: &[u8], special: &[u8]) -> Vec<u8> {
    let mut quoted = Vec::with_capacity(value.len());
    for byte in value {
        if special.contains(byte) {
            quoted.push(b'\\');
        }
        quoted.push(*byte);
    }
    quoted
}
