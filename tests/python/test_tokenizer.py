"""Text to tokens and back, on a small vocabulary whose merges are known."""

import pytest
from onnxquant_tools.tokenizer import Tokenizer

_TOKENS = [
    "<bos>",
    "a",
    "b",
    "ab",
    "ba",
    "aba",
    "\u2581",
    "\u2581a",
    *(f"<0x{i:02X}>" for i in range(256)),
]
_SCORES = [0, -9, -9, -2, -1, -3, -9, -4, *([0] * 256)]
_TYPES = [3, *([1] * 7), *([6] * 256)]


@pytest.fixture
def tokenizer() -> Tokenizer:
    """Return the tokenizer of the vocabulary above."""
    return Tokenizer(_TOKENS, _SCORES, _TYPES, bos=0)


def test_the_best_scored_pair_is_joined_first(tokenizer: Tokenizer) -> None:
    # "ba" scores above "ab", so "aba" is a + ba until both join to "aba".
    assert tokenizer.encode("bab", add_bos=False) == [4, 2]
    assert tokenizer.encode("aba", add_bos=False) == [5]


def test_the_leftmost_of_equal_pairs_is_joined_first(tokenizer: Tokenizer) -> None:
    assert tokenizer.encode("abab", add_bos=False) == [5, 2]
    assert tokenizer.encode("baba", add_bos=False) == [4, 4]


def test_spaces_become_the_word_mark_and_come_back(tokenizer: Tokenizer) -> None:
    assert tokenizer.encode(" a b") == [0, 7, 6, 2]
    assert tokenizer.decode([7, 6, 2]) == " a b"


def test_what_is_no_token_is_spelled_in_bytes(tokenizer: Tokenizer) -> None:
    numbers = tokenizer.encode("a\u00e9", add_bos=False)
    assert numbers == [1, 8 + 0xC3, 8 + 0xA9]
    assert tokenizer.decode(numbers) == "a\u00e9"
