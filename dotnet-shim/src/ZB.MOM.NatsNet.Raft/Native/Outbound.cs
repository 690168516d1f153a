namespace ZB.MOM.NatsNet.Server.Native;

/// <summary>
/// One node's commands on their way to its host's transport. Everything here runs on the pump.
/// Whatever the transport throws stays here.
/// </summary>
internal sealed class Outbound(Raft node, IRaftTransport transport)
{
    private const int MostItems = 1024;
    private const int MostBytes = 4 << 20;

    private readonly Dictionary<ulong, RaftSubscription> _live = [];
    private readonly Inbound _inbound = new(node);
    private bool _closed;

    /// <summary>Messages the transport has thrown on since one succeeded.</summary>
    private long _lostInARow;

    internal IRaftTransport Transport => transport;

    /// <summary>Takes commands until none are left, and carries them out.</summary>
    /// <param name="handle">The native node.</param>
    /// <param name="pump">Keeps the batches until what they led to is delivered.</param>
    internal unsafe void CarryOut(NodeHandle handle, Pump pump)
    {
        while (NativeMethods.NodeOutboundTake(handle, MostItems, MostBytes, out BatchHandle? batch)
            == RaftStatus.Ok
            && batch is not null)
        {
            pump.Keep(batch);
            foreach (ref readonly NrgOutbound.Unmanaged command
                in NativeMethods.BatchOutbound(batch))
            {
                CarryOut(in command, handle, pump);
            }
        }
    }

    internal void Close()
    {
        if (_closed)
        {
            return;
        }

        _closed = true;
        _live.Clear();
        Guarded(static (transport, _) => transport.Close(), "", nameof(IRaftTransport.Close));
    }

    private unsafe void CarryOut(
        ref readonly NrgOutbound.Unmanaged command, NodeHandle handle, Pump pump)
    {
        string subject = pump.Subjects.Text(command.subject_ptr, command.subject_len);
        switch (command.kind)
        {
            case Nrg.NRG_OUTBOUND_PUBLISH:
                string reply = pump.Subjects.Text(command.reply_ptr, command.reply_len);
                using (pump.Payload.Show(command.payload_ptr, command.payload_len))
                {
                    Publish(subject, reply, pump.Payload.Memory);
                }

                break;
            case Nrg.NRG_OUTBOUND_SUBSCRIBE:
                Subscribe(new RaftSubscription(command.subscription, subject, _inbound), handle);
                break;
            case Nrg.NRG_OUTBOUND_UNSUBSCRIBE:
                if (_live.Remove(command.subscription, out RaftSubscription? ended))
                {
                    Guarded(
                        static (transport, ended) => transport.Unsubscribe(ended),
                        ended,
                        nameof(IRaftTransport.Unsubscribe));
                }

                break;
            case Nrg.NRG_OUTBOUND_RESET:
                _live.Clear();
                bool isSystem = (command.flags & Nrg.NRG_ACCOUNT_SYSTEM) != 0;
                Guarded(
                    static (transport, account) => transport.Reset(account),
                    new RaftTrafficAccount(subject, isSystem),
                    nameof(IRaftTransport.Reset));
                break;
            default:
                throw new InvalidOperationException(
                    $"the engine has a command this shim does not know: {command.kind}");
        }
    }

    private void Publish(string subject, string reply, ReadOnlyMemory<byte> payload)
    {
        try
        {
            transport.Publish(subject, reply, payload);
            _lostInARow = 0;
        }
#pragma warning disable CA1031 // Whatever a transport throws.
        catch (Exception failure)
#pragma warning restore CA1031
        {
            // A broken transport may throw on every message: one record for each run of them.
            node.OnMessageLost(subject, failure, isFirst: _lostInARow++ == 0);
        }
    }

    private void Subscribe(RaftSubscription subscription, NodeHandle handle)
    {
        _live.Add(subscription.Id, subscription);
        if (!Guarded(
            static (transport, added) => transport.Subscribe(added),
            subscription,
            nameof(IRaftTransport.Subscribe)))
        {
            _live.Remove(subscription.Id);

            // A node that has failed meanwhile needs no advice.
            _ = NativeMethods.NodeSubscribeFailed(handle, subscription.Id);
        }
    }

    private bool Guarded<T>(Action<IRaftTransport, T> act, T argument, string operation)
    {
        try
        {
            act(transport, argument);
            return true;
        }
#pragma warning disable CA1031 // Whatever a transport throws.
        catch (Exception failure)
#pragma warning restore CA1031
        {
            node.OnTransportFailed(operation, failure);
            return false;
        }
    }
}
