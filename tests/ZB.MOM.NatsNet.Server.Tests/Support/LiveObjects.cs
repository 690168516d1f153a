using ZB.MOM.NatsNet.Server.Native;

namespace ZB.MOM.NatsNet.Server.Tests.Support;

/// <summary>The native objects that C# holds: all of them have to come back.</summary>
internal static class LiveObjects
{
    private static readonly (string Name, uint Kind)[] OfARuntime =
    [
        ("nodes", NrgConstants.NRG_TEST_OBJECT_NODE),
        ("batches", NrgConstants.NRG_TEST_OBJECT_BATCH),
        ("checkpoints", NrgConstants.NRG_TEST_OBJECT_CHECKPOINT),
    ];

    private static readonly (string Name, uint Kind)[] OfTheProcess =
    [
        ("runtimes", NrgConstants.NRG_TEST_OBJECT_RUNTIME),
        ("batches", NrgConstants.NRG_TEST_OBJECT_BATCH),
        ("networks", NrgConstants.NRG_TEST_OBJECT_LOOPBACK),
        ("taps", NrgConstants.NRG_TEST_OBJECT_TAP),
    ];

    /// <summary>
    /// What the process holds outside of runtimes. Only without other tests beside.
    /// </summary>
    internal static IReadOnlyDictionary<string, ulong> OfProcess() => Count(OfTheProcess, null);

    /// <summary>Waits until a runtime holds nothing; one that is gone holds nothing.</summary>
    internal static void OfRuntimeShouldBeNone(RuntimeHandle runtime)
        => ShouldBeNoMoreThan(
            new Dictionary<string, ulong>(),
            () => runtime.IsClosed ? new Dictionary<string, ulong>() : Count(OfARuntime, runtime));

    /// <summary>
    /// Waits until no more is held than before. A node is given back by the pump, a moment after it
    /// has stopped.
    /// </summary>
    internal static void ShouldBeNoMoreThan(
        IReadOnlyDictionary<string, ulong> before, Func<IReadOnlyDictionary<string, ulong>> now)
    {
        IReadOnlyList<string> held = [];
        SpinWait.SpinUntil(
            () =>
            {
                held =
                [
                    .. now().Where(kind => kind.Value > before.GetValueOrDefault(kind.Key))
                        .Select(kind => $"{kind.Value} {kind.Key}"),
                ];
                return held.Count == 0;
            },
            TimeSpan.FromSeconds(10));
        held.ShouldBeEmpty();
    }

    private static Dictionary<string, ulong> Count(
        (string Name, uint Kind)[] kinds, RuntimeHandle? runtime)
        => kinds.ToDictionary(
            kind => kind.Name, kind => NativeMethods.TestLiveObjects(kind.Kind, runtime));
}
