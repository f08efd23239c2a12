using System.CommandLine;
using Llama4Kernels.Cli;
using Llama4Kernels.Cli.Shared;

namespace Llama4Kernels.Tests.Tools;

/// <summary>The rule: every number of every command is read by one parser, invariantly, and what is no number is named with its option.</summary>
public sealed class NumberOptionTests
{
    private static readonly Type[] s_numbers = [typeof(int), typeof(int?), typeof(long), typeof(long?), typeof(ulong), typeof(ulong?), typeof(float), typeof(float?), typeof(double), typeof(double?)];

    public static TheoryData<string, string> Options
    {
        get
        {
            var console = new CommandConsole(TextReader.Null, TextWriter.Null, TextWriter.Null, new Interrupts());
            var data = new TheoryData<string, string>();
            Add(CommandLine.Build(console), "");
            return data;

            void Add(Command command, string path)
            {
                foreach (Option option in command.Options.Where(option => s_numbers.Contains(option.ValueType)))
                {
                    data.Add(path.TrimStart(), option.Name);
                }
                foreach (Command inner in command.Subcommands)
                {
                    Add(inner, $"{path} {inner.Name}");
                }
            }
        }
    }

    [Fact]
    public void AllCommandsAreWalked()
    {
        string[] commands = [.. Options.Select(row => row.Data.Item1).Distinct()];
        Assert.Superset(new HashSet<string>(["bench", "chat", "doctor", "ptx run", "ptx count", "ptx dump", "schemas"]), new HashSet<string>(commands));
    }

    [Theory]
    [MemberData(nameof(Options))]
    public async Task WhatIsNoNumberIsNamed(string command, string option)
    {
        foreach (string text in (string[])["0,6", "1.000,5", "NaN", "six", "٣"])
        {
            (await CliRun.Of([.. command.Split(' '), option, text])).AssertFails($"{option}: '{text}' is not");
        }
    }
}
