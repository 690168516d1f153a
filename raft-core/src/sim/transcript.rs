//! What happened in a world, line by line: the text a failing seed leaves behind.
//!
//! A transcript only watches. A world makes the same run with and without one.

use std::fmt::Write as _;

use crate::time::Instant;
use crate::types::PeerId;
use crate::wire::{AppendEntry, AppendEntryResponse, VoteRequest, VoteResponse};

/// The lines so far, if anybody wants them.
#[derive(Debug, Default)]
pub(super) struct Transcript(Option<String>);

impl Transcript {
    /// One that is kept.
    pub(super) fn kept() -> Self {
        Self(Some(String::new()))
    }

    /// Adds a line. `say` is called only when there is somebody to read it.
    pub(super) fn line(&mut self, now: Instant, say: impl FnOnce() -> String) {
        if let Some(text) = &mut self.0 {
            let nanos = now.as_nanos();
            let (seconds, micros) = (nanos / 1_000_000_000, nanos / 1_000 % 1_000_000);
            // Writing to a string does not fail.
            let _ = writeln!(text, "{seconds:>3}.{micros:06} {}", say());
        }
    }

    /// The text, if it was kept.
    pub(super) fn take(&mut self) -> Option<String> {
        self.0.take()
    }
}

/// A message as one reads it.
pub(super) fn message(subject: &str, payload: &bytes::Bytes) -> String {
    if subject.starts_with("$NRG.V.")
        && let Ok(vote) = VoteRequest::decode(payload)
    {
        let VoteRequest {
            term,
            last_term,
            last_index,
            ..
        } = vote;
        return format!("asks for votes in {term}, log {last_index} of {last_term}");
    }
    if (subject.starts_with("$NRG.AE.") || subject.starts_with("$NRG.CR."))
        && let Ok(entry) = AppendEntry::decode(payload.clone())
    {
        let head = entry.head;
        let kinds: Vec<_> = entry
            .entries()
            .map(|e| match PeerId::from_text(e.data) {
                Ok(peer) if e.kind.changes_membership() => format!("{:?} {peer}", e.kind),
                _ => format!("{:?}", e.kind),
            })
            .collect();
        let way = if subject.starts_with("$NRG.CR.") {
            "catch-up"
        } else {
            "entry"
        };
        return format!(
            "{way} of {} ({}) after {} of {}, commit {}: {}",
            head.term,
            entry.effective_term(),
            head.prev_index,
            head.prev_term,
            head.commit,
            if kinds.is_empty() {
                "heartbeat".to_owned()
            } else {
                kinds.join(" ")
            }
        );
    }
    if let Ok(vote) = VoteResponse::decode(payload) {
        let answer = if vote.granted { "grants" } else { "refuses" };
        let empty = if vote.empty { ", empty" } else { "" };
        return format!("{answer} its vote in {}{empty}", vote.term);
    }
    if let Ok(response) = AppendEntryResponse::decode(payload) {
        let answer = if response.success {
            "has"
        } else {
            "refuses, has"
        };
        return format!("{answer} {} of {}", response.index, response.term);
    }
    format!("{subject}, {} bytes", payload.len())
}
