//! A dev.toml in the making: tables with their reasons, and their text. What it says is checked by `config`, not here.

use std::fmt::Write as _;

/// What is in a table.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `"text"`
    Text(String),
    /// `["a", "b"]`
    List(Vec<String>),
    /// `8080`
    Number(u16),
    /// `true`
    Flag(bool),
    /// `{ tcp = true }`
    Inline(Vec<(String, Value)>),
    /// TOML as a person has typed it.
    Typed(String),
}

/// A dev.toml.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Draft {
    /// `[watch]`, `[proxy]`, `[[step]]` and `[[service]]`, in the order they are written.
    pub tables: Vec<Table>,
    /// Comments at its end: what has no counterpart.
    pub remarks: Vec<String>,
}

/// One table.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// Which.
    pub kind: Kind,
    /// Why it is there: comments above it.
    pub why: Vec<String>,
    entries: Vec<Entry>,
}

/// Which table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// `[watch]`
    Watch,
    /// `[proxy]`
    Proxy,
    /// `[[step]]`
    Step,
    /// `[[service]]`
    Service,
}

#[derive(Clone, Debug, PartialEq)]
struct Entry {
    key: String,
    value: Value,
    why: Option<String>,
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::Text(text)
    }
}

impl From<Vec<String>> for Value {
    fn from(list: Vec<String>) -> Value {
        Value::List(list)
    }
}

impl<const N: usize> From<[&str; N]> for Value {
    fn from(list: [&str; N]) -> Value {
        Value::List(list.map(str::to_owned).to_vec())
    }
}

impl From<&[&str]> for Value {
    fn from(list: &[&str]) -> Value {
        Value::List(list.iter().map(|text| (*text).to_owned()).collect())
    }
}

impl From<u16> for Value {
    fn from(number: u16) -> Value {
        Value::Number(number)
    }
}

impl Table {
    /// An empty `[[step]]`, `[watch]`, …
    pub fn new(kind: Kind) -> Table {
        Table { kind, why: Vec::new(), entries: Vec::new() }
    }

    /// A step of this name.
    pub fn step(name: impl Into<Value>, run: impl Into<Value>) -> Table {
        Table::new(Kind::Step).with("name", name).with("run", run)
    }

    /// A service of this name.
    pub fn service(name: impl Into<Value>, run: impl Into<Value>) -> Table {
        Table::new(Kind::Service).with("name", name).with("run", run)
    }

    /// The same with this key.
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Table {
        self.set(key, value.into());
        self
    }

    /// The same with this key and a comment behind it.
    pub fn because(mut self, key: &str, value: impl Into<Value>, why: impl Into<String>) -> Table {
        self.set(key, value.into());
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.key == key) {
            entry.why = Some(why.into());
        }
        self
    }

    /// The same with a comment above.
    pub fn why(mut self, why: impl Into<String>) -> Table {
        self.why.push(why.into());
        self
    }

    /// Writes a key, or another value to it.
    pub fn set(&mut self, key: &str, value: Value) {
        match self.entries.iter_mut().find(|entry| entry.key == key) {
            Some(entry) => entry.value = value,
            None => self.entries.push(Entry { key: key.to_owned(), value, why: None }),
        }
    }

    /// Takes a key out.
    pub fn remove(&mut self, key: &str) {
        self.entries.retain(|entry| entry.key != key);
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value)
    }

    /// A key that is a string.
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.get(key) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// What the table is called.
    pub fn name(&self) -> &str {
        self.text("name").unwrap_or_default()
    }

    /// The same, written from a folder above: `folder` ends in a slash.
    fn moved(&mut self, folder: &str) {
        let folder_name = folder.trim_end_matches('/').to_owned();
        let inner = self.text("cwd").map(|cwd| format!("{folder}{cwd}"));
        for entry in &mut self.entries {
            if let ("inputs" | "outputs" | "env_files" | "assets" | "ignore", Value::List(list)) =
                (entry.key.as_str(), &mut entry.value)
            {
                for pattern in list {
                    *pattern = match pattern.strip_prefix('!') {
                        Some(rest) => format!("!{folder}{rest}"),
                        None => format!("{folder}{pattern}"),
                    };
                }
            }
        }
        if matches!(self.kind, Kind::Step | Kind::Service) {
            self.set("cwd", Value::Text(inner.unwrap_or(folder_name)));
        }
    }

    /// Speaks of `new` where it spoke of `old`.
    fn rename(&mut self, old: &str, new: &str) {
        for entry in &mut self.entries {
            match (entry.key.as_str(), &mut entry.value) {
                ("run", Value::Text(text)) => *text = text.replace(&format!("{{{old}}}"), &format!("{{{new}}}")),
                ("after" | "needs", Value::List(names)) => {
                    names.iter_mut().filter(|name| *name == old).for_each(|name| *name = new.to_owned());
                }
                _ => {}
            }
        }
    }

    fn write(&self, text: &mut String) {
        for why in &self.why {
            comment(text, why);
        }
        let header = match self.kind {
            Kind::Watch => "[watch]",
            Kind::Proxy => "[proxy]",
            Kind::Step => "[[step]]",
            Kind::Service => "[[service]]",
        };
        text.push_str(header);
        text.push('\n');
        for entry in &self.entries {
            _ = write!(text, "{} = {}", entry.key, entry.value.toml());
            if let Some(why) = &entry.why {
                _ = write!(text, "  # {}", one_line(why));
            }
            text.push('\n');
        }
    }
}

