using System.Buffers;

namespace ZB.MOM.NatsNet.Server.Native;

/// <summary>
/// Native memory as <see cref="Memory{T}"/>, one message after another, each shown for the time of
/// a call and empty afterwards.
/// </summary>
internal sealed unsafe class NativePayload : MemoryManager<byte>
{
    private byte* _start;
    private int _length;

    /// <summary>Shows a message until what is returned is disposed.</summary>
    internal Shown Show(IntPtr start, nuint length)
    {
        _start = (byte*)start;
        _length = checked((int)length);
        return new Shown(this);
    }

    public override Span<byte> GetSpan() => new(_start, _length);

    public override MemoryHandle Pin(int elementIndex = 0)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)elementIndex, (uint)_length);
        return new MemoryHandle(_start + elementIndex);
    }

    public override void Unpin()
    {
    }

    protected override void Dispose(bool disposing) => Hide();

    private void Hide()
    {
        _start = null;
        _length = 0;
    }

    /// <summary>Hides the message again.</summary>
    internal readonly ref struct Shown(NativePayload payload)
    {
        public void Dispose() => payload.Hide();
    }
}
