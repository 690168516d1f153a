//! No message leaves before the sync it rests on, judged by what is on the sender's disk for good
//! (Raft paper 5.1, 5.2: state that is persisted before RPCs are answered).

use std::collections::BTreeMap;

use bytes::Bytes;

use super::committed::Ledger;
use super::shadow::Shadow;
use super::vote_once::VoteOnce;
use crate::types::{Index, PeerId, Term};
use crate::wire::{AppendEntry, AppendEntryResponse, VoteRequest, VoteResponse};

/// A message as it leaves.
#[derive(Clone, Copy, Debug)]
pub(in crate::sim) struct Leaving<'a> {
    pub(in crate::sim) subject: &'a str,
    pub(in crate::sim) reply: Option<&'a str>,
    pub(in crate::sim) payload: &'a Bytes,
}

#[derive(Debug, Default)]
pub(super) struct DurableFirst {
    /// Whose vote inbox a subject is.
    candidates: BTreeMap<String, PeerId>,
}

impl DurableFirst {
    pub(super) fn check(
        &mut self,
        id: PeerId,
        shadow: &Shadow,
        (ledger, votes): (&Ledger, &mut VoteOnce),
        message: Leaving<'_>,
    ) -> Result<(), String> {
        let Leaving {
            subject,
            reply,
            payload,
        } = message;
        let saved = shadow.saved;
        if subject.starts_with("$NRG.V.") {
            let request = VoteRequest::decode(payload).map_err(|error| error.to_string())?;
            if let Some(inbox) = reply {
                self.candidates.insert(inbox.to_owned(), request.candidate);
            }
            if saved.term == request.term && saved.vote != Some(id) {
                return Err(format!("asks for votes, but has saved {saved:?}"));
            }
            return covers(shadow.term(), request.term, "asks for votes");
        }
        if subject.starts_with("$NRG.AE.") || subject.starts_with("$NRG.CR.") {
            let entry = AppendEntry::decode(payload.clone()).map_err(|error| error.to_string())?;
            return covers(shadow.term(), entry.effective_term(), "leads");
        }
        if !subject.starts_with("$NRG.R.") {
            return Ok(());
        }
        if let (Ok(response), None) = (VoteResponse::decode(payload), reply) {
            covers(shadow.term(), response.term, "answered for votes")?;
            if !response.granted {
                return Ok(());
            }
            let candidate = *self.candidates.get(subject).ok_or("voted for nobody")?;
            votes.given(id, response.term, (candidate, response.empty))?;
            if saved.term == response.term && saved.vote != Some(candidate) {
                return Err(format!("voted for {candidate}, but has saved {saved:?}"));
            }
            return Ok(());
        }
        match AppendEntryResponse::decode(payload) {
            Ok(response) if response.success => acknowledges(shadow, ledger, response),
            Ok(response) if reply.is_none() => covers(shadow.term(), response.term, "refused"),
            _ => Ok(()),
        }
    }
}

/// An acknowledgement speaks for the entry of that term at that index. One of an empty log speaks
/// for nothing.
fn acknowledges(
    shadow: &Shadow,
    ledger: &Ledger,
    response: AppendEntryResponse,
) -> Result<(), String> {
    let AppendEntryResponse { index, term, .. } = response;
    let committed = ledger.mark(index).filter(|_| index <= shadow.snapshot);
    let durable = committed.or_else(|| shadow.durable.at(index));
    let durable = durable.map(|mark| mark.term);
    if index > Index::ZERO && durable != Some(term) {
        return Err(format!(
            "acknowledged {index} of {term}, but for good it has {durable:?} there"
        ));
    }
    Ok(())
}

fn covers(saved: Term, said: Term, what: &str) -> Result<(), String> {
    if said <= saved {
        return Ok(());
    }
    Err(format!(
        "{what} in term {said}, but is in {saved} only for good"
    ))
}