impl Draft {
    /// Of these tables.
    pub fn new(tables: Vec<Table>) -> Draft {
        Draft { tables, remarks: Vec::new() }
    }

    /// The tables of one kind.
    pub fn of(&self, kind: Kind) -> impl Iterator<Item = &Table> {
        self.tables.iter().filter(move |table| table.kind == kind)
    }

    /// The step or service of this name.
    pub fn table_mut(&mut self, name: &str) -> Option<&mut Table> {
        self.tables.iter_mut().find(|table| table.name() == name)
    }

    /// The same, written from a folder above: `folder` is empty or ends in a slash.
    pub fn moved(mut self, folder: &str) -> Draft {
        if !folder.is_empty() {
            self.tables.iter_mut().for_each(|table| table.moved(folder));
        }
        self
    }

    /// Both: what is the same in both is there once; what has the same name and is not gets another one.
    pub fn and(mut self, other: Draft) -> Draft {
        let mut renamed: Vec<(String, String)> = Vec::new();
        for mut table in other.tables {
            if self.tables.contains(&table) {
                continue;
            }
            let single = matches!(table.kind, Kind::Watch | Kind::Proxy);
            if single && self.tables.iter().any(|known| known.kind == table.kind) {
                continue;
            }
            let name = table.name().to_owned();
            let free = self.free_name(&name);
            if free != name {
                table.set("name", Value::Text(free.clone()));
                renamed.push((name, free));
            }
            renamed.iter().for_each(|(old, new)| table.rename(old, new));
            self.tables.push(table);
        }
        self.remarks.extend(other.remarks);
        self.sort();
        self
    }

    /// `name`, or `name-2`, …, as long as no table has it.
    fn free_name(&self, name: &str) -> String {
        let taken = |name: &String| self.tables.iter().any(|known| !name.is_empty() && known.name() == name);
        let others = (2..).map(|number| format!("{name}-{number}"));
        std::iter::once(name.to_owned()).chain(others).find(|name| !taken(name)).unwrap_or_default()
    }

    /// `[watch]` and `[proxy]` first; the others stay in their order.
    fn sort(&mut self) {
        self.tables.sort_by_key(|table| table.kind.min(Kind::Step));
    }

    /// Its text: comments, tables, remarks.
    pub fn toml(&self) -> String {
        let mut text = String::new();
        for table in &self.tables {
            if !text.is_empty() {
                text.push('\n');
            }
            table.write(&mut text);
        }
        if !self.remarks.is_empty() && !text.is_empty() {
            text.push('\n');
        }
        self.remarks.iter().for_each(|remark| comment(&mut text, remark));
        text
    }
}

