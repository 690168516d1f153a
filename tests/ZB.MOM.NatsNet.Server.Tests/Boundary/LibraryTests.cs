using ZB.MOM.NatsNet.Server.Native;
using ZB.MOM.NatsNet.Server.Tests.Support;

namespace ZB.MOM.NatsNet.Server.Tests.Boundary;

/// <summary>
/// One trivial call through every layer: the first thing to look at when all is red.
/// </summary>
public class LibraryTests : BoundaryTest
{
    [RaftFact]
    public void AbiVersion_OfTheLoadedLibrary_IsTheOneTheBindingsWereMadeFrom()
    {
        uint expected = (NrgConstants.NRG_ABI_MAJOR << 16) | NrgConstants.NRG_ABI_MINOR;

        Interop.nrg_abi_version().ShouldBe(expected);
    }

    [RaftFact]
    public unsafe void LiveObjects_OfAnUnknownKind_IsRefusedAndLeavesTheOutputAlone()
    {
        ulong count = 7;

        int status = Interop.nrg_test_live_objects(IntPtr.Zero, uint.MaxValue, (IntPtr)(&count));

        status.ShouldBe(NrgConstants.NRG_STATUS_INVALID_ARGUMENT);
        count.ShouldBe(7UL);
    }
}
