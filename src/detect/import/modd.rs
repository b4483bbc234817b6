//! `modd.conf`: blocks of patterns with the commands that they start. No parser of that format is to be had as a crate.

use super::{
    super::draft::{Table, Value, as_name},
    Import, name_of, unknown_port,
};

/// A block.
#[derive(Debug, Default)]
struct Block {
    patterns: Vec<String>,
    indir: Option<String>,
    commands: Vec<Command>,
}

#[derive(Debug)]
struct Command {
    what: What,
    flags: Vec<String>,
    text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Prep,
    Daemon,
}

pub(super) fn import(text: &str) -> Result<Import, String> {
    let mut reader = Reader { text, at: 0 };
    let (mut import, mut variables, mut blocks) = (Import::default(), Vec::new(), Vec::new());
    loop {
        reader.space();
        match reader.peek() {
            None => break,
            Some('@') => variables.push(reader.variable()?),
            Some(_) => blocks.push(reader.block(&mut import)?),
        }
    }
    for block in &blocks {
        translate(&mut import, block, &variables);
    }
    Ok(import)
}

fn translate(import: &mut Import, block: &Block, variables: &[(String, String)]) {
    let shell = variables.iter().find(|(name, _)| name == "shell").map(|(_, shell)| shell.clone());
    let prepared = block.commands.iter().any(|command| command.what == What::Prep);
    for command in &block.commands {
        let run = written_out(import, &command.text, variables);
        let inputs = Value::List(block.patterns.clone());
        let mut table = match command.what {
            What::Prep => Table::step(name_of(&run, "prep"), run).with("inputs", block.patterns.clone()),
            What::Daemon => daemon(&run, prepared, inputs),
        };
        for flag in &command.flags {
            match flag.as_str() {
                "+onchange" => import.note("modd", flag, flag),
                signal if signal.starts_with("+sig") && command.what == What::Daemon => {
                    let name = Value::Text(signal[1..].to_uppercase());
                    table.set("stop", Value::Inline(vec![("signal".to_owned(), name)]));
                }
                other => import.note("modd", other, other),
            }
        }
        if let Some(folder) = &block.indir {
            table.set("cwd", Value::Text(super::tidy(&written_out(import, folder, variables))));
        }
        if let Some(shell) = shell.clone().filter(|shell| shell != "modd") {
            table.set("shell", Value::Text(shell));
        }
        import.draft = std::mem::take(&mut import.draft).and(super::Draft::new(vec![table]));
    }
}

fn daemon(run: &str, prepared: bool, inputs: Value) -> Table {
    let service = unknown_port(Table::service(name_of(run, "app"), run));
    // The steps of its block restart it by what they make; without any, its files do.
    let mut service = service;
    if !prepared {
        service.set("inputs", inputs);
    }
    service
}

