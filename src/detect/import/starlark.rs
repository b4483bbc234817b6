//! As much of Starlark as calls with plain arguments need: names, strings, lists, tables. Nothing is run.

/// A call at any place of a file.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Call {
    pub(super) name: String,
    /// Arguments in their order; those with a name after it.
    pub(super) arguments: Vec<(Option<String>, Plain)>,
}

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Plain {
    Text(String),
    List(Vec<Plain>),
    Table(Vec<(String, Plain)>),
    /// Something that only running the file would tell, as it is written.
    Code(String),
}

impl Plain {
    /// A string, or several.
    pub(super) fn texts(&self) -> Vec<String> {
        match self {
            Plain::Text(text) => vec![text.clone()],
            Plain::List(list) => list.iter().flat_map(Plain::texts).collect(),
            Plain::Table(_) | Plain::Code(_) => Vec::new(),
        }
    }
}

/// Every call of a file, in order; those within arguments of others are not looked for.
pub(super) fn calls(text: &str) -> Vec<Call> {
    let mut reader = Reader { letters: text.chars().collect(), at: 0 };
    let mut calls = Vec::new();
    while reader.at < reader.letters.len() {
        reader.space();
        let name = reader.name();
        if name.is_empty() {
            if reader.string().is_none() {
                reader.at += 1;
            }
            continue;
        }
        if reader.peek() == Some('(') && name != "def" {
            calls.push(Call { name, arguments: reader.arguments() });
        }
    }
    calls
}

struct Reader {
    letters: Vec<char>,
    at: usize,
}

impl Reader {
    fn peek(&self) -> Option<char> {
        self.letters.get(self.at).copied()
    }

    fn space(&mut self) {
        while let Some(letter) = self.peek() {
            match letter {
                '#' => {
                    while self.peek().is_some_and(|letter| letter != '\n') {
                        self.at += 1;
                    }
                }
                letter if letter.is_whitespace() => self.at += 1,
                _ => break,
            }
        }
    }

    fn name(&mut self) -> String {
        let from = self.at;
        while self.peek().is_some_and(|letter| letter.is_alphanumeric() || letter == '_' || letter == '.') {
            self.at += 1;
        }
        self.letters[from..self.at].iter().collect()
    }

    /// `'…'`, `"…"`, `"""…"""`, with escapes.
    fn string(&mut self) -> Option<String> {
        let quote = self.peek().filter(|letter| matches!(letter, '"' | '\''))?;
        let long = self.letters[self.at..].iter().take_while(|letter| **letter == quote).count() >= 3;
        let marks = if long { 3 } else { 1 };
        self.at += marks;
        let mut text = String::new();
        while let Some(letter) = self.peek() {
            let here = &self.letters[self.at..];
            if here.len() >= marks && here[..marks].iter().all(|letter| *letter == quote) {
                self.at += marks;
                break;
            }
            self.at += 1;
            match (letter, self.peek()) {
                ('\\', Some('\n')) => self.at += 1,
                ('\\', Some('n')) => {
                    text.push('\n');
                    self.at += 1;
                }
                ('\\', Some(escaped)) => {
                    text.push(escaped);
                    self.at += 1;
                }
                _ => text.push(letter),
            }
        }
        Some(text)
    }

    fn arguments(&mut self) -> Vec<(Option<String>, Plain)> {
        self.at += 1;
        let mut arguments = Vec::new();
        loop {
            self.space();
            match self.peek() {
                None => return arguments,
                Some(')') => {
                    self.at += 1;
                    return arguments;
                }
                Some(',') => self.at += 1,
                Some(_) => {
                    let from = self.at;
                    let name = self.name();
                    self.space();
                    let is_named =
                        !name.is_empty() && self.peek() == Some('=') && self.letters.get(self.at + 1) != Some(&'=');
                    if is_named {
                        self.at += 1;
                        let value = self.value();
                        arguments.push((Some(name), value));
                    } else {
                        self.at = from;
                        let value = self.value();
                        arguments.push((None, value));
                    }
                }
            }
        }
    }

    /// A value up to the comma or bracket after it.
    fn value(&mut self) -> Plain {
        self.space();
        let from = self.at;
        let value = match self.peek() {
            Some('"' | '\'') => self.string().map(Plain::Text),
            Some('[') => self.list(']').map(Plain::List),
            Some('{') => self.table(),
            _ => None,
        };
        self.space();
        match (value, self.peek()) {
            (Some(value), None | Some(',' | ')' | ']' | '}' | ':')) => value,
            _ => {
                self.at = from;
                Plain::Code(self.code())
            }
        }
    }

    fn list(&mut self, end: char) -> Option<Vec<Plain>> {
        self.at += 1;
        let mut list = Vec::new();
        loop {
            self.space();
            match self.peek()? {
                letter if letter == end => {
                    self.at += 1;
                    return Some(list);
                }
                ',' => self.at += 1,
                _ => list.push(self.value()),
            }
        }
    }

    fn table(&mut self) -> Option<Plain> {
        self.at += 1;
        let mut entries = Vec::new();
        loop {
            self.space();
            match self.peek()? {
                '}' => {
                    self.at += 1;
                    return Some(Plain::Table(entries));
                }
                ',' => self.at += 1,
                _ => {
                    let key = self.string()?;
                    self.space();
                    if self.peek() != Some(':') {
                        return None;
                    }
                    self.at += 1;
                    entries.push((key, self.value()));
                }
            }
        }
    }

    /// Everything up to the comma or bracket that ends an argument.
    fn code(&mut self) -> String {
        let from = self.at;
        let mut depth = 0_usize;
        while let Some(letter) = self.peek() {
            match letter {
                '"' | '\'' => {
                    self.string();
                    continue;
                }
                '(' | '[' | '{' => depth += 1,
                ',' | ')' | ']' | '}' if depth == 0 => break,
                ')' | ']' | '}' => depth -= 1,
                _ => {}
            }
            self.at += 1;
        }
        if self.at == from {
            self.at += 1;
        }
        self.letters[from..self.at.min(self.letters.len())].iter().collect::<String>().trim().to_owned()
    }
}
