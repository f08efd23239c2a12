using Llama4Kernels.Engine.Constraints;

namespace Llama4Kernels.Tests.Engine.Constraints;

public class TokenMaskTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(63)]
    [InlineData(64)]
    [InlineData(65)]
    [InlineData(202_048)]
    public void HoldsWhatWasSetAndNothingBeyondTheVocabulary(int vocabulary)
    {
        var mask = new TokenMask(vocabulary);
        Assert.True(mask.IsEmpty);
        mask.SetAll();
        Assert.Equal(vocabulary, mask.Count);
        mask.Unset(vocabulary - 1);
        Assert.False(mask[vocabulary - 1]);
        Assert.Equal(vocabulary - 1, mask.Count);

        var copy = new TokenMask(vocabulary);
        copy.Set(0);
        copy.CopyFrom(mask);
        Assert.Equal(mask.Words, copy.Words);
        mask.Clear();
        Assert.True(mask.IsEmpty);
        Assert.Equal(vocabulary - 1, copy.Count);
    }

    [Fact]
    public void RefusesIdsOutsideTheVocabularyAndOtherSizes()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => new TokenMask(0));
        var mask = new TokenMask(70);
        foreach (int id in (int[])[-1, 70, 127])
        {
            Assert.Throws<ArgumentOutOfRangeException>(() => mask.Set(id));
            Assert.Throws<ArgumentOutOfRangeException>(() => mask.Unset(id));
            Assert.Throws<ArgumentOutOfRangeException>(() => mask[id]);
        }
        Assert.Throws<ArgumentException>(() => mask.CopyFrom(new TokenMask(71)));
    }
}