/// Variables put in; modd's own have no counterpart.
fn written_out(import: &mut Import, text: &str, variables: &[(String, String)]) -> String {
    let mut text = text.to_owned();
    if text.contains("@dirmods") {
        import.leave("@dirmods", "`./...` stands for it: a step is not told which folders changed");
        text = text.replace("@dirmods", "./...");
    }
    if text.contains("@mods") {
        import.note("modd", "@mods", "@mods");
    }
    for (name, value) in variables.iter().filter(|(name, _)| name != "shell") {
        text = text.replace(&format!("@{name}"), value);
    }
    text
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let letter = self.peek()?;
        self.at += letter.len_utf8();
        Some(letter)
    }

    /// Blanks, line ends and comments.
    fn space(&mut self) {
        while let Some(letter) = self.peek() {
            match letter {
                '#' => self.rest_of_line(),
                letter if letter.is_whitespace() => _ = self.next(),
                _ => break,
            }
        }
    }

    fn rest_of_line(&mut self) {
        while self.peek().is_some_and(|letter| letter != '\n') {
            self.next();
        }
    }

    fn line(&self) -> usize {
        self.text[..self.at].matches('\n').count() + 1
    }

    /// `@name = value`
    fn variable(&mut self) -> Result<(String, String), String> {
        self.next();
        let name = self.word(&['=', ' ', '\t', '\n']);
        self.blanks();
        if self.peek() != Some('=') {
            return Err(format!("line {}: `@{name}` has no `=`", self.line()));
        }
        self.next();
        Ok((name, self.value()))
    }

    fn blanks(&mut self) {
        while self.peek().is_some_and(|letter| letter == ' ' || letter == '\t') {
            self.next();
        }
    }

    fn word(&mut self, ends: &[char]) -> String {
        let from = self.at;
        while self.peek().is_some_and(|letter| !ends.contains(&letter)) {
            self.next();
        }
        self.text[from..self.at].trim().to_owned()
    }

    /// A quoted text, over several lines too, or the rest of the line; a backslash joins lines.
    fn value(&mut self) -> String {
        self.blanks();
        match self.peek() {
            Some(quote @ ('"' | '\'')) => {
                self.next();
                let mut value = String::new();
                while let Some(letter) = self.next() {
                    match letter {
                        '\\' if self.peek() == Some(quote) => value.extend(self.next()),
                        letter if letter == quote => break,
                        letter => value.push(letter),
                    }
                }
                let lines: Vec<&str> =
                    value.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
                lines.join("\n")
            }
            _ => {
                let mut value = String::new();
                while let Some(letter) = self.peek().filter(|letter| *letter != '\n') {
                    self.next();
                    match (letter, self.peek()) {
                        ('\\', Some('\n')) => _ = self.next(),
                        _ => value.push(letter),
                    }
                }
                value.split_whitespace().collect::<Vec<_>>().join(" ")
            }
        }
    }

    fn block(&mut self, import: &mut Import) -> Result<Block, String> {
        let mut block = Block::default();
        loop {
            self.space();
            match self.peek() {
                Some('{') => break,
                None => return Err(format!("line {}: a block without `{{`", self.line())),
                Some('+') => {
                    let flag = self.word(&[' ', '\t', '\n', '{']);
                    import.note("modd", &flag, &flag);
                }
                Some(_) => block.patterns.push(self.pattern()),
            }
        }
        self.next();
        loop {
            self.space();
            match self.peek() {
                Some('}') => {
                    self.next();
                    return Ok(block);
                }
                None => return Err(format!("line {}: a block without `}}`", self.line())),
                Some(_) => self.directive(&mut block)?,
            }
        }
    }

    fn pattern(&mut self) -> String {
        let mark = if self.peek() == Some('!') { "!" } else { "" };
        if !mark.is_empty() {
            self.next();
        }
        match self.peek() {
            Some('"' | '\'') => format!("{mark}{}", self.value()),
            // A brace begins the block only after a blank: `**/*.{js,ts}` holds one.
            _ => {
                let from = self.at;
                while self.peek().is_some_and(|letter| !letter.is_whitespace()) {
                    self.next();
                }
                format!("{mark}{}", &self.text[from..self.at])
            }
        }
    }

    fn directive(&mut self, block: &mut Block) -> Result<(), String> {
        let line = self.line();
        let head = self.word(&[':', '\n']);
        if self.peek() != Some(':') {
            return Err(format!("line {line}: `{head}` has no `:`"));
        }
        self.next();
        let text = self.value();
        let mut words = head.split_whitespace();
        let what = match words.next() {
            Some("prep") => What::Prep,
            Some("daemon") => What::Daemon,
            Some("indir") => {
                block.indir = Some(text);
                return Ok(());
            }
            other => {
                return Err(format!(
                    "line {line}: `{}` is neither `prep` nor `daemon` nor `indir`",
                    as_name(other.unwrap_or_default())
                ));
            }
        };
        block.commands.push(Command { what, flags: words.map(str::to_owned).collect(), text });
        Ok(())
    }
}
