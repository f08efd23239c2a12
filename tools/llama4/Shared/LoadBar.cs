using Llama4Kernels.Engine.Checkpoints;
using Llama4Kernels.Engine.Model;
using Spectre.Console;

namespace Llama4Kernels.Cli.Shared;

/// <summary>A progress bar over the weights of a model, where a person watches.</summary>
internal sealed class LoadBar : IProgress<LoadProgress>
{
    private readonly ProgressTask _task;
    private readonly string _doing;

    private LoadBar(ProgressTask task, string doing)
    {
        _task = task;
        _doing = doing;
    }

    /// <summary>Does the work with a bar on the error stream if that is a terminal, and with none elsewhere.</summary>
    public static T Run<T>(CommandConsole console, string doing, Func<IProgress<LoadProgress>?, T> work)
    {
        if (!console.ErrorIsTerminal)
        {
            return work(null);
        }
        IAnsiConsole terminal = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(console.Error) });
        return terminal.Progress().AutoClear(true).Start(context => work(new LoadBar(context.AddTask(doing), doing)));
    }

    /// <summary>The same for work that counts to a total.</summary>
    public static T Count<T>(CommandConsole console, string doing, int total, Func<IProgress<int>?, T> work) =>
        Run(console, doing, bar => work(bar is null ? null : new Counter(bar, total)));

    private sealed class Counter(IProgress<LoadProgress> bar, int total) : IProgress<int>
    {
        public void Report(int value) => bar.Report(new LoadProgress(value, total, string.Empty));
    }

    /// <inheritdoc/>
    public void Report(LoadProgress value)
    {
        _task.MaxValue = Math.Max(1, value.BytesTotal);
        _task.Value = value.BytesDone;
        _task.Description = Markup.Escape($"{_doing} {value.Current}");
    }
}
