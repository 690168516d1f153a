using System.Text;

namespace ZB.MOM.NatsNet.Server.Native;

/// <summary>
/// The native functions as the shim uses them: spans and handles in, a status out. Nothing else
/// calls the generated declarations. One file for each noun.
/// </summary>
internal static unsafe partial class NativeMethods
{
    /// <summary>The ABI this shim was built for.</summary>
    internal const uint AbiMajor = Nrg.NRG_ABI_MAJOR;

    /// <summary>The least minor version it needs.</summary>
    internal const uint AbiMinor = Nrg.NRG_ABI_MINOR;

    /// <summary>
    /// Fits every text of the library but the longest; longer ones are read again.
    /// </summary>
    private const int TextRoom = 512;

    // Explicit, so that it runs before the first call whichever that is; codec calls may come
    // before any runtime.
    static NativeMethods() => NativeLibraryLoader.Register();

    private delegate int CopyOut(IntPtr buffer, nuint length, IntPtr neededOut);

    internal static uint AbiVersion() => Interop.nrg_abi_version();

    /// <summary>Version, revision, target and flavour of the library.</summary>
    internal static string BuildInfo() => Text(static (buffer, length, needed)
        => Interop.nrg_build_info(buffer, length, needed));

    /// <summary>The text of this thread's last failure.</summary>
    internal static string LastError() => Text(static (buffer, length, needed)
        => Interop.nrg_last_error(buffer, length, needed));

    /// <summary>The constant's name of a status; empty for an unknown number.</summary>
    internal static string StatusName(int status) => Text((buffer, length, needed)
        => Interop.nrg_status_name(status, buffer, length, needed));

    private static string Text(CopyOut copyOut)
    {
        Span<byte> room = stackalloc byte[TextRoom];
        nuint needed = 0;
        int status;
        fixed (byte* buffer = room)
        {
            status = copyOut((IntPtr)buffer, TextRoom, (IntPtr)(&needed));
        }

        if ((RaftStatus)status == RaftStatus.BufferTooSmall)
        {
            byte[] large = new byte[checked((int)needed)];
            fixed (byte* buffer = large)
            {
                status = copyOut((IntPtr)buffer, (nuint)large.Length, (IntPtr)(&needed));
            }

            room = large;
        }

        return (RaftStatus)status == RaftStatus.Ok
            ? Encoding.UTF8.GetString(room[..checked((int)needed)])
            : "";
    }
}
