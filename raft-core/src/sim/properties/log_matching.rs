//! Log matching: two logs that agree on the term of an index agree on everything up to it (Raft
//! paper 5.3); and a leader never cuts its own log.

use super::shadow::{Moved, Trail};
use crate::node::{Role, Standing};
use crate::types::Index;

/// Compares two logs. Chains make it one comparison, unless the tails differ in their terms.
pub(super) fn check(one: &Trail, other: &Trail) -> Result<(), String> {
    let mut index = one.last().min(other.last());
    let lowest = one.base().max(other.base());
    while index >= lowest && index > Index::ZERO {
        let (Some(a), Some(b)) = (one.at(index), other.at(index)) else {
            return Ok(());
        };
        if a.term == b.term {
            if a.chain != b.chain {
                return Err(format!(
                    "its log differs from another's at or below {index}"
                ));
            }
            return Ok(());
        }
        index = index.prev();
    }
    Ok(())
}

/// A node that led its term before and still does has only appended.
pub(super) fn check_leader(
    before: Option<&Standing>,
    now: &Standing,
    moved: Moved,
) -> Result<(), String> {
    let leads = |standing: &Standing| (standing.role == Role::Leader).then_some(standing.term);
    let led = before.and_then(leads);
    match moved.cut_to {
        Some(to) if led.is_some() && led == leads(now) => {
            Err(format!("cut its log to {to} as leader of {}", now.term))
        }
        _ => Ok(()),
    }
}
