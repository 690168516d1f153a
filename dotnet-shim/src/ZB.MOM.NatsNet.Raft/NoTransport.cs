namespace ZB.MOM.NatsNet.Server;

/// <summary>Carries nothing: for a group of one.</summary>
internal sealed class NoTransport : IRaftTransport
{
    internal static NoTransport Instance { get; } = new();

    public void Reset(RaftTrafficAccount account)
    {
    }

    public void Subscribe(RaftSubscription subscription)
    {
    }

    public void Unsubscribe(RaftSubscription subscription)
    {
    }

    public void Publish(string subject, string reply, ReadOnlyMemory<byte> payload)
    {
    }

    public void Close()
    {
    }
}
