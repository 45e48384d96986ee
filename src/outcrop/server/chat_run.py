"""
One request on a chat socket: a reader of its turn, whose deltas become frames in the reader's own wake.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from outcrop.dialects.chat.replies import ChunkFramer, encode_end, encode_no_active, encode_start
from outcrop.dialects.ui_stream.endings import UiStreamClosing
from outcrop.dialects.ui_stream.renderer import UiStreamOpening, UiStreamRenderer
from outcrop.errors import OutcropError, PositionExpired, StoreError
from outcrop.server.direct import DirectSocket
from outcrop.turns.reader import TurnReader
from outcrop.turns.records import TurnStatus
from outcrop.turns.service import TurnService
from outcrop.types import LogEntry

ENTRIES_AT_ONCE = 256
"""
Fewer than that from one `take` means that there is nothing more for now.
"""


class RunOutlet(Protocol):
    """
    Be the socket's session, as its runs see it.
    """

    def queue(self, run: "ChatRun") -> None:
        """
        Let a run go on when the others have had their turn, and when there is room.
        """
        ...

    def finish(self, run: "ChatRun", last_frame: bytes) -> None:
        """
        Send a run's last frame, and forget it.
        """
        ...

    def refuse(self, run: "ChatRun", error: OutcropError) -> None:
        """
        End a run with an error frame.
        """
        ...


class ChatRun:
    """
    Answer one request of a chat socket, from its acceptance to its last frame.

    Attributes:
        request_id: the client's name for it, unique on its socket.
        turn_id: the turn that it follows, once that is known.
        is_resume: the client asked for a turn that exists; where it has all of it, it is told `no-active`.
        skip: parts that the client has already; counted, and not sent again.
        message_bytes: size of the frame that asked, while its turn has not begun.
        is_aborted: the client asked to stop; also before the turn has begun.
        is_queued: it waits for its place in the session's queue, and does nothing when it is woken.
    """

    def __init__(
        self, request_id: str, socket: DirectSocket, outlet: RunOutlet, *, is_resume: bool, message_bytes: int
    ) -> None:
        self.request_id = request_id
        self.is_resume = is_resume
        self.skip = 0
        self.message_bytes = message_bytes
        self.turn_id: str | None = None
        self.is_aborted = False
        self.is_queued = False
        self._socket = socket
        self._outlet = outlet
        framer = ChunkFramer(request_id)
        self._frame: Callable[[int, str], bytes] = framer.frame
        self._frame_prefix = framer.prefix
        self._sequence = 0
        self._is_announced = False
        self._reader: TurnReader | None = None
        self._renderer: UiStreamRenderer | None = None

    async def follow(self, turns: TurnService, turn_id: str, *, owner: str, epoch: str | None = None) -> None:
        """
        Subscribe, and send what is there; what comes later is sent as it comes.

        Raises:
            UnknownTurn: there is no such turn for this owner.
            StoreError: the log can't be read, or has lost what `epoch` belonged to.
        """
        self._reader = await turns.subscribe(turn_id, owner=owner, wake=self._wake, epoch=epoch)
        status = self._reader.status
        self.message_bytes = 0
        self._renderer = UiStreamRenderer(to_opening(status))
        if status.state == "running" or not self.is_resume:
            self._announce()
        self._write(())
        self._wake()

    def go_on(self) -> None:
        """
        Take the next piece: called by the session, where this run was queued.
        """
        self.is_queued = False
        if self._reader is not None:
            self._reader.set_behind(False)
        # What was held back has been appended, and its wake may have queued this run again.
        if not self.is_queued:
            self._wake()

    def close(self) -> None:
        """
        Leave the turn, which runs on for its grace time. Closing twice does no harm.
        """
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.close()

    def _wake(self) -> None:
        reader = self._reader
        if reader is None or self.is_queued:
            return
        if self._socket.blocked:
            reader.set_behind(True)
            self._queue()
            return
        try:
            entries = reader.take(ENTRIES_AT_ONCE)
        except StoreError as error:
            self._outlet.refuse(self, error)
            return
        if entries:
            self._write(entries)
        if reader.ended:
            self._end(reader.status)
        elif len(entries) == ENTRIES_AT_ONCE:
            self._queue()

    def _queue(self) -> None:
        self.is_queued = True
        self._outlet.queue(self)

    def _write(self, entries: Sequence[LogEntry]) -> None:
        renderer = self._renderer
        assert renderer is not None
        if self._is_announced and self._sequence >= self.skip:
            frame = renderer.frame_delta(entries, self._frame_prefix, self._sequence)
            if frame is not None:
                self._sequence += 1
                self._socket.write_message(frame, binary=False)
                return
        self._write_parts(renderer.render(entries))

    def _write_parts(self, parts: Sequence[str]) -> None:
        frame, write, sequence = self._frame, self._socket.write_message, self._sequence
        for part in parts:
            if sequence >= self.skip:
                if not self._is_announced:
                    self._announce()
                write(frame(sequence, part), binary=False)
            sequence += 1
        self._sequence = sequence

    def _announce(self) -> None:
        if self._is_announced or self._reader is None:
            return
        self._is_announced = True
        status = self._reader.status
        start = encode_start(self.request_id, turn_id=status.turn_id, epoch=status.epoch)
        self._socket.write_message(start, binary=False)

    def _end(self, status: TurnStatus) -> None:
        if self._renderer is not None and self._renderer.terminal is not None:
            self._write_parts(self._renderer.close(to_closing(status)))
        if self._sequence < self.skip:
            error = PositionExpired(
                f"position {self.skip - 1} is not in the answer, which ends at {self._sequence - 1}"
            )
            self._outlet.refuse(self, error)
        elif self._is_announced:
            self._outlet.finish(self, encode_end(self.request_id))
        else:
            self._outlet.finish(self, encode_no_active(self.request_id))


def to_opening(status: TurnStatus) -> UiStreamOpening:
    """
    Say what the renderer needs to know of a turn.
    """
    opening = status.opening
    return UiStreamOpening(
        turn_id=opening.turn_id,
        model=opening.model,
        region=opening.region,
        whole=opening.whole,
        is_local=opening.is_local,
        message_id=opening.message_id,
    )


def to_closing(status: TurnStatus) -> UiStreamClosing:
    """
    Say what a finished turn took.
    """
    summary = status.summary
    if summary is None:
        return UiStreamClosing()
    return UiStreamClosing(
        usage=summary.usage, duration_ms=summary.duration_ms, ttft_ms=summary.ttft_ms, cost_usd=summary.cost_usd
    )


async def find_to_resume(
    turns: TurnService, chat_id: str, *, owner: str, grace_seconds: float, now: float
) -> TurnStatus | None:
    """
    Find the turn that a client of this chat means when it resumes; None where there is nothing for it.

    A running one, or one that ended within the grace time: its client may have been cut off before the end.
    """
    status = await turns.find_chat(chat_id, owner=owner)
    if status is None or status.state == "running":
        return status
    return status if now - (status.ended_at or 0.0) <= grace_seconds else None
