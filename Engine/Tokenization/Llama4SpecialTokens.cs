namespace Llama4Kernels.Engine.Tokenization;

/// <summary>The names of Llama 4's special tokens, in the order of their ids.</summary>
internal static class Llama4SpecialTokens
{
    public const string BeginOfText = "<|begin_of_text|>";
    public const string EndOfText = "<|end_of_text|>";
    public const string HeaderStart = "<|header_start|>";
    public const string HeaderEnd = "<|header_end|>";
    public const string EndOfMessage = "<|eom|>";
    public const string EndOfTurn = "<|eot|>";
    public const string PythonStart = "<|python_start|>";
    public const string PythonEnd = "<|python_end|>";
    public const string ImageStart = "<|image_start|>";
    public const string ImageEnd = "<|image_end|>";
    public const string TileXSeparator = "<|tile_x_separator|>";
    public const string TileYSeparator = "<|tile_y_separator|>";
    public const string Image = "<|image|>";
    public const string Patch = "<|patch|>";

    /// <summary>Ranks in the released tokenizer file.</summary>
    public const int ReleasedRanks = 200_000;

    /// <summary>Special tokens of a vocabulary smaller than the released one: up to and with the image patch.</summary>
    public const int SmallVocabularyCount = 93;

    /// <summary>All 2,048 names; entry i has the id (number of ranks) + i.</summary>
    public static IReadOnlyList<string> Names { get; } = Build();

    private static readonly HashSet<string> s_control = new(Names, StringComparer.Ordinal);

    /// <summary>Whether it is one of <see cref="Names"/>.</summary>
    public static bool IsControl(string name) => s_control.Contains(name);

    private static List<string> Build()
    {
        List<string> names = new(2048)
        {
            BeginOfText, EndOfText, "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>", HeaderStart, HeaderEnd,
            EndOfMessage, EndOfTurn, "<|step|>",
        };
        AddNumbered(names, "text_post_train_reserved", 0, 5);
        names.Add(PythonStart);
        names.Add(PythonEnd);
        names.Add("<|finetune_right_pad|>");
        AddNumbered(names, "text_post_train_reserved", 8, 68);
        names.Add(ImageStart);
        names.Add(ImageEnd);
        AddNumbered(names, "vision_reserved", 0, 1);
        names.Add(TileXSeparator);
        names.Add(TileYSeparator);
        AddNumbered(names, "vision_reserved", 2, 5);
        names.Add(Image);
        AddNumbered(names, "vision_reserved", 6, 6);
        names.Add(Patch);
        AddNumbered(names, "vision_reserved", 7, 1047);
        AddNumbered(names, "reasoning_reserved", 0, 7);
        names.Add("<|reasoning_thinking_start|>");
        names.Add("<|reasoning_thinking_end|>");
        AddNumbered(names, "reserved", 0, 903);
        return names;
    }

    private static void AddNumbered(List<string> names, string kind, int first, int last)
    {
        for (int number = first; number <= last; number++)
        {
            names.Add($"<|{kind}_special_token_{number}|>");
        }
    }
}
