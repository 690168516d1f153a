//! The NATS subjects of a group, and the inboxes its members answer to.
//!
//! | Subject | Payload | Reply subject |
//! |---|---|---|
//! | `$NRG.V.<group>` | vote request | the candidate's vote inbox |
//! | `$NRG.AE.<group>` | append entry | the leader's append inbox |
//! | `$NRG.P.<group>` | forwarded proposal | none, as a rule |
//! | `$NRG.RP.<group>` | forwarded removal | none, as a rule |
//! | `$NRG.R.<8>` | vote or append entry response | none, or a catch-up inbox |
//! | `$NRG.CR.<8>` | append entry of a catch-up | the leader's append inbox |

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering as Memory};

use crate::types::{GroupName, base62_token};

/// A NATS subject. Clones share the text and the transport's note on it.
#[derive(Clone)]
pub struct Subject(Arc<Inner>);

struct Inner {
    text: Box<str>,
    /// Written and read by the transport that carries the subject, so that it need not look the
    /// text up for each message; zero is none. No part of what the subject is.
    route: AtomicU64,
}

impl Subject {
    /// The subject spelled `text`, without a note.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(Arc::new(Inner {
            text: text.into(),
            route: AtomicU64::new(0),
        }))
    }

    /// The subject as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0.text
    }

    /// The transport's note, zero when there is none.
    #[must_use]
    pub fn route(&self) -> u64 {
        self.0.route.load(Memory::Acquire)
    }

    /// Leaves a note for the transport, on this value and all its clones.
    pub fn set_route(&self, route: u64) {
        self.0.route.store(route, Memory::Release);
    }

    /// `prefix` followed by the eight base-62 digits of `random`.
    fn inbox(prefix: &str, random: u64) -> Self {
        let mut text = String::with_capacity(prefix.len() + 8);
        text.push_str(prefix);
        text.extend(base62_token(random).map(char::from));
        Self::new(&text)
    }
}

impl PartialEq for Subject {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.as_str() == other.as_str()
    }
}

impl Eq for Subject {}

impl PartialOrd for Subject {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Subject {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl Hash for Subject {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl Borrow<str> for Subject {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Subject({self})")
    }
}

/// The subjects every member of a group knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupSubjects {
    /// Vote requests, heard by every member.
    pub vote: Subject,
    /// Live append entries, heard by every member.
    pub append_entry: Subject,
    /// Forwarded proposals, heard by the leader.
    pub proposal: Subject,
    /// Forwarded removals, heard by the leader.
    pub removal: Subject,
}

impl GroupSubjects {
    /// The subjects of `group`.
    #[must_use]
    pub fn of(group: &GroupName) -> Self {
        Self {
            vote: Subject::new(&format!("$NRG.V.{group}")),
            append_entry: Subject::new(&format!("$NRG.AE.{group}")),
            proposal: Subject::new(&format!("$NRG.P.{group}")),
            removal: Subject::new(&format!("$NRG.RP.{group}")),
        }
    }
}

/// The inbox for votes or append entry responses that `random` names (server: `newInbox`).
#[must_use]
pub fn reply_inbox(random: u64) -> Subject {
    Subject::inbox("$NRG.R.", random)
}

/// The inbox for one catch-up that `random` names (server: `newCatchupInbox`).
#[must_use]
pub fn catchup_inbox(random: u64) -> Subject {
    Subject::inbox("$NRG.CR.", random)
}

#[cfg(test)]
mod tests {
    use std::hash::DefaultHasher;

    use super::*;

    #[test]
    fn group_subjects_are_spelled_as_the_server_does() {
        let subjects = GroupSubjects::of(&GroupName::new("_meta_").unwrap());

        assert_eq!(subjects.vote.as_str(), "$NRG.V._meta_");
        assert_eq!(subjects.append_entry.as_str(), "$NRG.AE._meta_");
        assert_eq!(subjects.proposal.as_str(), "$NRG.P._meta_");
        assert_eq!(subjects.removal.as_str(), "$NRG.RP._meta_");
    }

    #[test]
    fn inbox_digits_are_base_62_least_significant_first() {
        assert_eq!(reply_inbox(0).as_str(), "$NRG.R.00000000");
        assert_eq!(reply_inbox(61 + 62).as_str(), "$NRG.R.z1000000");
        assert_eq!(catchup_inbox(10 + 36 * 62).as_str(), "$NRG.CR.Aa000000");
        // Only eight digits are kept of the eleven a 64-bit number can have.
        assert_eq!(reply_inbox(u64::MAX).as_str().len(), "$NRG.R.".len() + 8);
        assert_eq!(reply_inbox(62_u64.pow(8)), reply_inbox(0));
    }

    #[test]
    fn route_is_shared_by_clones_and_no_part_of_equality() {
        let (one, other) = (Subject::new("a.b"), Subject::new("a.b"));
        let clone = one.clone();
        one.set_route(7);

        assert_eq!((clone.route(), other.route()), (7, 0));
        assert_eq!(one, other);
        assert_eq!(one.cmp(&other), Ordering::Equal);
        assert_eq!(hash(&one), hash(&other));
    }

    #[test]
    fn subjects_order_and_hash_as_their_text() {
        let mut subjects = ["b", "a", "c"].map(Subject::new);
        subjects.sort();

        assert_eq!(subjects.each_ref().map(Subject::as_str), ["a", "b", "c"]);
        for subject in &subjects {
            let text: &str = subject.borrow();
            assert_eq!(hash(subject), hash(text));
        }
    }

    fn hash(value: &(impl Hash + ?Sized)) -> u64 {
        let mut hasher = DefaultHasher::new();
        value.hash(&mut hasher);
        hasher.finish()
    }
}
