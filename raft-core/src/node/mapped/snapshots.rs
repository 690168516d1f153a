//! Snapshots and checkpoints under the server's names.
//!
//! An install only begins here: its file is written by whoever drives the node, and
//! `install_outcome` says what became of it.

use serde_json::{Value, json};

use super::args::{Args, hex};
use super::{CallError, Done, Node, Outcome};
use crate::node::{CheckpointId, FatalError, SnapshotError};
use crate::types::{Index, Term};
use crate::wire::{ChecksumKey, SnapshotFile, SnapshotName, Subject};

impl Node {
    pub(super) fn call_snapshot(&mut self, name: &str, args: &Args) -> Option<Outcome> {
        let now = self.now;
        let mut run = || -> Result<Option<Value>, CallError> {
            Ok(Some(match name {
                "install_snapshot" => {
                    json!(self.install_snapshot(args.bytes(0)?, args.flag(1)?)?.0)
                }
                "install_outcome" => match self.take_install_outcome(checkpoint(args)?) {
                    Some(outcome) => json!(outcome?),
                    None => Value::Null,
                },
                "load_last_snapshot" => {
                    let (index, data) = self.load_last_snapshot()?;
                    json!({"index": index.0, "data": hex(&data)})
                }
                "create_snapshot_checkpoint" => {
                    let made = self.create_snapshot_checkpoint(args.flag(0)?)?;
                    let (term, index) = (made.term.0, made.index.0);
                    let snapfile = SnapshotName {
                        term: made.term,
                        index: made.index,
                    };
                    json!({
                        "id": made.id.0,
                        "term": term,
                        "applied": index,
                        "papplied": made.previous.0,
                        "snapFile": snapfile.to_string(),
                    })
                }
                "checkpoint_load_last_snapshot" => {
                    let file = self.checkpoint_source(checkpoint(args)?)?.load()?;
                    json!({"index": file.last_index.0, "data": hex(&file.data)})
                }
                "checkpoint_append_entries" => {
                    let (id, from) = (checkpoint(args)?, args.index(1)?);
                    let entries = self.checkpoint_entries(id, from, usize::MAX, usize::MAX)?;
                    entries.iter().map(super::fields::append_entry).collect()
                }
                "checkpoint_install_snapshot" => self
                    .install_checkpoint(checkpoint(args)?, args.bytes(1)?)?
                    .done(),
                "checkpoint_abort" => self.abort_checkpoint(checkpoint(args)?).done(),
                "send_snapshot" => self.send_snapshot(args.bytes(0)?, now)?.done(),
                "drain_and_replay_snapshot" => json!(self.drain_and_replay_snapshot(now)),
                "reset" => self.reset(now).done(),
                _ => return Ok(None),
            }))
        };
        run().transpose()
    }

    /// What only the node itself does to its snapshots.
    pub(super) fn call_snapshot_core(&mut self, name: &str, args: &Args) -> Option<Outcome> {
        let mut run = || -> Result<Option<Value>, CallError> {
            Ok(Some(match name {
                "install_snapshot_core" => self.install_snapshot_core(file(args)?).done(),
                "load_last_snapshot_core" => shown(&self.load_last_snapshot_core()?),
                "encode_snapshot" => {
                    let key = ChecksumKey::of_group(&self.group);
                    json!(hex(&file(args)?.encode(&key)))
                }
                "setup_last_snapshot" => {
                    let found = self.snapshots.reader.find()?;
                    self.setup_last_snapshot(found)?.done()
                }
                "send_snapshot_to_follower" => {
                    let inbox = args.subject(0)?.unwrap_or_else(|| Subject::new(""));
                    json!(self.send_snapshot_to_follower(&inbox).map(|index| index.0))
                }
                _ => return Ok(None),
            }))
        };
        run().transpose()
    }

    pub(super) fn snapfile_named(&self) -> String {
        let adopted = self.snapshots.adopted;
        adopted.map_or_else(String::new, |name| name.to_string())
    }

    /// Takes a file for the snapshot that counts, or none for an empty name.
    pub(super) fn set_snapfile_named(&mut self, text: &str) -> Option<()> {
        self.snapshots.adopted = match text {
            "" => None,
            text => Some(SnapshotName::parse(text)?),
        };
        Some(())
    }
}

fn checkpoint(args: &Args) -> Result<CheckpointId, CallError> {
    args.number(0).map(CheckpointId)
}

/// Term, index, peer state, data.
fn file(args: &Args) -> Result<SnapshotFile, CallError> {
    Ok(SnapshotFile {
        last_term: args.term(0)?,
        last_index: args.index(1)?,
        peer_state: args.peer_state(2)?.encode(),
        data: args.bytes(3)?,
    })
}

fn shown(file: &SnapshotFile) -> Value {
    let (Term(term), Index(index)) = (file.last_term, file.last_index);
    json!({
        "lastTerm": term,
        "lastIndex": index,
        "peerstate": hex(&file.peer_state),
        "data": hex(&file.data),
    })
}

impl From<SnapshotError> for CallError {
    fn from(error: SnapshotError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<FatalError> for CallError {
    fn from(error: FatalError) -> Self {
        Self::Failed(error.to_string())
    }
}
