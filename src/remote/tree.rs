//! The process tree as text.

use std::fmt::Write;

use n2o::Branch;

/// Processes of a kind that are listed, the fullest mailboxes first.
pub(super) const TREE_MAX: usize = 10;
/// Sessions that are listed on each ring thread.
pub(super) const SESSIONS_MAX: usize = 10_000;

/// One line a branch, those under it further in.
pub(super) fn print(tree: &Branch) -> String {
    let mut out = format!("{:<44} {:>9} {:>8} {:>12} {:>8}", "name", "processes", "mailbox", "steps", "restarts");
    branch(&mut out, tree, 0);
    out
}

fn branch(out: &mut String, tree: &Branch, depth: usize) {
    let Branch { name, status, processes, mailbox, steps, restarts, under } = tree;
    let name = format!("{:depth$}{name}", "", depth = 2 * depth);
    // A String takes everything.
    let _ = match *processes == 0 && !status.is_empty() {
        true => write!(out, "\n{name:<44} {status}"),
        false => write!(out, "\n{name:<44} {processes:>9} {mailbox:>8} {steps:>12} {restarts:>8}  {status}"),
    };
    out.truncate(out.trim_end().len());
    for below in under {
        branch(out, below, depth + 1);
    }
}

/// The sessions of a tree, one line each.
pub(super) fn sessions(tree: &Branch) -> String {
    let kinds = tree.under.iter().flat_map(|ring| &ring.under).filter(|kind| kind.name == "session");
    let (mut count, mut lines) = (0, Vec::new());
    for kind in kinds {
        count += kind.processes;
        let line =
            |of: &Branch| format!("{:<60} {:>8} {:>12}", of.name.trim_start_matches("session/"), of.mailbox, of.steps);
        lines.extend(kind.under.iter().map(line));
    }
    lines.sort();
    format!("{count} sessions\n{:<60} {:>8} {:>12}\n{}", "client", "mailbox", "steps", lines.join("\n"))
        .trim_end()
        .to_owned()
}
