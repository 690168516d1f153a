//! Leader completeness: what was committed in a term is in the log of the leaders of all later
//! terms (Raft paper 5.4.3).

use super::committed::Ledger;
use super::shadow::Trail;
use crate::types::Term;

/// A server has just become the leader of `term` with `log`.
pub(super) fn check(ledger: &Ledger, term: Term, log: &Trail) -> Result<(), String> {
    let needed = ledger.committed_before(term);
    if needed <= log.base() {
        // A snapshot stands for it; what snapshots hold is checked where they are applied.
        return Ok(());
    }
    if log.at(needed) == ledger.mark(needed) {
        return Ok(());
    }
    Err(format!(
        "leads {term} without {needed}, which was committed before (its log ends at {})",
        log.last()
    ))
}
