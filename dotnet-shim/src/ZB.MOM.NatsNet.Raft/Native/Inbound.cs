using System.Diagnostics;
using System.Text;

namespace ZB.MOM.NatsNet.Server.Native;

/// <summary>
/// The messages on their way into one node, packed until they cross the boundary together: at the
/// end of the pump's round when they come from a pump, else at once, with what other threads left
/// meanwhile. One thread at a time hands over, so the order is kept.
/// </summary>
internal sealed class Inbound(Raft node)
{
    /// <summary>More than this waiting means that nobody takes it: messages get lost.</summary>
    internal const int MostBytes = 256 << 20;

    /// <summary>A buffer that grew beyond this is not kept.</summary>
    private const int KeptBytes = 1 << 20;

    private readonly Lock _gate = new();
    private Packed _filling = new();
    private Packed _spare = new();

    /// <summary>Somebody will hand over what is there.</summary>
    private bool _announced;

    internal void Deliver(ulong subscription, string reply, ReadOnlySpan<byte> payload)
    {
        lock (_gate)
        {
            if (!_filling.TryAdd(subscription, reply, payload))
            {
                node.OnInboundLost();
                return;
            }

            if (_announced)
            {
                return;
            }

            _announced = true;
        }

        if (Pump.Current is { } pump)
        {
            pump.AtEndOfRound(this);
        }
        else
        {
            HandOver();
        }
    }

    /// <summary>Hands over until nothing is left.</summary>
    internal void HandOver()
    {
        while (true)
        {
            Packed full;
            lock (_gate)
            {
                if (_filling.Count == 0)
                {
                    _announced = false;
                    return;
                }

                full = _filling;
                _filling = _spare;
                _spare = full;
            }

            // Nobody else touches it: there is one thread here at a time.
            node.DeliverBatch(full.Data, full.Messages);
            full.Clear();
        }
    }

    /// <summary>Messages one after another in one buffer, and where each of them is.</summary>
    private sealed class Packed
    {
        private byte[] _data = [];
        private int _length;
        private NrgInbound.Unmanaged[] _messages = new NrgInbound.Unmanaged[16];

        internal int Count { get; private set; }

        internal ReadOnlySpan<byte> Data => _data.AsSpan(0, _length);

        internal ReadOnlySpan<NrgInbound.Unmanaged> Messages => _messages.AsSpan(0, Count);

        internal bool TryAdd(ulong subscription, string reply, ReadOnlySpan<byte> payload)
        {
            int replyLength = Encoding.UTF8.GetByteCount(reply);
            long end = (long)_length + replyLength + payload.Length;
            if (end > MostBytes)
            {
                return false;
            }

            if (end > _data.Length)
            {
                Array.Resize(ref _data, (int)Math.Max(end, Math.Min(2L * _data.Length, MostBytes)));
            }

            if (Count == _messages.Length)
            {
                Array.Resize(ref _messages, 2 * Count);
            }

            int written = Encoding.UTF8.GetBytes(reply, _data.AsSpan(_length));
            Debug.Assert(written == replyLength, "it was just counted");
            payload.CopyTo(_data.AsSpan(_length + replyLength));
            _messages[Count++] = new NrgInbound.Unmanaged
            {
                subscription = subscription,
                reply_offset = (uint)_length,
                reply_len = (uint)replyLength,
                payload_offset = (uint)(_length + replyLength),
                payload_len = (uint)payload.Length,
            };
            _length = (int)end;
            return true;
        }

        internal void Clear()
        {
            Count = 0;
            _length = 0;
            if (_data.Length > KeptBytes)
            {
                _data = [];
            }
        }
    }
}
