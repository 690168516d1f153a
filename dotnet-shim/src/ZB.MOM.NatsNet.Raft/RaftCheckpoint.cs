using ZB.MOM.NatsNet.Server.Native;

namespace ZB.MOM.NatsNet.Server;

/// <inheritdoc cref="IRaftNodeCheckpoint"/>
internal sealed class RaftCheckpoint : IRaftNodeCheckpoint
{
    // How much of the log is copied at a time.
    private const int MaxEntries = 256;
    private const int MaxBytes = 1 << 20;

    private readonly CheckpointHandle _handle;
    private readonly string _group;

    /// <param name="handle">The native checkpoint.</param>
    /// <param name="group">Its group, for messages.</param>
    internal RaftCheckpoint(CheckpointHandle handle, string group)
    {
        _handle = handle;
        _group = group;
    }

    public byte[] LoadLastSnapshot()
    {
        Check(
            NativeMethods.CheckpointLoadLast(_handle, out BatchHandle? snapshot),
            nameof(LoadLastSnapshot));
        return Raft.ReadSnapshot(snapshot!).Data;
    }

    public IEnumerable<LogEntry> AppendEntriesSeq()
    {
        for (ulong from = 0; Take(from) is { Count: > 0 } entries;)
        {
            foreach (LogEntry entry in entries)
            {
                yield return entry;
            }

            from = entries[^1].Index + 1;
        }
    }

    public ulong InstallSnapshot(ReadOnlyMemory<byte> snapshot)
    {
        Check(
            NativeMethods.CheckpointInstall(_handle, snapshot.Span, out ulong freed),
            nameof(InstallSnapshot));
        return freed;
    }

    public void Abort() => Check(NativeMethods.CheckpointAbort(_handle), nameof(Abort));

    public void Dispose()
    {
        try
        {
            // An install under way on another thread holds the handle until it ends.
            _ = NativeMethods.CheckpointAbort(_handle);
        }
        catch (ObjectDisposedException)
        {
            // Disposed before.
        }

        _handle.Dispose();
    }

    private List<LogEntry> Take(ulong from)
    {
        Check(
            NativeMethods.CheckpointEntriesTake(
                _handle, from, MaxEntries, MaxBytes, out BatchHandle? taken),
            nameof(AppendEntriesSeq));
        var entries = new List<LogEntry>();
        if (taken is null)
        {
            return entries;
        }

        using ApplyBatch batch = Raft.Batch(taken);
        foreach (CommittedEntry at in batch)
        {
            var copies = new List<Entry>(at.Count);
            foreach (EntryView entry in at)
            {
                copies.Add(new Entry(entry.Type, entry.ToArray()));
            }

            entries.Add(new LogEntry(at.Index, copies));
        }

        return entries;
    }

    private void Check(RaftStatus status, string operation)
        => ThrowHelper.Check(status, operation, _group);
}
