//! The positions of a node stand in order: snapshot ≤ applied ≤ processed ≤ commit ≤ last, and the
//! log begins right after the snapshot or before it.

use super::shadow::Trail;
use crate::node::Standing;

pub(super) fn check(now: &Standing, log: &Trail) -> Result<(), String> {
    if let Some(rule) = now.broken {
        return Err(format!("breaks its own rule: {rule}"));
    }
    let rules = [
        ("applied ≤ processed", now.applied <= now.processed),
        ("processed ≤ commit", now.processed <= now.commit),
        ("commit ≤ last", now.commit <= now.last),
        ("snapshot ≤ commit", now.snapshot <= now.commit),
        ("log begins at or before the snapshot", {
            log.base() <= now.snapshot
        }),
        ("log ends where the node says", log.last() == now.last),
    ];
    match rules.iter().find(|(_, holds)| !holds) {
        Some((rule, _)) => Err(format!(
            "{rule} does not hold: {now:?}, log {:?}",
            log.base()
        )),
        None => Ok(()),
    }
}
