from bot.domain.routing.lexical import MOST_POSTINGS, Bm25


def test_a_rare_word_says_more_than_a_frequent_one() -> None:
    index = Bm25()
    for number in range(10):
        index.add(number, ["question", "loom" if number == 3 else "dye"])
    scores = index.scores(["question", "loom"])
    assert max(scores, key=scores.__getitem__) == 3


def test_a_query_of_few_words_is_sure_of_little() -> None:
    index = Bm25()
    for number in range(50):
        index.add(number, [f"word{number}", "flax", "fibre", "loom", "dye", "mill"])
    short = index.scores(["word7"])[7]
    long = index.scores(["word7", "flax", "fibre", "loom", "dye", "mill"])[7]
    assert short < 0.5
    assert long > 0.2


def test_frequent_words_are_left_out_where_looking_them_up_would_take_long() -> None:
    index = Bm25()
    for number in range(MOST_POSTINGS):
        index.add(number, ["question", f"word{number % 100}"])
    assert len(index.scores(["question", "word7"])) == MOST_POSTINGS / 100


def test_a_word_that_is_everywhere_is_looked_up_where_it_is_all_there_is() -> None:
    index = Bm25()
    for number in range(MOST_POSTINGS + 1):
        index.add(number, ["question"])
    assert len(index.scores(["question"])) == MOST_POSTINGS + 1
