namespace ZB.MOM.NatsNet.Server;

/// <summary>
/// A place in the log of which the application makes a snapshot while the group goes on. From
/// <see cref="IRaftNode.CreateSnapshotCheckpoint"/>.
/// </summary>
/// <remarks>
/// Over when it was installed, aborted or disposed, and when something newer took its place: a
/// forced install, a forced checkpoint, a snapshot of the leader. Its calls then fail with
/// <see cref="RaftStatus.SnapshotAborted"/>, and with <see cref="RaftStatus.Closed"/> once the node
/// has stopped. Any thread may abort or dispose it, during an install too.
/// </remarks>
public interface IRaftNodeCheckpoint : IDisposable
{
    /// <summary>
    /// Reads the snapshot the checkpoint builds on. May block on disk.
    /// </summary>
    /// <returns>The application's bytes.</returns>
    /// <exception cref="RaftException">
    /// <see cref="RaftStatus.NoSnapshot"/> when there is none yet.
    /// </exception>
    byte[] LoadLastSnapshot();

    /// <summary>
    /// The entries since that snapshot, up to the checkpoint, read from the log as they are asked
    /// for: every enumeration begins anew, and may end early. May block on disk.
    /// </summary>
    /// <returns>The entries by log index, every type of them.</returns>
    /// <exception cref="RaftException">While enumerating.</exception>
    IEnumerable<LogEntry> AppendEntriesSeq();

    /// <summary>
    /// Installs the application's state at the checkpoint as the snapshot and drops the log before
    /// it. The checkpoint is over then, failed or not. Blocks on disk; the group goes on.
    /// </summary>
    /// <param name="snapshot">The application's bytes.</param>
    /// <returns>How many bytes of the log that freed.</returns>
    ulong InstallSnapshot(ReadOnlyMemory<byte> snapshot);

    /// <summary>Ends the checkpoint without a snapshot; does nothing to one that is over.</summary>
    void Abort();
}

/// <summary>What the log holds at one index.</summary>
/// <param name="Index">The index.</param>
/// <param name="Entries">Copies of the entries.</param>
public readonly record struct LogEntry(ulong Index, IReadOnlyList<Entry> Entries);
