using ZB.MOM.NatsNet.Server.Native;

namespace ZB.MOM.NatsNet.Server;

/// <summary>One message as a spy saw it.</summary>
/// <param name="Source">Who sent it; empty for an injected one.</param>
/// <param name="Subject">Its subject.</param>
/// <param name="Reply">The subject for answers; empty when there is none.</param>
/// <param name="Payload">The message itself.</param>
internal sealed record RaftMessage(string Source, string Subject, string Reply, byte[] Payload);

/// <summary>
/// Sees the messages of an in-process network. Needs the testing build of the library.
/// </summary>
internal sealed class LoopbackTap : IDisposable
{
    private readonly TapHandle _handle;

    internal LoopbackTap(LoopbackNetwork network, string pattern)
    {
        ThrowHelper.Check(
            NativeMethods.TestTapOpen(network.Handle, pattern, out TapHandle? handle),
            nameof(LoopbackTap));
        _handle = handle!;
    }

    public void Dispose() => _handle.Dispose();

    /// <summary>What was sent since the last call, in order.</summary>
    internal RaftMessage[] Take()
    {
        ThrowHelper.Check(
            NativeMethods.TestTapTake(_handle, out RaftMessage[] messages), nameof(Take));
        return messages;
    }
}
