using ZB.MOM.NatsNet.Server.Tests.Support;

namespace ZB.MOM.NatsNet.Server.Tests.Boundary;

/// <summary>
/// A test of the boundary: it runs alone in the process and gives back every native object. The
/// suite runs these tests again under two other collectors.
/// </summary>
[Collection("process")]
public abstract class BoundaryTest : IDisposable
{
    private readonly IReadOnlyDictionary<string, ulong> _before = LiveObjects.OfProcess();

    public void Dispose()
    {
        GC.SuppressFinalize(this);
        LiveObjects.ShouldBeNoMoreThan(_before, LiveObjects.OfProcess);
    }
}

/// <summary>Forces compacting collections on a thread of its own until it is disposed.</summary>
internal sealed class GarbageStorm : IDisposable
{
    private readonly Thread _thread;
    private volatile bool _done;

    internal GarbageStorm()
    {
        _thread = new Thread(Run) { IsBackground = true, Name = "garbage-storm" };
        _thread.Start();
    }

    internal int Collections { get; private set; }

    public void Dispose()
    {
        _done = true;
        _thread.Join();
    }

    private void Run()
    {
        byte[][] litter = new byte[256][];
        for (int round = 0; !_done; round++)
        {
            litter[round % litter.Length] = new byte[1024 + (round % 4096)];
            if (round % 64 == 0)
            {
                GC.Collect(
                    GC.MaxGeneration, GCCollectionMode.Forced, blocking: true, compacting: true);
                Collections++;
            }
        }
    }
}
