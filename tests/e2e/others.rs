//! Other users of this machine cannot steer devloop: the socket's folder and file keep them out, and where somebody has
//! opened those, devloop itself does.

use std::{
    fs::{self, Permissions},
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Command, Output},
};

use crate::{
    have::have,
    support::{Project, until},
};

/// Connects, asks for the status, and prints the beginning of the answer.
const CLIENT: &str = r#"
    use IO::Socket::UNIX;
    my $socket = IO::Socket::UNIX->new(Peer => $ARGV[0]) or do { print "refused: $!\n"; exit };
    print "connected\n";
    $SIG{PIPE} = 'IGNORE';
    print $socket qq({"v":1,"ask":"status"}\n);
    $socket->flush;
    my $answer = <$socket>;
    print defined $answer ? substr($answer, 0, 200) : "nothing";
"#;

/// `nobody`, as most systems number it.
const NOBODY: u32 = 65534;

fn ask(socket: &Path, user: Option<u32>) -> String {
    let mut perl = Command::new("perl");
    perl.arg("-e").arg(CLIENT).arg(socket).current_dir("/");
    if let Some(user) = user {
        perl.uid(user).gid(user);
    }
    let Output { stdout, stderr, .. } = perl.output().expect("perl starts");
    assert!(stderr.is_empty(), "{}", String::from_utf8_lossy(&stderr));
    String::from_utf8_lossy(&stdout).into_owned()
}

fn open_to_all(path: &Path) {
    let mode = if path.is_dir() { 0o755 } else { 0o666 };
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("it is ours");
}

#[test]
fn nobody_else_gets_an_answer_even_where_the_socket_was_opened_to_all() {
    if !nix::unistd::geteuid().is_root() {
        return eprintln!("skipped: only root can be somebody else");
    }
    if !have("perl") {
        return;
    }
    let project = Project::with_app("");
    let folder = project.path("run");
    fs::create_dir(&folder).expect("it can be made");
    let project = project.env("XDG_RUNTIME_DIR", folder.to_str().expect("it is text"));
    let mut devloop = project.up();
    devloop.answers("1");
    until("it can be asked", || project.path(".devloop/control").exists());
    let socket = PathBuf::from(project.read(".devloop/control"));
    assert!(socket.starts_with(&folder), "{socket:?}");
    assert!(ask(&socket, None).starts_with("connected\n{"), "the client is sound");
    open_to_all(&project.root());
    open_to_all(&folder);
    assert_eq!(ask(&socket, Some(NOBODY)), "refused: Permission denied\n", "by the folder");
    open_to_all(socket.parent().expect("it is in a folder"));
    assert_eq!(ask(&socket, Some(NOBODY)), "refused: Permission denied\n", "by the socket");
    open_to_all(&socket);
    assert_eq!(ask(&socket, Some(NOBODY)), "connected\nnothing", "by devloop");
    assert!(ask(&socket, None).starts_with("connected\n{"), "and it goes on answering its own user");
    devloop.stop();
}
