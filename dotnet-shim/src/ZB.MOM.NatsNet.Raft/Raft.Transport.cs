using System.Diagnostics;
using ZB.MOM.NatsNet.Server.Native;

namespace ZB.MOM.NatsNet.Server;

public sealed partial class Raft
{
    /// <summary>The way to the host's transport; null when the engine has its own.</summary>
    private readonly Outbound? _outbound;

    /// <inheritdoc/>
    public bool IsSystemAccount() => TrafficAccount().IsSystem;

    /// <inheritdoc/>
    public string GetTrafficAccountName() => TrafficAccount().Name;

    /// <inheritdoc/>
    public void RecreateInternalSubs()
    {
        if (_outbound is { } outbound)
        {
            RaftTrafficAccount account = Chosen(outbound.Transport, PeerNames());
            Check(
                NativeMethods.NodeSetTrafficAccount(Handle, account),
                nameof(RecreateInternalSubs));
        }
    }

    /// <summary>The account a transport chooses.</summary>
    internal static RaftTrafficAccount Chosen(
        IRaftTransport transport, IReadOnlyList<string> peers)
        => transport.ChooseAccount(peers)
            ?? throw new InvalidOperationException("the transport chose no account");

    /// <summary>Hands packed messages to the engine. A node that has ended hears nothing.</summary>
    internal void DeliverBatch(
        ReadOnlySpan<byte> packed, ReadOnlySpan<NrgInbound.Unmanaged> messages)
    {
        if (_handle is not { } handle)
        {
            return;
        }

        try
        {
            RaftStatus status = NativeMethods.NodeDeliverBatch(handle, packed, messages);
            Debug.Assert(
                status is RaftStatus.Ok or RaftStatus.Closed or RaftStatus.Faulted
                    or RaftStatus.Panic,
                "what is packed here is in order");
        }
        catch (ObjectDisposedException)
        {
            // Released meanwhile.
        }
    }

    /// <summary>The transport has thrown on a message. On the pump.</summary>
    internal void OnMessageLost(string subject, Exception failure, bool isFirst)
        => _runtime.OnMessageLost(this, subject, failure, isFirst);

    /// <summary>A message for the node was dropped: too many wait.</summary>
    internal void OnInboundLost() => _runtime.OnInboundLost();

    /// <summary>The transport has thrown on something else than a message. On the pump.</summary>
    internal void OnTransportFailed(string operation, Exception failure)
        => _runtime.OnTransportFailed(this, operation, failure);

    /// <summary>Carries out what the node wants of its transport. On the pump.</summary>
    private void CarryOut()
    {
        // Before it is attached there is nothing to ask: attaching announces the node again.
        if (_outbound is not { } outbound || _handle is not { } handle)
        {
            return;
        }

        try
        {
            outbound.CarryOut(handle, Pump.Current!);
        }
        catch (ObjectDisposedException)
        {
            // Released: everything it said was carried out before.
        }
    }

    /// <summary>The members have changed, and the account with them perhaps. On the pump.</summary>
    private void ChooseAccountAgain()
    {
        if (_outbound is null || _handle is null)
        {
            return;
        }

        try
        {
            RecreateInternalSubs();
        }
        catch (ObjectDisposedException)
        {
            // Disposed meanwhile.
        }
#pragma warning disable CA1031 // Whatever a transport throws.
        catch (Exception failure)
#pragma warning restore CA1031
        {
            OnTransportFailed(nameof(IRaftTransport.ChooseAccount), failure);
        }
    }

    private (string Name, bool IsSystem) TrafficAccount()
    {
        RaftStatus status = NativeMethods.NodeTrafficAccount(
            Handle, out string name, out bool isSystem);
        Check(status, nameof(GetTrafficAccountName));
        return (name, isSystem);
    }
}
