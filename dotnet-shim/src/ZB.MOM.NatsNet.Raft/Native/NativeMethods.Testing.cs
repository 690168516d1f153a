using System.Text;

namespace ZB.MOM.NatsNet.Server.Native;

/// <summary>The functions of the testing flavour. On a shipped library they throw.</summary>
internal static unsafe partial class NativeMethods
{
    /// <summary>Runs a call that only the testing build can answer.</summary>
    private static T Testing<T>(Func<T> call)
    {
        try
        {
            return call();
        }
        catch (EntryPointNotFoundException missing)
        {
            throw new NotSupportedException("needs the testing build of natsraft", missing);
        }
    }

    /// <summary>
    /// Encodes or decodes with the engine's codec into a buffer; a buffer that is too small is
    /// left alone and the needed length returned.
    /// </summary>
    internal static RaftStatus TestCodec(
        uint operation,
        string name,
        string groupName,
        ReadOnlySpan<byte> input,
        Span<byte> buffer,
        out int needed)
    {
        byte[] nameBytes = Encoding.UTF8.GetBytes(name);
        byte[] groupBytes = Encoding.UTF8.GetBytes(groupName);
        fixed (byte* nameStart = nameBytes)
        fixed (byte* groupStart = groupBytes)
        fixed (byte* inputStart = input)
        fixed (byte* room = buffer)
        {
            var given = (
                Name: (IntPtr)nameStart,
                Group: (IntPtr)groupStart,
                Input: (IntPtr)inputStart,
                Room: (IntPtr)room);
            nuint inputLength = (nuint)input.Length;
            nuint roomLength = (nuint)buffer.Length;
            nuint length = 0;
            IntPtr lengthOut = (IntPtr)(&length);
            int status = Testing(() => Interop.nrg_test_codec(
                operation,
                given.Name,
                (nuint)nameBytes.Length,
                given.Group,
                (nuint)groupBytes.Length,
                given.Input,
                inputLength,
                given.Room,
                roomLength,
                lengthOut));
            needed = checked((int)length);
            return (RaftStatus)status;
        }
    }

    /// <summary>
    /// Objects of a kind that are alive, of a runtime or, without one, of the process.
    /// </summary>
    internal static ulong TestLiveObjects(uint kind, RuntimeHandle? runtime)
    {
        if (runtime is null)
        {
            return TestLiveObjects(kind, IntPtr.Zero);
        }

        using var lease = new Lease(runtime);
        return TestLiveObjects(kind, lease.Pointer);
    }

    /// <summary>The marshalling round trip.</summary>
    internal static RaftStatus TestEchoBatch(
        ReadOnlySpan<byte> packed, ReadOnlySpan<uint> lengths, out BatchHandle? batch)
    {
        fixed (byte* data = packed)
        fixed (uint* sizes = lengths)
        {
            IntPtr start = (IntPtr)data;
            IntPtr counts = (IntPtr)sizes;
            nuint length = (nuint)packed.Length;
            nuint count = (nuint)lengths.Length;
            IntPtr echoed = IntPtr.Zero;
            IntPtr* echoedOut = &echoed;
            int status = Testing(() => Interop.nrg_test_echo_batch(
                start, length, counts, count, (IntPtr)echoedOut));
            batch = echoed == IntPtr.Zero ? null : new BatchHandle(echoed);
            return (RaftStatus)status;
        }
    }

    /// <summary>Moves the time of a runtime with a manual clock.</summary>
    internal static RaftStatus TestClockAdvance(RuntimeHandle runtime, TimeSpan by)
    {
        using var lease = new Lease(runtime);
        IntPtr pointer = lease.Pointer;
        ulong nanos = checked((ulong)(by.Ticks * TimeSpan.NanosecondsPerTick));
        return (RaftStatus)Testing(() => Interop.nrg_test_clock_advance(pointer, nanos));
    }

    private static ulong TestLiveObjects(uint kind, IntPtr runtime)
    {
        ulong count = 0;
        IntPtr countOut = (IntPtr)(&count);
        int status = Testing(() => Interop.nrg_test_live_objects(runtime, kind, countOut));
        ThrowHelper.Check((RaftStatus)status, "count live objects");
        return count;
    }
}
