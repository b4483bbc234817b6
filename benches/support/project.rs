//! A project in a temporary folder.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

pub struct Project {
    folder: TempDir,
}

/// What a project's program is made of.
#[derive(Clone, Copy, PartialEq)]
pub enum Kind {
    /// A shell script that writes a shell script: the cheapest build there is.
    Script,
    /// A Go module with one file.
    Go,
}

impl Kind {
    /// The file that is edited.
    pub fn source(self) -> &'static str {
        match self {
            Kind::Script => "version.txt",
            Kind::Go => "main.go",
        }
    }

    /// The content of that file for a version.
    pub fn content(self, version: &str) -> String {
        match self {
            Kind::Script => format!("{version}\n"),
            Kind::Go => GO.replace("VERSION", version),
        }
    }

    /// The command that writes the program to `out`.
    pub fn build(self, out: &str) -> Vec<String> {
        let words: &[&str] = match self {
            Kind::Script => &["sh", "build.sh", out],
            Kind::Go => &["go", "build", "-o", out, "."],
        };
        words.iter().map(ToString::to_string).collect()
    }
}

impl Project {
    pub fn empty() -> Project {
        Project { folder: TempDir::with_prefix("devloop-bench-").expect("a temporary folder") }
    }

    /// A project of this kind, with a dev.toml; `service` is more of the service's table.
    pub fn new(kind: Kind, service: &str) -> Project {
        let project = Project::empty();
        project.write(kind.source(), &kind.content("first"));
        match kind {
            Kind::Script => project.write("build.sh", &super::program::build_script()),
            Kind::Go => project.write("go.mod", "module example.com/hello\n\ngo 1.21\n"),
        }
        let inputs = match kind {
            Kind::Script => "[\"version.txt\", \"build.sh\"]",
            Kind::Go => "\"go\"",
        };
        let build = kind.build("{out}").join(" ");
        project.write(
            "dev.toml",
            &format!(
                "[[step]]\nname = \"build\"\nrun = \"{build}\"\ninputs = {inputs}\n\n\
                 [[service]]\nname = \"app\"\nrun = \"{{build}}\"\n{service}\n"
            ),
        );
        project
    }

    pub fn root(&self) -> PathBuf {
        self.folder.path().canonicalize().expect("it is there")
    }

    pub fn path(&self, file: impl AsRef<Path>) -> PathBuf {
        self.root().join(file)
    }

    /// Writes a file as most editors do not: in place.
    pub fn write(&self, file: impl AsRef<Path>, text: &str) {
        let path = self.path(file);
        std::fs::create_dir_all(path.parent().expect("it is below the root")).expect("folders can be made");
        std::fs::write(path, text).expect("the file can be written");
    }
}

const GO: &str = r#"package main

import (
	"io"
	"log"
	"net/http"
	"os"
)

func main() {
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "VERSION")
	})
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), nil))
}
"#;
