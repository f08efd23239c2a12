using Spectre.Console;

namespace Llama4Kernels.Cli.Shared;

/// <summary>The streams a command reads and writes: the terminal's, or a test's.</summary>
internal sealed class CommandConsole(TextReader input, TextWriter output, TextWriter error, Interrupts interrupts)
{
    public TextReader In { get; } = input;

    public TextWriter Out { get; } = output;

    public TextWriter Error { get; } = error;

    public Interrupts Interrupts { get; } = interrupts;

    /// <summary>A person types at <see cref="In"/>.</summary>
    public bool InputIsTerminal { get; init; }

    /// <summary>A person watches <see cref="Error"/>: progress bars make sense.</summary>
    public bool ErrorIsTerminal { get; init; }

    /// <summary>Writes a table to <see cref="Out"/> as plain text.</summary>
    public void Write(Table table)
    {
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings { Ansi = AnsiSupport.No, Interactive = InteractionSupport.No, Out = new AnsiConsoleOutput(Out) });
        console.Profile.Width = 160;
        console.Write(table);
    }

    /// <summary>A table with these columns, the first one left-aligned, the others right-aligned.</summary>
    public static Table NewTable(params ReadOnlySpan<string> columns)
    {
        Table table = new Table().Border(TableBorder.Minimal);
        for (int i = 0; i < columns.Length; i++)
        {
            var column = new TableColumn(Markup.Escape(columns[i]));
            table.AddColumn(i == 0 ? column : column.RightAligned());
        }
        return table;
    }
}
