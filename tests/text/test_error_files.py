"""The layout of icefall's files, on an example whose numbers can be counted by hand."""

from sonant.text import error_rate, error_stats, recogs, settings_summary

REFERENCES = ["the cat sat on the mat", "yes it is", "no"]
HYPOTHESES = ["the cat sad on mat", "yes it is now then", "no"]


def test_recogs():
    result = error_rate(REFERENCES, HYPOTHESES, names=["a-1", "b-2", "c-3"])
    assert recogs(result).splitlines()[:3] == [
        "a-1:\tref=['the', 'cat', 'sat', 'on', 'the', 'mat']",
        "a-1:\thyp=['the', 'cat', 'sad', 'on', 'mat']",
        "b-2:\tref=['yes', 'it', 'is']",
    ]


def test_error_stats():
    result = error_rate(REFERENCES, HYPOTHESES, names=["a-1", "b-2", "c-3"])
    assert error_stats(result) == (
        "%WER = 40.00\n"
        "Errors: 2 insertions, 1 deletions, 1 substitutions, over 10 reference words (8 correct)\n"
        "Search below for sections starting with PER-UTT DETAILS:, SUBSTITUTIONS:, DELETIONS:, INSERTIONS:, "
        "PER-WORD STATS:\n"
        "\n"
        "PER-UTT DETAILS: corr or (ref->hyp)  \n"
        "a-1:\tthe cat (sat->sad) on (the->*) mat\n"
        "b-2:\tyes it is (*->now then)\n"
        "c-3:\tno\n"
        "\n"
        "SUBSTITUTIONS: count ref -> hyp\n"
        "1   sat -> sad\n"
        "\n"
        "DELETIONS: count ref\n"
        "1   the\n"
        "\n"
        "INSERTIONS: count hyp\n"
        "1   then\n"
        "1   now\n"
        "\n"
        "PER-WORD STATS: word  corr tot_errs count_in_ref count_in_hyp\n"
        "then   0 1 0 1\n"
        "the   1 1 2 1\n"
        "sat   0 1 1 0\n"
        "sad   0 1 0 1\n"
        "now   0 1 0 1\n"
        "yes   1 0 1 1\n"
        "on   1 0 1 1\n"
        "no   1 0 1 1\n"
        "mat   1 0 1 1\n"
        "it   1 0 1 1\n"
        "is   1 0 1 1\n"
        "cat   1 0 1 1\n"
    )


def test_a_summary_has_the_best_first_and_no_words_have_no_errors():
    settings = {"greedy": error_rate(["a b"], ["a c"]), "beam": error_rate(["a b"], ["a b"])}
    assert settings_summary(settings) == "settings\tWER\nbeam\t0.00\ngreedy\t50.00\n"
    nothing = error_rate([""], ["a"])
    assert error_stats(nothing).startswith(
        "%WER = 0.00\nErrors: 1 insertions, 0 deletions, 0 substitutions, "
    )
