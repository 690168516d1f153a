using ZB.MOM.NatsNet.Server.Native;

namespace ZB.MOM.NatsNet.Server;

/// <summary>
/// One subscription of one node: an <see cref="IRaftTransport"/> delivers here what it hears.
/// </summary>
public sealed class RaftSubscription
{
    private readonly Inbound _inbound;

    internal RaftSubscription(ulong id, string subject, Inbound inbound)
    {
        Id = id;
        Subject = subject;
        _inbound = inbound;
    }

    /// <summary>The subject, without wildcards.</summary>
    public string Subject { get; }

    /// <summary>The engine's number of it, never used again within a node.</summary>
    internal ulong Id { get; }

    /// <summary>
    /// Hands a message to the node. Copies it and does not wait for the node; may be called from
    /// any thread. Messages handed over one after the other arrive in that order. After the end of
    /// the subscription, or of the node, it does nothing.
    /// </summary>
    /// <param name="reply">Where an answer goes; empty for nowhere.</param>
    /// <param name="payload">The message.</param>
    public void Deliver(string reply, ReadOnlySpan<byte> payload)
    {
        ArgumentNullException.ThrowIfNull(reply);
        _inbound.Deliver(Id, reply, payload);
    }
}
