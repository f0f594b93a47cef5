"""Text to tokens and back with the vocabulary of a GGUF file (SentencePiece BPE, as Gemma's).

Merging follows llama.cpp's `llm_tokenizer_spm`: characters are joined pairwise, the pair of the
highest score first (the leftmost of equals), until no pair is a token; what is no token is spelled
in byte tokens.
"""

import heapq
from collections.abc import Iterable, Sequence

_SPACE = "\u2581"
_BYTE_TOKEN = 6
_CONTROL_TOKEN = 3


class Tokenizer:
    """Encodes and decodes without special-token handling; `bos` is added when asked for."""

    def __init__(
        self, tokens: Sequence[str], scores: Sequence[float], types: Sequence[int], bos: int
    ) -> None:
        self._tokens = tokens
        self._scores = scores
        self._types = types
        self._numbers = {text: number for number, text in enumerate(tokens)}
        self.bos = bos

    def encode(self, text: str, *, add_bos: bool = True) -> list[int]:
        """Return the tokens of a text."""
        pieces = self._merge([_SPACE if c == " " else c for c in text])
        numbers = [self.bos] if add_bos else []
        for piece in pieces:
            number = self._numbers.get(piece)
            if number is not None:
                numbers.append(number)
            else:
                numbers += [self._numbers[f"<0x{byte:02X}>"] for byte in piece.encode()]
        return numbers

    def decode(self, numbers: Iterable[int]) -> str:
        """Return the text of tokens; control tokens show as their names."""
        out = bytearray()
        for number in numbers:
            text = self._tokens[number]
            if self._types[number] == _BYTE_TOKEN:
                out.append(int(text[3:5], 16))
            elif self._types[number] == _CONTROL_TOKEN:
                out += text.encode()
            else:
                out += text.replace(_SPACE, " ").encode()
        return out.decode(errors="replace")

    def _merge(self, pieces: list[str]) -> list[str]:
        """Join neighbours in a linked list; `pieces[i]` is empty once joined to its left."""
        count = len(pieces)
        right, left = list(range(1, count + 1)), list(range(-1, count - 1))
        queue: list[tuple[float, int, str]] = []

        def offer(i: int) -> None:
            if i >= 0 and right[i] < count:
                joined = pieces[i] + pieces[right[i]]
                number = self._numbers.get(joined)
                if number is not None:
                    heapq.heappush(queue, (-self._scores[number], i, joined))

        for i in range(count):
            offer(i)
        while queue:
            _, i, joined = heapq.heappop(queue)
            if not pieces[i] or right[i] >= count or pieces[i] + pieces[right[i]] != joined:
                continue  # One of the two has been joined to something else since.
            gone = right[i]
            pieces[i], pieces[gone] = joined, ""
            right[i] = right[gone]
            if right[i] < count:
                left[right[i]] = i
            offer(left[i])
            offer(i)
        return [piece for piece in pieces if piece]
