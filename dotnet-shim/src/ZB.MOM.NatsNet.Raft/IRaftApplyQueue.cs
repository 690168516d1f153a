using System.Diagnostics.CodeAnalysis;

namespace ZB.MOM.NatsNet.Server;

/// <summary>The committed entries of one node, in order. For one consumer.</summary>
[SuppressMessage("Naming", "CA1711", Justification = "the server's name for it")]
public interface IRaftApplyQueue
{
    /// <summary>How many items wait in the engine.</summary>
    int Length { get; }

    /// <summary>
    /// Waits until there may be something to take. A hint: <see cref="TryTake"/> may still return
    /// null. One wait at a time.
    /// </summary>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>False when the node has stopped.</returns>
    ValueTask<bool> WaitAsync(CancellationToken cancellationToken = default);

    /// <summary>
    /// Takes what is there, up to two bounds; at least one item when there is any.
    /// </summary>
    /// <param name="maxEntries">Most items of the batch.</param>
    /// <param name="maxBytes">
    /// Most bytes of the batch, unless its first item alone is larger.
    /// </param>
    /// <returns>The batch, to be disposed; null when nothing waits or the node is closed.</returns>
    ApplyBatch? TryTake(int maxEntries = 1024, int maxBytes = 1 << 20);

    /// <summary>
    /// Takes until the node stops. Each batch is disposed when the enumeration goes on.
    /// </summary>
    /// <param name="cancellationToken">Ends the enumeration.</param>
    /// <returns>The batches.</returns>
    IAsyncEnumerable<ApplyBatch> ReadAllAsync(CancellationToken cancellationToken = default);
}

/// <summary>
/// The newest notice of gained or lost leadership. An unread older notice is replaced. For one
/// consumer.
/// </summary>
public interface IRaftLeadChange
{
    /// <summary>Waits until there may be a notice. A hint. One wait at a time.</summary>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>False when the node has stopped.</returns>
    ValueTask<bool> WaitAsync(CancellationToken cancellationToken = default);

    /// <summary>Takes the newest unread notice.</summary>
    /// <param name="change">The notice.</param>
    /// <returns>False when there is none.</returns>
    bool TryTake(out LeadChange change);

    /// <summary>Takes notices until the node stops.</summary>
    /// <param name="cancellationToken">Ends the enumeration.</param>
    /// <returns>The notices.</returns>
    IAsyncEnumerable<LeadChange> ReadAllAsync(CancellationToken cancellationToken = default);
}
