using Microsoft.Win32.SafeHandles;

namespace ZB.MOM.NatsNet.Server.Native;

/// <summary>Owns a native runtime.</summary>
internal sealed class RuntimeHandle : SafeHandleZeroOrMinusOneIsInvalid
{
    internal RuntimeHandle(IntPtr pointer)
        : base(ownsHandle: true) => SetHandle(pointer);

    protected override bool ReleaseHandle() => NativeMethods.RuntimeFree(handle) == RaftStatus.Ok;
}

/// <summary>Owns a native node, and keeps its runtime until it is released.</summary>
internal sealed class NodeHandle : SafeHandleZeroOrMinusOneIsInvalid
{
    private readonly RuntimeHandle _runtime;

    /// <param name="pointer">The native node.</param>
    /// <param name="runtime">
    /// Its runtime, with a reference added that is the node's from now on. Adding it here could
    /// fail, and leave the node without an owner.
    /// </param>
    internal NodeHandle(IntPtr pointer, RuntimeHandle runtime)
        : base(ownsHandle: true)
    {
        _runtime = runtime;
        SetHandle(pointer);
    }

    protected override bool ReleaseHandle()
    {
        RaftStatus status = NativeMethods.NodeFree(handle);
        _runtime.DangerousRelease();
        return status == RaftStatus.Ok;
    }
}

/// <summary>Owns a native batch of entries or log records.</summary>
internal sealed class BatchHandle : SafeHandleZeroOrMinusOneIsInvalid
{
    internal BatchHandle(IntPtr pointer)
        : base(ownsHandle: true) => SetHandle(pointer);

    protected override bool ReleaseHandle() => NativeMethods.BatchFree(handle) == RaftStatus.Ok;
}

/// <summary>Owns a checkpoint. It needs neither its node's handle nor the runtime's.</summary>
internal sealed class CheckpointHandle : SafeHandleZeroOrMinusOneIsInvalid
{
    internal CheckpointHandle(IntPtr pointer)
        : base(ownsHandle: true) => SetHandle(pointer);

    protected override bool ReleaseHandle()
        => NativeMethods.CheckpointFree(handle) == RaftStatus.Ok;
}

/// <summary>Owns an in-process network.</summary>
internal sealed class LoopbackHandle : SafeHandleZeroOrMinusOneIsInvalid
{
    internal LoopbackHandle(IntPtr pointer)
        : base(ownsHandle: true) => SetHandle(pointer);

    protected override bool ReleaseHandle() => NativeMethods.LoopbackFree(handle) == RaftStatus.Ok;
}
