using System.Reflection;
using ZB.MOM.NatsNet.Server.Native;
using ZB.MOM.NatsNet.Server.Tests.Support;

namespace ZB.MOM.NatsNet.Server.Tests.Boundary;

/// <summary>The numbers of the library are those of the bindings and of the shim's enums.</summary>
public class ConstantsTests : BoundaryTest
{
    [RaftFact]
    public void StatusName_OfEveryGeneratedStatus_IsTheConstantsName()
    {
        Dictionary<string, long> statuses = Constants("NRG_STATUS_");

        statuses.Count.ShouldBeGreaterThan(40);
        foreach ((string name, long number) in statuses)
        {
            NativeMethods.StatusName((int)number).ShouldBe($"NRG_STATUS_{name}");
        }

        NativeMethods.StatusName(-1).ShouldBe("");
        NativeMethods.StatusName(99).ShouldBe("");
    }

    [RaftFact]
    public void StatusName_OfEveryNumber_IsKnownToTheBindings()
    {
        Dictionary<string, long> statuses = Constants("NRG_STATUS_");
        for (int number = 0; number < 2000; number++)
        {
            if (NativeMethods.StatusName(number) is { Length: > 0 } name)
            {
                statuses[name["NRG_STATUS_".Length..]].ShouldBe(number);
            }
        }
    }

    [RaftFact]
    public void RaftStatus_HasEveryStatusOfTheLibraryAndNoOther()
        => SameAs<RaftStatus>("NRG_STATUS_");

    [RaftFact]
    public void RaftState_HasTheRolesOfTheLibrary() => SameAs<RaftState>("NRG_ROLE_");

    [RaftFact]
    public void EntryType_HasTheEntryTypesOfTheLibrary() => SameAs<EntryType>("NRG_ENTRY_");

    [RaftFact]
    public void RaftSyncPolicy_HasTheSyncPoliciesOfTheLibrary()
        => SameAs<RaftSyncPolicy>("NRG_SYNC_");

    /// <summary>The same numbers under the same names, without case and underscores.</summary>
    private static void SameAs<TEnum>(string prefix)
        where TEnum : struct, Enum
    {
        IEnumerable<(string, long)> theirs = Constants(prefix)
            .Select(constant => (
                constant.Key.Replace("_", "", StringComparison.Ordinal), constant.Value));
        IEnumerable<(string, long)> ours = Enum.GetValues<TEnum>()
            .Select(member => (
                member.ToString().ToUpperInvariant(),
                Convert.ToInt64(member, System.Globalization.CultureInfo.InvariantCulture)));

        ours.ShouldBe(theirs, ignoreOrder: true);
    }

    private static Dictionary<string, long> Constants(string prefix)
        => typeof(NrgConstants)
            .GetFields(BindingFlags.Static | BindingFlags.NonPublic)
            .Where(field => field.Name.StartsWith(prefix, StringComparison.Ordinal))
            .ToDictionary(
                field => field.Name[prefix.Length..],
                field => Convert.ToInt64(
                    field.GetRawConstantValue(),
                    System.Globalization.CultureInfo.InvariantCulture));
}
