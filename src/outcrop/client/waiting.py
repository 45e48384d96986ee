"""
The pieces of an answer that nobody has taken yet.
"""

from collections import deque

from outcrop.client.pieces import Piece, ReasoningPiece, TextPiece


class WaitingPieces:
    """
    Hold pieces in order, up to a limit. Neighbours of one part are joined, and count as one.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        # The strings of a joined piece are kept apart until it is taken: joining each time would copy all of it.
        self._pieces: deque[tuple[Piece, list[str]]] = deque()

    def __len__(self) -> int:
        return len(self._pieces)

    def add(self, piece: Piece) -> bool:
        """
        Add a piece. Returns False where there is no room for it.
        """
        text = piece.reasoning if isinstance(piece, ReasoningPiece) else piece.text
        if self._pieces:
            last, texts = self._pieces[-1]
            if (
                isinstance(piece, TextPiece | ReasoningPiece)
                and type(last) is type(piece)
                and last.part_id == piece.part_id
            ):
                texts.append(text)
                return True
        if len(self._pieces) >= self._limit:
            return False
        self._pieces.append((piece, [text]))
        return True

    def take(self) -> Piece | None:
        """
        Take the first piece; None: nothing waits.
        """
        if not self._pieces:
            return None
        piece, texts = self._pieces.popleft()
        if len(texts) == 1:
            return piece
        joined = "".join(texts)
        match piece:
            case TextPiece(part_id=part_id):
                return TextPiece(text=joined, part_id=part_id)
            case ReasoningPiece(part_id=part_id):
                return ReasoningPiece(reasoning=joined, part_id=part_id)
            case _:
                raise AssertionError("only texts are joined")
