using System.Diagnostics;
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

/// <summary>
/// Forces compacting collections on a thread of its own until it is disposed. Young memory moves
/// most of the time, as that is where a caller's buffers are, and all of it now and then. At least
/// half of the time is left to the test, however large the process has grown.
/// </summary>
internal sealed class GarbageStorm : IDisposable
{
    private const int YoungForEachFull = 32;

    private readonly ManualResetEventSlim _done = new();
    private readonly Thread _thread;

    internal GarbageStorm()
    {
        _thread = new Thread(Run) { IsBackground = true, Name = "garbage-storm" };
        _thread.Start();
    }

    internal int Collections { get; private set; }

    public void Dispose()
    {
        _done.Set();
        _thread.Join();
        _done.Dispose();
    }

    private void Run()
    {
        byte[][] litter = new byte[256][];
        var took = TimeSpan.Zero;
        for (int round = 0; !_done.Wait(took); round++)
        {
            for (int at = 0; at < litter.Length; at += 4)
            {
                litter[at] = new byte[1024 + (16 * (round % 256))];
            }

            int generation = round % YoungForEachFull == 0 ? GC.MaxGeneration : 1;
            long start = Stopwatch.GetTimestamp();
            GC.Collect(generation, GCCollectionMode.Forced, blocking: true, compacting: true);
            took = Stopwatch.GetElapsedTime(start);
            Collections++;
        }
    }
}
