//! The survey: all roots are walked anew and compared with what is known. It follows lost events, changed rules, a root
//! that came back, and fences where events do not come in order.

use std::path::{Path, PathBuf};

use super::{backend::Means, engine::Engine, locked, note::Note, paths::What, tree::For};
use crate::core::event::Writer;

/// Watches what is to be watched by the rules in force, watches no longer what is not, and touches every file that
/// counts, is read by something, and is not what it was.
pub(super) fn survey(engine: &mut Engine) {
    let shared = engine.shared.clone();
    {
        let mut tree = locked(&shared.tree);
        let outside: Vec<_> = tree.rules.outside().collect();
        engine.roots.set(std::iter::once(shared.names.root().to_owned()).chain(outside));
        tree.begin_anew();
    }
    for root in engine.roots.paths() {
        let plan = shared.plan();
        for path in walk_root(engine, &root, For::Files) {
            let file = shared.names.short(&path);
            if shared.is_wanted(&plan, &file) && shared.differs(&file) {
                engine.touch(&path, Writer::Unknown);
            }
        }
    }
    engine.touch_all_missing_below(shared.names.root());
    for (folder, means) in locked(&shared.tree).end_anew() {
        if !engine.roots.is_parent(&folder) {
            engine.backend.forget(&folder, means);
        }
    }
}

/// Walks a root, and watches the folder it lies in, so that its going and coming is noticed; awaits it if it is not
/// there.
fn walk_root(engine: &mut Engine, root: &Path, what: For) -> Vec<PathBuf> {
    if let Some(parent) = root.parent() {
        // While a program runs in it, only the folder above tells that a folder was removed.
        ignore_failure(&engine.backend.watch(parent), parent);
    }
    if !root.is_dir() {
        await_root(engine, root);
        return Vec::new();
    }
    if let Err(error) = engine.backend.watch_root(root) {
        engine.note(Note::Unreadable { folder: root.to_owned(), why: error.to_string() });
    }
    let found = {
        let mut tree = locked(&engine.shared.tree);
        if tree.holds(root) {
            return Vec::new();
        }
        tree.walk(root, &mut engine.backend, what)
    };
    engine.take(found.notes);
    found.files
}

/// Watches the nearest folder above `root` that is there, and looks again: it may have come meanwhile.
fn await_root(engine: &mut Engine, root: &Path) {
    let Some(from) = root.ancestors().skip(1).find(|folder| folder.is_dir()).map(Path::to_owned) else { return };
    engine.roots.set_awaited(root, from.clone());
    ignore_failure(&engine.backend.watch(&from), &from);
    if root.is_dir() {
        came_back(engine, root);
    }
}

/// An event about a root itself, or in a folder that is only watched for a root's sake. Says whether that is all there
/// is to it.
pub(super) fn root_event(engine: &mut Engine, path: &Path, what: &What) -> bool {
    if let (What::Went(_), true) = (what, engine.roots.is_here(path)) {
        went(engine, path);
        return true;
    }
    for root in engine.roots.awaited() {
        if root.is_dir() {
            came_back(engine, &root);
        } else if root.starts_with(path) {
            // A step nearer, or farther away.
            await_root(engine, &root);
        }
    }
    // A new folder where a root is: it was replaced.
    !matches!(what, What::Came(_))
}

fn went(engine: &mut Engine, root: &Path) {
    locked(&engine.shared.tree).remove(root, &mut engine.backend);
    engine.touch_all_missing_below(root);
    engine.note(Note::Gone { root: root.to_owned() });
    await_root(engine, root);
}

fn came_back(engine: &mut Engine, root: &Path) {
    engine.roots.set_here(root);
    let files = walk_root(engine, root, For::Files);
    files.iter().for_each(|file| engine.touch(file, Writer::Unknown));
    if root == engine.shared.names.root() {
        engine.fences.mend();
        engine.watch_apart();
    }
    engine.note(Note::Back { root: root.to_owned() });
}

fn ignore_failure(watched: &Result<Means, notify::Error>, folder: &Path) {
    if let Err(error) = watched {
        tracing::debug!(folder = %folder.display(), %error, "cannot see roots come and go here");
    }
}

/// The first walk: only folders are watched, no file is compared with anything.
pub(super) fn set_out(engine: &mut Engine) {
    let outside: Vec<_> = locked(&engine.shared.tree).rules.outside().collect();
    engine.roots.set(std::iter::once(engine.shared.names.root().to_owned()).chain(outside));
    for root in engine.roots.paths() {
        walk_root(engine, &root, For::Folders);
    }
}
