using System.Runtime.InteropServices;

namespace ZB.MOM.NatsNet.Server.Native;

/// <summary>
/// Keeps a native object alive during one call, so that a dispose on another thread cannot free it
/// meanwhile. Throws <see cref="ObjectDisposedException"/> when it is gone already.
/// </summary>
internal readonly ref struct Lease
{
    private readonly SafeHandle _handle;

    internal Lease(SafeHandle handle)
    {
        bool held = false;
        handle.DangerousAddRef(ref held);
        _handle = handle;
        Pointer = handle.DangerousGetHandle();
    }

    internal IntPtr Pointer { get; }

    /// <summary>Lets go; a default one holds nothing.</summary>
    public void Dispose() => _handle?.DangerousRelease();
}