impl Value {
    /// As it is written in a file.
    pub fn toml(&self) -> String {
        match self {
            Value::Text(text) => quoted(text),
            Value::List(list) => format!("[{}]", list.iter().map(|text| quoted(text)).collect::<Vec<_>>().join(", ")),
            Value::Number(number) => number.to_string(),
            Value::Flag(flag) => flag.to_string(),
            Value::Inline(entries) => {
                let entries: Vec<String> =
                    entries.iter().map(|(key, value)| format!("{} = {}", bare_key(key), value.toml())).collect();
                format!("{{ {} }}", entries.join(", "))
            }
            Value::Typed(toml) => toml.clone(),
        }
    }
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn bare_key(key: &str) -> String {
    let bare = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if bare { key.to_owned() } else { quoted(key) }
}

fn comment(text: &mut String, words: &str) {
    for line in words.lines() {
        _ = writeln!(text, "# {}", one_line(line));
    }
}

/// Without what would end a comment or drive a terminal.
fn one_line(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

/// A name for a step or service: letters, digits, `-` and `_`, and none that means something else.
pub fn as_name(text: &str) -> String {
    let name: String =
        text.chars().map(|letter| if letter.is_ascii_alphanumeric() || letter == '_' { letter } else { '-' }).collect();
    let name = name.trim_matches('-');
    match name {
        "" | "out" | "port" => "app".to_owned(),
        name => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draft_is_written_with_its_reasons() {
        let step = Table::step("build", "go build -o {out} .").with("inputs", "go").why("package main is in main.go");
        let service = Table::service("api", "{build} \"x\"")
            .because("swap", "exclusive", "SQLite")
            .with("health", Value::Inline(vec![("tcp".to_owned(), Value::Flag(true))]));
        let mut draft = Draft::new(vec![step, service]);
        draft.remarks.push("that was\nall".to_owned());
        let wanted = "\
# package main is in main.go
[[step]]
name = \"build\"
run = \"go build -o {out} .\"
inputs = \"go\"

[[service]]
name = \"api\"
run = '{build} \"x\"'
swap = \"exclusive\"  # SQLite
health = { tcp = true }

# that was
# all
";
        assert_eq!(draft.toml(), wanted);
    }

    #[test]
    fn a_draft_of_a_folder_below_is_moved_with_its_paths() {
        let step = Table::step("a", "x").with("inputs", ["src/**", "!src/gen/**"]).with("cwd", "cmd");
        let moved = Draft::new(vec![step, Table::step("b", "y").with("inputs", "go")]).moved("web/");
        let wanted = "[[step]]\nname = \"a\"\nrun = \"x\"\ninputs = [\"web/src/**\", \"!web/src/gen/**\"]\ncwd = \"web/cmd\"\n\n[[step]]\nname = \"b\"\nrun = \"y\"\ninputs = \"go\"\ncwd = \"web\"\n";
        assert_eq!(moved.toml(), wanted);
    }

    #[test]
    fn two_drafts_share_what_is_the_same_and_rename_what_is_not() {
        let wire = Table::step("wire", "wire ./...");
        let one = Draft::new(vec![wire.clone(), Table::service("app", "a")]);
        let both = one.and(Draft::new(vec![
            Table::new(Kind::Proxy).with("listen", 3001_u16),
            wire,
            Table::service("app", "b"),
        ]));
        let names: Vec<&str> = both.tables.iter().map(Table::name).collect();
        assert_eq!(names, ["", "wire", "app", "app-2"]);
        let go = Draft::new(vec![Table::step("build", "go build"), Table::service("api", "{build} -v")]);
        let rust = Draft::new(vec![Table::step("build", "cargo build"), Table::service("web", "{build}")]);
        let both = go.and(rust);
        assert_eq!((both.tables[2].name(), both.tables[3].text("run")), ("build-2", Some("{build-2}")));
    }

    #[test]
    fn names_are_made_of_what_names_may_hold() {
        assert_eq!(
            [as_name("my app.x"), as_name("port"), as_name("@a/b"), as_name("ü")],
            ["my-app-x", "app", "a-b", "app"]
        );
    }
}
